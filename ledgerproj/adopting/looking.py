"""What a database holds, found out by reading catalogues: nothing is counted, nothing is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import CommandError
from django.db import connection
from psycopg import sql

from ledgerproj.postgresql.adopted import past_django


def statement(name: str) -> str:
    """Return the text of a statement that is run past Django."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


SCHEMAS, COLUMNS, RIGHTS, CLOCK = map(statement, ("schemas", "columns", "rights", "clock"))
JOURNAL = "transaction_journal"
"""Blnk's own, written by a trigger on its transactions."""
RATES_DROPPED = "1780963300.sql"
"""The migration with which Blnk 0.15 dropped exchange rates."""
NEWEST_KNOWN = "1781162329.sql"
FOR_EVER = datetime.max.replace(tzinfo=UTC)
NEEDED = {"transactions": {"precise_amount", "parent_transaction", "effective_date"}, "balances": {"inflight_balance"}}
"""Columns without which a database is older than 0.10.1, the oldest generation that is known."""


class NothingToAdopt(CommandError):
    """There is no database of Blnk's here, or none of a generation that is known."""


@dataclass(frozen=True)
class Found:
    """A database of Blnk's: its schema, its generation, and what the connected role may do."""

    database: str
    schema: str
    generation: str
    newest_migration: str
    tables: dict[str, dict[str, str]]
    """The type of each column, by table."""
    role: str
    rows: int
    balances: int
    """Both as the planner estimates."""
    may_read: bool
    may_write: bool
    may_repair: bool
    """Whether it may update what a correction changes: the six totals of balances, their version and metadata."""
    may_create: bool
    hours_ahead: float = 0.0
    """By how much the clock of Blnk's process is ahead of the database's, in quarters of an hour."""
    unread: list[str] = field(default_factory=list)
    silent_until: datetime | None = None
    rates_gone_at: datetime | None = None

    @property
    def has_rates(self) -> bool:
        """Return whether credits are amounts times a rate."""
        return "rate" in self.tables["transactions"]

    @property
    def is_newer(self) -> bool:
        """Return whether Blnk has migrated it further than is known here."""
        return self.newest_migration > NEWEST_KNOWN


def belongs_to_blnk() -> bool:
    """Return whether Blnk has its tables in the default database."""
    with open_server() as server:
        return server.execute(SCHEMAS).fetchone() is not None


def look() -> Found:
    """Return what the default database holds. Raises ``NothingToAdopt``."""
    with open_server() as server:
        return look_at(server)


def look_at(server: psycopg.Connection[dict[str, Any]]) -> Found:
    """Return what the database of a connection holds. Raises ``NothingToAdopt``."""
    schemas = [row["schema"] for row in server.execute(SCHEMAS)]
    if not schemas:
        raise NothingToAdopt(
            f"There is nothing to adopt: no schema of database {server.info.dbname} has the tables of Blnk, or the "
            "role may not see them."
        )
    if len(schemas) > 1:
        raise NothingToAdopt(f"Blnk has its tables in more than one schema: {', '.join(schemas)}.")
    return _found(server, schemas[0])


@contextmanager
def open_server() -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Open a connection of psycopg's own that reads only."""
    with past_django(connection.get_server_params()) as server:  # type: ignore[attr-defined]
        server.autocommit, server.read_only = False, True
        yield server


def _found(server: psycopg.Connection[dict[str, Any]], schema: str) -> Found:
    tables: dict[str, dict[str, str]] = defaultdict(dict)
    for row in server.execute(COLUMNS, {"schema": schema}):
        tables[row["table_name"]][row["column_name"]] = row["kind"]
    rights = server.execute(RIGHTS, {"schema": schema, "tables": list(tables)}).fetchone() or {}
    may_read = rights["may_use"] and rights["may_read"]
    history = _history(server, schema) if may_read else {}
    return Found(
        database=server.info.dbname,
        schema=schema,
        generation=_generation(tables),
        newest_migration=max(history, default=""),
        tables=dict(tables),
        role=rights["role"],
        rows=rights["rows"],
        balances=rights["balances"],
        may_read=may_read,
        may_write=rights["may_write"],
        may_repair=rights["may_repair"],
        may_create=bool(rights["may_create"] if rights["owns"] is None else rights["owns"]),
        unread=rights["unread"] or [],
        hours_ahead=_hours_ahead(server, schema) if may_read and JOURNAL in tables else 0.0,
        **_old_rows(server, schema, tables, history) if may_read else {},
    )


def _generation(tables: dict[str, dict[str, str]]) -> str:
    """Return by columns how old a database is. Raises ``NothingToAdopt``."""
    missing = [f"{table}.{name}" for table, names in NEEDED.items() for name in sorted(names - tables[table].keys())]
    if missing:
        raise NothingToAdopt(
            f"This database is older than Blnk 0.10.1, the oldest that is known: it has no {', '.join(missing)}. "
            "Let a newer Blnk migrate it first."
        )
    if "rate" not in tables["transactions"]:
        return "0.15"
    return "0.14" if "track_fund_lineage" in tables["balances"] else "0.10"


def _hours_ahead(server: psycopg.Connection[dict[str, Any]], schema: str) -> float:
    row = server.execute(sql.SQL(CLOCK).format(journal=sql.Identifier(schema, JOURNAL))).fetchone()
    return round(row["seconds"] / 900) / 4 if row and row["seconds"] else 0.0


def _history(server: psycopg.Connection[dict[str, Any]], schema: str) -> dict[str, datetime]:
    """Return when Blnk applied which of its migrations."""
    read = sql.SQL("SELECT id, applied_at FROM {}.gorp_migrations").format(sql.Identifier(schema))
    return {row["id"]: row["applied_at"] for row in server.execute(read)}


def _old_rows(
    server: psycopg.Connection[dict[str, Any]],
    schema: str,
    tables: dict[str, dict[str, str]],
    history: dict[str, datetime],
) -> dict[str, datetime | None]:
    """Return until when rows may be of a Blnk that had rates, and until when settlements might have no effect."""
    if "rate" in tables["transactions"]:
        return {"silent_until": FOR_EVER}
    dropped = history.get(RATES_DROPPED)
    read = sql.SQL("SELECT EXISTS (SELECT FROM {}.transactions WHERE created_at < %s) AS are_there")
    row = server.execute(read.format(sql.Identifier(schema)), [dropped or datetime.now(UTC)]).fetchone()
    until = (dropped or datetime.now(UTC)) if row and row["are_there"] else None
    return {"silent_until": until, "rates_gone_at": until}
