"""Gives back what was moved: a new row in the opposite direction, never a change of the old one.

A payment can be given back in parts, never more than was paid. Whoever refunds it has locked its row first and only
then counts what earlier refunds gave back or are about to: so each unit is given back once, by whatever id.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from balances.books import (
    ALL,
    ALLOW_OVERDRAFT,
    EFFECTS,
    INFLIGHT,
    QUEUED_PARENT,
    Book,
    Movement,
    Part,
    Sent,
    duplicates,
    posting_exceptions,
    row_of,
)
from balances.ground import LOCK_WAIT, LedgerError, Statement, amounts
from balances.models import Transaction, new_transaction_id, now
from balances.recording import commit, entries, writing

REFUNDABLE = Statement.beside(__file__, "refundable.sql")
LOCK_REFUNDABLE = Statement.beside(__file__, "lock_refundable.sql")
Status = Transaction.Status


@dataclass(frozen=True, kw_only=True)
class Refund:
    """What is asked: give back what was moved under an id, all that is left of it or a part, now or by a worker."""

    transaction_id: str
    part: Part = ALL
    queued: bool = True
    reference: str = ""
    """The client's own for the refund of one row, so that none is made twice; empty: the server numbers them."""
    description: str = ""
    meta_data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refundable:
    """A row that can be given back, unless it was already. ``refunded`` is what was, in minor units."""

    row: Transaction
    refunded: int
    number: int
    """Which refund of the row the next one is, from 1."""

    @property
    def reference(self) -> str:
        """Return the reference of the next refund: the contract's, and numbered ones after it."""
        return f"{self.row.pk}_refund" + (f"_{self.number}" if self.number > 1 else "")

    def units_of(self, part: Part) -> int:
        """Return what a refund gives back, in minor units. Raises what it refuses."""
        left = self.row.units - self.refunded
        if left <= 0:
            raise posting_exceptions.AlreadyRefunded(self.row.pk)
        precision = self.row.precision or 1
        units = part.units(precision)
        if units is None:
            return left
        if self.row.status == Status.VOID:
            raise posting_exceptions.ReleasedInPart(self.row.pk)
        if units > left:
            money = (amounts.plain(amounts.major_units(each, precision)) for each in (left, units))
            raise posting_exceptions.RefundExceeds(self.row.pk, *(f"{self.row.currency}{each}" for each in money))
        return units


def refund(asked: Refund) -> Transaction:
    """Give back every row under an id, or a part of the only one, newest first, and return the refund of the first.

    Overdraft is allowed, so a refund never fails for lack of funds. Rows that can be given back are, whatever becomes
    of the others. Raises ``NothingToRefund``, ``DuplicateReference``, ``ReferenceOfSeveral``, ``ProcessingFailed`` or
    ``BalanceLocked``.
    """
    rows, errors = writing.in_one_commit(lambda: _record(asked))
    if errors:
        raise posting_exceptions.together(errors)
    return rows[0]


def refundable(transaction_id: str) -> list[Refundable]:
    """Return what a refund of an id gives back, newest first."""
    return [
        Refundable(row_of(row), int(row["refunded"]), row["next_number"]) for row in REFUNDABLE.rows(id=transaction_id)
    ]


def refund_of(found: Refundable, asked: Refund) -> Movement:
    """Return the row that gives an original back: a released hold comes back as a hold.

    Raises what ``Refundable.units_of`` raises.
    """
    original, reference, units = found.row, asked.reference or found.reference, found.units_of(asked.part)
    is_whole = units == original.units
    amount = original.amount if is_whole else amounts.major_units(units, original.precision or 1)
    transaction_id, at = new_transaction_id(), now()
    is_hold = original.status == Status.VOID
    told = (original.meta_data or {}) | asked.meta_data
    kept = {key: value for key, value in told.items() if key != INFLIGHT}  # that is for the original's row to say
    added: dict[str, Any] = {ALLOW_OVERDRAFT: True}
    if is_hold:
        added[INFLIGHT] = True
    if asked.queued:
        status = Status.QUEUED
        added[QUEUED_PARENT] = transaction_id
    else:
        status = Status.INFLIGHT if is_hold else Status.APPLIED
    source, destination = str(original.destination_id), str(original.source_id)
    row = Transaction(
        transaction_id=transaction_id,
        parent_transaction=original.pk,
        reference=reference,
        amount=amount,
        precise_amount=units,
        precision=original.precision,
        currency=original.currency,
        description=asked.description or original.description,
        status=status,
        hash=amounts.transaction_hash(amount or Decimal(0), reference, original.currency or "", source, destination),
        created_at=at,
        effective_date=at,
        meta_data=kept | added,
    )
    return Movement(row, source, destination, EFFECTS[status], allow_overdraft=True, sent=Sent(not asked.queued))


def reversals(found: Sequence[Refundable], asked: Refund) -> tuple[list[Movement], list[LedgerError]]:
    """Return the rows that give back what was found, and why the others cannot be.

    Raises ``DuplicateReference`` or ``ReferenceOfSeveral`` for the reference of the request.
    """
    if asked.reference:
        _check_reference(found, asked)
    if asked.part != ALL and len(found) > 1:
        return [], [posting_exceptions.PartOfSeveral(asked.transaction_id, [each.row.pk for each in found])]
    movements: list[Movement] = []
    errors: list[LedgerError] = []
    for each in found:
        try:
            movements.append(refund_of(each, asked))
        except LedgerError as error:
            errors.append(error)
    return movements, errors


def _check_reference(found: Sequence[Refundable], asked: Refund) -> None:
    """Refuse a reference in use before anything else: a refund that is sent again is to be answered as such."""
    wanted = [asked.reference, f"{asked.reference}_q"] if asked.queued else [asked.reference]
    used = duplicates.find(wanted)
    for reference in wanted:
        if row := used.get(reference):
            error = posting_exceptions.DuplicateReference(reference)
            error.details = duplicates.describe(row, _sameness(found, asked, row))
            raise error
    if len(found) > 1:
        raise posting_exceptions.ReferenceOfSeveral(asked.transaction_id, [each.row.pk for each in found])


def _sameness(found: Sequence[Refundable], asked: Refund, used: dict[str, Any]) -> dict[str, bool]:
    """Return in what a row agrees with the refund that was asked for, had it not been made."""
    refundable = next((each for each in found if each.row.pk == used["parent_transaction"]), found[0])
    original = refundable.row
    is_refund_of_it = used["parent_transaction"] == original.pk
    left = original.units - refundable.refunded
    if is_refund_of_it and used["outcome"] != Status.REJECTED:
        left += int(used["units"])
    with suppress(LedgerError):  # an amount that is none is no earlier one either
        units = asked.part.units(original.precision or 1)
        return {
            "amount": used["units"] == (left if units is None else units),
            "currency": used["currency"] == original.currency,
            "destination": used["destination"] == original.source_id,
            "parent_transaction": is_refund_of_it,
            "source": used["source"] == original.destination_id,
        }
    return {"amount": False}


def _record(asked: Refund) -> tuple[list[Transaction], list[LedgerError]]:
    found = refundable(asked.transaction_id)
    if not found:
        raise posting_exceptions.NothingToRefund
    book = None if asked.queued else writing.lock([], others=_balance_ids(found))
    ids = [each.row.pk for each in found]
    locked = {row["transaction_id"] for row in LOCK_REFUNDABLE.rows(ids=ids, lock_wait=LOCK_WAIT)}
    found = refundable(asked.transaction_id)  # anew: only now nobody else can refund any of them
    movements, errors = reversals([each for each in found if each.row.pk in locked], asked)
    book = book or writing.look(movements)
    admitted = admit(book, movements, errors)
    if asked.reference and not admitted:
        _check_reference(found, asked)  # it was taken between our look and the book's
    if not admitted:
        return [], errors
    if asked.queued:
        writing.write([movement.row for movement in admitted], book)
        entries.add([_entry(movement) for movement in admitted])
    else:
        commit(admitted, book)
    return [movement.row for movement in admitted], errors


def _balance_ids(found: Sequence[Refundable]) -> set[str]:
    return {str(side) for each in found for side in (each.row.source_id, each.row.destination_id)}


def admit(book: Book, movements: Sequence[Movement], errors: list[LedgerError]) -> list[Movement]:
    """Return the movements that the book admits, and add to the errors why it refuses the others."""
    admitted = []
    for movement in movements:
        try:
            book.admit(movement)
            admitted.append(movement)
        except LedgerError as error:
            errors.append(error)
    return admitted


def _entry(movement: Movement) -> entries.Waiting:
    return entries.Waiting(
        action=entries.Action.APPLY,
        transaction_id=movement.row.pk,
        inflight=movement.row.meta_data.get(INFLIGHT) is True,
        allow_overdraft=True,
    )
