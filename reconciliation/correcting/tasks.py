"""The jobs that apply plans. Each is deferred in the transaction that causes it, so none is ever lost."""

from __future__ import annotations

from procrastinate.contrib.django import app

from reconciliation.correcting import applying
from reconciliation.models import Origin


@app.task(name=applying.TASK)
def apply_plan(plan_id: str, actor: str, origin: str) -> None:
    """Settle what is left of a plan that is being applied."""
    applying.carry_on(plan_id, actor, Origin(origin))


@app.periodic(cron="* * * * *")
@app.task(name="resume_lost_plans", queueing_lock="resume_lost_plans")
def resume_lost_plans(timestamp: int) -> None:
    """Go on with plans whose applier died, every minute."""
    applying.carry_on_with_lost_ones()
