"""Writes one month beside its place, reads it back, and puts it there in one step.

A month is there as a whole or not at all: its directory gets its name last, after everything in it is on the disk.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from django.db import transaction

from balances.ground import ONE_SNAPSHOT, LedgerError, Statement
from reconciliation.archiving.months import (
    CHECKPOINT,
    MANIFEST,
    Entry,
    Manifest,
    Month,
    figures_of,
    sha256_of,
)
from reconciliation.archiving.reading import copy_legs
from reconciliation.measuring import DIGITS, Duck, NotProved, duck

UNFIT = Statement.beside(__file__, "unfit.sql")
MONTH = Statement.beside(__file__, "month.sql")
SQL = Path(__file__).parent / "sql"
LOAD, RANGES, WRITE_RANGE, DESCRIBE, CARRY_LEGS, CARRY_CHECKPOINT, WRITE_CHECKPOINT, DIFFERING = (
    (SQL / f"{name}.sql").read_text()
    for name in (
        *("load", "ranges", "write_range", "describe", "carry_legs", "carry_checkpoint", "write_checkpoint"),
        "differing",
    )
)
Figures = dict[tuple[str, str], tuple[int, int]]


class WrittenWrong(LedgerError):
    """What was read back is not what was written; nothing was put into the archive."""

    code = "GEN_CONFLICT"


def write_month(directory: Path, month: Month, *, before: Path | None, previous: str) -> Manifest:
    """Write a closed month and return its manifest; ``before`` is the checkpoint of the month before.

    Raises ``NotProved`` where an amount or a sum has more than 38 digits, and ``WrittenWrong``.
    """
    aside = directory / f".{month}.part"
    shutil.rmtree(aside, ignore_errors=True)  # of one that was killed
    aside.mkdir(mode=0o700)
    try:
        figures = _take(month, aside / "legs.csv")
        with duck(aside) as session:
            entries = _write_legs(session, aside)
            _write_checkpoint(session, aside, entries, before)
        manifest = Manifest(str(month), previous, sha256_of(aside / CHECKPOINT), entries)
        _require_equal(manifest, figures)
        (aside / MANIFEST).write_bytes(manifest.as_bytes())
        _into_place(aside, directory / str(month))
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return manifest


def figures_in_postgres(month: Month) -> Figures:
    """Return what the legs of a month add up to in PostgreSQL now."""
    return figures_of(MONTH.rows(since=month.begin, until=month.end))


def _take(month: Month, file: Path) -> Figures:
    """Write the legs of a month as text, and return their figures, both from one snapshot."""
    with transaction.atomic(durable=True):
        ONE_SNAPSHOT.execute()
        for row in UNFIT.rows(since=month.begin, until=month.end):
            raise NotProved(
                f"{month} cannot be archived: {row['legs']:,} legs, of transaction {row['transaction_id']} and others, "
                f"are no whole number of at most {DIGITS} digits, and none is rounded."
            )
        copy_legs(month, file)
        return figures_in_postgres(month)


def _write_legs(session: Duck, aside: Path) -> list[Entry]:
    text = aside / "legs.csv"
    session.run(LOAD, file=str(text))
    text.unlink()
    entries = []
    for row in list(session.rows(RANGES)):
        path = aside / f"legs-{row['hash_range']}.parquet"
        session.run(WRITE_RANGE, file=str(path), hash_range=row["hash_range"])
        entries.append(describe(session, path))
    return entries


def describe(session: Duck, path: Path) -> Entry:
    """Return what is in a file of legs, as it is read. Raises ``NotProved``."""
    rows = list(session.rows(DESCRIBE, file=str(path)))
    sums: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        of_side = {name: str(int(row[name])) for name in ("applied", "inflight")}
        sums.setdefault(row["currency"], {})[row["side"]] = of_side | {"legs": str(row["legs"])}
    return Entry(
        name=path.name,
        sha256=sha256_of(path),
        rows=sum(row["legs"] for row in rows),
        first=min(row["first"] for row in rows).isoformat(timespec="microseconds"),
        last=max(row["last"] for row in rows).isoformat(timespec="microseconds"),
        first_id=min(row["first_id"] for row in rows),
        last_id=max(row["last_id"] for row in rows),
        sums=sums,
    )


def carry(session: Duck, files: list[Path], before: Path | None) -> None:
    """Add up what a checkpoint after these files ought to say."""
    if files:
        session.run(CARRY_LEGS, files=[str(file) for file in files])
    if before is not None:
        session.run(CARRY_CHECKPOINT, file=str(before))


def differing(session: Duck, checkpoint: Path) -> dict[str, Any] | None:
    """Return a balance of which a checkpoint says something else than what was carried, with how many there are."""
    return next(iter(list(session.rows(DIFFERING, file=str(checkpoint)))), None)


def _write_checkpoint(session: Duck, aside: Path, entries: list[Entry], before: Path | None) -> None:
    carry(session, [aside / entry.name for entry in entries], before)
    session.run(WRITE_CHECKPOINT, file=str(aside / CHECKPOINT))
    if differing(session, aside / CHECKPOINT) is not None:
        raise WrittenWrong(f"{aside}: the checkpoint that was read back is not what was carried forward.")


def _require_equal(manifest: Manifest, figures: Figures) -> None:
    if manifest.figures() != figures:
        raise WrittenWrong(f"{manifest.month}: what was read back does not add up to what PostgreSQL has.")


def _into_place(aside: Path, place: Path) -> None:
    """Give a directory its name, once everything in it is on the disk. A name that is taken stays as it is."""
    for path in (*aside.iterdir(), aside):
        _to_disk(path)
    aside.rename(place)
    _to_disk(place.parent)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
