"""The background worker: jobs are rows of the same database, deferred in the commit that causes them."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from ledgerproj.tasks import forget_finished_jobs

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


def ours() -> Any:
    """Return the jobs of this file: other tests leave some, and schedules add theirs every minute."""
    return ProcrastinateJob.objects.filter(task_name=forget_finished_jobs.name)
