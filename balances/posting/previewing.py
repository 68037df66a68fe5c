"""Dry runs of postings, batches and refunds: what the real call would decide, with nothing written.

They use the same rows and books as the real calls, so they decide alike; but they lock nothing, and what others do
between a preview and the real call may change the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from balances.books import (
    INFLIGHT,
    WAITING,
    Book,
    BulkPreview,
    Effect,
    Leg,
    Movement,
    Place,
    Posting,
    Preview,
    Projection,
    Projections,
    Rejection,
    leg_of,
    posting_exceptions,
    sum_of,
)
from balances.ground import ZERO, FractionOfUnit, LedgerError, UnreadableTotals
from balances.models import Transaction, new_transaction_id
from balances.posting import direct, refunding
from balances.posting.batches import Batch
from balances.posting.direct import Item
from balances.posting.refunding import Refund
from balances.recording import writing

Status = Transaction.Status
NO_SCHEDULE = "scheduled_for is ignored in a dry run; the projection shows the effect as if applied now"
LEGS_APART = (
    "skip_queue is false: legs are queued and applied later, so each is projected on its own rather than cumulatively"
)
ITEMS_APART = (
    "items are applied later by a worker unless skip_queue is set, so each item is projected independently "
    "against current balances"
)
ALL_OR_NOTHING = "an atomic batch is one database transaction: if an item is rejected, nothing of the batch is applied"
STOPS = (
    "the batch stops at the first item that is rejected: balances show what the items before it leave, "
    "while results go on as if that item were left out"
)
LEFT_OUT = "items that were recorded before, as the same payments, are left out, and the batch goes on without them"
NO_BACKGROUND = "run_async is ignored in a dry run; the projection is returned immediately"


@dataclass(frozen=True)
class Decided:
    """The legs of an item that would be recorded, those that were reached, and the refusal that stopped it."""

    admitted: Sequence[Movement]
    reached: Sequence[Movement]
    error: LedgerError | None


@dataclass(frozen=True)
class Unread:
    """An item of a batch that moves nothing, because its amount cannot be booked."""

    posting: Posting
    error: LedgerError
    movements: Sequence[Movement] = ()

    @property
    def preview(self) -> Preview:
        """Return its preview, which is a rejection."""
        posting = self.posting
        return Preview(
            rejection=Rejection.of(self.error),
            reference=posting.reference,
            currency=posting.currency,
            amount=posting.amount or ZERO,
            units=None,
            precision=posting.precision,
            balances=None,
        )


def preview_posting(posting: Posting, *, skip_queue: bool) -> Preview:
    """Return what a posting would do: at once, or as a worker would apply it.

    Legs that are queued one by one are projected one by one. Raises ``InvalidDistribution``, ``UnknownPostingBalance``
    or ``UnreadableTotals``.
    """
    item = direct.item_of(posting, Place(transaction_id=new_transaction_id(), queued=not skip_queue))
    return _preview(writing.look(item.movements), item)


def preview_batch(batch: Batch, *, run_async: bool = False) -> BulkPreview:
    """Return what a batch would do. One that is atomic, or not queued, carries balances from item to item.

    Raises what ``preview_posting`` raises, for any item; but where the batch would skip an item whose balance is
    unknown, or whose amount is a fraction, so does its preview.
    """
    items = [_item(batch, number) for number in range(len(batch.postings))]
    book = writing.look([movement for item in items for movement in item.movements])
    cumulative = batch.skip_queue or batch.atomic
    scope, kept, results = Projections(book), list[Movement](), list[Preview]()
    refused = False
    left_out = _recorded(batch, items, book)
    for number, item in enumerate(items):
        if isinstance(item, Unread):
            results.append(item.preview)
        elif cumulative:
            decided = _decide(book, item)
            if not _is_duplicate(item, decided):
                scope.name(*decided.reached)
            if not refused:
                kept += decided.admitted
            results.append(_result(item, decided, None))
            # A reference counts as used even where its item is refused.
            book.used.update(reference for movement in item.movements for reference in movement.references)
        else:
            results.append(_apart(book, item))
            direct.admit(book, 0, item)  # a stored item takes its references
        refused = refused or not (results[-1].would_apply or number in left_out)
    if not (batch.atomic and refused):
        scope.apply(*kept)
    return BulkPreview(
        cumulative=cumulative,
        atomic=batch.atomic,
        results=tuple(results),
        balances=scope.all(),
        notes=tuple(_notes_of(batch, refused=refused, left_out=bool(left_out), run_async=run_async)),
    )


def preview_refund(request: Refund) -> Preview:
    """Return what a refund of all rows under an id would give back. Raises ``NothingToRefund``."""
    payments = refunding.refundable(request.transaction_id)
    if not payments:
        raise posting_exceptions.NothingToRefund(f"transaction {request.transaction_id} not found for refund")
    try:
        movements, errors = refunding.reversals(payments, request)
    except LedgerError as error:
        return Preview(rejection=Rejection.of(error), reference=request.reference)
    movements = [_as_applied(movement, hold=movement.row.meta_data.get(INFLIGHT) is True) for movement in movements]
    book = writing.look(movements)
    admitted = refunding.admit(book, movements, errors)
    scope = Projections(book)
    scope.apply(*admitted)
    preview = sum_of(admitted, errors, scope)
    if admitted:
        last = admitted[-1]
        status = Status.INFLIGHT if last.effect is Effect.HOLD else Status.APPLIED
        preview = replace(preview, reference=str(last.row.reference), status="" if errors else str(status))
    if len(payments) == 1:
        return replace(preview, notes=(f"projected refund of transaction {payments[0].row.pk}",))
    return replace(
        preview,
        legs=tuple(leg_of(each, str(each.row.parent_transaction)) for each in admitted),
        notes=(f"projected refund of {len(payments)} refundable transactions under {request.transaction_id}",),
    )


def _as_applied(movement: Movement, *, hold: bool) -> Movement:
    """Return a movement with the effect that it has once applied; a queued one keeps its references."""
    if movement.row.status not in WAITING:
        return movement
    return replace(movement, effect=Effect.HOLD if hold else Effect.POST)


def _recorded(batch: Batch, items: Sequence[Item | Unread], book: Book) -> set[int]:
    """Return the items that a batch at once would skip, because they were recorded before."""
    if batch.atomic or not batch.skip_queue or not book.used:
        return set()
    read = {number: item for number, item in enumerate(items) if isinstance(item, Item)}
    return set(direct.recorded(read, apart_from=batch.batch_id))


def _item(batch: Batch, number: int) -> Item | Unread:
    try:
        return batch.item(number)
    except FractionOfUnit as error:
        if not batch.goes_on:
            raise
        return Unread(batch.postings[number], error)


def _apart(book: Book, item: Item) -> Preview:
    """Return what an item of a batch would do on its own."""
    try:
        return _preview(book, item)
    except (posting_exceptions.UnknownPostingBalance, UnreadableTotals) as error:
        return _result(item, Decided((), (), error), None)


def _preview(book: Book, item: Item) -> Preview:
    """Return what an item would do on its own, and leave the book unchanged."""
    posting = item.posting
    if item.place.queued and posting.shares and not posting.atomic:
        return _legs_apart(book, item)
    decided = _decide(book, item)
    book.take_back(decided.admitted)
    if _is_duplicate(item, decided):
        return _result(item, decided, None)
    scope = Projections(book)
    scope.name(*decided.reached)
    scope.apply(*decided.admitted)
    balances = scope.all()
    if posting.shares:
        return _result(item, decided, balances)
    if len(balances) == 1:  # refused, because one balance is on both sides: report it in both roles
        balances += (replace(balances[0], role="destination"),)
    return replace(_result(item, decided, balances), notes=tuple(_caveats(book, posting)))


def _decide(book: Book, item: Item) -> Decided:
    """Decide an item as the real call does, but in the book only."""
    legs = _applied(item)
    failure = direct.admit(book, 0, replace(item, movements=legs))
    if failure is None:
        return Decided(legs, legs, None)
    return Decided((), legs[: failure.leg + 1], failure.error)


def _applied(item: Item) -> list[Movement]:
    return [_as_applied(movement, hold=item.posting.inflight) for movement in item.movements]


def _legs_apart(book: Book, item: Item) -> Preview:
    """Return what legs would do that are stored together but applied one by one."""
    refused = direct.admit(book, 0, item)
    if refused is None:
        book.take_back(item.movements)
    error = refused.error if refused else None
    balances, admitted = list[Projection](), list[Movement]()
    for movement in _applied(item):
        pair = Projections(book)
        pair.name(movement)
        try:
            if refused is None:
                book.admit(movement)
                book.take_back([movement])
                pair.apply(movement)
                admitted.append(movement)
        except LedgerError as why:
            error = error or why
        balances += pair.all()
    return replace(_result(item, Decided(admitted, (), error), tuple(balances)), notes=(LEGS_APART,))


def _is_duplicate(item: Item, decided: Decided) -> bool:
    """Return whether an item of a batch is refused for its reference; its balances are then not reported."""
    is_alone = bool(item.place.batch_id) and not item.posting.shares
    return is_alone and isinstance(decided.error, posting_exceptions.DuplicateReference)


def _result(item: Item, decided: Decided, balances: tuple[Projection, ...] | None) -> Preview:
    posting = item.posting
    legs: tuple[Leg, ...] = ()
    if posting.sources:
        legs = tuple(leg_of(each, each.source, "source") for each in decided.admitted)
    elif posting.destinations:
        legs = tuple(leg_of(each, each.destination, "destination") for each in decided.admitted)
    status = Status.INFLIGHT if posting.inflight else Status.APPLIED
    return Preview(
        rejection=Rejection.of(decided.error) if decided.error else None,
        status="" if decided.error else str(status),
        reference=posting.reference,
        currency=posting.currency,
        amount=posting.major_units,
        units=posting.minor_units,
        precision=posting.precision,
        balances=balances,
        legs=legs,
    )


def _caveats(book: Book, posting: Posting) -> Iterator[str]:
    if posting.scheduled_for:
        yield NO_SCHEDULE
    for role, name in (("source", posting.source), ("destination", posting.destination)):
        standing = book.standing(name, posting.currency)
        if not standing.is_virtual and standing.currency not in ("", posting.currency):
            yield (
                f"currency mismatch: transaction is {posting.currency} but {role} balance {standing.balance_id} is "
                f"{standing.currency}; the ledger applies this as raw minor units"
            )


def _notes_of(batch: Batch, *, refused: bool, left_out: bool, run_async: bool) -> Iterator[str]:
    if batch.atomic:
        yield ALL_OR_NOTHING
    elif not batch.skip_queue:
        yield ITEMS_APART
    elif refused:
        yield STOPS
    if left_out:
        yield LEFT_OUT
    if run_async:
        yield NO_BACKGROUND
