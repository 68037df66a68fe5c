"""Mail to those who may approve a plan, one each, as soon as it waits for a second person."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from procrastinate.contrib.django import app

from reconciliation.correcting.policy import why_not_second
from reconciliation.models import Plan

TASK = "notify_approvers"
APPROVE = "reconciliation.approve_plan"


def request_notification(plan: Plan) -> None:
    """Have a worker mail the approvers, where a mail server is set. Call it in the commit that stores the plan."""
    if settings.EMAIL_HOST:
        app.configure_task(TASK, allow_unknown=False).defer(plan_id=plan.plan_id)


def mail_approvers(plan_id: str) -> list[str]:
    """Mail everyone who may approve a plan that still waits, and return their addresses.

    Not the one who asked, whatever the login is called. Raises ``OSError`` where the mail server does not take it.
    """
    plan = Plan.objects.filter(pk=plan_id, state=Plan.State.PROPOSED).first()
    if plan is None:
        return []
    people = User.objects.with_perm(APPROVE, backend="django.contrib.auth.backends.ModelBackend")
    others = [
        each for each in people.filter(is_active=True) if each.email and not why_not_second(each.username, plan.actor)
    ]
    addresses = sorted({each.email for each in others})
    for address in addresses:
        EmailMessage(_subject(plan), _text(plan), to=[address]).send()
    return addresses


def _subject(plan: Plan) -> str:
    ticket = " ".join(plan.ticket.split())
    return f"A plan waits for your approval{f' ({ticket})' if ticket else ''}"


def _text(plan: Plan) -> str:
    what = "takes corrections back on" if plan.undoing else "corrects"
    amounts = ", ".join(f"{units:,} minor units of {currency}" for currency, units in sorted(plan.drift.items()))
    balances = f"{plan.balances:,} balance{'' if plan.balances == 1 else 's'}"
    lines = (
        f"{plan.actor} asks for a plan that {what} {balances}: {amounts}.",
        f"Reason: {plan.reason}",
        plan.policy,
        f"{settings.LEDGER_PUBLIC_URL}/admin/reconciliation/plan/{plan.plan_id}/change/",
    )
    return "\n\n".join(lines) + "\n"
