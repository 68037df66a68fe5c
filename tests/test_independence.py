"""Who is no second person: a login or a key that the first one made or changed of late, by whatever door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from balances.ground import changed, why_not_approving
from balances.instructing import Person, approve, approve_plan
from balances.keys import keyring
from balances.models import HoldPlan, Instruction, now
from ledgerproj.independence import NotIndependent, require_independent
from reconciliation.correcting import Choice, Proposal, propose
from reconciliation.correcting import approve as approve_correction
from reconciliation.models import AuditEntry, Origin, Plan
from tests import world
from tests.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _days(settings: Any) -> None:
    settings.LEDGER_INDEPENDENT_DAYS = 30


def did(maker: str, user: User, action: str = "changed") -> None:
    """Write down that somebody did something to a login."""
    changed.send(
        sender=User,
        actor=maker,
        action=action,
        subject="user",
        subject_id=str(user.pk),
        name=user.username,
        before={},
        after={},
        address="",
    )


def plan_of(requester: str) -> Plan:
    balance = world.balance()
    world.post(world.balance(), balance, 70_000)
    world.drift(balance, credit=4_200)
    return propose(Choice(balance_ids=(balance.pk,)), Proposal(actor=requester, origin=Origin.ADMIN, reason="drift"))


@pytest.mark.parametrize("action", ["added", "changed", "acted"])
def test_a_login_that_the_requester_made_or_changed_approves_nothing(action: str) -> None:
    user = person("approve_plan")
    plan = plan_of("eve")
    did("eve", user, action)
    with pytest.raises(
        NotIndependent, match=f"{user.username} cannot be the second person for eve: eve {action} the user"
    ):
        approve_correction(plan.pk, user.username, Origin.ADMIN)
    assert Plan.objects.get().state == Plan.State.PROPOSED
    assert "cannot be the second person for eve" in why_not_approving(user.username, "eve")


def test_nor_does_the_one_who_made_the_login_that_asked() -> None:
    puppet = person("propose_plan")
    did("eve", puppet, "added")
    with pytest.raises(
        NotIndependent, match=f"eve cannot be the second person for {puppet.username}: eve added the user"
    ):
        approve_correction(plan_of(puppet.username).pk, "eve", Origin.API)


def test_it_is_asked_of_payments_by_hand_and_of_plans_of_holds() -> None:
    user = person("approve_instruction")
    did("eve", user)
    by = Person(actor=user.username, address="")
    asked = {"asked_by": "eve", "reason": "rent", "state": "waiting"}
    Instruction.objects.create(instruction_id="ins_1", kind="payment", request={}, units=5, currency="USD", **asked)
    HoldPlan.objects.create(plan_id="hpl_1", action="void", holds=1, totals=[], **asked)
    for decide, key in ((approve, "ins_1"), (approve_plan, "hpl_1")):
        with pytest.raises(NotIndependent):
            decide(key, note="", by=by)


def test_a_key_of_that_login_and_one_that_the_requester_changed_approve_nothing_either() -> None:
    user = person("approve_plan")
    did("eve", user)
    mine, other = (
        keyring.issue(name="key", owner_id=owner, scopes=["*:*"], expires_at=now() + timedelta(days=1))
        for owner in (user.username.upper(), "nightly")
    )
    with pytest.raises(NotIndependent):
        require_independent(f"{user.username.upper()} ({mine.pk})", ["eve"])
    require_independent(f"nightly ({other.pk})", ["eve"])
    key = {"subject": "API key", "subject_id": other.pk, "name": "key", "before": {}, "after": {}, "address": ""}
    changed.send(sender=type(other), actor="eve", action="added", **key)
    with pytest.raises(NotIndependent, match="eve added the API key"):
        require_independent(f"nightly ({other.pk})", ["eve"])


def test_what_others_did_what_is_long_ago_and_signing_in_do_not_count(settings: Any) -> None:
    user = person("approve_plan")
    did("carol", user)
    did(user.username, user)
    did("eve", user, "signed in")
    require_independent(user.username, ["eve"])
    did("eve", user)
    settings.LEDGER_INDEPENDENT_DAYS = 0
    require_independent(user.username, ["eve"])


def test_the_audit_log_knows_it_of_the_page_of_users() -> None:
    admin = User.objects.create_superuser("eve", password="a long password")
    browser = Client()
    browser.force_login(admin)
    new = {"username": "mallory", "password1": "a longer pass-word", "password2": "a longer pass-word"}
    browser.post(reverse("admin:auth_user_add"), new | {"usable_password": "true"})
    assert AuditEntry.objects.filter(
        actor="eve", subject="user", subject_id=str(User.objects.get(username="mallory").pk)
    )
    with pytest.raises(NotIndependent):
        require_independent("mallory", ["eve"])
