"""The report of ``manage.py reconstruct``."""

from __future__ import annotations

from reconciliation.correcting import Rebuilt
from reconciliation.records import KEYS, Report

MEASURED = Report(
    fields=(
        "balance_id",
        "indicator",
        "ledger_id",
        "currency",
        *(f"{when}_{key}" for when in ("previous", "recalculated") for key in KEYS.values()),
        "difference",
        "inflight_difference",
        "outcome",
        "why_not",
    ),
    columns={
        "Balance": "name",
        "Currency": "currency",
        "Stored": "previous_balance",
        "Recalculated": "recalculated_balance",
        "Difference": "difference",
        "Inflight difference": "inflight_difference",
        "Outcome": "outcome",
        "Why not": "why_not",
    },
    numbers=frozenset({"Stored", "Recalculated", "Difference", "Inflight difference"}),
    in_table=lambda row: row["outcome"] != "no_drift",
)
"""The report of a reconstruction: one row a balance."""


def as_row(rebuilt: Rebuilt) -> dict[str, str | None]:
    """Return the row of one balance; amounts are texts of minor units."""
    measured = rebuilt.measurement
    row: dict[str, str | None] = {
        "balance_id": measured.balance_id,
        "indicator": measured.indicator,
        "name": measured.indicator or measured.balance_id,
        "ledger_id": measured.ledger_id,
        "currency": measured.currency,
    }
    for when, totals in (("previous", measured.stored), ("recalculated", measured.recalculated)):
        row |= {f"{when}_{key}": str(getattr(totals, total)) for total, key in KEYS.items()}
    row["difference"] = str(measured.difference.balance)
    row["inflight_difference"] = str(measured.difference.inflight_balance)
    row["outcome"], row["why_not"] = rebuilt.outcome, rebuilt.why_not
    return row
