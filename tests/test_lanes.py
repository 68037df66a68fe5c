"""Which worker serves which queue: every queue one, and no lane waits for another."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import DeleteJobCondition

from balances.events.announcing import Event, announce
from balances.models.hooks import Delivery
from ledgerproj.lanes import POSTINGS, WEBHOOKS, Lane, UnknownQueue, lanes
from tests.receiver import listening

MOST = {"postings": 2, "webhooks": 20, "others": 4}


def test_a_queue_that_no_task_names_is_refused() -> None:
    with pytest.raises(UnknownQueue, match="There is no queue webhook; there are "):
        lanes(app, ["webhook"], **MOST)
    with pytest.raises(CommandError, match="There is no queue wathcing"):
        call_command("work", "--once", "--queue", "wathcing")


def test_every_queue_that_a_task_names_is_served_by_one_worker() -> None:
    served = [queue for lane in lanes(app, None, **MOST) for queue in lane.queues]
    assert len(served) == len(set(served))
    assert {task.queue for task in app.tasks.values()} <= set(served)
    assert [lane.concurrency for lane in lanes(app, None, **MOST)] == [2, 20, 4]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([WEBHOOKS], [Lane(queues=[WEBHOOKS], concurrency=20)]),
        ([POSTINGS], [Lane(queues=[POSTINGS], concurrency=2)]),
        (["watching"], [Lane(queues=["watching"], concurrency=4)]),
        (
            ["watching", "default", POSTINGS],
            [Lane(queues=[POSTINGS], concurrency=2), Lane(queues=["default", "watching"], concurrency=4)],
        ),
    ],
)
def test_only_the_queues_that_are_wanted_are_served(wanted: list[str], found: list[Lane]) -> None:
    assert lanes(app, wanted, **MOST) == found


def test_only_what_was_delivered_is_deleted_at_once() -> None:
    kept = {lane.queues[0]: lane.options["delete_jobs"] for lane in lanes(app, None, **MOST)}
    assert kept.pop(WEBHOOKS) == DeleteJobCondition.SUCCESSFUL
    assert set(kept.values()) == {DeleteJobCondition.NEVER}


@pytest.fixture
def tasks() -> Any:
    """Yield the tasks of the app, and take away those that a test adds."""
    app.perform_import_paths()
    before = dict(app.tasks)
    yield app.tasks
    app.tasks.clear()
    app.tasks.update(before)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_clock", "tasks")
def test_slow_receivers_hold_up_neither_a_posting_nor_anything_else(settings: Any) -> None:
    done = threading.Barrier(2, timeout=15)
    released = threading.Event()

    @app.task(name="a posting", queue=POSTINGS)
    def post() -> None:
        done.wait()

    @app.task(name="something else")
    def do() -> None:
        done.wait()  # with the posting beside it, while all receivers are silent
        released.set()

    with listening() as receiver:
        receiver.gate = released
        settings.BLNK_WEBHOOK_URL = receiver.url
        announce([Event("ledger.created", {"ledger_id": f"ldg_{number}"}) for number in range(25)])
        do.defer()
        post.defer()
        call_command("work", "--once", verbosity=0)
        assert released.is_set()
        assert len(receiver.got) == 25
    assert set(Delivery.objects.values_list("outcome", "attempt")) == {("delivered", 1)}
    assert set(ProcrastinateJob.objects.values_list("status", flat=True)) == {"succeeded"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_clock", "tasks")
def test_a_worker_that_ends_when_nothing_waits_also_runs_what_was_caused_meanwhile(settings: Any) -> None:
    settings.BLNK_WEBHOOK_URL = "http://127.0.0.1:9/h"

    @app.task(name="a posting", queue=POSTINGS)
    def post() -> None:
        announce([Event("ledger.created", {"ledger_id": "ldg_1"})])

    post.defer()
    call_command("work", "--once", verbosity=0)
    assert Delivery.objects.get().attempt == 1
