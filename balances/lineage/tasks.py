"""The jobs of lineage."""

from __future__ import annotations

import math
from contextlib import suppress

from procrastinate import JobContext
from procrastinate.contrib.django import app

from balances.ground import adoption
from balances.lineage import outbox, tracing
from balances.recording import LINEAGE


@app.task(name=LINEAGE.task, queue=LINEAGE.queue, pass_context=True)
def trace_lineage(context: JobContext) -> None:
    """Trace notes until none is left, or leave them to the worker that already does, or to an adopted Blnk."""
    if adoption() is not None:
        return
    with suppress(outbox.AnotherTraces):
        LINEAGE.work(context, tracing.trace, outbox.is_finished, crowd=math.inf)


@app.periodic(cron="* * * * *")
@app.task(name="look_at_lineage", queue=LINEAGE.queue, queueing_lock="look_at_lineage")
def look_at_lineage(timestamp: int) -> None:
    """Call a worker every minute, for notes that a killed one left."""
    LINEAGE.call()
