"""Mail to those who may approve a plan."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from procrastinate.contrib.django.models import ProcrastinateJob

from reconciliation.correcting import Choice, Proposal, approve, propose
from reconciliation.correcting.notifying import TASK, mail_approvers
from reconciliation.models import Origin, Plan
from tests import world
from tests.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _mail(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.com"
    settings.LEDGER_PUBLIC_URL = "https://ledger.example.com"


def staff(*codenames: str, email: str, **fields: Any) -> User:
    somebody = person(*codenames)
    User.objects.filter(pk=somebody.pk).update(email=email, **fields)
    return User.objects.get(pk=somebody.pk)


def waiting(actor: str = "alice", ticket: str = "") -> Plan:
    balance = world.balance()
    world.post("@payer", balance, 1000)
    world.drift(balance, credit=252_300)
    asked = Proposal(actor=actor, origin=Origin.API, reason="month end", ticket=ticket)
    return propose(Choice(balance_ids=(balance.pk,)), asked)


def test_only_those_who_may_approve_and_did_not_ask_get_mail(mailoutbox: list[Any]) -> None:
    asker = staff("approve_plan", email="asker@example.com")
    staff("view_plan", email="looks@example.com")
    staff("approve_plan", email="")
    staff("approve_plan", email="gone@example.com", is_active=False)
    staff("approve_plan", email="bob@example.com")
    User.objects.create_superuser("root", "root@example.com", "a long password")
    plan = waiting(asker.username.upper())
    assert mail_approvers(plan.pk) == ["bob@example.com", "root@example.com"]
    assert [each.to for each in mailoutbox] == [["bob@example.com"], ["root@example.com"]]


def test_it_says_who_asks_for_what_why_and_where(mailoutbox: list[Any]) -> None:
    staff("approve_plan", email="bob@example.com")
    plan = waiting(ticket="OPS-1\nBcc: all@example.com")
    mail_approvers(plan.pk)
    (mail,) = mailoutbox
    assert mail.subject == "A plan waits for your approval (OPS-1 Bcc: all@example.com)"
    assert "alice asks for a plan that corrects 1 balance: 252,300 minor units of USD." in mail.body
    assert "Reason: month end" in mail.body
    assert f"https://ledger.example.com/admin/reconciliation/plan/{plan.pk}/change/" in mail.body


def test_nobody_is_asked_for_what_is_decided_or_gone(mailoutbox: list[Any]) -> None:
    staff("approve_plan", email="bob@example.com")
    plan = waiting()
    approve(plan.pk, "bob", Origin.API)
    assert mail_approvers(plan.pk) == []
    assert mail_approvers("pln_gone") == []
    assert mailoutbox == []


def test_a_worker_is_asked_in_the_commit_of_the_plan_where_there_is_a_mail_server(settings: Any) -> None:
    plan = waiting()
    job = ProcrastinateJob.objects.get(task_name=TASK)
    assert job.args == {"plan_id": plan.pk}
    settings.EMAIL_HOST = ""
    waiting()
    assert ProcrastinateJob.objects.filter(task_name=TASK).count() == 1


def test_a_plan_that_needs_no_second_person_asks_none(settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"*": None}
    assert waiting().state == Plan.State.APPROVED
    assert not ProcrastinateJob.objects.filter(task_name=TASK).exists()
