"""The one order in which decided movements are written."""

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

    First they are noted for lineage, while their balances are locked and in the order of the movements. Then rows and
    totals are written, with the rows of ``rejected`` movements, which move nothing. Only then can ``waiting`` entries
    refer to the rows, and listeners receive the new totals. After the write only the database itself can refuse, where
    another writer took a reference meanwhile.
    """
    lineage.note(admitted, book)
    writing.write([movement.row for movement in (*admitted, *rejected)], book)
    entries.add(waiting)
    publishing.publish_movements(admitted, book)
    publishing.publish_rejected(rejected)
