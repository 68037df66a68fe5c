"""Corrections that another writer overwrote."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.drift import Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation

CAUSES = (
    Cause(
        "rebuild_overwritten",
        "Correction overwritten",
        "This drift was corrected before. A writer that had read the totals earlier then overwrote the correction "
        "with its own values.",
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose that a drift which was corrected is back, exactly and on every side."""
    for record in case.corrected:
        if Drift.of(record.recalculated, record.previous) == case.rest:
            first = case.after.get(record.reconstruction_id)
            after = f", most likely {first}" if first else ""
            yield Explanation(
                "rebuild_overwritten",
                f"This drift was corrected on {record.executed_at:%Y-%m-%d %H:%M:%S} UTC and is back: a posting that "
                f"had read the totals before then overwrote the correction{after}.",
                case.rest,
                Certainty.STRONG,
                rows=(first,) if first else (),
                evidence={"record": record.reconstruction_id, "corrected_at": record.executed_at.isoformat()},
                rank=Rank.CORRECTION_OVERWRITTEN,
                since=record.executed_at,
            )
            return
