"""`manage.py work` on an adopted Blnk that is stopped, with QUEUED rows and a pending outbox, in both modes at once.

    uv run python -m tests.benchmarks.work_beside_blnk [--seconds N]

A worker of mode *observe* and one of mode *repair* run on databases of Blnk 0.15, with all lanes and schedules.
Afterwards not one row of Blnk's may have changed. Ends with 1 where one has.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from tests.adopting import blnk_database
from tests.benchmarks.watch_blnk import SCHEMA, OfBlnk
from tests.stoppable import own_postgres

MODES = ("observe", "repair")
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'blnk' ORDER BY 1"
DIGEST = "SELECT count(*), md5(string_agg(md5(each::text), '' ORDER BY md5(each::text))) FROM blnk.{} AS each"
DONE = f"SELECT count(*) FROM {SCHEMA}.procrastinate_jobs WHERE status = 'succeeded'"
WAITING = """
    SELECT (SELECT count(*) FROM blnk.transactions WHERE status = 'QUEUED'),
           (SELECT count(*) FROM blnk.lineage_outbox WHERE status = 'pending')
"""


def contents(made: OfBlnk) -> dict[str, tuple[Any, ...]]:
    """Return how many rows each of Blnk's tables has, and a digest of all their columns."""
    return {name: made.rows(DIGEST.format(name))[0] for (name,) in made.rows(TABLES)}


def adopted(made: OfBlnk, mode: str) -> None:
    with psycopg.connect(made.url, autocommit=True) as connection:
        blnk_database.make(connection, "0.15")
        connection.execute("UPDATE blnk.lineage_outbox SET status = 'pending', attempts = 0")
    with made.running("adopt", "--yes", "--mode", mode) as child:
        if child.process.wait(120):
            raise SystemExit(child.said)


def run(seconds: float) -> list[str]:
    wrong = list[str]()
    with ExitStack() as stack:
        places = dict[str, OfBlnk]()
        for mode in MODES:
            first = stack.enter_context(own_postgres(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
            with psycopg.connect(first.url, autocommit=True) as connection:
                connection.execute("CREATE DATABASE blnk")
            places[mode] = OfBlnk(first.directory)
            adopted(places[mode], mode)
        before = {mode: contents(made) for mode, made in places.items()}
        workers = [stack.enter_context(made.running("work")) for made in places.values()]
        time.sleep(seconds)
        wrong += [f"a worker has ended: {each.said[-500:]}" for each in workers if each.process.poll() is not None]
        for mode, made in places.items():
            after = contents(made)
            (queued, pending), ((done,),) = made.rows(WAITING)[0], made.rows(DONE)
            rows = sum(each[0] for each in after.values())
            print(
                f"  {mode}: {rows:,} rows in {len(after)} tables, {queued} QUEUED, {pending} pending; jobs done: {done}"
            )
            wrong += [f"{mode}: {name} has changed" for name, found in after.items() if found != before[mode][name]]
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    bad = run(parser.parse_args().seconds)
    print(*(bad or ["  as expected"]), sep="\n")
    sys.exit(bool(bad))
