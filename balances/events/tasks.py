"""Jobs that deliver, on a queue of their own, so that a slow receiver holds up nothing else."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import cast

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision, builtin_tasks
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from balances.events import delivering
from balances.ground import Statement
from balances.models import Delivery, now

TAKE_UP_WAITING = Statement.beside(__file__, "take_up_waiting.sql")
QUEUE, WAITING = "webhooks", "webhooks_waiting"
"""The queue of jobs that are due soon, and that of jobs with a longer pause, which no worker polls."""
LONG = 120
"""Seconds from which on a pause is spent on the second queue; it then ends on a full minute."""
RETRIES = 25
"""Attempts after the first one to deliver a webhook; a hook has a number of its own."""
KEEP = timedelta(days=30)
"""How long attempts, and jobs that were given up, are kept."""
CHUNK = 10_000
"""Rows removed in one commit."""


class Backoff(BaseRetryStrategy):
    """Retries on the schedule of the original's queue: seconds at first, days at last; then the job stays failed."""

    max_attempts = RETRIES

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Return when a job is tried again, or ``None`` where its attempts are used up."""
        if job.attempts >= cast("int", job.task_kwargs.get("retries", RETRIES)):
            return None
        seconds = pause(job.attempts)
        return RetryDecision(retry_in={"seconds": seconds}, queue=WAITING if seconds >= LONG else None)


def pause(tried: int) -> int:
    """Return the seconds before the next attempt, after ``tried`` attempts beyond the first."""
    return tried**4 + 15 + random.randrange(30) * (tried + 1)  # noqa: S311 - no secret, so that not all come at once


@app.task(name="deliver_webhook", queue=QUEUE, retry=Backoff(), pass_context=True)
def deliver_webhook(context: JobContext, event: str, subject: str, body: str) -> None:
    """Deliver an event; the body is text, because a job's own JSON would round large amounts."""
    delivering.deliver_webhook(_attempt(context, event=event, subject=subject), body.encode())


@app.task(name="call_hook", queue=QUEUE, retry=Backoff(), pass_context=True)
def call_hook(
    context: JobContext, hook_id: str, hook_type: str, url: str, seconds: int, retries: int, subject: str, body: str
) -> None:
    """Call a hook, as it was when a transaction was recorded, about that transaction."""
    attempt = _attempt(context, event=hook_type, subject=subject, hook_id=hook_id)
    delivering.call_hook(attempt, body.encode(), url=url, seconds=seconds)


def _attempt(context: JobContext, **what: str) -> delivering.Attempt:
    return delivering.Attempt(job_id=context.job.id or 0, number=context.job.attempts + 1, **what)


@app.periodic(cron="* * * * *")
@app.task(name="take_up_waiting", queue=QUEUE, queueing_lock="take_up_waiting", priority=1)
def take_up_waiting(timestamp: int) -> None:
    """Move deliveries whose pause is over back to the queue, every minute and ahead of other deliveries."""
    TAKE_UP_WAITING.execute(queue=QUEUE, waiting=WAITING)


@app.periodic(cron="37 3 * * *")
@app.task(name="forget_deliveries", queueing_lock="forget_deliveries")
def forget_deliveries(timestamp: int) -> None:
    """Delete old attempts in chunks, every night at 03:37 UTC."""
    old = Delivery.objects.filter(attempted_at__lt=now() - KEEP).order_by("attempted_at", "id")
    while Delivery.objects.filter(pk__in=old.values("pk")[:CHUNK]).delete()[0]:
        pass


@app.periodic(cron="47 3 * * *")
@app.task(name="forget_given_up", queueing_lock="forget_given_up", pass_context=True)
async def forget_given_up(context: JobContext, timestamp: int) -> None:
    """Delete jobs that were given up longer ago than ``KEEP``, every night at 03:47 UTC: they still hold payloads."""
    ended = {"remove_failed": True, "remove_cancelled": True, "remove_aborted": True}
    for queue in (QUEUE, WAITING):
        await builtin_tasks.remove_old_jobs(context, max_hours=KEEP // timedelta(hours=1), queue=queue, **ended)
