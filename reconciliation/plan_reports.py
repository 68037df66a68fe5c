"""Plans as commands report them: one row a balance, with before and after of every total."""

from __future__ import annotations

from typing import Any

from balances.models import TOTALS
from reconciliation.models import PlanItem
from reconciliation.reports import KEYS, Report

ITEMS = Report(
    fields=(
        *("plan_id", "balance_id", "indicator", "ledger_id", "currency"),
        *(f"{when}_{key}" for when in ("previous", "recalculated") for key in KEYS.values()),
        *("difference", "inflight_difference", "undoes", "rebooks", "outcome", "note", "record_id"),
    ),
    columns={
        "Balance": "name",
        "Currency": "currency",
        "Before": "previous_balance",
        "After": "recalculated_balance",
        "Difference": "difference",
        "Inflight difference": "inflight_difference",
        "Outcome": "outcome",
        "Note": "note",
    },
    numbers=frozenset({"Before", "After", "Difference", "Inflight difference"}),
)


def as_row(item: PlanItem) -> dict[str, Any]:
    """Return one item; amounts are texts of minor units."""
    names = ("plan_id", "balance_id", "indicator", "ledger_id", "currency", "undoes", "rebooks", "outcome", "note")
    row: dict[str, Any] = {name: getattr(item, name) for name in (*names, "record_id")}
    row["name"] = item.indicator or item.balance_id
    for when in ("previous", "recalculated"):
        row |= {f"{when}_{KEYS[total]}": str(getattr(item, f"{when}_{total}")) for total in TOTALS}
    row["difference"] = str(item.difference.balance)
    row["inflight_difference"] = str(item.difference.inflight_balance)
    return row
