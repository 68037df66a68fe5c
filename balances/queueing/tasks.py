"""The jobs of the queue."""

from __future__ import annotations

import dataclasses
import logging
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, transaction
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from balances import telling
from balances.exact_json import dumps, loads
from balances.exceptions import BalanceLocked
from balances.posting import Posting, Share
from balances.posting.batches import Batch, post_batch_in_background
from balances.posting_exceptions import TooManyBatches
from balances.queueing import draining, entries, recovery
from balances.statements import SQL, Statement

logger = logging.getLogger(__name__)

RUNNING_BATCHES = Statement(SQL / "running_batches.sql")
MOST_BATCHES = 100
"""Batches that run in the background at once (transactions 5.2)."""
SECONDS_AT_A_TIME = 10
PAUSE_SECONDS = 0.005
"""Between two looks at a queue that is empty, but not quiet."""
STUCK_AFTER = timedelta(hours=2)
DATES = ("effective_date", "scheduled_for", "inflight_expiry_date", "inflight_commit_date")
DECIMALS = ("amount", "overdraft_limit")
MOST_RETRIES = 8
RETRY = RetryStrategy(max_attempts=MOST_RETRIES, exponential_wait=3, retry_exceptions=(DatabaseError,))
"""Again after 3, 9, 27 seconds and so on, at last after almost two hours; then the job stays failed."""


@app.task(name=entries.TASK, queue=entries.QUEUE, pass_context=True)
def drain(context: JobContext) -> None:
    """Apply what waits until nothing is due and nobody is about to add more. Under a backlog it calls for help.

    After a while it gives way to another call: a worker that is told to stop waits for it.
    """
    give_way_at = time.monotonic() + SECONDS_AT_A_TIME
    while not context.should_abort():
        try:
            drained = draining.drain()
            is_finished = not drained and draining.is_finished()
        except BalanceLocked:
            logger.warning("Somebody holds a balance for longer than the queue waits; it tries again")
            continue
        gives_way = time.monotonic() > give_way_at
        if gives_way or drained >= draining.BATCH:
            entries.call_worker()
        if gives_way:
            return
        if drained:
            continue
        if is_finished:
            return
        time.sleep(PAUSE_SECONDS)


@app.periodic(cron="* * * * *")
@app.task(name="look_at_queue", queue=entries.QUEUE, queueing_lock="look_at_queue")
def look_at_queue(timestamp: int) -> None:
    """Call a worker every minute, for whatever was put off."""
    entries.call_worker()


@app.periodic(cron="*/30 * * * *")
@app.task(name="recover_stuck_rows", queue=entries.QUEUE, queueing_lock="recover_stuck_rows")
def recover_stuck_rows(timestamp: int) -> None:
    """Take up rows of another writer that waited for two hours, every half hour, as the original does."""
    recovery.recover(STUCK_AFTER)


def request_batch(batch: Batch) -> None:
    """Have a worker record a batch (transactions 5.3, ``run_async``). Raises ``TooManyBatches``."""
    body = dataclasses.asdict(batch)
    with transaction.atomic():
        if RUNNING_BATCHES.rows(task=bulk_create.name)[0]["running"] >= MOST_BATCHES:
            raise TooManyBatches
        # As text: the numbers of a job's own JSON are read as floats.
        bulk_create.defer(batch=dumps(_plain(body)))


@app.task(name="bulk_create", queue=entries.QUEUE, retry=RETRY, pass_context=True)
def bulk_create(context: JobContext, batch: str) -> None:
    """Record a batch whose request was answered before.

    Raises ``DatabaseError``, so that it is tried again, and at the last attempt announces that the batch has failed.
    """
    body = loads(batch)
    try:
        post_batch_in_background(Batch(**body | {"postings": [_posting(each) for each in body["postings"]]}))
    except DatabaseError:
        if context.job.attempts >= MOST_RETRIES:
            telling.tell_batch_failed(body["batch_id"], "internal server error")
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
    # A number without a fraction is read as an int, and a column takes one type.
    decimals = {name: None if fields[name] is None else Decimal(fields[name]) for name in DECIMALS}
    return Posting(**fields | dates | sides | decimals)
