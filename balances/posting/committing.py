"""The one order in which decided movements are written: whoever decides them hands them on here."""

from __future__ import annotations

from collections.abc import Sequence

from balances import telling
from balances.posting import lineage, writing
from balances.posting.book import Book
from balances.posting.movements import Movement
from balances.queueing import entries


def commit(
    admitted: Sequence[Movement],
    book: Book,
    *,
    rejected: Sequence[Movement] = (),
    waiting: Sequence[entries.Waiting] = (),
) -> None:
    """Write movements that a book has admitted, and what follows from them, within ``writing.in_one_commit``.

    First they are noted for lineage, by balances that are still locked and in the order of their movements. Then rows
    and totals are written, with the rows of movements that are ``rejected`` and move nothing. Only then can entries
    name the rows, for which they are ``waiting``, and listeners be sent what the totals have become. After the write
    nothing refuses but the database itself, where another writer took a reference meanwhile.
    """
    lineage.note(admitted, book)
    writing.write([movement.row for movement in (*admitted, *rejected)], book)
    entries.add(waiting)
    telling.tell(admitted, book)
    telling.tell_rejected(rejected)
