"""The jobs of lineage."""

from __future__ import annotations

import logging
import time

from procrastinate import JobContext
from procrastinate.contrib.django import app

from balances.ground import BalanceLocked
from balances.lineage import outbox, tracing
from balances.recording import calling

logger = logging.getLogger(__name__)

SECONDS_AT_A_TIME = 10
PAUSE_SECONDS = 0.005
"""Between two looks at an outbox that is empty, but not quiet."""


@app.task(name=calling.TASK, queue=calling.QUEUE, pass_context=True)
def trace_lineage(context: JobContext) -> None:
    """Trace what is noted until nothing is left and nobody is about to note more, or leave it to who does already.

    After a while it gives way to another call: a worker that is told to stop waits for it.
    """
    give_way_at = time.monotonic() + SECONDS_AT_A_TIME
    while not context.should_abort():
        try:
            traced = tracing.trace()
        except outbox.AnotherTraces:
            return
        except BalanceLocked:
            logger.warning("Somebody holds a balance for longer than tracing waits; it tries again")
            continue
        if time.monotonic() > give_way_at:
            calling.call_worker()
            return
        if traced:
            continue
        if outbox.is_finished():
            return
        time.sleep(PAUSE_SECONDS)


@app.periodic(cron="* * * * *")
@app.task(name="look_at_lineage", queue=calling.QUEUE, queueing_lock="look_at_lineage")
def look_at_lineage(timestamp: int) -> None:
    """Call a worker every minute, for whatever a killed one left."""
    calling.call_worker()
