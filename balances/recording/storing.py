"""Stores one row that waits, with its entry, by a statement that asks for nothing first: the row is there or not.

It is for the usual case alone. The statement stores no row that the book might refuse; that is then decided, and
explained, by reading and by the book.
"""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

from balances.books import Movement
from balances.ground import Question, Statement, dumps
from balances.models import Transaction
from balances.recording.entries import Waiting

STORE_ROW = Statement.beside(__file__, "store_row.sql")
OF_ROW = {
    field.column: field.attname
    for field in Transaction._meta.concrete_fields
    if field.column not in ("source", "destination", "meta_data")
}
OF_ENTRY = ("action", "group_id", "inflight", "allow_overdraft", "overdraft_limit")
NAMES = (*OF_ROW, *OF_ENTRY, "source", "destination", "meta_data", "outcome")
_of_row, _of_entry = attrgetter(*OF_ROW.values()), attrgetter(*OF_ENTRY)


def to_store(movement: Movement, waiting: Waiting) -> Question:
    """Return what stores the row of a movement with its entry, which is due now; the row of the answer says so."""
    row, (_, outcome) = movement.row, movement.references
    sides = (movement.source, movement.destination, dumps(row.meta_data), outcome)
    return STORE_ROW.question(NAMES, [*map(_text, _of_row(row)), *map(_text, _of_entry(waiting)), *sides])


def _text(value: Any) -> str | None:
    """Return a value as PostgreSQL reads it."""
    if value is None or type(value) is str:
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)
