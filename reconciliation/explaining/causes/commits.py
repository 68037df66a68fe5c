"""What the live proof saw: commits whose totals and rows do not agree. Certain, and exact to the commit.

What the edit journal says of the same change is kept, for it has more words; the commit is added to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from reconciliation.explaining.case import Case
from reconciliation.explaining.drift import SIDES, Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.models import Break

BROKEN_COMMIT = "broken_commit"
CAUSES = (
    Cause(
        BROKEN_COMMIT,
        "Commit that does not add up",
        "A commit moved the totals by another amount than its transactions, or wrote transactions without their effect "
        "on the totals. The live proof has the commit, its instant and its rows.",
    ),
)
CAUSE_OF = {
    Break.Kind.TOTAL_CHANGED: "edited_total",
    Break.Kind.ROW_CHANGED: "edited_row",
    Break.Kind.ROW_DELETED: "deleted_row",
    Break.Kind.BALANCE_BORN: "opening_not_booked",
}


def with_breaks(case: Case, found: Sequence[Explanation]) -> list[Explanation]:
    """Return what the edit journal knows, with the commits of the live proof, and what only those account for.

    The journal may have in one fact what several commits did. Nothing is counted twice: where it is not clear which is
    which, that counts which accounts for all of the drift.
    """
    breaks = [each for each in case.breaks if drift_of(each)]
    left, kept, apart = list(breaks), list[Explanation](), True
    for fact in found:
        seen = next((each for each in left if drift_of(each) == fact.drift), None)
        apart = apart and seen is not None
        if seen is None:
            kept.append(fact)
        else:
            left.remove(seen)
            kept.append(replace(fact, evidence=fact.evidence | {"commit": _commit(seen)}, since=seen.committed_at))
    both = [*kept, *map(_explained, left)]
    if apart or _sum(both) == case.drift:
        return both
    of_breaks = [_explained(each) for each in breaks]
    return of_breaks if _sum(of_breaks) == case.drift else kept


def _sum(explanations: Sequence[Explanation]) -> Drift:
    return sum((each.drift for each in explanations), Drift())


def drift_of(each: Break) -> Drift:
    """Return what a commit added to the drift of the balance."""
    return Drift(**{side: getattr(each, f"{side}_balance") for side in SIDES})


def _explained(each: Break) -> Explanation:
    return Explanation(
        CAUSE_OF.get(Break.Kind(each.kind), BROKEN_COMMIT),
        each.sentence,
        drift_of(each),
        Certainty.CERTAIN,
        rows=tuple(row["transaction_id"] for row in each.rows),
        evidence={"edited_at": each.committed_at.isoformat(), **each.author, "commit": _commit(each)},
        since=each.committed_at,
    )


def _commit(each: Break) -> dict[str, Any]:
    return {
        "break_id": each.break_id,
        "lsn": each.lsn,
        "xid": each.xid,
        "committed_at": each.committed_at.isoformat(),
        "kind": each.kind,
        "row_count": each.row_count,
        **({"details": each.details} if each.details else {}),
    }
