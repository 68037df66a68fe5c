"""The import as a whole: looks, prepares, copies or goes on, compares, and only then lets anything follow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from django.db import connection
from psycopg import sql

from balances.apps import ensure_general_ledger
from balances.ground import upkeep
from balances.models import Transaction
from balances.recording import POSTINGS
from ledgerproj.adopting import RATE, rate_functions
from ledgerproj.moving.comparing import Compared, compare, digest
from ledgerproj.moving.copying import copy_table
from ledgerproj.moving.looking import MoveRefused, Preview, Server, Standing, look, open_target
from ledgerproj.moving.shapes import NUMBER, Shape
from ledgerproj.moving.source import ENQUEUE, UTC_ALWAYS, Source, snapshot
from ledgerproj.postgresql import adopted
from reconciliation.measuring import Scope
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping import create_sweep, run_sweep

BEGIN, FINISH, ENQUEUE_WAITING = (
    (Path(__file__).parent / "sql" / f"{name}.sql").read_text() for name in ("begin", "finish", "enqueue")
)
LOCK = "SELECT pg_try_advisory_lock(hashtextextended('import_blnk', 0)) AS is_mine"
LOCK_SECONDS = 30.0
"""How long to wait for another import: the server may still be ending one whose client was killed."""
PORTION = 50_000
"""Rows of one commit."""
DATED = "effective_date"
WITH_IDS = ("balance_snapshots", "lineage_mappings", "lineage_outbox")
"""Tables whose ids come over, so that those that are drawn here must follow them."""


@dataclass(frozen=True)
class Progress:
    """How far the copying is."""

    table: str
    done: int
    """Rows of all tables that are in."""
    total: int
    rows_per_second: float
    """Of this run."""
    seconds_left: float


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    url: str
    actor: str
    waiting: str = ""
    """What becomes of queued rows without an outcome: ``keep`` or ``enqueue``; empty where that was not said."""
    renaming: bool = False
    """Whether balances that share indicator and currency come over, all but the oldest with their id behind it."""
    portion: int = PORTION


@dataclass(frozen=True)
class Moved:
    """How an import ended."""

    compared: list[Compared]
    sweep: Sweep | None
    """What drifts in the copy, as it did in the source; missing where the copy is not alike."""
    enqueued: int = 0

    @property
    def agrees(self) -> bool:
        """Return whether source and copy are alike."""
        return all(each.agrees for each in self.compared)


def preview(wish: Wish) -> Preview:
    """Return what an import would do. Raises ``MoveRefused``, ``NothingToAdopt`` or ``psycopg.Error``."""
    with _target() as target, snapshot(wish.url, renaming=wish.renaming) as source:
        return look(source, target)


def move(wish: Wish, progress: Callable[[Progress], None] = lambda at: None) -> Moved:
    """Copy a database, or go on with that, and compare. Raises as ``preview`` does."""
    with _target() as target:
        with snapshot(wish.url, renaming=wish.renaming) as source:
            found = look(source, target)
            if found.standing and found.standing.finished_at:
                raise MoveRefused(
                    f"{found.standing.source} was imported by {found.standing.finished_at:%Y-%m-%d %H:%M} UTC. Nothing "
                    "was changed."
                )
            if refusals := found.refusals(wish.waiting):
                raise MoveRefused("Nothing was imported.\n  " + "\n  ".join(refusals))
            if found.standing:
                _require_same(source, target, found.standing, wish)
            _begin(source, target, wish, is_new=found.standing is None)
            _copy(source, target, wish, found, progress)
            compared = [compare(source, target, shape) for shape in source.shapes]
        if not all(each.agrees for each in compared):
            return Moved(compared, None)
        enqueued = _finish(target, wish, compared)
    adopted.forget()
    connection.close()
    upkeep.mark_visible(patient=True)
    if enqueued:
        POSTINGS.call()
    sweep = create_sweep(Scope(everything=True), actor=wish.actor, origin=Origin.COMMAND, reason="import of Blnk")
    return Moved(compared, run_sweep(sweep.sweep_id), enqueued)


@contextmanager
def _target() -> Iterator[Server]:
    """Connect to our own database, with no other import beside."""
    with open_target() as target:
        target.execute(UTC_ALWAYS)
        until = time.monotonic() + LOCK_SECONDS
        while not (target.execute(LOCK).fetchone() or {})["is_mine"]:
            if time.monotonic() > until:
                raise MoveRefused("Another import into this database is under way. Nothing was changed.")
            time.sleep(0.2)
        yield target


def _require_same(source: Source, target: Server, standing: Standing, wish: Wish) -> None:
    """Refuse to go on where the rows that are in are no longer those of the source, or of this database."""
    if (standing.schema, standing.generation) != (source.found.schema, source.found.generation):
        raise MoveRefused(
            f"An import of {standing.source}, Blnk {standing.generation}, was begun here; this is another database. "
            "Nothing was changed."
        )
    if standing.waiting != wish.waiting:
        raise MoveRefused(
            f"The import was begun with --waiting {standing.waiting or '(nothing)'}; go on with the same."
        )
    for shape in source.shapes:
        last = standing.tables.get(shape.target, {}).get("last", 0)
        theirs = digest(source.server, shape.reading(f"t.id <= {last}"))
        ours = digest(target, shape.kept())
        if theirs != ours:
            raise MoveRefused(
                f"The source has changed since {standing.snapshot_at:%Y-%m-%d %H:%M:%S} UTC, or the copy was written "
                f"to: of {shape.target} {ours[0]:,} rows were in, and the source now has {theirs[0]:,} in their place, "
                "or others. A copy of two moments would agree with neither. Stop Blnk, or name a restored backup; make "
                "this database again (DROP DATABASE, CREATE DATABASE, manage.py migrate), and import once more. "
                "Nothing was changed."
            )


def _begin(source: Source, target: Server, wish: Wish, *, is_new: bool) -> None:
    """Note the import, with what rows of Blnk's need besides our tables: all in one commit."""
    found = source.found
    with target.transaction():
        if is_new:
            for statement in _preparing(found.has_rates):
                target.execute(statement)
        target.execute(
            BEGIN,
            {
                **{name: getattr(found, name) for name in ("schema", "generation", "has_rates", "rates_gone_at")},
                "silent_until": found.silent_until,
                "snapshot_at": source.taken_at + timedelta(hours=max(found.hours_ahead, 0)),
                "source": source.name,
                "waiting": wish.waiting,
                "actor": wish.actor,
            },
        )


def _preparing(has_rates: bool) -> Iterator[sql.Composed | sql.SQL | bytes]:
    """Yield what makes room for what only rows of Blnk's have."""
    yield sql.SQL("DELETE FROM ledgers WHERE ledger_id = 'general_ledger_id'")  # the one of Blnk's comes in its place
    yield sql.SQL("ALTER TABLE transactions ADD COLUMN {} bigint").format(sql.Identifier(NUMBER))
    columns = [field.column for field in Transaction._meta.local_concrete_fields] + [NUMBER]
    if has_rates:
        columns.append(RATE)
        yield sql.SQL("ALTER TABLE transactions ADD COLUMN {} double precision").format(sql.Identifier(RATE))
        yield sql.SQL("CREATE INDEX rated_credits ON transactions (destination) WHERE rate NOT IN (0, 1)")
        yield rate_functions(connection.settings_dict["OPTIONS"].get("schema", "public")).encode()
    names: list[sql.Composable] = [sql.SQL("t.{}").format(sql.Identifier(name)) for name in columns if name != DATED]
    names.append(sql.SQL("coalesce(t.effective_date, t.created_at) AS effective_date"))
    yield sql.SQL("CREATE VIEW dated_transactions AS SELECT {} FROM transactions AS t").format(
        sql.SQL(", ").join(names)
    )


def _copy(source: Source, target: Server, wish: Wish, found: Preview, progress: Callable[[Progress], None]) -> None:
    in_before = {name: each["rows"] for name, each in (found.standing.tables if found.standing else {}).items()}
    lasts = {name: each["last"] for name, each in (found.standing.tables if found.standing else {}).items()}
    total, done, began = sum(found.rows.values()), sum(in_before.values()), time.monotonic()
    at_first = done

    def copied(shape: Shape, rows: int) -> None:
        nonlocal done
        done += rows
        rate = (done - at_first) / max(time.monotonic() - began, 0.001)
        progress(Progress(shape.target, done, total, rate, (total - done) / rate if rate else 0.0))

    for shape in source.shapes:
        copy_table(
            source,
            target,
            shape,
            after=lasts.get(shape.target, 0),
            portion=wish.portion,
            copied=lambda rows, shape=shape: copied(shape, rows),  # type: ignore[misc]
        )


def _finish(target: Server, wish: Wish, compared: list[Compared]) -> int:
    """Note that source and copy are alike, and let what waits follow; return the number of rows that do."""
    enqueued = 0
    with target.transaction():
        for table in WITH_IDS:
            target.execute(
                sql.SQL(
                    "SELECT setval(pg_get_serial_sequence({}, 'id'), greatest(max(id), 1), max(id) IS NOT NULL) FROM {}"
                ).format(sql.Literal(table), sql.Identifier(table))
            )
        if wish.waiting == ENQUEUE:
            enqueued = target.execute(ENQUEUE_WAITING).rowcount
        target.execute(FINISH, {"tables": json.dumps({each.table: asdict(each) for each in compared}, default=str)})
    ensure_general_ledger("default")
    return enqueued
