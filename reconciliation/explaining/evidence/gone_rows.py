"""Finds rows that are gone without a trace, while both their balances still hold and counted them.

A transaction leaves the same amount on opposite sides of two balances of a currency, and each counts it in ``version``.
Where two balances have that without a row, the row was deleted with the journal disabled, or never written: following
the rows would take the money away. The same holds where one balance has what several others have together, or lost
every row that it had. A rejected row of that amount is excluded: it should not be in the totals. Outside a sweep, the
number of balances looked at is bounded (gone_partners.sql).
"""

from __future__ import annotations

from balances.ground import Statement
from reconciliation.explaining.case import Case
from reconciliation.explaining.drift import Drift
from reconciliation.explaining.evidence.history import open_cases
from reconciliation.explaining.observations import Status, mirrored
from reconciliation.measuring import measure

GONE_PARTNERS = Statement.beside(__file__, "gone_partners.sql")
MOST_PARTNERS = 1_000
"""The most balances of each kind that are looked at."""


def find_gone(cases: list[Case], sweep_id: str | None) -> None:
    """Add to each case the balances that share a movement with it that no row records any more.

    In a sweep, its findings give the balances that drift; elsewhere balances nearby are measured now.
    """
    suspects = [case for case in cases if case.counted_more and case.rest and not _rejected(case)]
    if not suspects:
        return
    sides = [(case.balance_id, side, units) for case in suspects for side, units in case.rest.sides.items()]
    ids, names, amounts = map(list, zip(*sides, strict=True))
    near = GONE_PARTNERS.rows(
        balance_ids=ids, sides=names, units=amounts, look_around=sweep_id is None, most=MOST_PARTNERS
    )
    known = {case.balance_id: case for case in cases}
    others = measure(sorted({row["balance_id"] for row in near} - known.keys()))
    drifting = open_cases([each for each in others if each.is_whole and each.has_drift and each.counted_more])
    ends = [case for case in (*cases, *drifting) if case.counted_more and case.rest]
    for case in suspects:
        case.gone_with = sorted(other.balance_id for other in ends if other is not case and _share(case, other))
    if len(ends) <= MOST_PARTNERS:
        _share_among_several(suspects, ends)


def _rejected(case: Case) -> bool:
    """Return whether a rejected row accounts for the drift."""
    return any(row.status == Status.REJECTED and row.units in case.rest.sides.values() for row in case.rows)


def _share(case: Case, other: Case) -> bool:
    """Return whether two balances of a currency are off by the same amount on opposite sides."""
    if case.measurement.currency != other.measurement.currency:
        return False
    if mirrored(case.rest).fits(other.rest) or mirrored(other.rest).fits(case.rest):
        return True
    return any(one.measurement.is_empty and _within(two, one) for one, two in ((case, other), (other, case)))


def _within(part: Case, whole: Case) -> bool:
    """Return whether one balance has an excess on each side, at most that of another one on opposite sides."""
    if part.measurement.currency != whole.measurement.currency:
        return False
    return all(0 < units <= getattr(whole.rest, side) for side, units in mirrored(part.rest).sides.items())


def _share_among_several(suspects: list[Case], ends: list[Case]) -> None:
    """Add what one balance shares with several others that together have exactly its excess."""
    for whole in ends:
        parts = [each for each in ends if each is not whole and _within(each, whole)]
        if len(parts) > 1 and sum((mirrored(each.rest) for each in parts), Drift()) == whole.rest:
            for one, others in ((whole, parts), *((part, [whole]) for part in parts)):
                if one in suspects:
                    one.gone_with = sorted({*one.gone_with, *(each.balance_id for each in others)})
