"""Workers killed with SIGKILL at every point of a batch, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from balances.models import Transaction
from balances.models.queue import Entry
from tests.balances.test_queueing_under_fire import all_was_done_once
from tests.client import Client
from tests.test_scratch import environment
from tests.wire import assert_no_drift, create, drain, hold, queued, sums, under, wallets

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parent.parent.parent
WORK_AND_DIE = """
import os, signal, sys, time
import django
django.setup()
from balances.queueing import draining
def dying(real, before):
    calls = 0
    def called(*given, **named):
        nonlocal calls
        calls += 1
        if before and calls == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*given, **named)
        if calls == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return called
def work(where):
    *owners, name = where.rstrip("!").split(".")
    target = draining
    for owner in owners:
        target = getattr(target, owner)
    setattr(target, name, dying(getattr(target, name), where.endswith("!")))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not draining.drain(size=6):
            time.sleep(0.005)
workers = {}
for where in sys.argv[1:]:
    child = os.fork()
    if not child:
        work(where)
        os._exit(1)
    workers[child] = where
for child, where in workers.items():
    _, status = os.waitpid(child, 0)
    print(where, os.WTERMSIG(status))
"""
POINTS = [
    "CLAIM_ENTRIES.rows",  # with entries claimed, and the turn held
    "writing.lock",  # with balances locked, and the turn held
    "writing.write!",  # before anything is written
    "writing.write",  # with rows and totals written, entries still there
    "_finish",  # with entries taken out, not committed
    "publishing.publish_rejected",  # at the end of the transaction
    "_drain",  # after the commit
]


def test_workers_killed_wherever_they_are_lose_nothing_and_repeat_nothing(api: Client) -> None:
    wallets()
    for number in range(40):
        create(api, queued(f"p{number}", 10))
        create(api, queued(f"refused{number}", source="bln_dora"))
        own = create(api, queued(f"h{number}", 10, inflight=True, inflight_expiry_date="2020-01-01T00:00:00Z"))
        if number % 2:
            api.put(f"/transactions/inflight/{own}", {"status": "commit", "precise_amount": 4})
    api.post("/transactions/bulk", {"transactions": [queued(f"g{n}", 1) for n in range(20)], "atomic": True})
    other = hold(api, "direct", 500)
    api.put(f"/transactions/inflight/{other}", {"status": "commit"})
    words = [sys.executable, "-c", WORK_AND_DIE, *POINTS]
    told = subprocess.run(words, cwd=ROOT, env=os.environ | environment(), capture_output=True, timeout=60, check=True)
    assert told.stdout.decode().splitlines() == [f"{where} {int(signal.SIGKILL)}" for where in POINTS]
    assert Entry.objects.exists()
    assert_no_drift()
    Entry.objects.update(due_at=datetime.now(UTC) - timedelta(hours=1))  # what was put off behind its hold
    drain()
    all_was_done_once()
    assert sums("bln_dora") == (0, 0, 0, 0)
    assert Transaction.objects.filter(status="REJECTED").count() == 40
    debit, _, held_debit, _ = sums("bln_alice")
    parts = sum(units for each in Transaction.objects.filter(status="INFLIGHT", reference__endswith="_q")
                for state, units in under(each.pk) if state == "APPLIED")  # fmt: skip
    assert (debit, held_debit) == (40 * 10 + 20 + 500 + parts, 0)
