"""Whether one person may reconstruct at once what a plan would need two for: at every door that a person has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import reverse

from balances.backoffice.metadata_form import fingerprint
from balances.keys import keyring
from balances.models import Balance
from reconciliation.backoffice import actions
from reconciliation.correcting.deciding import approve
from reconciliation.correcting.policy import SecondPersonNeeded
from reconciliation.correcting.rebuilding import reconstruct_many
from reconciliation.measuring.measurement import measure
from reconciliation.models import Origin, Plan, Reconstruction
from tests import world
from tests.client import Client
from tests.people import CASES, VIEW, person

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:balances_balance_changelist"
NEEDED = "A second person must approve: 5 minor units of USD are more than the limit of 0"
MAY = (*VIEW, *CASES, "change_balance", "preview_reconstruction", "reconstruct_balance")


@pytest.fixture(autouse=True)
def _policy(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LEDGER_FOUR_EYES_DIRECT = True
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"*": 0}
    settings.LEDGER_FOUR_EYES_BALANCES = 1
    settings.LEDGER_FOUR_EYES_LEDGERS = []
    monkeypatch.setattr(keyring, "HASH_COST", 4)


@pytest.fixture
def alice() -> Balance:
    return wrong()


def wrong(credit: int = 5) -> Balance:
    balance = world.balance()
    world.post("@world", balance, 1000)
    world.drift(balance, credit=credit)
    return balance


def ann(*more: str) -> Browser:
    """Sign Ann in, who may do all that concerns balances."""
    user = User.objects.filter(username="Ann").first() or person(*MAY, *more)
    User.objects.filter(pk=user.pk).update(username="Ann")
    browser = Browser()
    browser.force_login(User.objects.get(pk=user.pk))
    return browser


def key_of(owner: str) -> Client:
    scopes = ("reconstructions:*", "balances:*", "metadata:write")
    issued = keyring.issue(name="key", owner_id=owner, scopes=scopes, expires_at=datetime(2090, 1, 1, tzinfo=UTC))
    return Client(issued.plaintext)


def act(browser: Browser, *balances: Balance, **fields: Any) -> Any:
    sent = {"action": "reconstruct_balances", "index": "0", ACTION_CHECKBOX_NAME: [each.pk for each in balances]}
    return browser.post(reverse(LIST), sent | fields, follow=True)


def by_the_action(balance: Balance) -> str:
    return str(act(ann(), balance, post="yes", reason="why").content.decode())


def by_the_form(balance: Balance) -> str:
    sent = {"meta_data": '{"BLNK_RUN_RECONCILIATION": "SOURCE"}', "seen": fingerprint(balance.meta_data)}
    page = reverse("admin:balances_balance_change", args=[balance.pk])
    return str(ann().post(page, sent, follow=True).content.decode())


def by_her_key(balance: Balance) -> str:
    ann()
    return key_of("ANN").post(f"/balances/{balance.pk}/reconstructions", {"reason": "why"}).text


def by_the_flag_and_her_key(balance: Balance) -> str:
    ann()
    return key_of("ann ").post(f"/{balance.pk}/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}}).text


DOORS = (by_the_action, by_the_form, by_her_key, by_the_flag_and_her_key)


@pytest.mark.parametrize("door", DOORS)
def test_no_door_of_a_person_leads_past_the_policy(alice: Balance, door: Callable[[Balance], str]) -> None:
    said = door(alice)
    assert NEEDED in said
    assert measure([alice.pk])[0].difference.credit_balance == -5
    assert not Reconstruction.objects.exists()
    assert "BLNK_RECONCILIATION_RESULT" not in (Balance.objects.get(pk=alice.pk).meta_data or {})


@pytest.mark.parametrize("allowed", [{"LEDGER_FOUR_EYES_DIRECT": False}, {"LEDGER_FOUR_EYES_AMOUNTS": {"USD": 5}}])
@pytest.mark.parametrize("door", DOORS)
def test_what_the_setting_or_the_policy_leaves_to_one_is_done_at_once(
    alice: Balance, door: Callable[[Balance], str], allowed: dict[str, Any], settings: Any
) -> None:
    for name, value in allowed.items():
        setattr(settings, name, value)
    assert "A second person must approve" not in door(alice)
    assert not measure([alice.pk])[0].has_drift
    assert Reconstruction.objects.get().outcome == "corrected"


@pytest.mark.parametrize("door", DOORS)
def test_where_nothing_is_wrong_nobody_else_is_needed(door: Callable[[Balance], str]) -> None:
    assert "A second person" not in door(wrong(credit=0))


def test_services_the_master_key_and_the_shell_are_not_asked_and_previews_need_nobody(api: Client) -> None:
    ann()
    for ask in (
        lambda balance: key_of("billing").post(f"/balances/{balance.pk}/reconstructions", {"reason": "why"}),
        lambda balance: api.post(f"/{balance.pk}/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}}),
        lambda balance: call_command("reconstruct", balance.pk, "--reason", "why", stdout=None),
    ):
        balance = wrong()
        ask(balance)
        assert not measure([balance.pk])[0].has_drift
    preview = key_of("ann").post(f"/balances/{wrong().pk}/reconstructions", {"dry_run": True})
    assert (preview.status, preview.body["outcome"]) == (200, "previewed")


def test_a_refused_key_is_answered_with_403_in_the_contracts_body(alice: Balance) -> None:
    ann()
    answer = key_of("ann").post(f"/balances/{alice.pk}/reconstructions", {"reason": "why"})
    assert (answer.status, answer.body["error_detail"]["code"]) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")
    assert answer.body["error"].endswith("No total was changed; propose a plan.")


def test_the_button_leads_to_a_plan_that_somebody_else_must_approve(alice: Balance) -> None:
    browser = ann("propose_plan")
    page = act(browser, alice).content.decode()
    assert NEEDED in page
    assert "not reconstructed at once" in page
    act(browser, alice, post="yes", reason="why")  # sent by a page that was to reconstruct at once
    assert not Plan.objects.exists()
    act(browser, alice, post="yes", as_plan="yes", reason="why")
    plan = Plan.objects.get()
    assert (plan.state, plan.actor, plan.reason, plan.items.get().balance_id) == ("proposed", "Ann", "why", alice.pk)
    with pytest.raises(SecondPersonNeeded):
        approve(plan.pk, "ann", Origin.ADMIN)
    world.drift(alice, credit=-5)  # right by now: what was confirmed as a plan is no reconstruction for all that
    act(browser, alice, post="yes", as_plan="yes", reason="why")
    assert not Reconstruction.objects.exists()


def test_several_balances_count_together(settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"*": 100}
    both = [wrong(), wrong()]
    assert "2 balances are more than the limit of 1" in act(ann(), *both, post="yes", reason="why").content.decode()
    with pytest.raises(SecondPersonNeeded):
        list(reconstruct_many([each.pk for each in both], world.request(origin=Origin.ADMIN)))
    assert not Reconstruction.objects.exists()


def test_the_page_that_asks_says_which_it_is(alice: Balance, settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_DIRECT = False
    unbound = "A plan for this would need a second person; what is done at once does not."
    assert unbound in act(ann(), alice).content.decode()
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"*": None}
    for direct in (True, False):
        settings.LEDGER_FOUR_EYES_DIRECT = direct
        assert "No second person is needed: the amounts" in act(ann(), alice).content.decode()


def test_drift_that_grows_while_somebody_confirms_is_not_corrected_by_one(
    alice: Balance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "why_not_directly", lambda measured: "")  # as it was when the page was made
    answer = act(ann(), alice, post="yes", reason="why")
    assert NEEDED in answer.content.decode()
    assert not Reconstruction.objects.exists()


def test_what_the_form_saved_besides_stays_and_both_is_said(alice: Balance) -> None:
    sent = {"meta_data": '{"BLNK_RUN_RECONCILIATION": "SOURCE", "team": "ops"}', "seen": fingerprint(alice.meta_data)}
    page = reverse("admin:balances_balance_change", args=[alice.pk])
    shown = ann().post(page, sent, follow=True).content.decode()
    assert "was changed successfully" in shown
    assert "No total was changed; propose a plan." in shown
    assert Balance.objects.get(pk=alice.pk).meta_data == {"team": "ops"}
