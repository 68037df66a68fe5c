"""Applying under fire: many appliers at once, kill -9 at the worst places, ten thousand balances."""

from __future__ import annotations

import io
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from balances.models import Balance
from reconciliation.correcting import applying
from reconciliation.correcting.applying import apply, outcomes
from reconciliation.correcting.deciding import NotPossibleNow, approve
from reconciliation.correcting.planning import Choice, propose
from reconciliation.correcting.undoing import CannotBeUndone, propose_undo
from reconciliation.measuring.measurement import Measurement, measure
from reconciliation.models import Finding, Origin, Plan, Reconstruction, Step, Sweep
from tests import world
from tests.reconciliation.test_plans import approved, chain_holds, drifted, plan_for, proposal
from tests.test_scratch import environment

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parent.parent.parent
API = Origin.API
ITEMS, CHUNK = 60, 10

APPLY_AND_DIE = """
import os, signal, sys
import django
django.setup()
from reconciliation.correcting import applying
from reconciliation.models import Origin
plan_id, where, chunk, after = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
applying.CORRECTED_AT_ONCE = chunk
calls = 0
def dying(real, before):
    def called(*given, **named):
        global calls
        calls += 1
        if before and calls == after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*given, **named)
        if calls == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return called
owner, _, name = where.rpartition(".")
target = getattr(applying, owner) if owner else applying
setattr(target, name.rstrip("!"), dying(getattr(target, name.rstrip("!")), name.endswith("!")))
applying.apply(plan_id, "alice", Origin.COMMAND)
"""


@pytest.mark.parametrize(
    "where",
    ["SETTLE_ITEMS.rows!", "SETTLE_ITEMS.rows", "seal!", "seal", "restate_balances", "_apply_chunk"],
    ids=[
        "before settling",
        "after it",
        "before sealing",
        "after it, before restating",
        "before the commit",
        "after it",
    ],
)
def test_killed_in_the_third_chunk_and_started_again_nothing_is_done_twice_or_half(where: str) -> None:
    balances = drifted(ITEMS)
    plan = approved(balances)
    words = [sys.executable, "-c", APPLY_AND_DIE, plan.pk, where, str(CHUNK), "3"]
    child = subprocess.run(words, cwd=ROOT, env=os.environ | environment(), capture_output=True, timeout=60)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()

    complete = 3 * CHUNK if where == "_apply_chunk" else 2 * CHUNK
    assert outcomes(plan)["applied"] == complete
    whole(plan, balances)
    assert Plan.objects.get().state == "applying"

    call_command("apply", plan.pk, stdout=io.StringIO(), stderr=io.StringIO())

    assert outcomes(plan) == {"waiting": 0, "applied": ITEMS, "unchanged": 0, "stale": 0, "refused": 0}
    whole(plan, balances)
    assert [step.note for step in Step.objects.filter(kind="started")] == ["", "Resumed."]
    assert Plan.objects.get().state == "applied"


def whole(plan: Plan, balances: list[Balance]) -> None:
    """Every applied item has one record and a right balance, every other one none and its drift; the chain holds."""
    applied = dict(plan.items.filter(outcome="applied").values_list("balance_id", "record_id"))
    records = Reconstruction.objects.filter(plan_id=plan.pk)
    assert applied == dict(records.values_list("balance_id", "reconstruction_id"))
    wrong = {each.balance_id for each in measure([each.pk for each in balances]) if each.has_drift}
    assert wrong == {each.pk for each in balances} - set(applied)
    assert chain_holds()


def at_once(jobs: list[Callable[[], Any]]) -> list[BaseException | None]:
    """Run jobs in threads that start together, and return what each ended with."""
    ends: list[BaseException | None] = [None] * len(jobs)
    gate = threading.Barrier(len(jobs))

    def work(number: int) -> None:
        try:
            gate.wait(30)
            jobs[number]()
        except BaseException as end:
            ends[number] = end
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    return ends


def test_many_appliers_at_once_correct_each_balance_once_while_money_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "CORRECTED_AT_ONCE", 7)
    balances = drifted(ITEMS)
    plan = approved(balances)

    def post() -> None:
        for source, destination in itertools.pairwise(balances):
            world.post(source, destination, 3)

    def go() -> None:
        apply(plan.pk, "alice", API)

    ends = at_once([go, go, go, go, post, post])

    # whoever comes when all is done is told so; everybody else helps
    assert {type(end) for end in ends} <= {type(None), NotPossibleNow}
    assert ends[4:] == [None, None]
    assert outcomes(plan)["applied"] == ITEMS
    whole(plan, balances)
    assert Plan.objects.get().state == "applied"
    assert Step.objects.filter(kind="finished").count() == 1
    assert {each.version_after - each.version_before for each in Reconstruction.objects.all()} == {1}


def test_of_many_who_approve_at_once_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_for(drifted())
    ends = at_once([lambda name=name: approve(plan.pk, name, API) for name in ("bob", "carol", "dave", "alice")])
    assert Counter(type(end).__name__ for end in ends)["NoneType"] == 1
    assert Step.objects.filter(kind="approved").count() == 1
    assert Step.objects.filter(kind="refused").count() == 3
    assert chain_holds()


def test_of_many_who_take_one_correction_back_at_once_one_does() -> None:
    (alice,) = drifted()
    apply(approved([alice]).pk, "alice", API)
    record = Reconstruction.objects.get()
    ends = at_once([lambda: propose_undo([record.pk], proposal()) for _ in range(4)])
    assert Counter(type(end) for end in ends) == {type(None): 1, CannotBeUndone: 3}


MANY = 3_000


def test_thousands_of_findings_are_planned_and_corrected_set_wise() -> None:
    owner = world.ledger()
    Balance.objects.bulk_create([Balance(ledger=owner, currency="USD") for _ in range(MANY)], batch_size=1_000)
    balances = list(owner.balances.order_by("balance_id"))
    world.many_rows(balances, MANY)  # one into each and one out of each, which the stored totals lack
    sweep = Sweep.objects.create(actor="alice", origin="command")
    ids = [each.pk for each in balances]
    Finding.objects.bulk_create([found(each, sweep) for each in measure(ids)], batch_size=1_000)

    plan = propose(Choice(sweep_id=sweep.pk), proposal())
    assert (plan.balances, plan.items.count()) == (MANY, MANY)
    settled: list[int] = []
    apply(approve(plan.pk, "bob", API).pk, "alice", API, settled.append)

    assert settled == [applying.CORRECTED_AT_ONCE] * (MANY // applying.CORRECTED_AT_ONCE)
    assert outcomes(plan)["applied"] == MANY
    assert set(Balance.objects.values_list("credit_balance", "debit_balance", "balance")) == {(100, 100, 0)}
    records = Reconstruction.objects.filter(plan_id=plan.pk).order_by()
    assert records.values("balance_id").distinct().count() == records.count() == MANY


def found(measured: Measurement, sweep: Sweep) -> Finding:
    counted = {name: getattr(measured, name) for name in ("version", "credit_rows", "debit_rows", "hold_rows")}
    instants = {"found_at": measured.executed_at, "explained_at": measured.executed_at}
    return Finding(sweep=sweep, drifted=True, **Finding.copied(measured), **counted, **instants)
