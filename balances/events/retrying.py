"""Retries failed deliveries at a person's request."""

from __future__ import annotations

from collections.abc import Iterable

from balances.events.tasks import QUEUE, WAITING
from balances.ground import Statement
from balances.models import Delivery

RETRY_NOW = Statement.beside(__file__, "retry_now.sql")


def retry_now(failed: Iterable[Delivery]) -> int:
    """Retry now what these attempts failed to deliver, and return the number of jobs.

    A job that was given up gets one more attempt. One that is running, or has delivered meanwhile, is left alone.
    """
    jobs = sorted({delivery.job_id for delivery in failed})
    return len(RETRY_NOW.rows(job_ids=jobs, queue=QUEUE, waiting=WAITING))
