"""Faults of holds: released twice, not released, settled without a row."""

from __future__ import annotations

from datetime import timedelta

from balances.models import Transaction
from reconciliation.drill.damage import shift
from reconciliation.drill.faults import Fault, Places, end, units
from reconciliation.drill.ledger import Status


def _side(places: Places) -> str:
    return places.chance.choice(("debit", "credit"))


def _settled_by(places: Places, status: str, side: str) -> tuple[Transaction, Transaction] | None:
    """Draw a hold whose balance of a side is free, with a child of a status."""
    hold = places.draw(
        places.holds(),
        lambda hold: places.is_free(end(hold, side)) and any(c.status == status for c in places.children[hold.pk]),
    )
    if hold is None:
        return None
    return hold, places.chance.choice([child for child in places.children[hold.pk] if child.status == status])


def released_twice(places: Places) -> Fault | None:
    """Take a void, or a commit, off the inflight totals once more."""
    side, status = _side(places), places.chance.choice((Status.VOID, Status.APPLIED))
    found = _settled_by(places, status, side)
    if found is None:
        return None
    hold, child = found
    counted = 1 if status == Status.VOID else 0
    shift(end(hold, side), **{f"inflight_{side}": -units(child)}, version=counted)
    return Fault("hold_released_twice", f"{status} twice in {side}", places.use(end(hold, side)), (child.pk,))


def voided_twice(places: Places) -> Fault | None:
    """Write a second VOID of a hold, on whose totals the first one was enough."""
    found = places.draw(
        places.holds(),
        lambda hold: (
            places.is_free(end(hold, "debit"), end(hold, "credit"))
            and any(child.status == Status.VOID for child in places.children[hold.pk])
        ),
    )
    if found is None:
        return None
    first = next(child for child in places.children[found.pk] if child.status == Status.VOID)
    second = places.ledger.row(
        Status.VOID,
        end(found, "debit"),
        end(found, "credit"),
        units(first),
        first.created_at + timedelta(minutes=3),
        parent_transaction=found.pk,
    )
    ends = places.use(end(found, "debit"), end(found, "credit"))
    return Fault("hold_released_twice", "two VOID rows", ends, (found.pk, second.pk))


def not_released(places: Places) -> Fault | None:
    """Leave a void, or the inflight part of a commit, out of the totals."""
    side, status = _side(places), places.chance.choice((Status.VOID, Status.APPLIED))
    found = _settled_by(places, status, side)
    if found is None:
        return None
    hold, child = found
    shift(end(hold, side), **{f"inflight_{side}": units(child)}, version=-1 if status == Status.VOID else 0)
    return Fault("hold_not_released", f"{status} in {side}", places.use(end(hold, side)), (child.pk,))


def committed_without_row(places: Places) -> Fault | None:
    """Commit an open hold, or a part of it, in the totals of one balance only."""
    side = _side(places)
    hold = places.draw(
        places.holds(), lambda hold: places.is_free(end(hold, side)) and places.open_units(hold) == units(hold)
    )
    if hold is None:
        return None
    shift(end(hold, side), **{side: units(hold), f"inflight_{side}": -units(hold)}, version=1)
    return Fault("effect_without_row", f"commit in {side}", places.use(end(hold, side)), (hold.pk,))


def voided_without_row(places: Places) -> Fault | None:
    """Release an open hold in the totals of one balance only."""
    side = _side(places)
    hold = places.draw(places.holds(), lambda hold: places.is_free(end(hold, side)) and places.open_units(hold) > 0)
    if hold is None:
        return None
    shift(end(hold, side), **{f"inflight_{side}": -places.open_units(hold)}, version=1)
    return Fault("effect_without_row", f"void in {side}", places.use(end(hold, side)), (hold.pk,))
