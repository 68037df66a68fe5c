"""Applies postings at once: all their rows and totals in one commit.

A posting is applied with all its legs or not at all, whether it is ``atomic`` or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from balances.books import Book, DuplicateReference, Movement, Place, Posting, SplitLegRefused, duplicates, movements_of
from balances.events import publishing
from balances.ground import LOCK_WAIT, LedgerError
from balances.models import Transaction, new_transaction_id, now
from balances.recording import commit, entries, writing

TICK = timedelta(microseconds=1)


@dataclass
class Item:
    """One posting with its place and its rows, which a batch decides together."""

    posting: Posting
    place: Place
    movements: list[Movement] = field(default_factory=list)

    @property
    def rows(self) -> list[Transaction]:
        """Return the rows, one for each leg."""
        return [movement.row for movement in self.movements]


@dataclass(frozen=True)
class Failure:
    """Where a batch stopped: the item and its leg, counted from 0, and the refusal."""

    item: int
    leg: int
    error: LedgerError
    is_recorded: bool = False
    """Whether the item was recorded before as the same payment, so that nothing of it is missing."""


class ItemsRefused(writing.Aborted):
    """Abort without writing any item of a batch."""

    def __init__(self, failures: list[Failure]) -> None:
        """Keep the refusals."""
        self.failures = failures
        super().__init__(str(failures[0].error))


def item_of(posting: Posting, place: Place | None = None) -> Item:
    """Return a posting with its rows. Raises ``InvalidDistribution``."""
    place = place or Place(transaction_id=new_transaction_id())
    return Item(posting, place, movements_of(posting, place))


def post_transaction(posting: Posting) -> Transaction:
    """Apply one movement from one balance to another, and return its row. Raises what ``post`` raises."""
    return post(posting).rows[0]


def post(posting: Posting) -> Item:
    """Apply one posting at once: each leg's row and both its balances in one commit.

    Raises ``InvalidDistribution``, ``SplitLegRefused``, ``DuplicateReference``, ``UnknownPostingBalance``,
    ``SameBalance``, ``NonPositiveAmount``, ``InsufficientFunds``, ``OverdraftLimitExceeded`` or ``BalanceLocked``.
    """
    item = item_of(posting)
    for error in refusals([item], post_each([item])):
        raise error
    return item


def post_each(items: Sequence[Item], *, lock_wait: str = LOCK_WAIT) -> list[Failure]:
    """Apply postings that have nothing to do with each other in one commit, each as if it came alone, in order.

    Returns the failures in order. Raises ``BalanceLocked``, or whatever the commit raises, with nothing written.
    """
    try:
        return writing.in_one_commit(lambda: _apply_each(items, lock_wait), lock_wait=lock_wait)
    except ItemsRefused as refused:
        return refused.failures


def refusals(items: Sequence[Item], failures: Sequence[Failure]) -> list[LedgerError]:
    """Return what the callers of refused postings are answered, and announce the refusal of atomic ones."""
    explain(items, failures)
    return [_refusal(items[failure.item], failure) for failure in failures]


def _refusal(item: Item, failure: Failure) -> LedgerError:
    if not item.posting.shares:
        return failure.error
    if item.posting.atomic and not item.place.queued:
        publishing.publish_batch_failed(item.place.transaction_id, failure.error.message)
    return SplitLegRefused.of(failure.leg, failure.error)


def _apply_each(items: Sequence[Item], lock_wait: str) -> list[Failure]:
    book = writing.lock([movement for item in items for movement in item.movements], lock_wait=lock_wait)
    at = now()
    for number, item in enumerate(items):  # so that they are listed in this order; it takes less time than the commit
        _date([item], at + number * TICK)
    admitted, failures = admit_items(book, items)
    if not admitted:
        raise ItemsRefused(failures)
    _commit(admitted, book)
    return failures


def explain(items: Sequence[Item], failures: Sequence[Failure]) -> None:
    """Add to the details of refusals for a reference which transaction has it."""
    duplicates.explain((items[each.item].movements[each.leg], each.error) for each in failures)


def recorded(items: Mapping[int, Item], *, apart_from: str) -> dict[int, Failure]:
    """Return the items that were recorded before with all their legs, as failures whose details name the rows.

    Rows of ``apart_from``, the batch that is being recorded, do not count, nor do those that wait or were rejected.
    """
    used = duplicates.find({each for item in items.values() for leg in item.movements for each in leg.references})
    failures = {}
    for number, item in items.items():
        rows = [used.get(str(leg.row.reference)) for leg in item.movements]
        if all(
            row and row["parent_transaction"] != apart_from and duplicates.is_same(leg, row)
            for leg, row in zip(item.movements, rows, strict=True)
        ):
            error = DuplicateReference(str(item.movements[0].row.reference))
            duplicates.explain_by(item.movements[0], error, rows[0] or {})
            failures[number] = Failure(number, 0, error, is_recorded=True)
    return failures


def apply_items(items: Sequence[Item], *, atomic: bool) -> Failure | None:
    """Decide items in order and write those admitted, in one commit; return the failure that stopped them, if any.

    Items before the one that is refused stay, unless the batch is ``atomic``. Raises ``BalanceLocked``.
    """
    try:
        return writing.in_one_commit(lambda: _apply(items, atomic=atomic))
    except ItemsRefused as refused:
        return refused.failures[0]


def _apply(items: Sequence[Item], *, atomic: bool) -> Failure | None:
    book = writing.lock([movement for item in items for movement in item.movements])
    _date(items, now())
    admitted, failures = admit_items(book, items, until_refused=True)
    if failures and (atomic or not admitted):
        raise ItemsRefused(failures)
    _commit(admitted, book)
    return failures[0] if failures else None


def _commit(admitted: Sequence[Item], book: Book) -> None:
    timers = [timer for item in admitted for timer in entries.timers(item.posting, item.rows)]
    commit([movement for item in admitted for movement in item.movements], book, waiting=timers)


def _date(items: Sequence[Item], at: datetime) -> None:
    """Date rows at the instant at which their balances are locked, because snapshots rely on that order."""
    for item in items:
        for row in item.rows:
            row.created_at = at
            if item.posting.effective_date is None:
                row.effective_date = at


def admit_items(book: Book, items: Sequence[Item], *, until_refused: bool = False) -> tuple[list[Item], list[Failure]]:
    """Decide items in order, of all or up to the first that is refused; return those admitted, and the failures."""
    admitted: list[Item] = []
    failures: list[Failure] = []
    for number, item in enumerate(items):
        if failure := admit(book, number, item):
            failures.append(failure)
            if until_refused:
                break
        else:
            admitted.append(item)
    return admitted, failures


def admit(book: Book, number: int, item: Item) -> Failure | None:
    """Decide the legs of one item in order, all or none. Return the failure of the leg that was refused, if any."""
    for leg, movement in enumerate(item.movements):
        try:
            book.admit(movement)
        except LedgerError as error:
            book.take_back(item.movements[:leg])
            return Failure(number, leg, error)
    return None
