"""Stores postings that are to be applied by a worker (transactions 3.3): their rows, and that they wait.

Whatever can be known at once is refused at once: a reference in use, an unknown balance, nothing to move. The
original answers that it has stored them, and then does not (transactions 16, 10).
"""

from __future__ import annotations

from collections.abc import Sequence

from balances.exceptions import LedgerError
from balances.models import new_transaction_id
from balances.posting import writing
from balances.posting.book import Book
from balances.posting.direct import Failure, Item, Refused, item_of
from balances.posting.movements import Place
from balances.posting.orders import Posting
from balances.posting_exceptions import SplitLegRefused
from balances.queueing import entries
from balances.queueing.models import Entry


def enqueue(posting: Posting) -> Item:
    """Store one posting, whole or not at all. Raises what ``posting.post`` raises, but for lack of funds."""
    item = item_of(posting, Place(transaction_id=new_transaction_id(), queued=True))
    failure = enqueue_items([item], group_id=item.place.transaction_id if posting.atomic and posting.shares else "")
    if failure:
        raise SplitLegRefused.of(failure.leg, failure.error) if posting.shares else failure.error
    return item


def enqueue_items(items: Sequence[Item], *, group_id: str = "") -> Failure | None:
    """Store items in order, in one commit; return where they stopped, if they did.

    With a ``group_id`` all are applied together or none is, and none is stored unless all are; without, items before
    the one that is refused stay. Raises ``BalanceLocked``.
    """
    try:
        return writing.in_one_commit(lambda: _enqueue(items, group_id), brief=True)
    except Refused as refused:
        return refused.failure


def _enqueue(items: Sequence[Item], group_id: str) -> Failure | None:
    is_called = entries.announce()
    book = writing.look([movement for item in items for movement in item.movements], create=True)
    at_once = is_called() and not any(item.posting.is_dated for item in items)
    if not at_once:
        writing.need_block()
    stored: list[Item] = []
    failure = None
    for number, item in enumerate(items):
        failure = admit(book, number, item)
        if failure:
            break
        stored.append(item)
    if failure and (group_id or not stored):
        raise Refused(failure)
    waiting = [entry for item in stored for entry in _entries(item, group_id)]
    writing.write([row for item in stored for row in item.rows], book)
    if at_once:
        entries.insert(waiting)
    else:
        entries.add(waiting)
    return failure


def admit(book: Book, number: int, item: Item) -> Failure | None:
    """Decide whether an item is stored: all its legs, or none; return which was refused, if any was."""
    for leg, movement in enumerate(item.movements):
        try:
            book.admit(movement)
        except LedgerError as error:
            book.take_back(item.movements[:leg])
            return Failure(number, leg, error)
    return None


def _entries(item: Item, group_id: str) -> list[Entry]:
    """Return what waits for an item: its rows, and then its timers."""
    own_group = item.place.transaction_id if item.posting.atomic and len(item.movements) > 1 else ""
    waiting = [entries.entry(movement, item.posting, group_id or own_group) for movement in item.movements]
    return waiting + entries.timers(item.posting, item.rows)
