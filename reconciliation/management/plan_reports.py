"""Plans as commands report them: one row a balance, with before and after of every total."""

from __future__ import annotations

from typing import Any

from reconciliation.models import PlanItem
from reconciliation.records import KEYS, Report

ITEMS = Report(
    fields=(
        *("plan_id", "balance_id", "indicator", "ledger_id", "currency"),
        *(f"{when}_{key}" for when in ("previous", "recalculated", "after") for key in KEYS.values()),
        *("difference", "inflight_difference", "undoes", "rebooks", "outcome", "note", "record_id"),
    ),
    columns={
        "Balance": "name",
        "Currency": "currency",
        "Before": "previous_balance",
        "After": "after_balance",
        "Difference": "difference",
        "Inflight difference": "inflight_difference",
        "Outcome": "outcome",
        "Note": "note",
    },
    numbers=frozenset({"Before", "After", "Difference", "Inflight difference"}),
)


def as_row(item: PlanItem) -> dict[str, Any]:
    """Return one item; amounts are texts of minor units, nothing where a correction is taken back and none is known."""
    names = ("plan_id", "balance_id", "indicator", "ledger_id", "currency", "undoes", "rebooks", "outcome", "note")
    row: dict[str, Any] = {name: getattr(item, name) for name in (*names, "record_id")}
    row["name"] = item.indicator or item.balance_id
    for when, totals in (("previous", item.previous), ("recalculated", item.by_transactions), ("after", item.after)):
        row |= {f"{when}_{key}": None if totals is None else str(getattr(totals, total)) for total, key in KEYS.items()}
    row["difference"] = str(item.difference.balance)
    row["inflight_difference"] = str(item.difference.inflight_balance)
    return row
