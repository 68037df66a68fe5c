"""Faults that leave no evidence. Any cause named for one of them is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection

from balances.models import Transaction
from reconciliation.drill.damage import forced, shift
from reconciliation.drill.faults import Fault, Places, end, riddle, units
from reconciliation.drill.ledger import COMMON, Status


def odd_amount(places: Places) -> Fault | None:
    """Move a total by an amount of no row."""
    wallet = places.wallet()
    if wallet is None:
        return None
    side = places.chance.choice(("credit", "debit", "inflight_credit", "inflight_debit"))
    shift(wallet, **{side: places.chance.randint(1, 10**7) * places.chance.choice((1, -1))})
    return riddle(f"odd amount in {side.replace('_', ' ')}", *places.use(wallet))


def round_amount(places: Places) -> Fault | None:
    """Move a total by an amount that rows have by chance.

    It is added where one of these rows has a neighbour: taken off, it would be a lost update, the same to the byte.
    """
    wallet = places.wallet()
    if wallet is None:
        return None
    side = places.chance.choice(("credit", "debit"))
    amount = units(places.chance.choice(places.by_balance[wallet]))
    alike = [row for row in places.by_balance[wallet] if units(row) == amount]
    crowded = any(places.neighbours(row, wallet) for row in alike)
    shift(wallet, **{side: amount * (1 if crowded else places.chance.choice((1, -1)))})
    return riddle("amount of a row by chance", *places.use(wallet))


def deleted_in_silence(places: Places) -> Fault | None:
    """Delete a row with the journal silenced."""
    row = places.applied("debit", lambda row: places.is_free(end(row, "credit")) and _stands_alone(places, row))
    if row is None:
        return None
    with silenced():
        rows = Transaction.objects.filter(pk=row.pk)
        rows._raw_delete(rows.db)
    return riddle("deleted without a trace", *places.use(end(row, "debit"), end(row, "credit")))


def edited_in_silence(places: Places) -> Fault | None:
    """Change the amount of a row with the journal silenced."""
    row = places.applied("debit", lambda row: places.is_free(end(row, "credit")))
    if row is None:
        return None
    with silenced():
        Transaction.objects.filter(pk=row.pk).update(precise_amount=units(row) + places.ledger.amount())
    return riddle("changed without a trace", *places.use(end(row, "debit"), end(row, "credit")))


def raised_in_silence(places: Places) -> Fault | None:
    """Raise the precise amount of a row by one minor unit with the journal silenced: it is no rounding."""
    row = places.applied("debit", lambda row: places.is_free(end(row, "credit")))
    if row is None:
        return None
    with silenced():
        Transaction.objects.filter(pk=row.pk).update(precise_amount=units(row) + 1)
    return riddle("raised by one without a trace", *places.use(end(row, "debit"), end(row, "credit")))


def two_alike_lost(places: Places) -> Fault | None:
    """Write over two rows of one amount, days apart: one of them with the wrong sign would leave the same."""
    wallet, ledger = places.wallet(), places.ledger
    if wallet is None:
        return None
    amount, hub = ledger.amount(), ledger.hubs[3]
    while 2 * amount in {*COMMON, *map(units, places.by_balance[wallet])}:
        amount = ledger.amount()  # else a row of that amount is a reading with evidence
    for number in range(2):
        when = ledger.began + timedelta(days=20 + 9 * number, microseconds=places.chance.randrange(86_400_000_000))
        ledger.row(Status.APPLIED, wallet, hub, amount, when)
        ledger.move(wallet, version=1)
        ledger.move(hub, credit=amount, version=1)
    return riddle("two of one amount lost", *places.use(wallet))


def _stands_alone(places: Places, row: Transaction) -> bool:
    """Return whether a row has neither parent nor children, which would give its loss away."""
    return not row.parent_transaction and not places.children[row.pk]


@contextmanager
def silenced() -> Iterator[None]:
    """Force changes with the journal of transactions switched off, as the owner of the table can."""
    _journal("DISABLE")
    try:
        with forced():
            yield
    finally:
        _journal("ENABLE ALWAYS")


def _journal(word: str) -> None:
    with connection.schema_editor() as editor:
        for trigger in ("forced_updates_are_journaled", "forced_deletes_are_journaled"):
            editor.execute(f"ALTER TABLE transactions {word} TRIGGER {trigger}")
