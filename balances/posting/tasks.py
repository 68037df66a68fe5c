"""The job that records a batch in the background, after its request was answered."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, transaction
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from balances.books import Posting, Share, TooManyBatches
from balances.events import publishing
from balances.ground import Statement, dumps, loads
from balances.posting.batches import Batch, post_batch_in_background
from balances.recording import POSTINGS

RUNNING_BATCHES = Statement.beside(__file__, "running_batches.sql")
MOST_BATCHES = 100
"""Most batches that may run in the background at the same time."""
DATES = ("effective_date", "scheduled_for", "inflight_expiry_date", "inflight_commit_date")
DECIMALS = ("amount", "overdraft_limit")
MOST_RETRIES = 8
RETRY = RetryStrategy(max_attempts=MOST_RETRIES, exponential_wait=3, retry_exceptions=(DatabaseError,))
"""Retries after 3, 9, 27 seconds and so on, the last time after almost two hours; then the job stays failed."""


def request_batch(batch: Batch) -> None:
    """Have a worker record a batch (``run_async``). Raises ``TooManyBatches``."""
    body = dataclasses.asdict(batch)
    with transaction.atomic():
        if RUNNING_BATCHES.rows(task=bulk_create.name)[0]["running"] >= MOST_BATCHES:
            raise TooManyBatches
        # As text: the numbers of a job's own JSON are read as floats.
        bulk_create.defer(batch=dumps(_plain(body)))


@app.task(name="bulk_create", queue=POSTINGS.queue, retry=RETRY, pass_context=True)
def bulk_create(context: JobContext, batch: str) -> None:
    """Record a batch in the background.

    Raises ``DatabaseError``, so that the job is retried; the last attempt also announces that the batch failed.
    """
    body = loads(batch)
    try:
        post_batch_in_background(Batch(**body | {"postings": [_posting(each) for each in body["postings"]]}))
    except DatabaseError:
        if context.job.attempts >= MOST_RETRIES:
            publishing.publish_batch_failed(body["batch_id"], "internal server error")
        raise


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _posting(fields: dict[str, Any]) -> Posting:
    dates = {name: fields[name] and datetime.fromisoformat(fields[name]) for name in DATES}
    sides = {name: tuple(Share(**share) for share in fields[name]) for name in ("sources", "destinations")}
    # Numbers without a fraction are read as int, but a column takes one type.
    decimals = {name: None if fields[name] is None else Decimal(fields[name]) for name in DECIMALS}
    return Posting(**fields | dates | sides | decimals)
