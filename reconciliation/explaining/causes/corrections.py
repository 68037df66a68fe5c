"""The rebuild itself: a correction that another writer overwrote."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.explaining.causes.drift import Drift
from reconciliation.explaining.causes.model import Case, Cause, Certainty, Explanation
from reconciliation.explaining.causes.ranking import Rank

CAUSES = (
    Cause(
        "rebuild_overwritten",
        "Correction overwritten",
        "The same drift was corrected before. A writer that had read the totals earlier then wrote its absolute "
        "values over the correction.",
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose that a drift which was corrected is back, to the unit, on every side."""
    for record in case.corrected:
        if Drift.of(record.recalculated, record.previous) == case.rest:
            first = case.after.get(record.reconstruction_id)
            after = f", most likely that of {first}" if first else ""
            yield Explanation(
                "rebuild_overwritten",
                f"This drift is back after the correction of {record.executed_at:%Y-%m-%d %H:%M:%S} UTC: "
                f"a posting that had read the totals before it wrote over it{after}.",
                case.rest,
                Certainty.STRONG,
                rows=(first,) if first else (),
                evidence={"record": record.reconstruction_id, "corrected_at": record.executed_at.isoformat()},
                rank=Rank.CORRECTION_OVERWRITTEN,
                since=record.executed_at,
            )
            return
