"""The jobs of plans: applying, notifying. Each is deferred in the commit that causes it, so none is ever lost."""

from __future__ import annotations

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from reconciliation.correcting import applying, notifying
from reconciliation.models import Origin


@app.task(name=applying.TASK)
def apply_plan(plan_id: str, actor: str, origin: str) -> None:
    """Settle what is left of a plan that is being applied."""
    applying.carry_on(plan_id, actor, Origin(origin))


@app.task(name=notifying.TASK, retry=RetryStrategy(max_attempts=5, exponential_wait=4, retry_exceptions=(OSError,)))
def notify_approvers(plan_id: str) -> None:
    """Mail those who may approve a plan; again later where the mail server does not take it."""
    notifying.mail_approvers(plan_id)


@app.periodic(cron="* * * * *")
@app.task(name="resume_lost_plans", queueing_lock="resume_lost_plans")
def resume_lost_plans(timestamp: int) -> None:
    """Go on with plans whose applier died, every minute."""
    applying.carry_on_with_lost_ones()
