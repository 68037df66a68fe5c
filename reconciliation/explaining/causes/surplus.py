"""What is in the stored totals, but in no applied row, or in one only once."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank, rank_of
from reconciliation.explaining.drift import OTHER_SIDE, Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import Row, Status, mirrored

CAUSES = (
    Cause("counted_twice", "Counted twice", "A transaction is recorded once, but is in the stored totals twice."),
    Cause(
        "rejected_but_applied",
        "Rejected but applied",
        "A transaction was rejected, but its amount is in the stored totals.",
    ),
    Cause(
        "effect_without_row",
        "Effect without a row",
        "The stored totals moved for a transaction that was never recorded as applied.",
    ),
)


def propose(case: Case) -> Iterator[Explanation]:
    """Propose each row and hold that would account for what is too much."""
    for row in case.rows:
        if row.status in (Status.APPLIED, Status.INFLIGHT) and row.effect.fits(case.rest):
            yield _twice(case, row)
        if row.status == Status.REJECTED:
            yield from _applied_all_the_same(
                case, row, "rejected_but_applied", "was rejected", Rank.REJECTED_BUT_APPLIED
            )
        elif row.status == Status.QUEUED and not row.has_children:
            yield from _applied_all_the_same(
                case, row, "effect_without_row", "still waits in the queue", Rank.QUEUED_BUT_APPLIED
            )
    yield from _committed_without_row(case)
    yield from _moved_without_row(case)


def _twice(case: Case, row: Row) -> Explanation:
    side = next(iter(row.effect.sides))
    peer = case.peers.get(row.other or "", Drift())
    both = mirrored(row.effect).fits(peer)
    # On both, a row of the same amount between the two that is gone leaves the same numbers: never strong.
    certainty, rank = Certainty.LIKELY, Rank.TWICE_ON_BOTH if both else Rank.TWICE
    lags = case.lags_of(row, both=both)
    contradicted = bool(lags) and not any(lag < 0 for lag in lags)  # counting twice would have raised it twice
    unknown = row.units in case.odd or (not lags and case.imported)
    if contradicted or unknown or (side in OTHER_SIDE and case.elsewhere(row, side)):
        certainty, rank = Certainty.POSSIBLE, Rank.ROW_IN_DOUBT
    return Explanation(
        "counted_twice",
        f"{row.name} is in the stored {side.replace('_', ' ')} twice"
        + (", and on its other balance as well." if both else "."),
        row.effect,
        certainty,
        rows=(row.transaction_id,),
        evidence={"version_lag": case.lag, "counterparty": row.other, "counterparty_drift": peer.sides},
        rank=rank_of(rank, is_commit=row.is_commit),
        since=row.created_at,
    )


def _applied_all_the_same(case: Case, row: Row, cause: str, state: str, rank: Rank) -> Iterator[Explanation]:
    for side in (row.side, f"inflight_{row.side}"):
        drift = Drift.on(side, row.units)
        if drift.fits(case.rest):
            doubtful = case.imported or (side in OTHER_SIDE and case.elsewhere(row, side))
            certainty = Certainty.STRONG if case.lag is None or case.lag < 0 else Certainty.LIKELY
            yield Explanation(
                cause,
                f"{row.name} {state}, but its {row.units} are in the stored {side.replace('_', ' ')}.",
                drift,
                Certainty.POSSIBLE if doubtful else certainty,
                rows=(row.transaction_id,),
                evidence={"status": row.status, "version_lag": case.lag},
                rank=rank,
                since=row.created_at,
            )


def _committed_without_row(case: Case) -> Iterator[Explanation]:
    """Propose open holds that are settled in the totals, in whole or in part, but by no row."""
    for hold in case.holds:
        units = getattr(case.rest, hold.side)
        settled = Drift.on(hold.side, units) + Drift.on(f"inflight_{hold.side}", -units)
        if 0 < units <= hold.open_units and settled.fits(case.rest):
            exact = units in (hold.open_units, hold.units)
            yield Explanation(
                "effect_without_row",
                f"The totals include a commit of {units} on hold {hold.transaction_id} that no transaction records.",
                settled,
                Certainty.STRONG if exact else Certainty.LIKELY,
                rows=(hold.transaction_id,),
                evidence={"open": hold.open_units, "version_lag": case.lag},
                rank=Rank.COMMITTED_WITHOUT_ROW if exact else Rank.PART_COMMITTED_WITHOUT_ROW,
                since=hold.created_at,
            )
        gone = Drift.on(f"inflight_{hold.side}", -hold.open_units)
        alone = hold.open_units > 0 and not getattr(case.rest, hold.side)
        if alone and gone.fits(case.rest) and case.lag is not None and case.lag < 0:
            yield Explanation(
                "effect_without_row",
                f"The totals have released hold {hold.transaction_id}, but no transaction records that.",
                gone,
                Certainty.LIKELY,
                rows=(hold.transaction_id,),
                evidence={"open": hold.open_units, "version_lag": case.lag},
                rank=Rank.HOLD_RELEASED_WITHOUT_ROW,
                since=hold.created_at,
            )


def _moved_without_row(case: Case) -> Iterator[Explanation]:
    """Propose, as a hint, a movement to a balance with the same excess on its other side: no row proves it."""
    if case.gone_with:
        yield Explanation(
            "effect_without_row",
            f"This {case.shared_excess}: a transaction between them is gone, most likely deleted without a trace.",
            case.rest,
            Certainty.POSSIBLE,
            alternatives=len(case.gone_with) - 1,
            evidence={"balances": case.gone_with[:10], "counted_on_both": True},
            rank=Rank.GONE_ON_BOTH,
        )
        return
    for side, units in case.rest.sides.items():
        others = sorted(case.mirrors.get((side, units), ()))
        if units > 0 and others:
            yield Explanation(
                "effect_without_row",
                f"{units} moved between this balance and {' or '.join(others[:3])} in the stored totals of both, but "
                "no transaction records it: the row was never written, or is gone.",
                Drift.on(side, units),
                Certainty.POSSIBLE,
                alternatives=len(others) - 1,
                evidence={"balances": others[:10]},
                rank=Rank.MOVED_WITHOUT_ROW,
            )
