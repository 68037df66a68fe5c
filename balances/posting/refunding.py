"""Refunds: a new row in the opposite direction, never a change of the old one (docs/design/posting.md, "Refunds").

A payment can be refunded in parts, never beyond what was paid. A refund locks the row first, and only then counts what
earlier refunds gave back or will give back. So each unit is given back once, whatever id a refund names.
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
from balances.recording import beside, commit, entries, writing

REFUNDABLE = Statement.beside(__file__, "refundable.sql")
LOCK_REFUNDABLE = Statement.beside(__file__, "lock_refundable.sql")
Status = Transaction.Status


@dataclass(frozen=True, kw_only=True)
class Refund:
    """A request to give back what was moved under an id: all that is left or a part, at once or by a worker."""

    transaction_id: str
    part: Part = ALL
    queued: bool = True
    reference: str = ""
    """The client's own reference for a refund of one row, so that none is made twice; empty: numbered by the server."""
    description: str = ""
    meta_data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refundable:
    """A row that can be refunded. ``refunded`` is what refunds gave back so far, in minor units."""

    row: Transaction
    refunded: int
    number: int
    """Which refund of the row the next one is, from 1."""

    @property
    def reference(self) -> str:
        """Return the reference of the next refund: that of the contract for the first, then numbered ones."""
        return f"{self.row.pk}_refund" + (f"_{self.number}" if self.number > 1 else "")

    def units_of(self, part: Part) -> int:
        """Return what a refund gives back, in minor units.

        Raises ``AlreadyRefunded``, ``ReleasedInPart``, ``RefundExceeds``, or what ``Part.units`` raises.
        """
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


def refund(request: Refund) -> Transaction:
    """Refund every row under an id, newest first, or a part of the only one, and return the refund of the first.

    Overdraft is allowed, so a refund never fails for lack of funds. Rows that can be refunded are, even where others
    are refused. Raises ``NothingToRefund``, ``DuplicateReference``, ``ReferenceOfSeveral``, ``ProcessingFailed`` or
    ``BalanceLocked``.
    """
    rows, errors = writing.in_one_commit(lambda: _record(request))
    if errors:
        raise posting_exceptions.together(errors)
    return rows[0]


def refundable(transaction_id: str) -> list[Refundable]:
    """Return the rows that a refund of an id gives back, newest first."""
    return [
        Refundable(row_of(row), int(row["refunded"]), row["next_number"]) for row in REFUNDABLE.rows(id=transaction_id)
    ]


def refund_of(payment: Refundable, request: Refund) -> Movement:
    """Return the row that gives a payment back; a released hold comes back as a hold.

    Raises what ``Refundable.units_of`` raises.
    """
    original, units = payment.row, payment.units_of(request.part)
    reference = request.reference or payment.reference
    is_whole = units == original.units
    amount = original.amount if is_whole else amounts.major_units(units, original.precision or 1)
    transaction_id, at = new_transaction_id(), now()
    is_hold = original.status == Status.VOID
    merged = (original.meta_data or {}) | request.meta_data
    kept = {key: value for key, value in merged.items() if key != INFLIGHT}  # which describes the original row
    added: dict[str, Any] = {ALLOW_OVERDRAFT: True}
    if is_hold:
        added[INFLIGHT] = True
    if request.queued:
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
        description=request.description or original.description,
        status=status,
        hash=amounts.transaction_hash(amount or Decimal(0), reference, original.currency or "", source, destination),
        created_at=at,
        effective_date=at,
        meta_data=kept | added,
    )
    return Movement(row, source, destination, EFFECTS[status], allow_overdraft=True, sent=Sent(not request.queued))


def reversals(payments: Sequence[Refundable], request: Refund) -> tuple[list[Movement], list[LedgerError]]:
    """Return the rows that give payments back, and the refusals of those that cannot be given back.

    Raises ``DuplicateReference`` or ``ReferenceOfSeveral`` for the reference of the request.
    """
    if request.reference:
        _check_reference(payments, request)
    if request.part != ALL and len(payments) > 1:
        return [], [posting_exceptions.PartOfSeveral(request.transaction_id, [each.row.pk for each in payments])]
    movements: list[Movement] = []
    errors: list[LedgerError] = []
    for each in payments:
        try:
            movements.append(refund_of(each, request))
        except LedgerError as error:
            errors.append(error)
    return movements, errors


def _check_reference(payments: Sequence[Refundable], request: Refund) -> None:
    """Refuse a reference in use before anything else, so that a repeated refund is answered as such."""
    wanted = [request.reference, f"{request.reference}_q"] if request.queued else [request.reference]
    used = duplicates.find(wanted)
    for reference in wanted:
        if row := used.get(reference):
            error = posting_exceptions.DuplicateReference(reference)
            error.details = duplicates.describe(row, _sameness(payments, request, row))
            raise error
    if len(payments) > 1:
        raise posting_exceptions.ReferenceOfSeveral(request.transaction_id, [each.row.pk for each in payments])


def _sameness(payments: Sequence[Refundable], request: Refund, used: dict[str, Any]) -> dict[str, bool]:
    """Return in which fields a row agrees with the requested refund, as if the row had not been recorded."""
    refundable = next((each for each in payments if each.row.pk == used["parent_transaction"]), payments[0])
    original = refundable.row
    is_refund_of_it = used["parent_transaction"] == original.pk
    left = original.units - refundable.refunded
    if is_refund_of_it and used["outcome"] != Status.REJECTED:
        left += int(used["units"])
    with suppress(LedgerError):  # an invalid amount cannot be the earlier one either
        units = request.part.units(original.precision or 1)
        return {
            "amount": used["units"] == (left if units is None else units),
            "currency": used["currency"] == original.currency,
            "destination": used["destination"] == original.source_id,
            "parent_transaction": is_refund_of_it,
            "source": used["source"] == original.destination_id,
        }
    return {"amount": False}


def _record(request: Refund) -> tuple[list[Transaction], list[LedgerError]]:
    payments = refundable(request.transaction_id)
    if not payments:
        raise posting_exceptions.NothingToRefund
    book = None if request.queued else writing.lock([], others=_balance_ids(payments))
    ids = [each.row.pk for each in payments]
    locked = {row["transaction_id"] for row in LOCK_REFUNDABLE.rows(ids=ids, lock_wait=beside.limited(LOCK_WAIT))}
    payments = refundable(request.transaction_id)  # read again, now that no one else can refund any of them
    movements, errors = reversals([each for each in payments if each.row.pk in locked], request)
    book = book or writing.look(movements)
    admitted = admit(book, movements, errors)
    if request.reference and not admitted:
        _check_reference(payments, request)  # it was taken after the first check
    if not admitted:
        return [], errors
    if request.queued:
        writing.write([movement.row for movement in admitted], book)
        entries.add([_entry(movement) for movement in admitted])
    else:
        commit(admitted, book)
    return [movement.row for movement in admitted], errors


def _balance_ids(payments: Sequence[Refundable]) -> set[str]:
    return {str(side) for each in payments for side in (each.row.source_id, each.row.destination_id)}


def admit(book: Book, movements: Sequence[Movement], errors: list[LedgerError]) -> list[Movement]:
    """Return the movements that the book admits, and append the refusals of the others to ``errors``."""
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
