"""Gives back what was moved: a new row in the opposite direction, never a change of the old one (transactions 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from balances import amounts, posting_exceptions, telling
from balances.exceptions import LedgerError
from balances.models import Transaction, new_transaction_id, now
from balances.posting import lineage, writing
from balances.posting.book import Book
from balances.posting.holds import row_of
from balances.posting.movements import ALLOW_OVERDRAFT, EFFECTS, INFLIGHT, QUEUED_PARENT, Movement, Sent
from balances.queueing import entries
from balances.queueing.models import Entry
from balances.statements import SQL, Statement

REFUNDABLE = Statement(SQL / "refundable.sql")
Status = Transaction.Status


@dataclass(frozen=True, kw_only=True)
class Refund:
    """What is asked: give back all that was moved under an id, now or by a worker."""

    transaction_id: str
    queued: bool = True
    description: str = ""
    meta_data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refundable:
    """A row that can be given back, unless it was already."""

    row: Transaction
    is_refunded: bool


def refund(asked: Refund) -> Transaction:
    """Give back every row under an id, newest first, and return the refund of the first.

    Overdraft is allowed, so a refund never fails for lack of funds. Rows that can be given back are, whatever becomes
    of the others. Raises ``NothingToRefund``, ``ProcessingFailed`` or ``BalanceLocked``.
    """
    rows, errors = writing.in_one_commit(lambda: _queue(asked) if asked.queued else _apply(asked))
    if errors:
        raise posting_exceptions.ProcessingFailed(errors)
    return rows[0]


def refundable(transaction_id: str) -> list[Refundable]:
    """Return what a refund of an id gives back, newest first."""
    return [Refundable(row_of(row), row["is_refunded"]) for row in REFUNDABLE.rows(id=transaction_id)]


def refund_of(original: Transaction, asked: Refund) -> Movement:
    """Return the row that gives an original back (transactions 8.3): a released hold comes back as a hold."""
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
    reference = f"{original.pk}_refund"
    row = Transaction(
        transaction_id=transaction_id,
        parent_transaction=original.pk,
        reference=reference,
        amount=original.amount,
        precise_amount=original.units,
        precision=original.precision,
        currency=original.currency,
        description=asked.description or original.description,
        status=status,
        hash=amounts.transaction_hash(
            original.amount or Decimal(0), reference, original.currency or "", source, destination
        ),
        created_at=at,
        effective_date=at,
        meta_data=kept | added,
    )
    return Movement(row, source, destination, EFFECTS[status], allow_overdraft=True, sent=Sent(not asked.queued))


def reversals(found: Sequence[Refundable], asked: Refund) -> tuple[list[Movement], list[LedgerError]]:
    """Return the rows that give back what was found, and a refusal for each that was given back before."""
    errors: list[LedgerError] = [posting_exceptions.AlreadyRefunded(each.row.pk) for each in found if each.is_refunded]
    return [refund_of(each.row, asked) for each in found if not each.is_refunded], errors


def _movements(asked: Refund) -> tuple[list[Movement], list[LedgerError]]:
    found = refundable(asked.transaction_id)
    if not found:
        raise posting_exceptions.NothingToRefund
    return reversals(found, asked)


def _apply(asked: Refund) -> tuple[list[Transaction], list[LedgerError]]:
    movements, errors = _movements(asked)
    book = writing.lock(movements)
    at = now()
    for movement in movements:  # the order of these instants is that of the locks
        movement.row.created_at = movement.row.effective_date = at
    admitted = admit(book, movements, errors)
    if admitted:
        lineage.note(admitted, book)
        writing.write([movement.row for movement in admitted], book)
        telling.tell(admitted, book)
    return [movement.row for movement in admitted], errors


def _queue(asked: Refund) -> tuple[list[Transaction], list[LedgerError]]:
    movements, errors = _movements(asked)
    book = writing.look(movements)
    admitted = admit(book, movements, errors)
    if admitted:
        writing.write([movement.row for movement in admitted], book)
        entries.add([_entry(movement) for movement in admitted])
    return [movement.row for movement in admitted], errors


def admit(book: Book, movements: Sequence[Movement], errors: list[LedgerError]) -> list[Movement]:
    """Return the movements that the book admits, and add to the errors why it refuses the others.

    A reference in use means that somebody refunded meanwhile.
    """
    admitted = []
    for movement in movements:
        try:
            book.admit(movement)
            admitted.append(movement)
        except posting_exceptions.DuplicateReference:
            errors.append(posting_exceptions.AlreadyRefunded(str(movement.row.parent_transaction)))
        except LedgerError as error:
            errors.append(error)
    return admitted


def _entry(movement: Movement) -> Entry:
    return Entry(
        action=Entry.Action.APPLY,
        transaction_id=movement.row.pk,
        inflight=movement.row.meta_data.get(INFLIGHT) is True,
        allow_overdraft=True,
    )
