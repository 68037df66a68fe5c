"""The jobs of the queue."""

from __future__ import annotations

from datetime import timedelta

from procrastinate import JobContext
from procrastinate.contrib.django import app

from balances.queueing import draining, recovery
from balances.recording import POSTINGS

STUCK_AFTER = timedelta(hours=2)


@app.task(name=POSTINGS.task, queue=POSTINGS.queue, pass_context=True)
def drain(context: JobContext) -> None:
    """Apply entries until nothing is due and nothing is being added."""
    POSTINGS.work(context, draining.drain, draining.is_finished, crowd=draining.BATCH)


@app.periodic(cron="* * * * *")
@app.task(name="look_at_queue", queue=POSTINGS.queue, queueing_lock="look_at_queue")
def look_at_queue(timestamp: int) -> None:
    """Call a worker every minute, for postponed entries."""
    POSTINGS.call()


@app.periodic(cron="*/30 * * * *")
@app.task(name="recover_stuck_rows", queue=POSTINGS.queue, queueing_lock="recover_stuck_rows")
def recover_stuck_rows(timestamp: int) -> None:
    """Recover rows of another writer that have waited for two hours, every half hour, as the original does."""
    recovery.recover(STUCK_AFTER)
