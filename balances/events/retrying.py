"""Trying again what failed, because a person says so."""

from __future__ import annotations

from collections.abc import Iterable

from balances.events.tasks import QUEUE, WAITING
from balances.ground import Statement
from balances.models import Delivery

RETRY_NOW = Statement.beside(__file__, "retry_now.sql")


def retry_now(failed: Iterable[Delivery]) -> int:
    """Have what attempts could not deliver tried again now, and return how many jobs that are.

    One that was given up gets one more attempt. One that runs, or has delivered meanwhile, is left alone.
    """
    jobs = sorted({delivery.job_id for delivery in failed})
    return len(RETRY_NOW.rows(job_ids=jobs, queue=QUEUE, waiting=WAITING))
