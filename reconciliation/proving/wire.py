"""The messages of ``pgoutput``, protocol version 1, as Python values: what a logical replication stream consists of.

Columns stay the bytes that PostgreSQL's output functions wrote, so that nothing is read that no one asks for. The
format is PostgreSQL's own ("Logical Replication Message Formats").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

Value = bytes | None
"""A column: its text, or ``None`` for NULL."""
UNCHANGED: Final = b"\0unchanged"
"""A column that was stored out of line and not changed, so that it is not sent; no text has a zero byte."""
HEAD = 25
"""Bytes of a message of replication before those of ``pgoutput``."""
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TEXT, NULL = 0x74, 0x6E
OLD_KEY, OLD_ROW, NEW_ROW = 0x4B, 0x4F, 0x4E
FULL_IDENTITY = "f"


class StreamUnreadable(Exception):
    """A message is not what the protocol says; the stream cannot be followed any further."""


@dataclass(frozen=True)
class Relation:
    """A table as the stream describes it, before its first change and after each change of its columns."""

    relation_id: int
    schema: str
    name: str
    identity: str
    """``f`` where changes bring the whole old row, ``d`` where they bring its key at most."""
    columns: tuple[str, ...]

    def places(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return where columns stand in a row; one that the table lacks stands nowhere: -1."""
        return tuple(self.columns.index(name) if name in self.columns else -1 for name in names)


@dataclass
class Handler:
    """What is called for each message of a stream. ``old`` of a change is ``None`` where it was not sent."""

    begin: Callable[[int, datetime, int], None]
    """Position of the commit, its instant, and its transaction id without an epoch."""
    commit: Callable[[int], None]
    """The position at which the commit ends."""
    relation: Callable[[Relation], None]
    change: Callable[[Relation, list[Value] | None, list[Value] | None], None]
    """The table, the old row and the new one: an insert has no old row, a delete no new one."""
    truncate: Callable[[list[Relation]], None]
    relations: dict[int, Relation] = field(default_factory=dict)


def feed(handler: Handler, message: bytes) -> None:
    """Take in one message, with the head that replication gives it. Raises ``StreamUnreadable``."""
    kind = message[HEAD]
    try:
        match kind:
            case 0x49 | 0x55 | 0x44:  # I, U, D
                relation = handler.relations[int.from_bytes(message[HEAD + 1 : HEAD + 5])]
                old, new = _rows(message, kind)
                handler.change(relation, old, new)
            case 0x42:  # B
                position, instant = (int.from_bytes(message[at : at + 8]) for at in (HEAD + 1, HEAD + 9))
                xid = int.from_bytes(message[HEAD + 17 : HEAD + 21])
                handler.begin(position, EPOCH + timedelta(microseconds=instant), xid)
            case 0x43:  # C
                handler.commit(int.from_bytes(message[HEAD + 10 : HEAD + 18]))
            case 0x52:  # R
                relation = _relation(message)
                handler.relations[relation.relation_id] = relation
                handler.relation(relation)
            case 0x54:  # T
                handler.truncate([handler.relations[each] for each in _truncated(message)])
            case 0x4F | 0x59 | 0x4D:  # O, Y, M: origins, types and messages of others say nothing about money
                return
            case _:
                raise StreamUnreadable(f"A message of an unknown kind: {chr(kind)!r}.")
    except (IndexError, KeyError, ValueError) as error:
        raise StreamUnreadable(f"A message of kind {chr(kind)!r} that cannot be read.") from error


def _rows(message: bytes, kind: int) -> tuple[list[Value] | None, list[Value] | None]:
    """Return the old row and the new one; of a table without full identity there may be a key, which is no row."""
    place, old = HEAD + 5, None
    mark = message[place]
    if mark in (OLD_ROW, OLD_KEY):
        row, place = _row(message, place + 1)
        old = row if mark == OLD_ROW else None
    if kind == 0x44:
        return old, None
    if message[place] != NEW_ROW:
        raise ValueError
    new, _ = _row(message, place + 1)
    return old, new


def _row(message: bytes, place: int) -> tuple[list[Value], int]:
    """Return the columns of a row and the place after it. It runs for each row: the lengths are read by hand."""
    row: list[Value] = []
    add = row.append
    count = message[place] << 8 | message[place + 1]
    place += 2
    for _ in range(count):
        mark = message[place]
        if mark == TEXT:
            start = place + 5
            place = start + int.from_bytes(message[place + 1 : start])
            add(message[start:place])
        else:
            add(None if mark == NULL else UNCHANGED)
            place += 1
    if place > len(message):
        raise ValueError
    return row, place


def _relation(message: bytes) -> Relation:
    relation_id = int.from_bytes(message[HEAD + 1 : HEAD + 5])
    schema, place = _string(message, HEAD + 5)
    name, place = _string(message, place)
    identity = chr(message[place])
    count = int.from_bytes(message[place + 1 : place + 3])
    place += 3
    columns = []
    for _ in range(count):
        column, place = _string(message, place + 1)  # before it is whether it belongs to the key
        columns.append(column)
        place += 8  # its type and that one's modifier
    return Relation(relation_id, schema or "pg_catalog", name, identity, tuple(columns))


def _string(message: bytes, place: int) -> tuple[str, int]:
    end = message.index(0, place)
    return message[place:end].decode(), end + 1


def _truncated(message: bytes) -> list[int]:
    count = int.from_bytes(message[HEAD + 1 : HEAD + 5])
    first = HEAD + 6
    return [int.from_bytes(message[at : at + 4]) for at in range(first, first + 4 * count, 4)]
