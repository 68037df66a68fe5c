"""Several reads of one state of the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from balances.ground.statements import Statement

ONE_SNAPSHOT = Statement.beside(__file__, "one_snapshot.sql")


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Let all reads of the block see one state of the database.

    Inside of an atomic block they see what that does: its isolation was chosen when it began.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        ONE_SNAPSHOT.execute()
        yield
