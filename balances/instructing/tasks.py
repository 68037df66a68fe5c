"""The jobs that carry out plans of holds."""

from __future__ import annotations

from procrastinate import JobContext
from procrastinate.contrib.django import app

from balances.instructing.settling_plans import BATCH, HOLDS, end_plans, is_finished, settle_some
from balances.models import HoldPlan


@app.task(name=HOLDS.task, queue=HOLDS.queue, pass_context=True)
def settle_holds(context: JobContext) -> None:
    """Settle holds of started plans until none is left."""
    HOLDS.work(context, settle_some, is_finished, crowd=BATCH)
    end_plans()


@app.periodic(cron="* * * * *")
@app.task(name="look_at_hold_plans", queue=HOLDS.queue, queueing_lock="look_at_hold_plans")
def look_at_hold_plans(timestamp: int) -> None:
    """Call a worker every minute, for plans that a killed one left."""
    if HoldPlan.objects.filter(state=HoldPlan.State.STARTED).exists():
        HOLDS.call()
