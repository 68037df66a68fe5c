"""Findings of a run as JSON, CSV or a table, written as they come in, so that memory stays flat."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from balances.exact_json import dumps
from reconciliation.runs import Finding

KEYS = {"credit_balance": "credit", "debit_balance": "debit", "balance": "balance"} | {
    "inflight_credit_balance": "inflight_credit",
    "inflight_debit_balance": "inflight_debit",
    "inflight_balance": "inflight_balance",
}
"""How a report calls each total, as the metadata result does (ledgers-balances 6.3)."""


FIELDS = (
    "balance_id",
    "indicator",
    "ledger_id",
    "currency",
    *(f"{when}_{key}" for when in ("previous", "recalculated") for key in KEYS.values()),
    "difference",
    "inflight_difference",
    "outcome",
)
"""The fields of a finding, in order."""


def as_row(finding: Finding) -> dict[str, str | None]:
    """Return one finding; amounts are texts of minor units."""
    measured = finding.measurement
    row: dict[str, str | None] = {
        "balance_id": measured.balance_id,
        "indicator": measured.indicator,
        "ledger_id": measured.ledger_id,
        "currency": measured.currency,
    }
    for when, totals in (("previous", measured.stored), ("recalculated", measured.recalculated)):
        row |= {f"{when}_{key}": str(getattr(totals, total)) for total, key in KEYS.items()}
    row["difference"] = str(measured.difference.balance)
    row["inflight_difference"] = str(measured.difference.inflight_balance)
    row["outcome"] = finding.outcome
    return row


def write_json(findings: Iterable[Finding], out: TextIO) -> None:
    """Write an array, one finding a line."""
    separator = "[\n"
    for finding in findings:
        out.write(separator + dumps(as_row(finding)))
        separator = ",\n"
    out.write("\n]\n" if separator == ",\n" else "[]\n")


def write_csv(findings: Iterable[Finding], out: TextIO) -> None:
    """Write a header and one finding a line."""
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for finding in findings:
        writer.writerow(as_row(finding))


SHOWN = ("currency", "previous_balance", "recalculated_balance", "difference", "inflight_difference", "outcome")


def _plain(cell: str | None) -> Text:
    """Return a cell as it is: no markup is read in it, and nothing in it can steer the terminal."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in cell or ""))


def write_table(findings: Iterable[Finding], out: TextIO) -> None:
    """Write the balances that drifted, for people: stored, recalculated, difference."""
    table = Table("Balance", "Currency", header_style="bold")
    for title in ("Stored", "Recalculated", "Difference", "Inflight difference"):
        table.add_column(title, justify="right")
    table.add_column("Outcome")
    for finding in findings:
        if not finding.measurement.has_drift:
            continue
        row = as_row(finding)
        cells = (row["indicator"] or row["balance_id"], *(row[field] for field in SHOWN))
        table.add_row(*(_plain(cell) for cell in cells))
    if table.row_count:
        Console(file=out, width=None if out.isatty() else 160).print(table)


WRITERS: dict[str, Callable[[Iterable[Finding], TextIO], None]] = {
    "table": write_table,
    "json": write_json,
    "csv": write_csv,
}
