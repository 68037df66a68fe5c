"""Settlements of a Blnk before 0.15 that had no effect, or took their amount out of other holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciliation.explaining.case import Case
from reconciliation.explaining.drift import Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import SilentSettlement

CAUSES = (
    Cause(
        "settlement_without_effect",
        "Settlement without effect",
        "Blnk before 0.15 did nothing where less was held than a commit or void was to settle, and recorded it as "
        "done. Its totals never had these rows; what was meant, a person has to find out.",
        blocks=True,
    ),
    Cause(
        "settled_from_other_holds",
        "Settled out of other holds",
        "A commit of a queued transaction that never became a hold took its amount out of what other transactions "
        "held. Those holds are short of it; what was meant, a person has to find out.",
        blocks=True,
    ),
)
NAMED = 20


def facts(case: Case) -> Iterator[Explanation]:
    """Yield what a replay of the holds of an adopted balance accounts for. The caller subtracts it.

    Where it does not account for all of the drift, it counts only if it leaves less than there was: rows that are gone
    or were changed would make a replay go wrong.
    """
    total = sum((_drift(each) for each in case.silent), Drift())
    rest = case.drift - total
    if not total or (rest and rest.gross >= case.drift.gross):
        return
    certainty = Certainty.STRONG if rest else Certainty.CERTAIN
    for explanation in (_without_effect(case), _from_other_holds(case)):
        if explanation:
            yield replace(explanation, certainty=certainty)


def _drift(settlement: SilentSettlement) -> Drift:
    """Return stored less measured of one row: what it did less what measuring takes it to have done."""
    side, held, units = settlement.side, f"inflight_{settlement.side}", settlement.units
    if settlement.is_void:
        return Drift.on(held, units)
    if settlement.had_effect:
        return Drift.on(held, -units)
    return Drift.on(side, -units) + (Drift.on(held, units) if settlement.settles else Drift())


def _without_effect(case: Case) -> Explanation | None:
    rows = [each for each in case.silent if not each.had_effect]
    if not rows:
        return None
    return _explanation(
        "settlement_without_effect",
        f"{_count(rows)} recorded as done, but Blnk let {_them(rows)} do nothing, because less was held than "
        f"{'they were' if len(rows) > 1 else 'it was'} to settle.",
        rows,
    )


def _from_other_holds(case: Case) -> Explanation | None:
    rows = [each for each in case.silent if each.had_effect]
    if not rows:
        return None
    return _explanation(
        "settled_from_other_holds",
        f"{_count(rows)} committed that never became a hold: Blnk took {_them(rows)} out of what other transactions "
        "held.",
        rows,
    )


def _count(rows: list[SilentSettlement]) -> str:
    return f"{rows[0].transaction_id} was" if len(rows) == 1 else f"{len(rows)} transactions were"


def _them(rows: list[SilentSettlement]) -> str:
    return "it" if len(rows) == 1 else "them"


def _explanation(cause: str, sentence: str, rows: list[SilentSettlement]) -> Explanation:
    return Explanation(
        cause,
        sentence,
        sum((_drift(each) for each in rows), Drift()),
        Certainty.CERTAIN,
        rows=tuple(dict.fromkeys(each.transaction_id for each in rows))[:NAMED],
        evidence={"settlements": len(rows), "units": sum(each.units for each in rows)},
        since=min(each.created_at for each in rows),
    )
