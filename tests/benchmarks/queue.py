"""A backlog drained by workers that are killed at random: how fast, with how much memory, and is it right afterwards?

    uv run python -m tests.benchmarks.queue [ROWS] [WORKERS] [KILLS]

The rows are made by the server itself. Workers are ``manage.py work`` processes, killed with SIGKILL at random
moments and started anew. At the end every row must have exactly one outcome, and no total may drift.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks import scratch

BALANCES = 1_000
CHUNK = 100_000
ROOT = Path(__file__).resolve().parent.parent.parent

FILL = """
    WITH made AS (
        INSERT INTO transactions (transaction_id, parent_transaction, source, destination, reference, amount,
                                  precise_amount, precision, currency, description, status, hash, created_at,
                                  effective_date, meta_data)
        SELECT 'txn_' || gen_random_uuid(), '', ids[1 + n %% size], ids[1 + (n + 1 + n / size %% (size - 1)) %% size],
               'backlog-' || n, 1, 100, 100, 'USD', 'backlog', 'QUEUED', repeat('0', 64), now(), now(),
               '{"allow_overdraft": true}'
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n,
             (SELECT %(ids)s::text[] AS ids, cardinality(%(ids)s::text[]) AS size) AS given
        RETURNING transaction_id
    )
    INSERT INTO queueing_entry (action, transaction_id, group_id, action_id, is_timer, inflight, allow_overdraft,
                                attempts, last_error)
    SELECT 'apply', transaction_id, '', '', false, false, true, 0, '' FROM made
"""


class Worker:
    """A worker process, started again after each kill; its memory is looked at now and then."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = os.environ | environment | {"DJANGO_SETTINGS_MODULE": "ledgerproj.settings"}
        self.megabytes: list[float] = []
        self.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "django", "work", "--verbosity", "0"]
        self.process = subprocess.Popen(words, cwd=ROOT, env=self.environment)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def look(self) -> None:
        if self.process.poll() is None:
            self.megabytes.append(psutil.Process(self.process.pid).memory_info().rss / 1e6)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def fill(rows: int) -> int:
    from django.db import connection, transaction

    from balances.recording import entries
    from tests import world

    ids = [world.balance().pk for _ in range(BALANCES)]
    with connection.cursor() as cursor:
        for first in range(1, rows + 1, CHUNK):
            cursor.execute(FILL, {"first": first, "last": min(first + CHUNK - 1, rows), "ids": ids})
        cursor.execute("ANALYZE transactions, queueing_entry")
        cursor.execute("SELECT count(*) FROM queueing_entry")
        (waiting,) = cursor.fetchone()
    with transaction.atomic():
        entries.POSTINGS.call()
    return int(waiting)


def drain(environment: dict[str, str], workers: int, kills: int, waiting: int) -> tuple[float, list[Worker]]:
    from balances.models.queue import Entry

    crew = [Worker(environment) for _ in range(workers)]
    chance = random.Random(7)
    began, killed, left = time.perf_counter(), 0, waiting
    try:
        while left:
            time.sleep(2)
            left = Entry.objects.count()
            for worker in crew:
                worker.look()
            if killed < kills and waiting - left > (killed + 1) * waiting // (kills + 2):
                chance.choice(crew).kill()
                killed += 1
            print(f"  {time.perf_counter() - began:6.0f} s  {left:>9,} wait, {killed} killed", flush=True)
        return time.perf_counter() - began, crew
    finally:
        for worker in crew:
            worker.stop()


def violations(waiting: int) -> list[str]:
    """Return what is wrong afterwards."""
    from django.db.models import Count

    from balances.models import Balance, Transaction
    from reconciliation.measuring.measurement import measure_all

    found = []
    rows: dict[str | None, Any] = dict(
        Transaction.objects.values_list("status").annotate(n=Count("*")).values_list("status", "n")
    )
    if rows != {"QUEUED": waiting, "APPLIED": waiting}:
        found.append(f"{waiting} rows were queued, and there are {rows}.")
    ids = list(Balance.objects.order_by("pk").values_list("pk", flat=True))
    drifted = sum(measured.has_drift for measured in measure_all(ids))
    if drifted:
        found.append(f"{drifted} balances drift.")
    return found


def main(rows: int, workers: int, kills: int) -> None:
    """Fill a scratch database, drain it, count."""
    with scratch.database() as made:
        waiting = fill(rows)
        print(f"{waiting:,} rows wait, {workers} workers, {kills} kills")
        seconds, crew = drain(made.environment, workers, kills, waiting)
        print(f"drained in {seconds:.0f} s: {waiting / seconds:,.0f} a second")
        for worker in crew:
            quarter = max(1, len(worker.megabytes) // 4)
            first, last = worker.megabytes[:quarter], worker.megabytes[-quarter:]
            if first and last:
                print(f"memory: {statistics.median(first):.0f} MB at first, {statistics.median(last):.0f} MB at last")
        wrong = violations(waiting)
        print("\n".join(wrong) if wrong else "every row has one outcome, no balance drifts")
        sys.exit(bool(wrong))


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [1_000_000, 2, 6][len(given) :]))
