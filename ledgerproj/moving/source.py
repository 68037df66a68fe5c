"""The database of Blnk's that is copied: read in one snapshot, and never written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.rows import dict_row

from ledgerproj.adopting import Found, look_at
from ledgerproj.moving.shapes import Shape, shapes

SQL = Path(__file__).parent / "sql"
WAITING_ROWS, WAITING_NOTES, UNDER_WAY = (
    (SQL / f"{name}.sql").read_text() for name in ("waiting_rows", "waiting_notes", "snapshot_taken")
)
KEEP, ENQUEUE = "keep", "enqueue"
WAITING = {
    KEEP: "queued rows without an outcome come over as rows that are never posted",
    ENQUEUE: "queued rows without an outcome are posted here once the import is right",
}
UTC_ALWAYS = "SET TIME ZONE 'UTC'; SET DATESTYLE TO 'ISO'; SET INTERVALSTYLE TO 'iso_8601'"
"""So that a row has the same text on both sides."""
NO_URL = "Say which database is copied, as postgresql://user@host/blnk: the argument is no such URL."


@dataclass(frozen=True)
class Waits:
    """What Blnk has not finished: rows without an outcome, and movements whose funds are not traced."""

    rows: int
    first: list[str]
    """Ids of the first of them."""
    rated: int
    """How many of them cross currencies, and can only be posted by the Blnk that knows their rates."""
    notes: int
    """Entries of the outbox of lineage that wait or failed for now."""


@dataclass(frozen=True)
class Source:
    """A snapshot of a database of Blnk's."""

    server: psycopg.Connection[dict[str, Any]]
    found: Found
    shapes: list[Shape]
    name: str
    """Database and host, without a password."""
    taken_at: datetime

    def rows(self, statement: sql.SQL | sql.Composed, parameters: Any = None) -> list[dict[str, Any]]:
        """Return the rows of a statement."""
        return self.server.execute(statement, parameters).fetchall()

    def waits(self) -> Waits:
        """Return what Blnk has not finished."""
        row = self.rows(self._of_schema(WAITING_ROWS))[0]
        there = "lineage_outbox" in self.found.tables
        notes = self.rows(self._of_schema(WAITING_NOTES))[0]["notes"] if there else 0
        return Waits(row["waiting"], row["first"] or [], row["rated"], notes)

    def _of_schema(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(schema=sql.Identifier(self.found.schema))


@contextmanager
def snapshot(url: str, *, renaming: bool = False) -> Iterator[Source]:
    """Open a read-only snapshot of a database; for ``renaming`` see ``shapes``.

    Raises ``NothingToAdopt`` or ``psycopg.Error``.
    """
    plain: Any = {"row_factory": dict_row, "prepare_threshold": None, "application_name": "ledger-import"}
    with psycopg.connect(url, connect_timeout=10, **plain) as server:
        server.execute(UTC_ALWAYS)
        server.commit()
        server.isolation_level, server.read_only = IsolationLevel.REPEATABLE_READ, True
        taken_at = (server.execute(UNDER_WAY).fetchone() or {})["taken_at"]
        found = look_at(server)
        name = f"{server.info.dbname} at {server.info.host or 'this machine'}"
        yield Source(server, found, shapes(found, renaming=renaming), name, taken_at)
        server.rollback()
