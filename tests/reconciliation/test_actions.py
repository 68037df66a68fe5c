from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.models import Balance
from reconciliation.backoffice import actions
from reconciliation.models import Reconstruction
from tests import world
from tests.people import VIEW, person, signed_in

pytestmark = pytest.mark.django_db
PREVIEW, RECONSTRUCT = "preview_reconstruction", "reconstruct_balances"
MAY_PREVIEW, MAY_RECONSTRUCT = "preview_reconstruction", "reconstruct_balance"


@pytest.fixture(autouse=True)
def _one_is_enough(settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_DIRECT = False


def act(client: Any, action: str, *balances: Balance, **fields: Any) -> Any:
    """Post an action as the list and the page of a balance do."""
    data = {"action": action, "index": "0", "_selected_action": [each.pk for each in balances]}
    return client.post(reverse("admin:balances_balance_changelist"), data | fields)


def confirm(client: Any, *balances: Balance, reason: str = "Ticket 4711", **fields: Any) -> Any:
    """Post the answer to the confirmation page."""
    return act(client, RECONSTRUCT, *balances, post="yes", reason=reason, **fields)


def said(answer: Any) -> list[str]:
    return [f"{each.level_tag}: {each}" for each in answer.wsgi_request._messages]


def wrong(units: int = 5, **fields: Any) -> Balance:
    """Return a balance of 700 whose stored credit is off."""
    balance = world.balance(**fields)
    world.post("@payer", balance, 700)
    world.drift(balance, credit=units)
    return balance


@pytest.fixture
def clerk(client: Any) -> Any:
    """Somebody who may preview and reconstruct, and may not change balances."""
    client.force_login(person(*VIEW, MAY_PREVIEW, MAY_RECONSTRUCT))
    return client


# --- refused


@pytest.mark.parametrize(
    ("action", "permissions"),
    [
        (PREVIEW, VIEW),
        (PREVIEW, (*VIEW, "change_balance", MAY_RECONSTRUCT)),
        (RECONSTRUCT, VIEW),
        (RECONSTRUCT, (*VIEW, "change_balance", MAY_PREVIEW)),
    ],
)
def test_an_action_is_not_offered_and_a_forged_post_is_refused_without_its_permission(
    action: str, permissions: tuple[str, ...]
) -> None:
    balance, client = wrong(), signed_in(*permissions)
    before = world.totals(balance)
    for url in (
        reverse("admin:balances_balance_changelist"),
        reverse("admin:balances_balance_change", args=[balance.pk]),
    ):
        assert action not in client.get(url).content.decode()
    assert act(client, action, balance).status_code == 403
    assert act(client, action, balance, post="yes", reason="forged").status_code == 403
    assert world.totals(balance) == before
    assert not Reconstruction.objects.exists()


def test_an_action_is_refused_to_those_who_may_not_look_at_balances() -> None:
    balance = wrong()
    assert confirm(signed_in(MAY_PREVIEW, MAY_RECONSTRUCT), balance).status_code == 403
    assert not Reconstruction.objects.exists()


def test_an_action_is_refused_to_those_who_are_not_signed_in(client: Any) -> None:
    answer = confirm(client, wrong())
    assert answer.status_code == 302
    assert reverse("admin:login") in answer.url
    assert not Reconstruction.objects.exists()


def test_an_action_needs_the_token_against_forged_requests() -> None:
    balance, client = wrong(), Client(enforce_csrf_checks=True)
    client.force_login(person(*VIEW, MAY_RECONSTRUCT))
    assert confirm(client, balance).status_code == 403
    assert not Reconstruction.objects.exists()


def test_a_permission_taken_away_between_page_and_answer_counts(client: Any) -> None:
    somebody, balance = person(*VIEW, MAY_RECONSTRUCT), wrong()
    client.force_login(somebody)
    assert act(client, RECONSTRUCT, balance).status_code == 200
    somebody.user_permissions.clear()
    assert confirm(client, balance).status_code == 403
    assert not Reconstruction.objects.exists()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001, "a\0b"])
def test_reconstruction_without_a_proper_reason_is_a_form_error(clerk: Any, reason: str) -> None:
    balance = wrong()
    before = world.totals(balance)
    answer = confirm(clerk, balance, reason=reason)
    assert answer.status_code == 200
    assert answer.context["form"].errors["reason"]
    assert world.totals(balance) == before
    assert not Reconstruction.objects.exists()


def test_more_balances_than_one_can_answer_for_are_refused_with_a_sentence(clerk: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(actions, "AT_ONCE", 2)
    chosen = [wrong() for _ in range(3)]
    for action in (PREVIEW, RECONSTRUCT):
        answer = act(clerk, action, chosen[0], select_across="1")
        assert "At most 500 balances at a time" in said(answer)[-1]
    assert not Reconstruction.objects.exists()


def test_totals_without_transactions_are_not_set_to_zero_without_an_explicit_yes(clerk: Any) -> None:
    balance = world.balance()
    world.drift(balance, credit=900)
    page = act(clerk, RECONSTRUCT, balance).content.decode()
    assert "not one transaction" in page
    assert "Yes, set balances without any transactions to zero" in page
    answer = confirm(clerk, balance)
    assert "Tick the box" in answer.context["form"].errors["allow_empty"][0]
    assert world.totals(balance)["credit_balance"] == 900
    assert not Reconstruction.objects.exists()


# --- preview


def test_a_preview_changes_nothing_but_leaves_its_record(clerk: Any) -> None:
    balance = wrong(5)
    before, version = world.totals(balance), Balance.objects.get(pk=balance.pk).version
    page = act(clerk, PREVIEW, balance).content.decode()
    assert "No balance was changed" in page
    assert ">705<" in page
    assert ">-5<" in page
    assert world.totals(balance) == before
    stored = Balance.objects.get(pk=balance.pk)
    assert (stored.version, stored.meta_data) == (version, None)
    record = Reconstruction.objects.get()
    assert (record.dry_run, record.origin, record.outcome) == (True, "admin", "previewed")


def test_a_preview_of_one_balance_without_drift_says_so_and_is_recorded(clerk: Any) -> None:
    page = act(clerk, PREVIEW, wrong(0)).content.decode()
    assert "there is nothing to correct" in page
    assert "Go on to reconstruct" not in page
    assert Reconstruction.objects.get().outcome == "no_drift"


def test_a_preview_leads_on_to_reconstruction_only_for_those_who_may(clerk: Any) -> None:
    balance = wrong()
    assert "Go on to reconstruct" in act(clerk, PREVIEW, balance).content.decode()
    page = act(signed_in(*VIEW, MAY_PREVIEW), PREVIEW, balance).content.decode()
    assert "Go on to reconstruct" not in page


# --- reconstruct


def test_the_confirmation_page_shows_before_and_after_and_writes_nothing(clerk: Any) -> None:
    balance = wrong(5, indicator="@alice")
    page = act(clerk, RECONSTRUCT, balance).content.decode()
    assert "@alice" in page
    assert ">705<" in page
    assert ">700<" in page
    assert 'name="reason"' in page
    assert "Yes, set balances" not in page
    assert not Reconstruction.objects.exists()


def test_reconstruction_of_one_balance_keeps_who_why_and_returns_to_its_page(clerk: Any) -> None:
    balance = wrong(5)
    answer = confirm(clerk, balance)
    assert answer.url == reverse("admin:balances_balance_change", args=[balance.pk])
    assert said(answer) == ["success: Corrected 1 balance from the transactions."]
    assert world.totals(balance)["credit_balance"] == 700
    record = Reconstruction.objects.get()
    assert (record.reason, record.origin, record.outcome) == ("Ticket 4711", "admin", "corrected")
    assert record.actor.startswith("person-")


def test_reconstruction_of_many_corrects_reports_and_leaves_out_what_was_not_agreed_to(clerk: Any) -> None:
    chosen = [wrong(5), wrong(-5), wrong(0)]
    empty = world.balance()
    world.drift(empty, credit=900)
    answer = confirm(clerk, *chosen, empty)
    assert answer.url == reverse("admin:balances_balance_changelist")
    assert said(answer) == [
        "success: Corrected 2 balances from the transactions.",
        "info: 1 balance agreed with the transactions: nothing to correct.",
        f"warning: 1 balance left unchanged. {empty.pk}: the balance has totals but no transactions.",
    ]
    assert [world.totals(each)["credit_balance"] for each in (*chosen, empty)] == [700, 700, 700, 900]
    assert Reconstruction.objects.count() == 2


@pytest.mark.parametrize("others", [0, 1])
def test_with_an_explicit_yes_totals_without_transactions_become_zero(clerk: Any, others: int) -> None:
    empty = world.balance()
    world.drift(empty, credit=900)
    confirm(clerk, empty, *(wrong() for _ in range(others)), allow_empty="on")
    assert world.totals(empty)["credit_balance"] == 0


def test_a_page_about_many_balances_shows_a_hundred_and_counts_the_rest(clerk: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(actions, "SHOWN", 2)
    chosen = [wrong(each) for each in (0, 1, 2, 3)]
    answer = act(clerk, RECONSTRUCT, *chosen)
    page = answer.content.decode()
    assert len(answer.context["shown"]) == 2
    assert "1 more that differ" in page
    assert "<strong>3</strong> of 4 balances differ" in page
    assert all(f'value="{each.pk}"' in page for each in chosen)


def test_an_action_asks_as_often_for_many_balances_as_for_two(clerk: Any) -> None:
    counts = []
    for count in (2, 6):
        chosen = [wrong() for _ in range(count)]
        with CaptureQueriesContext(connection) as captured:
            confirm(clerk, *chosen)
        counts.append(len(captured))
    assert counts[0] == counts[1]
