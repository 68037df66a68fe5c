"""Background tasks of the project itself."""

from __future__ import annotations

from procrastinate import JobContext, builtin_tasks
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status

from balances.ground import is_outage

KEEP_FINISHED_JOBS_HOURS = 24 * 14
SILENT_SECONDS = 120
"""A worker whose heartbeat is older has died; it beats every ten seconds."""
MOST_ATTEMPTS = 10
"""Attempts after which a job is left failed: it may be what its workers die of."""


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="forget_finished_jobs", pass_context=True)
async def forget_finished_jobs(context: JobContext, timestamp: int) -> None:
    """Delete finished jobs after two weeks, every night at 03:17 UTC; failed ones are kept for inspection."""
    await builtin_tasks.remove_old_jobs(context, max_hours=KEEP_FINISHED_JOBS_HOURS)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="take_up_lost_jobs", pass_context=True, priority=1)
async def take_up_lost_jobs(context: JobContext, timestamp: int) -> None:
    """Let jobs run again whose worker was killed, every minute: an alert must not be lost with it.

    Every job of ours may run twice. One whose like waits already, or that was tried too often, ends as failed;
    attempts that failed and are made again by plan do not count.
    """
    jobs = context.app.job_manager
    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=SILENT_SECONDS):
        try:
            await _take_up(context, job)
        except ConnectorException as error:  # it has ended meanwhile
            if is_outage(error):
                raise


async def _take_up(context: JobContext, job: Job) -> None:
    jobs = context.app.job_manager
    try:
        if job.attempts < MOST_ATTEMPTS + _planned(context, job):
            await jobs.retry_job(job)
            return
    except UniqueViolation:
        pass  # another one waits under the same lock
    await jobs.finish_job(job, Status.FAILED, delete_job=False)


def _planned(context: JobContext, job: Job) -> int:
    """Return how often a job is tried again when it fails."""
    task = context.app.tasks.get(job.task_name)
    return getattr(task and task.retry_strategy, "max_attempts", None) or 0
