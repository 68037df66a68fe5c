"""Indexes on Blnk's own tables, which make measuring faster: offered with their price, never made unasked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from ledgerproj.adopting.looking import Found
from ledgerproj.postgresql.adopted import past_django

PROGRESS, STANDING = (
    (Path(__file__).parent / "sql" / f"{name}.sql").read_text() for name in ("index_progress", "indexes")
)
PREFIX = "backoffice_"
"""How the names of indexes of ours begin."""
HELD = (
    "INCLUDE ({other}, transaction_id, parent_transaction, status, precise_amount, amount, precision) "
    "WHERE status IN ('INFLIGHT', 'VOID')"
)
INDEXES = {
    "applied_debits": "(source, effective_date) INCLUDE (precise_amount) WHERE status = 'APPLIED'",
    "applied_credits": "(destination, effective_date) INCLUDE (precise_amount) WHERE status = 'APPLIED'",
    "hold_debits": f"(source) {HELD.format(other='destination')}",
    "hold_credits": f"(destination) {HELD.format(other='source')}",
}
OF_RATES = {"rated_credits": "(destination) WHERE rate NOT IN (0, 1)"}
BYTES_A_ROW = 155
"""What the indexes take up for a transaction, measured with ids of Blnk's."""
Progress = Callable[[str, int], None]
"""Called with the name of an index and its share in per cent."""


@dataclass(frozen=True)
class Helpers:
    """The indexes that a generation takes, and which of them are there."""

    wanted: dict[str, str]
    there: list[str]
    may_make: bool
    """Whether the role owns the table: no other may index it."""
    megabytes: int
    """What those that are missing would take up, estimated."""

    @property
    def missing(self) -> list[str]:
        """Return the names of indexes that are not there."""
        return [name for name in self.wanted if name not in self.there]


def helpers(found: Found) -> Helpers:
    """Return which indexes would help, and what they cost."""
    wanted = {f"{PREFIX}{name}": how for name, how in (INDEXES | (OF_RATES if found.has_rates else {})).items()}
    with _server() as server:
        row = _standing(server, found)
    there = row["there"] or []
    share = len([name for name in wanted if name not in there]) / len(wanted)
    return Helpers(wanted, there, row["may_make"], round(found.rows * BYTES_A_ROW * share / 1_000_000))


def make_indexes(found: Found, progress: Progress = lambda name, percent: None) -> list[str]:
    """Make the indexes that are missing, one after the other, without blocking Blnk; return their names.

    One that was cut short is made again. Must not run in a transaction.
    """
    made = helpers(found)
    with _server() as server:
        for name in _standing(server, found)["broken"] or []:
            _drop(server, found, name)
        for name in made.missing:
            how = sql.SQL(made.wanted[name])
            statement = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} {}").format(
                sql.Identifier(name), sql.Identifier(found.schema, "transactions"), how
            )
            with _watched(server, name, progress):
                server.execute(statement)
    return made.missing


def drop_indexes(found: Found) -> list[str]:
    """Drop all indexes of ours, finished or not, without blocking Blnk; return their names."""
    with _server() as server:
        row = _standing(server, found)
        names = [*(row["there"] or []), *(row["broken"] or [])]
        for name in names:
            _drop(server, found, name)
    return names


def _server() -> psycopg.Connection[dict[str, Any]]:
    return past_django(connection.get_server_params())  # type: ignore[attr-defined]


def _standing(server: psycopg.Connection[dict[str, Any]], found: Found) -> dict[str, Any]:
    return server.execute(STANDING, {"schema": found.schema, "prefix": f"{PREFIX}%"}).fetchone() or {}


def _drop(server: psycopg.Connection[dict[str, Any]], found: Found, name: str) -> None:
    server.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(found.schema, name)))


@contextmanager
def _watched(server: psycopg.Connection[Any], name: str, progress: Progress) -> Iterator[None]:
    """Report the progress of what a connection builds, by another one, twice a second."""
    ended, pid = threading.Event(), server.info.backend_pid

    def watch() -> None:
        with _server() as other:
            while not ended.wait(0.5):
                row = other.execute(PROGRESS, {"pid": pid}).fetchone()
                progress(name, row["percent"] if row else 0)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    progress(name, 100)
