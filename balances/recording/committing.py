"""The one order in which decided movements are written: whoever decides them hands them on here."""

from __future__ import annotations

from collections.abc import Sequence

from balances.books import Book, Movement
from balances.events import publishing
from balances.recording import entries, lineage, writing


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
    publishing.publish_movements(admitted, book)
    publishing.publish_rejected(rejected)
