"""Faults of buggy writers: totals that lack a row, have one twice, or have it with the wrong number."""

from __future__ import annotations

from datetime import timedelta

from balances.models import Transaction
from reconciliation.drill.damage import shift
from reconciliation.drill.faults import Fault, Places, end, units
from reconciliation.drill.ledger import SECOND, Status


def lost_update(places: Places) -> Fault | None:
    """Let one of two postings of the same moment be written over by the other; both were counted."""
    side = places.chance.choice(("debit", "credit"))
    row = places.applied(side, lambda row: bool(places.overwriters(row, end(row, side))))
    if row is None:
        return None
    balance = end(row, side)
    shift(balance, **{side: -units(row)})
    return Fault("lost_update", side, places.use(balance), (row.pk,))


def two_lost_updates(places: Places) -> Fault | None:
    """Let two postings in a row of one moment be missing together."""
    row = places.applied("debit", lambda row: len(_after(places, row)) == 1)
    if row is None:
        return None
    balance, second = end(row, "debit"), _after(places, row)[0]
    shift(balance, debit=-units(row) - units(second), version=-2)
    return Fault("lost_update", "two together", places.use(balance), (row.pk, second.pk))


def _after(places: Places, row: Transaction) -> list[Transaction]:
    """Return the next debit of the same balance, if it came within the same second."""
    balance = end(row, "debit")
    debits = sorted(
        (each for each in places.by_balance[balance] if end(each, "debit") == balance), key=lambda each: each.created_at
    )
    after = debits[debits.index(row) + 1 :][:1]
    return [each for each in after if each.created_at - row.created_at <= SECOND]


def half_applied(places: Places) -> Fault | None:
    """Let a row reach one of its balances only; others may have been written in the same moment, or not."""
    side, crowded = places.chance.choice(("debit", "credit")), places.chance.random() < 0.5
    row = places.applied(side, lambda row: bool(places.neighbours(row, end(row, side))) == crowded)
    if row is None:
        return None
    balance = end(row, side)
    shift(balance, **{side: -units(row)}, version=-1)
    beside = "beside another row" if crowded else "alone"
    return Fault("half_applied", f"{side} missing, {beside}", places.use(balance), (row.pk,))


def half_committed(places: Places) -> Fault | None:
    """Let a commit reach one of its balances only: applied and inflight side lack it."""
    side = places.chance.choice(("debit", "credit"))
    row = places.draw(
        places.ledger.rows,
        lambda row: row.status == Status.APPLIED and places.is_commit(row) and places.is_free(end(row, side)),
    )
    if row is None:
        return None
    balance = end(row, side)
    shift(balance, **{side: -units(row), f"inflight_{side}": units(row)}, version=-1)
    return Fault("half_applied", f"commit, {side} missing", places.use(balance), (row.pk,))


def row_without_effect(places: Places) -> Fault | None:
    """Write a row that moves neither of its balances."""
    first, second = places.two_wallets()
    status = places.chance.choice((Status.APPLIED, Status.APPLIED, Status.INFLIGHT))
    row = places.ledger.row(status, first, second, places.ledger.amount(), places.ledger.instant())
    return Fault("row_without_effect", str(status).lower(), places.use(first, second), (row.pk,))


def duplicate_payment(places: Places) -> Fault | None:
    """Write a retry of a payment that moves nothing, for its effect is there already."""
    row = places.applied("debit", lambda row: places.is_free(end(row, "credit")) and not row.parent_transaction)
    if row is None:
        return None
    mark = places.chance.choice(("-retry", "_q", "-2", "-dup", "_retry1"))
    later = row.created_at + timedelta(seconds=places.chance.randint(2, 600))
    first, second = end(row, "debit"), end(row, "credit")
    retry = places.ledger.row(Status.APPLIED, first, second, units(row), later, reference=f"{row.reference}{mark}")
    return Fault("duplicate_payment", f"reference with {mark}", places.use(first, second), (retry.pk,))


def counted_twice(places: Places) -> Fault | None:
    """Add a row to one of its balances once more."""
    side = places.chance.choice(("debit", "credit"))
    row = places.applied(side)
    if row is None:
        return None
    balance = end(row, side)
    shift(balance, **{side: units(row)}, version=1)
    return Fault("counted_twice", side, places.use(balance), (row.pk,))


def counted_twice_on_both(places: Places) -> Fault | None:
    """Add a row to both its balances once more."""
    row = places.applied("debit", lambda row: places.is_free(end(row, "credit")))
    if row is None:
        return None
    first, second = end(row, "debit"), end(row, "credit")
    shift(first, debit=units(row), version=1)
    shift(second, credit=units(row), version=1)
    return Fault("counted_twice", "both sides", places.use(first, second), (row.pk,))


def rejected_but_applied(places: Places) -> Fault | None:
    """Let a rejected row move one of its balances, or both."""
    both = places.chance.random() < 0.5
    row = places.draw(
        places.ledger.rows,
        lambda row: (
            row.status == Status.REJECTED
            and places.is_free(end(row, "debit"))
            and (not both or places.is_free(end(row, "credit")))
        ),
    )
    if row is None:
        return None
    for side in ("debit", "credit") if both else ("debit",):
        shift(end(row, side), **{side: units(row)}, version=1)
    ends = (end(row, "debit"), end(row, "credit")) if both else (end(row, "debit"),)
    return Fault("rejected_but_applied", "both sides" if both else "debit", places.use(*ends), (row.pk,))


def queued_but_applied(places: Places) -> Fault | None:
    """Let a row that still waits in the queue move one of its balances."""
    side = places.chance.choice(("debit", "credit"))
    row = places.draw(
        places.ledger.rows,
        lambda row: row.status == Status.QUEUED and not places.children[row.pk] and places.is_free(end(row, side)),
    )
    if row is None:
        return None
    shift(end(row, side), **{side: units(row)}, version=1)
    return Fault("effect_without_row", f"queued, {side}", places.use(end(row, side)), (row.pk,))


def wrong_side(places: Places) -> Fault | None:
    """Enter a row on the other side of a balance."""
    side = places.chance.choice(("debit", "credit"))
    row = places.applied(side)
    if row is None:
        return None
    other = "credit" if side == "debit" else "debit"
    shift(end(row, side), **{side: -units(row), other: units(row)})
    return Fault("wrong_sign", f"{side} as {other}", places.use(end(row, side)), (row.pk,))


def wrong_sign(places: Places) -> Fault | None:
    """Take a row off instead of adding it."""
    side = places.chance.choice(("debit", "credit"))
    row = places.applied(side)
    if row is None:
        return None
    shift(end(row, side), **{side: -2 * units(row)})
    return Fault("wrong_sign", f"{side} taken off", places.use(end(row, side)), (row.pk,))


def scaled_once_more(places: Places) -> Fault | None:
    """Multiply a row by its precision once more."""
    row = places.applied("credit")
    if row is None:
        return None
    shift(end(row, "credit"), credit=99 * units(row))
    return Fault("precision_factor", "row too large", places.use(end(row, "credit")), (row.pk,))


def not_scaled(places: Places) -> Fault | None:
    """Forget the precision of a row."""
    row = places.applied("debit", lambda row: not units(row) % 100)
    if row is None:
        return None
    shift(end(row, "debit"), debit=units(row) // 100 - units(row))
    return Fault("precision_factor", "row too small", places.use(end(row, "debit")), (row.pk,))
