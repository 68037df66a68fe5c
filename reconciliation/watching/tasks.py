"""The watchdog's minute: start what is due, look at what is wrong, count what was posted."""

from __future__ import annotations

from procrastinate import JobContext, builtin_tasks
from procrastinate.contrib.django import app

from balances.models import now
from reconciliation.alerting import look
from reconciliation.overview import count_hours
from reconciliation.proving import guard
from reconciliation.watching.starting import start_due

QUEUE = "watching"
KEEP_FINISHED_HOURS = 24


@app.periodic(cron="* * * * *")
@app.task(queue=QUEUE, queueing_lock="watch")
def watch(timestamp: int) -> None:
    """Watch, every minute. Missed minutes are not repeated, but what was due in them is started."""
    at = now()
    start_due(at)
    guard()
    look(at)
    count_hours(at)


@app.periodic(cron="27 * * * *")
@app.task(queueing_lock="forget_watching", pass_context=True)
async def forget_watching(context: JobContext, timestamp: int) -> None:
    """Delete finished jobs of the watchdog after a day, every hour: there are 1,440 a day."""
    await builtin_tasks.remove_old_jobs(context, max_hours=KEEP_FINISHED_HOURS, queue=QUEUE)
