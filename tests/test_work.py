"""The background worker: jobs are rows of the same database, deferred in the commit that causes them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from ledgerproj.lane_worker import LaneWorker
from ledgerproj.tasks import MOST_ATTEMPTS, forget_finished_jobs, take_up_lost_jobs

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_of_a_block_that_was_rolled_back_never_runs() -> None:
    before = ours().count()
    with pytest.raises(RuntimeError), transaction.atomic():
        forget_finished_jobs.defer(timestamp=0)
        raise RuntimeError
    assert ours().count() == before


def test_the_worker_runs_what_is_waiting_and_ends() -> None:
    forget_finished_jobs.defer(timestamp=0)
    call_command("work", "--once")
    assert ours().latest("id").status == "succeeded"


def test_jobs_whose_worker_was_killed_run_again_unless_another_waits_or_they_were_tried_too_often() -> None:
    killed = [forget_finished_jobs.configure(queueing_lock=f"lost {n}").defer(timestamp=n) for n in range(3)]
    ProcrastinateJob.objects.filter(id__in=killed).update(status="doing", worker=None)
    ProcrastinateJob.objects.filter(id=killed[1]).update(attempts=MOST_ATTEMPTS)
    waiting = forget_finished_jobs.configure(queueing_lock="lost 2", schedule_in={"hours": 1}).defer(timestamp=2)
    take_up_lost_jobs.defer(timestamp=0)
    call_command("work", "--once")
    ended = dict(ProcrastinateJob.objects.filter(id__in=[*killed, waiting]).values_list("id", "status"))
    assert [ended[job] for job in (*killed, waiting)] == ["succeeded", "failed", "failed", "todo"]


def test_a_worker_of_one_queue_leaves_the_others_alone() -> None:
    forget_finished_jobs.defer(timestamp=0)
    call_command("work", "--once", "--queue", "watching")
    assert ours().latest("id").status == "todo"


@pytest.mark.parametrize("ending", [None, RuntimeError("a defect")])
def test_where_one_worker_ends_by_itself_all_do_and_the_command_fails(
    monkeypatch: pytest.MonkeyPatch, ending: Exception | None
) -> None:
    ended: list[str] = []

    async def run(worker: Any) -> None:
        try:
            await asyncio.sleep(0.1 if worker.queues == ["webhooks"] else 60)
            if ending:
                raise ending
        finally:
            ended.extend(worker.queues)

    monkeypatch.setattr(LaneWorker, "run", run)
    with pytest.raises(type(ending) if ending else CommandError):
        call_command("work", verbosity=0)
    assert {"webhooks", "postings", "default"} <= set(ended)


def ours() -> Any:
    """Return the jobs of this file: other tests leave some, and schedules add theirs every minute."""
    return ProcrastinateJob.objects.filter(task_name=forget_finished_jobs.name)
