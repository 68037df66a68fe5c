"""Rows whose effect the stored totals lack, and how that came about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank, rank_of
from reconciliation.explaining.drift import OTHER_SIDE, Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import Row, Status, mirrored

CAUSES = (
    Cause(
        "lost_update",
        "Lost update",
        "Two postings read the same totals and the second overwrote the first: one transaction is missing from the "
        "totals, although its posting was counted.",
    ),
    Cause(
        "half_applied",
        "Half-applied transaction",
        "A transaction reached one of its two balances and not the other: its writer stopped half-way, or its effect "
        "was overwritten.",
    ),
    Cause(
        "row_without_effect",
        "Transaction without effect",
        "A transaction is recorded, but the totals of both its balances lack it.",
    ),
    Cause(
        "duplicate_payment",
        "One payment recorded twice",
        "A retry recorded the same payment a second time; the totals have it once.",
    ),
)
RETRIED_WITHIN = timedelta(days=1)
RETRY = re.compile(r"[-_.:/ ]?(q|r|retry|dup|again|copy|attempt|v)?[-_.:/ ]?\d{0,3}")
"""What retries add to a reference."""


def propose(case: Case) -> Iterator[Explanation]:
    """Propose each row whose whole effect is what the totals lack."""
    for row in case.rows:
        if row.status not in (Status.APPLIED, Status.INFLIGHT) or not row.effect.times(-1).fits(case.rest):
            continue
        twin = _twin(case, row)
        if twin is not None and not _other_has_both(case, row):
            if _retry_of(row, twin):
                yield _duplicate(case, row, twin)
        else:
            yield _missing(case, row)


def _twin(case: Case, row: Row) -> Row | None:
    """Return the row that looks like the same payment sent before or after."""
    for other in case.rows:
        if (
            other.transaction_id != row.transaction_id
            and (other.side, other.other, other.units, other.status) == (row.side, row.other, row.units, row.status)
            and abs(other.created_at - row.created_at) <= RETRIED_WITHIN
            and (_retry_of(row, other) or _retry_of(other, row))
        ):
            return other
    return None


def _other_has_both(case: Case, row: Row) -> bool:
    """Return whether the totals of the other balance have the row and its twin: then they are two payments."""
    return row.other is not None and not (mirrored(row.effect).sides.keys() & case.peers.get(row.other, Drift()).sides)


def _retry_of(row: Row, first: Row) -> bool:
    """Return whether one reference is the other one followed by a mark of a retry."""
    added = row.reference.removeprefix(first.reference)
    return bool(first.reference) and added not in ("", row.reference) and RETRY.fullmatch(added.lower()) is not None


def _duplicate(case: Case, row: Row, first: Row) -> Explanation:
    return Explanation(
        "duplicate_payment",
        f"{row.name} and {first.transaction_id} ({first.reference}) look like one payment sent twice: "
        "both are recorded, the totals have it once.",
        row.effect.times(-1),
        Certainty.STRONG,
        rows=(row.transaction_id, first.transaction_id),
        evidence={"apart_seconds": f"{abs((row.created_at - first.created_at).total_seconds()):.3f}"},
        rank=rank_of(Rank.RECORDED_TWICE, is_commit=row.is_commit),
        since=row.created_at,
    )


def _missing(case: Case, row: Row) -> Explanation:
    found = _how_it_went_missing(case, row)
    side = next(iter(found.drift.sides))
    nowhere = found.cause == "row_without_effect"
    lags = case.lags_of(row, both=nowhere)
    not_counted = any(lag > 0 for lag in lags)  # a row that was changed leaves the version in step
    contradicted = bool(lags) and not not_counted and found.cause != "lost_update"
    # A row that both its balances lack to the unit needs no other witness.
    doubtful = not nowhere and (case.imported or (side in OTHER_SIDE and not not_counted and case.elsewhere(row, side)))
    if contradicted or doubtful or row.units in case.odd:
        return replace(found, certainty=Certainty.POSSIBLE, rank=rank_of(Rank.ROW_IN_DOUBT, is_commit=row.is_commit))
    return found


def _how_it_went_missing(case: Case, row: Row) -> Explanation:
    """Return how a row went missing here: counted by neither balance, overwritten, or never arrived.

    A posting that was overwritten had been counted in ``version``; one that never arrived had not. How near another
    row is proves nothing by itself: on a busy balance one is always near.
    """
    drift, there = row.effect.times(-1), mirrored(row.effect)
    peer = case.peers.get(row.other or "", Drift())
    here = next(iter(drift.sides)).replace("_", " ")
    evidence = {"version_lag": case.lag, "counterparty": row.other, "counterparty_drift": peer.sides}
    near, open_question = "", case.lag is None or any(getattr(peer, side) for side in there.sides)
    if overwriter := case.overwriters.get(row.transaction_id):
        milliseconds = round(overwriter.apart.total_seconds() * 1000)
        evidence |= {"neighbour": overwriter.transaction_id, "apart_ms": milliseconds}
        near = f"{overwriter.transaction_id}, posted {milliseconds} ms apart, overwrote it."
    if there.times(-1).fits(peer):
        cause, certainty, rank = "row_without_effect", Certainty.STRONG, Rank.ROW_WITHOUT_EFFECT
        sentence = f"{row.name} is recorded, but the totals of both its balances lack its {row.units}."
    elif near and case.lag is not None and case.lag <= 0:
        cause, certainty, rank = "lost_update", Certainty.LIKELY, Rank.LOST_UPDATE
        sentence = f"{row.name} was counted, but the stored {here} lacks its {row.units}: {near}"
    else:
        cause, rank = "half_applied", Rank.HALF_APPLIED
        certainty = Certainty.LIKELY if near or open_question else Certainty.STRONG
        sentence = f"{row.name} reached balance {row.other}, but the stored {here} here lacks its {row.units}: "
        sentence += f"it never arrived, or {near}" if near else "it never arrived."
    return Explanation(
        cause,
        sentence,
        drift,
        certainty,
        rows=(row.transaction_id,),
        evidence=evidence,
        rank=rank_of(rank, is_commit=row.is_commit),
        since=row.created_at,
    )
