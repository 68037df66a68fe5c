"""Attempts that were refused, as records."""

from __future__ import annotations

from pathlib import Path

from balances.statements import Statement

REFUSED_CHANGES = Statement(Path(__file__).parent / "sql" / "refused_changes.sql")


def refused_changes() -> int:
    """Return how many changes of transactions the database has refused so far.

    The guard's exception rolls back whatever it writes, so it counts in a sequence and leaves who tried what, and from
    where, in the database's log. A trigger that its table's owner disabled refuses and counts nothing.
    """
    return int(REFUSED_CHANGES.rows()[0]["refused"])
