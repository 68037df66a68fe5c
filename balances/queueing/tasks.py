"""The jobs of the queue."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from procrastinate import JobContext
from procrastinate.contrib.django import app

from balances.ground import BalanceLocked
from balances.queueing import draining, recovery
from balances.recording import entries

logger = logging.getLogger(__name__)

SECONDS_AT_A_TIME = 10
PAUSE_SECONDS = 0.005
"""Between two looks at a queue that is empty, but not quiet."""
STUCK_AFTER = timedelta(hours=2)


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
