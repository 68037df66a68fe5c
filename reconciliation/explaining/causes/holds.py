"""Holds that were released twice, never released, or settled for more than they held."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.drift import Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import Hold

CAUSES = (
    Cause(
        "hold_released_twice",
        "Hold released twice",
        "A hold was released, or committed, twice: in the totals, or by two transactions where one was enough.",
    ),
    Cause(
        "hold_not_released",
        "Hold not released",
        "A hold was voided or committed, but its amount is still in the inflight totals.",
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose each hold whose settlement would account for what is off in the inflight totals."""
    for hold in case.holds:
        side = f"inflight_{hold.side}"
        units = getattr(case.rest, side)
        if not units:
            continue
        if hold.open_units < 0 and units == -hold.open_units:
            yield _settled_twice_in_rows(hold, Drift.on(side, units))
            continue
        alone = not getattr(case.rest, hold.side)
        for child, settled in hold.voids:
            if units == -settled:
                yield _released_twice(case, hold, child, Drift.on(side, units), "void")
            elif units == settled:
                yield _not_released(case, hold, child, Drift.on(side, units), "void")
        for child, settled in hold.commits:
            if units == -settled and alone:
                yield _released_twice(case, hold, child, Drift.on(side, units), "commit")
            elif units == settled and alone:
                yield _not_released(case, hold, child, Drift.on(side, units), "commit")


def _evidence(case: Case, hold: Hold) -> dict[str, object]:
    return {
        "hold": hold.transaction_id,
        "held": hold.units,
        "commits": [{"transaction": child, "units": units} for child, units in hold.commits],
        "voids": [{"transaction": child, "units": units} for child, units in hold.voids],
        "version_lag": case.lag,
    }


def _settled_twice_in_rows(hold: Hold, drift: Drift) -> Explanation:
    children = tuple(child for child, _ in hold.voids + hold.commits)
    what = f"{len(hold.voids)} VOID children" if len(hold.voids) > 1 else "children"
    return Explanation(
        "hold_released_twice",
        f"Hold {hold.transaction_id} has {what} that settle {-hold.open_units} more than the {hold.units} it held; "
        "the totals released it once.",
        drift,
        Certainty.STRONG,
        rows=(hold.transaction_id, *children),
        evidence={"held": hold.units, "children": list(children)},
        rank=Rank.HOLD_SETTLED_TWICE_IN_ROWS,
        since=hold.created_at,
    )


def _released_twice(case: Case, hold: Hold, child: str, drift: Drift, how: str) -> Explanation:
    lag = case.lag or 0
    contradicted = lag > 0  # then an update is missing, not one too many
    one_more = how == "commit" and lag < 0  # rather the rest was released without a row
    rank = Rank.COMMIT_RELEASED_TWICE if one_more else Rank.HOLD_RELEASED_TWICE
    return Explanation(
        "hold_released_twice",
        f"The {how} {child} of hold {hold.transaction_id} was subtracted from the inflight totals twice.",
        drift,
        # Where no update was counted once more, an edit of the same amount leaves the same numbers.
        Certainty.POSSIBLE if contradicted else Certainty.STRONG if lag < 0 else Certainty.LIKELY,
        rows=(hold.transaction_id, child),
        evidence=_evidence(case, hold),
        rank=Rank.HOLD_IN_DOUBT if contradicted else rank,
        since=hold.created_at,
    )


def _not_released(case: Case, hold: Hold, child: str, drift: Drift, how: str) -> Explanation:
    lag = case.lag or 0
    contradicted = lag < 0  # then something was added once more
    return Explanation(
        "hold_not_released",
        f"The {how} {child} of hold {hold.transaction_id} is recorded, but the totals still hold its amount.",
        drift,
        Certainty.POSSIBLE if contradicted else Certainty.STRONG if lag > 0 else Certainty.LIKELY,
        rows=(hold.transaction_id, child),
        evidence=_evidence(case, hold),
        rank=Rank.HOLD_IN_DOUBT if contradicted else Rank.HOLD_NOT_RELEASED,
        since=hold.created_at,
    )
