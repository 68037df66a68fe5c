"""Reports as JSON, CSV or a table, written row by row as they come in, so that memory stays flat."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from balances.ground import dumps

FORMATS = ("csv", "json", "table")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """What a command reports: the fields of a row in order, and what people see of it in a table."""

    fields: tuple[str, ...]
    columns: Mapping[str, str]
    """The field shown under each title."""
    numbers: frozenset[str] = frozenset()
    """Titles of columns that are set flush right."""
    in_table: Callable[[Row], bool] = lambda row: True
    """Which rows a table shows; JSON and CSV hold them all."""

    def write(self, form: str, rows: Iterable[Row], out: TextIO) -> None:
        """Write the rows in one of ``FORMATS``."""
        {"csv": self._csv, "json": self._json, "table": self._table}[form](rows, out)

    def _json(self, rows: Iterable[Row], out: TextIO) -> None:
        separator = "[\n"
        for row in rows:
            out.write(separator + dumps({field: row[field] for field in self.fields}))
            separator = ",\n"
        out.write("\n]\n" if separator == ",\n" else "[]\n")

    def _csv(self, rows: Iterable[Row], out: TextIO) -> None:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.fields)
        for row in rows:
            writer.writerow(_flat(row[field]) for field in self.fields)

    def _table(self, rows: Iterable[Row], out: TextIO) -> None:
        from rich.console import Console  # here, because few processes print a table
        from rich.table import Table
        from rich.text import Text

        table = Table(header_style="bold")
        for title in self.columns:
            table.add_column(title, justify="right" if title in self.numbers else "left")
        for row in rows:
            if self.in_table(row):
                table.add_row(*(Text(_plain(row[field])) for field in self.columns.values()))
        if table.row_count:
            Console(file=out, width=None if out.isatty() else 160).print(table)


def opened(path: Path | None, stdout: Any) -> AbstractContextManager[TextIO]:
    """Return where a report goes: a file that ``--output`` named, or the command's stdout. Raises ``OSError``."""
    return nullcontext(stdout) if path is None else path.open("w", encoding="utf-8", newline="")


FORMULA = re.compile(r"[=+\-@\t\n＝＋－＠]")
"""How a cell begins that a spreadsheet would compute."""
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


def _flat(value: Any) -> Any:
    """Return what a cell of CSV holds: lists and objects as JSON, nothing for nothing.

    A text that a spreadsheet would take for a formula, such as ``@shop`` or ``=1+1``, gets an apostrophe in front,
    which makes it text there; a negative number stays one.
    """
    if isinstance(value, (list, dict)):
        return dumps(value)
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace(
        "\r", "\n"
    )  # the writer puts no quotes around a bare CR, which ends a row
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def _plain(value: Any) -> str:
    """Return a cell as it is: no markup is read in it, and nothing in it can steer the terminal."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


KEYS = {"credit_balance": "credit", "debit_balance": "debit", "balance": "balance"} | {
    "inflight_credit_balance": "inflight_credit",
    "inflight_debit_balance": "inflight_debit",
    "inflight_balance": "inflight_balance",
}
"""The name of each total in a report: the same as in the result that is left in the metadata."""
WHOSE = ("balance_id", "indicator", "ledger_id", "currency")
COLUMNS = {
    "Balance": "name",
    "Currency": "currency",
    "Stored": "previous_balance",
    "Recalculated": "recalculated_balance",
    "Difference": "difference",
    "Inflight difference": "inflight_difference",
}
"""What a table shows of a balance that was measured."""
NUMBERS = frozenset({"Stored", "Recalculated", "Before", "After", "Difference", "Inflight difference"})


def figures(*whens: str) -> tuple[str, ...]:
    """Return the fields of totals at several times, and of the difference."""
    return (*(f"{when}_{key}" for when in whens for key in KEYS.values()), "difference", "inflight_difference")


def compared(of: Any, **totals: Any) -> dict[str, Any]:
    """Return the fields of a balance and its totals; amounts are texts of minor units, nothing where none is known."""
    row = {name: getattr(of, name) for name in WHOSE} | {"name": of.indicator or of.balance_id}
    for when, each in totals.items():
        row |= {f"{when}_{key}": None if each is None else str(getattr(each, total)) for total, key in KEYS.items()}
    return row | {"difference": str(of.difference.balance), "inflight_difference": str(of.difference.inflight_balance)}
