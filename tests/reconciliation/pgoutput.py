"""Writes the messages that PostgreSQL's ``pgoutput`` sends, for tests that read them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
UNSENT = b"\0unsent"
"""A column that is not sent, because it is stored elsewhere and did not change."""


def framed(payload: bytes, at: int = 0) -> bytes:
    return b"w" + struct.pack(">QQQ", at, at, 0) + payload


def relation(number: int, name: str, columns: Sequence[str], identity: str = "f", schema: str = "public") -> bytes:
    named = b"".join(struct.pack(">B", 1) + each.encode() + b"\0" + struct.pack(">Ii", 25, -1) for each in columns)
    head = struct.pack(">I", number) + schema.encode() + b"\0" + name.encode() + b"\0" + identity.encode()
    return framed(b"R" + head + struct.pack(">H", len(columns)) + named)


def row(values: Sequence[bytes | None]) -> bytes:
    parts = []
    for value in values:
        if value is None:
            parts.append(b"n")
        elif value == UNSENT:
            parts.append(b"u")
        else:
            parts.append(b"t" + struct.pack(">I", len(value)) + value)
    return struct.pack(">H", len(values)) + b"".join(parts)


def begin(position: int, at: datetime = EPOCH, xid: int = 700) -> bytes:
    return framed(b"B" + struct.pack(">QQI", position, int((at - EPOCH) / timedelta(microseconds=1)), xid))


def commit(position: int, end: int) -> bytes:
    return framed(b"C" + struct.pack(">BQQQ", 0, position, end, 0))


def insert(number: int, new: Sequence[bytes | None]) -> bytes:
    return framed(b"I" + struct.pack(">I", number) + b"N" + row(new))


def update(number: int, old: Sequence[bytes | None] | None, new: Sequence[bytes | None], mark: bytes = b"O") -> bytes:
    before = b"" if old is None else mark + row(old)
    return framed(b"U" + struct.pack(">I", number) + before + b"N" + row(new))


def delete(number: int, old: Sequence[bytes | None], mark: bytes = b"O") -> bytes:
    return framed(b"D" + struct.pack(">I", number) + mark + row(old))


def truncate(numbers: Sequence[int]) -> bytes:
    return framed(b"T" + struct.pack(">IB", len(numbers), 0) + b"".join(struct.pack(">I", each) for each in numbers))
