"""Trying again what failed, because a person says so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from balances.hooks.models import Delivery
from balances.hooks.tasks import QUEUE
from balances.statements import Statement

RETRY_NOW = Statement(Path(__file__).parent / "sql" / "retry_now.sql")


def retry_now(deliveries: Iterable[Delivery]) -> int:
    """Have what failed delivered now, and return how many jobs that are.

    One that was given up gets one more attempt. One that runs, or has delivered meanwhile, is left alone.
    """
    jobs = {delivery.job_id for delivery in deliveries if delivery.outcome == Delivery.Outcome.FAILED}
    return len(RETRY_NOW.rows(job_ids=sorted(jobs), queue=QUEUE))
