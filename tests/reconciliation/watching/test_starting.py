"""Starting what is due: once, by however many workers; a missed time is caught up once; refusals are kept."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection
from procrastinate.contrib.django.models import ProcrastinateJob

from balances.models import BalanceSnapshot, now
from balances.queueing.tasks import drain
from reconciliation.measuring.scope import Scope
from reconciliation.models import Alert, Origin, Schedule, Sweep, SweepFigures, Watchdog
from reconciliation.sweeping.tasks import request_sweep
from reconciliation.watching.schedules import ensure_schedules
from reconciliation.watching.starting import start_due
from reconciliation.watching.tasks import watch
from tests import world
from tests.reconciliation.watching.cast import NOON, all_is_quiet, sweep

pytestmark = pytest.mark.django_db
DUE = NOON + timedelta(days=1)
"""By then both schedules were due once."""
KEEP = "snapshot_balances"


@pytest.fixture(autouse=True)
def _quiet() -> None:
    all_is_quiet()


def test_nothing_starts_before_it_is_due() -> None:
    assert start_due(NOON + timedelta(minutes=1)) == []
    assert not Sweep.objects.exists()


def test_nothing_starts_of_a_schedule_that_is_switched_off() -> None:
    Schedule.objects.update(enabled=False)
    assert start_due(DUE) == []
    assert not Sweep.objects.exists()
    assert not ProcrastinateJob.objects.filter(task_name=KEEP).exists()


@pytest.mark.parametrize("state", Sweep.OPEN)
def test_the_next_sweep_waits_for_the_scheduled_one_that_is_open_and_is_then_caught_up(state: str) -> None:
    running = sweep(None, state=state)
    start_due(DUE)
    assert Sweep.objects.get() == running
    Sweep.objects.update(state=Sweep.State.CANCELLED)
    start_due(DUE)
    assert Sweep.objects.filter(state=Sweep.State.QUEUED).count() == 1


def test_a_sweep_that_a_person_started_is_waited_for_only_where_it_is_about_the_same() -> None:
    same = sweep(None, origin=Origin.ADMIN)
    start_due(DUE)
    assert Sweep.objects.get() == same
    Sweep.objects.update(scope={"currency": "USD"})
    start_due(DUE)
    assert Sweep.objects.count() == 2


def test_what_is_due_starts_once_over_everything_in_the_name_of_the_schedule() -> None:
    assert [each.name for each in start_due(DUE)] == ["sweep", "snapshots"]
    started = Sweep.objects.get()
    assert (started.scope, started.actor, started.origin) == ({"everything": True}, "schedule", "schedule")
    assert ProcrastinateJob.objects.filter(task_name=KEEP).count() == 1
    assert start_due(DUE + timedelta(hours=1)) == []


def test_times_that_were_missed_while_no_worker_ran_are_caught_up_once() -> None:
    late = NOON + timedelta(days=30)
    start_due(late)
    Sweep.objects.update(state=Sweep.State.FINISHED)
    assert start_due(late + timedelta(minutes=1)) == []
    assert Sweep.objects.count() == 1
    assert Schedule.objects.get(name="sweep").last_due_at == late.replace(hour=2)


def test_a_start_that_is_refused_says_why_on_the_schedule_and_the_other_starts_all_the_same() -> None:
    Schedule.objects.filter(name="sweep").update(scope={"ledger": "Closed"})
    assert len(start_due(DUE)) == 2
    assert Schedule.objects.get(name="sweep").refusal == "There is no ledger named or identified by 'Closed'."
    assert not Sweep.objects.exists()
    assert ProcrastinateJob.objects.filter(task_name=KEEP).exists()
    world.ledger("Closed")
    start_due(DUE + timedelta(days=1))
    assert Schedule.objects.get(name="sweep").refusal == ""
    assert Sweep.objects.get().scope == {"ledger": "Closed"}


def test_the_settings_fill_the_rows_once_and_what_people_changed_stays(settings: Any) -> None:
    settings.LEDGER_SWEEP_CRON = "30 4 * * *"
    ensure_schedules(DEFAULT_DB_ALIAS)
    assert Schedule.objects.get(name="sweep").cron == "0 2 * * *"
    Schedule.objects.all().delete()
    ensure_schedules(DEFAULT_DB_ALIAS)
    assert Schedule.objects.get(name="sweep").cron == "30 4 * * *"
    settings.LEDGER_SNAPSHOT_CRON = "nonsense"
    with pytest.raises(ValidationError, match="five fields"):
        ensure_schedules(DEFAULT_DB_ALIAS)


@pytest.mark.django_db(transaction=True)
def test_eight_workers_that_find_the_same_time_due_start_one_sweep() -> None:
    all_is_quiet()
    start = threading.Barrier(8)
    answered: list[str] = []
    problems: list[BaseException] = []

    def worker(number: int) -> None:
        try:
            start.wait(20)
            answered.extend(each.name for each in start_due(DUE + number * timedelta(hours=24)))
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    for round_of_workers in ([0] * 8, [1, 2] * 4):
        answered.clear()
        Sweep.objects.update(state=Sweep.State.FINISHED)
        ProcrastinateJob.objects.filter(task_name=KEEP)._raw_delete(DEFAULT_DB_ALIAS)
        threads = [threading.Thread(target=worker, args=(number,)) for number in round_of_workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert problems == []
        assert answered.count("sweep") == 1
        assert Sweep.objects.filter(state=Sweep.State.QUEUED).count() == 1


@pytest.mark.usefixtures("no_clock")
@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_has_finished_is_looked_at_without_waiting_for_the_minute() -> None:
    yesterday = now() - timedelta(days=1)
    all_is_quiet(yesterday)
    swept = request_sweep(Scope(everything=True), actor="alice", origin=Origin.ADMIN)
    call_command("work", "--once", verbosity=0)
    swept.refresh_from_db()
    assert swept.state == Sweep.State.FINISHED
    assert SweepFigures.objects.get().sweep == swept
    assert Watchdog.objects.get().looked_at > yesterday


@pytest.mark.usefixtures("no_clock")
@pytest.mark.django_db(transaction=True)
def test_the_worker_watches_by_itself_starts_what_is_due_and_tells_of_its_silence() -> None:
    all_is_quiet(now() - timedelta(days=2))
    world.balance()
    Schedule.objects.filter(name="sweep").update(enabled=False)
    watch.defer(timestamp=0)
    for _ in range(2):  # the first one may end before it sees what the watchdog has just deferred
        call_command("work", "--once", verbosity=0)
    assert Watchdog.objects.get().looked_at > now() - timedelta(minutes=5)
    assert Alert.objects.get().kind == Alert.Kind.WATCHDOG_SILENT
    assert BalanceSnapshot.objects.exists()
    assert set(ProcrastinateJob.objects.values_list("task_name", "status")) == {
        (watch.name, "succeeded"),
        (drain.name, "succeeded"),  # each worker looks at the queue when it starts
        ("trace_lineage", "succeeded"),
        (KEEP, "succeeded"),
    }
