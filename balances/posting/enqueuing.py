"""Stores postings for a worker to apply: their rows, with an entry in the queue for each.

What can be checked at once is refused at once: a reference in use, an unknown balance, nothing to move. The original
answers that it has stored such postings, and then does not apply them.
"""

from __future__ import annotations

from collections.abc import Sequence

from balances.books import Place, Posting
from balances.ground import LOCK_WAIT, Question, adoption, dumps, exceptions
from balances.models import new_transaction_id
from balances.posting.direct import Failure, Item, ItemsRefused, admit_items, item_of, refusals
from balances.recording import entries, to_store, writing

CALL = entries.POSTINGS.announcement()
"""What a transaction asks before it stores items ``at_once``: it calls the worker."""
OUTCOME = "_q"
"""How the reference of an outcome ends, which the queued row may have reserved."""
ROOM_BYTES = 6_000
"""What is left of 8,000 beside the other columns, a reason, and what an outcome's reference and parent take."""


def enqueue(posting: Posting) -> Item:
    """Store one posting, whole or not at all. Raises what ``posting.post`` raises, except for lack of funds."""
    item = item_of(posting, Place(transaction_id=new_transaction_id(), queued=True))
    for error in refusals([item], enqueue_items([item])):
        raise error
    return item


def enqueue_items(items: Sequence[Item], *, group_id: str = "", lock_wait: str = LOCK_WAIT) -> list[Failure]:
    """Store items in order, in one commit; return the refusals in order.

    With a ``group_id`` all items are stored and later applied together, or none is: the first refusal ends it. Without,
    every item that can be stored is. Raises ``BalanceLocked``, or ``NoRoomToNotify`` in an adopted database.
    """
    _require_room(items)
    try:
        return writing.in_one_commit(lambda: _enqueue(items, group_id, lock_wait), lock_wait=lock_wait)
    except ItemsRefused as refused:
        return refused.failures


def at_once(item: Item) -> Question | None:
    """Return what stores an item in one statement of a transaction that ``CALL`` begins; ``None`` where it takes more.

    Nothing is stored where the statement answers with no row: ``enqueue_items`` knows why. It is for tables of our own.
    """
    if item.posting.shares or item.posting.is_dated:
        return None
    [movement] = item.movements
    if movement.units <= 0 or str(movement.row.reference).endswith(OUTCOME):
        return None
    [waiting] = _entries(item, "")
    return to_store(movement, waiting)


def _require_room(items: Sequence[Item]) -> None:
    """Raise ``NoRoomToNotify`` where Blnk's trigger may have no room for an outcome, which says more than its row."""
    if adoption() is None:
        return
    for row in (row for item in items for row in item.rows):
        texts = (dumps(row.meta_data), row.description or "", row.reference or "")
        if sum(len(text.encode()) for text in texts) > ROOM_BYTES:
            raise exceptions.NoRoomToNotify


def _enqueue(items: Sequence[Item], group_id: str, lock_wait: str) -> list[Failure]:
    is_called = entries.POSTINGS.announce()
    book = writing.look([movement for item in items for movement in item.movements], lock_wait=lock_wait)
    at_once = is_called() and not any(item.posting.is_dated for item in items)
    stored, failures = admit_items(book, items, until_refused=bool(group_id))
    if failures and (group_id or not stored):
        raise ItemsRefused(failures)
    waiting = [entry for item in stored for entry in _entries(item, group_id)]
    writing.write([row for item in stored for row in item.rows], book)
    if at_once:
        entries.insert(waiting)
    else:
        entries.add(waiting)
    return failures


def _entries(item: Item, group_id: str) -> list[entries.Waiting]:
    """Return the entries of an item: those of its rows, then its timers."""
    own_group = item.place.transaction_id if item.posting.atomic else ""
    waiting = [entries.entry(movement, item.posting, group_id or own_group) for movement in item.movements]
    return waiting + entries.timers(item.posting, item.rows)
