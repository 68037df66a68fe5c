"""What would be copied, what stays behind, and what stands in the way: read from both sides, nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import CommandError
from django.db import connection
from psycopg import sql

from balances.ground import adoption
from balances.models import BalanceSnapshot
from ledgerproj.adopting import JOURNAL, Found, belongs_to_blnk
from ledgerproj.moving.faults import Fault, faults
from ledgerproj.moving.shapes import left
from ledgerproj.moving.source import ENQUEUE, KEEP, Source, Waits
from ledgerproj.postgresql.adopted import past_django

STANDING, HOLDINGS = ((Path(__file__).parent / "sql" / f"{name}.sql").read_text() for name in ("standing", "holdings"))
TWICE_NAMED = "indicator and currency used more than once"
NAMESAKES = ". The oldest keeps its name, and the others get their id behind it, with --rename-duplicates"
Server = psycopg.Connection[dict[str, Any]]


class MoveRefused(CommandError):
    """The database cannot be copied, or not into this one, as they are."""


@dataclass(frozen=True)
class Standing:
    """An import that was begun."""

    source: str
    schema: str
    generation: str
    waiting: str
    snapshot_at: datetime
    finished_at: datetime | None
    tables: dict[str, Any]


@dataclass
class Preview:
    """What an import would do."""

    name: str
    """Of the source: database and host."""
    found: Found
    rows: dict[str, int]
    """Rows that come over, by table of ours."""
    faults: list[Fault]
    waits: Waits
    left: dict[str, int]
    """Tables of Blnk's that stay behind, and how many rows they have."""
    left_columns: list[str]
    notes: list[str] = field(default_factory=list)
    standing: Standing | None = None

    def refusals(self, waiting: str) -> list[str]:
        """Return all reasons not to copy, given what was decided about queued rows without an outcome."""
        said = [f"{fault}{NAMESAKES * (fault.what == TWICE_NAMED)}" for fault in self.faults]
        if self.waits.rows and not waiting:
            said.append(
                f"transactions: {self.waits.rows:,} queued rows have no outcome yet, such as "
                f"{', '.join(self.waits.first)}. Let Blnk's workers finish them, or decide: --waiting {KEEP} or "
                f"--waiting {ENQUEUE}"
            )
        elif self.waits.notes and not waiting:
            said.append(
                f"lineage_outbox: funds of {self.waits.notes:,} movements are still to be traced. Let Blnk's workers "
                f"finish them, or have them traced here: --waiting {KEEP} or --waiting {ENQUEUE}"
            )
        if waiting == ENQUEUE and self.waits.rated:
            said.append(
                f"transactions: {self.waits.rated:,} of the queued rows cross currencies, and cannot be posted here; "
                f"--waiting {KEEP} brings them over as they are"
            )
        return said


def look(source: Source, target: Server) -> Preview:
    """Return what an import would do. Raises ``MoveRefused`` where this database cannot take it."""
    _require_encoding(source, target)
    standing = standing_of(target)
    if standing is None:
        _require_empty(target)
    tables, columns = left(source.found)
    preview = Preview(
        name=source.name,
        found=source.found,
        rows={shape.target: _count(source, shape.reading()) for shape in source.shapes},
        faults=[] if standing else faults(source),
        waits=source.waits(),
        left={table: _count(source, _all(source, table)) for table in tables},
        left_columns=columns,
        standing=standing,
    )
    preview.notes = list(_notes(source, preview))
    return preview


def open_target() -> Server:
    """Return a connection to our own database, past Django. Raises ``MoveRefused`` where it is Blnk's."""
    if adoption() is not None or belongs_to_blnk():
        raise MoveRefused(
            "DATABASE_URL names a database of Blnk's. An import copies into a database of our own: name that one by "
            "DATABASE_URL, run “manage.py migrate” on it, and name Blnk's as the argument."
        )
    return past_django(connection.get_server_params())  # type: ignore[attr-defined]


def standing_of(target: Server) -> Standing | None:
    """Return the import that was begun here, if there is one."""
    row = target.execute(STANDING).fetchone()
    return Standing(**row | {"tables": json.loads(row["tables"])}) if row else None


def _require_encoding(source: Source, target: Server) -> None:
    """Refuse encodings that differ: the same text would have two digests."""
    theirs, ours = (each.info.parameter_status("server_encoding") for each in (source.server, target))
    if theirs != ours:
        raise MoveRefused(f"Blnk's database is encoded in {theirs}, this one in {ours}: make this one in {theirs} too.")


def _require_empty(target: Server) -> None:
    held = [row["name"] for row in target.execute(HOLDINGS).fetchall()]
    if held:
        raise MoveRefused(
            f"This database holds other data: {', '.join(held)}. An import needs one that is empty: make a new one, "
            "and run “manage.py migrate” on it. Nothing was changed."
        )


def _count(source: Source, reading: sql.Composable) -> int:
    rows: int = source.rows(sql.SQL("SELECT count(*) AS count FROM ({}) AS s").format(reading))[0]["count"]
    return rows


def _all(source: Source, table: str) -> sql.Composed:
    return sql.SQL("SELECT FROM {}").format(sql.Identifier(source.found.schema, table))


def _notes(source: Source, preview: Preview) -> Iterator[str]:
    """Yield in sentences what people ought to know about what comes over."""
    found, schema = source.found, source.found.schema
    if found.is_newer:
        yield f"Blnk has migrated it to {found.newest_migration}, which is newer than this program knows."
    if found.has_rates:
        yield "Exchange rates come over beside their rows, and credits are measured at them, as Blnk credited them."
    if found.rates_gone_at:
        yield (
            "Its exchange rates are gone: balances that received from another currency before Blnk 0.15 stay not "
            "proved, and no correction follows their rows."
        )
    snapshots = BalanceSnapshot._meta.db_table
    if more := _count(source, _all(source, snapshots)) - preview.rows[snapshots]:
        yield f"Of several snapshots of a balance and day the last comes over; {more:,} earlier ones stay behind."
    if same := _count(source, _all(source, "api_keys")) - preview.rows["api_keys"]:
        yield f"{same:,} API keys have a hash that others have as well, so that none is theirs; they stay behind."
    unusable = "SELECT FROM {}.api_keys AS k WHERE NOT is_revoked AND expires_at > now() AND {}"
    has_prefix = "key_prefix" in found.tables["api_keys"]
    where = sql.SQL("key_prefix IS NULL" if has_prefix else "true")
    if keys := _count(source, sql.SQL(unusable).format(sql.Identifier(schema), where)):
        yield (
            f"{keys:,} API keys were issued before Blnk kept their first characters: they do not work here; issue new "
            "ones."
        )
    if preview.waits.notes:
        yield f"Funds of {preview.waits.notes:,} movements are still to be traced, which is done here after the import."
    if JOURNAL in preview.left:
        yield f"Of {JOURNAL} only deletions and edits come over, as entries of the edit journal."
    yield (
        "What Blnk keeps in Redis stays behind: hooks, the queue, and the dates at which holds end. Set those again; "
        "tokenized fields need the same BLNK_TOKENIZATION_SECRET."
    )
