"""Archives months: those that are closed, in their order, each sealed among the records.

A month is closed when its end is some time ago and every transaction of the server that began before has ended. It is
the month of a row's creation, not of its effective date: no one can create a row in the past but who imports or writes
SQL, and a later sweep of the archive names the month of such a row. No row is taken out of PostgreSQL.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from balances.ground import LedgerError, Statement, require_own_tables
from reconciliation.archiving.months import CHECKPOINT, MANIFEST, Manifest, Month, sha256_of
from reconciliation.archiving.writing import figures_in_postgres, write_month
from reconciliation.models import Archive, Origin
from reconciliation.records import lock_chain, seal

FIRST_ROW = Statement.beside(__file__, "first_row.sql")
BEGAN = Statement.beside(__file__, "began.sql")
RUNNING = Statement.beside(__file__, "running.sql")
CLOSED_AFTER = timedelta(hours=1)
"""Time after the end of a month for a process that took an instant of it and has not begun to write the row."""
PATIENCE_SECONDS = 30.0
"""How long to wait for running transactions to end."""


class ArchiveRefused(LedgerError):
    """Nothing can be archived now, or not into this directory."""

    code = "GEN_CONFLICT"


def archive(until: Month, *, actor: str, origin: Origin) -> Iterator[Archive]:
    """Archive the months up to and including one that are not yet, and yield the record of each as it is written.

    Raises ``ArchiveRefused``, ``NotProved`` for amounts that a file cannot hold, ``EngineMissing``, or what
    ``require_own_tables`` raises.
    """
    require_own_tables()
    directory: Path = settings.LEDGER_ARCHIVE_DIR
    with _alone(directory):
        _require_closed(until)
        last = Archive.objects.first()
        month = _following(last)
        while month is not None and month <= until:
            before = None if last is None else _checkpoint_of(directory, last)
            manifest = _written(directory, month, before, last.manifest if last else "")
            last = _sealed(directory, manifest, actor, origin)
            yield last
            month = month.next


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the directory; a killed process holds nothing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveRefused(f"Another process is archiving into {directory}.") from None
        yield


def _require_closed(month: Month) -> None:
    """Wait for what may still write a row of a month; raise ``ArchiveRefused`` where the month is not closed."""
    began = BEGAN.rows()[0]
    if began["looked_at"] < month.end + CLOSED_AFTER:
        raise ArchiveRefused(
            f"{month} may still get rows: it is closed an hour after its end, at "
            f"{month.end + CLOSED_AFTER:%Y-%m-%d %H:%M} UTC."
        )
    patience = time.monotonic() + PATIENCE_SECONDS
    while RUNNING.rows()[0]["oldest"] < began["following"]:
        if time.monotonic() > patience:
            raise ArchiveRefused(
                f"{month} may still get rows: a transaction of the server has been running since before this began, "
                f"for more than {PATIENCE_SECONDS:.0f} s. Archive again when it has ended."
            )
        time.sleep(0.1)


def _following(last: Archive | None) -> Month | None:
    if last is not None:
        return Month.read(last.month).next
    oldest = FIRST_ROW.rows()[0]["oldest"]
    return None if oldest is None else Month.of(oldest)


def _checkpoint_of(directory: Path, record: Archive) -> Path:
    """Return the checkpoint to go on from, if it is what was archived."""
    place = directory / record.month
    try:
        stored = (place / MANIFEST).read_bytes()
        intact = sha256_of(place / MANIFEST) == record.manifest
        intact = intact and sha256_of(place / CHECKPOINT) == Manifest.read(stored).checkpoint
    except FileNotFoundError:
        intact = False
    if not intact:
        raise ArchiveRefused(f"{record.month} in {directory} is not as it was archived; see manage.py sweep --archive.")
    return place / CHECKPOINT


def _written(directory: Path, month: Month, before: Path | None, previous: str) -> Manifest:
    """Write a month, or take up one that was written by a process that was killed before it could seal it."""
    place = directory / str(month)
    if not place.exists():
        return write_month(directory, month, before=before, previous=previous)
    try:
        manifest = Manifest.read((place / MANIFEST).read_bytes())
        digests = {CHECKPOINT: manifest.checkpoint} | {entry.name: entry.sha256 for entry in manifest.files}
        intact = all(sha256_of(place / name) == digest for name, digest in digests.items())
        intact = intact and manifest.previous == previous and manifest.figures() == figures_in_postgres(month)
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        intact = False
    if not intact:
        raise ArchiveRefused(
            f"{place} is there, no record has it, and it is not what PostgreSQL has of that month. Move it away."
        )
    return manifest


def _sealed(directory: Path, manifest: Manifest, actor: str, origin: Origin) -> Archive:
    with transaction.atomic(durable=True):
        last = lock_chain()
        record = Archive.objects.create(
            month=manifest.month,
            manifest=sha256_of(directory / manifest.month / MANIFEST),
            previous=manifest.previous,
            legs=manifest.legs,
            files=len(manifest.files),
            actor=actor,
            origin=origin,
        )
        seal([record], last)
    return record
