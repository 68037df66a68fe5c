"""Plans as commands report them: one row a balance, with before and after of every total."""

from __future__ import annotations

from typing import Any

from reconciliation.models import PlanItem
from reconciliation.records import COLUMNS, NUMBERS, WHOSE, Report, compared, figures

ABOUT = ("plan_id", "undoes", "rebooks", "outcome", "note", "record_id")
SHOWN = {name: COLUMNS[name] for name in ("Difference", "Inflight difference")}
ITEMS = Report(
    fields=("plan_id", *WHOSE, *figures("previous", "recalculated", "after"), *ABOUT[1:]),
    columns={"Balance": "name", "Currency": "currency", "Before": "previous_balance", "After": "after_balance"}
    | SHOWN
    | {"Outcome": "outcome", "Note": "note"},
    numbers=NUMBERS,
)


def as_row(item: PlanItem) -> dict[str, Any]:
    """Return one item; amounts are texts of minor units, nothing where a correction is taken back and none is known."""
    totals = {"previous": item.previous, "recalculated": item.by_transactions, "after": item.after}
    return compared(item, **totals) | {name: getattr(item, name) for name in ABOUT}
