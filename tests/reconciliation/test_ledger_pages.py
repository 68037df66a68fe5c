"""The pages of a ledger and of an identity: what they hold by currency, whose it is, and what is open in them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.backoffice import holdings
from balances.models import Balance, Ledger
from balances.models.people import Identity
from tests import world
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
MOST_QUERIES = 15


@pytest.fixture
def owner() -> Ledger:
    return world.ledger("Shop")


@pytest.fixture
def holder() -> Identity:
    return Identity.objects.create(first_name="Ada", last_name="Byron", meta_data={})


def page(row: Any, *more: str) -> str:
    url = reverse(f"admin:balances_{row._meta.model_name}_change", args=[row.pk])
    client = signed_in("view_ledger", "view_identity", *more)
    with CaptureQueriesContext(connection) as taken:
        answer = client.get(url)
    assert answer.status_code == 200
    assert len(taken) <= MOST_QUERIES
    return re.sub(r"(\s|<[^>]*>)+", " ", answer.content.decode().partition("<main")[2])


def test_who_may_not_see_balances_sees_no_sums(owner: Ledger, holder: Identity) -> None:
    world.post(world.balance(owner), world.balance(owner, identity_id=holder.pk), 700)
    for row in (owner, holder):
        assert "700" not in page(row)
        assert "Currency" not in page(row)


def test_who_may_not_see_findings_sees_no_verdict(owner: Ledger) -> None:
    wrong = world.balance(owner)
    world.drift(wrong, credit=7)
    world.finding(wrong)
    assert "wrong" not in page(owner, *VIEW)


def test_an_empty_ledger_and_an_identity_without_balances_say_what_makes_one(owner: Ledger, holder: Identity) -> None:
    assert "The first transaction that names one makes it" in page(owner, *VIEW)
    assert "POST /balances with its identity_id" in page(holder, *VIEW)


def test_too_many_balances_are_not_summed(owner: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    world.post(world.balance(owner), world.balance(owner), 700)
    monkeypatch.setattr(holdings, "SUMMED", 1)
    text = page(owner, *VIEW)
    assert "too many to sum" in text
    assert "700" not in text


def test_a_ledger_shows_its_totals_by_currency_and_leads_to_its_balances(owner: Ledger) -> None:
    world.post(world.balance(owner), world.balance(owner), 700)
    world.balance(owner, currency="EUR")
    world.balance(world.ledger("Other"))
    text = page(owner, *VIEW)
    assert "3 balances" in text
    assert re.search(r"USD 2 (700|7\.00)\D", text)
    assert "EUR 1 " in text
    listed = signed_in(*VIEW).get(reverse("admin:balances_balance_changelist"), {"ledger__ledger_id__exact": owner.pk})
    assert listed.context["cl"].result_count == 3


def test_an_identity_shows_whose_balances_these_are_and_leads_to_them(owner: Ledger, holder: Identity) -> None:
    mine = world.balance(owner, indicator="@ada", identity_id=holder.pk)
    world.post(world.balance(owner, indicator="@else"), mine, 700)
    text = page(holder, *VIEW)
    assert "1 balance " in text
    assert "@ada" in text
    assert "@else" not in text
    client = signed_in(*VIEW, "view_identity")
    listed = client.get(reverse("admin:balances_balance_changelist"), {"q": holder.pk})
    assert [each.pk for each in listed.context["cl"].result_list] == [mine.pk]


def test_who_may_not_see_identities_finds_no_balance_by_one(owner: Ledger, holder: Identity) -> None:
    world.balance(owner, identity_id=holder.pk)
    listed = signed_in(*VIEW).get(reverse("admin:balances_balance_changelist"), {"q": holder.pk})
    assert listed.context["cl"].result_count == 0


def test_a_ledger_says_what_is_open_in_it_and_nothing_of_others(owner: Ledger) -> None:
    other = world.ledger("Other")
    wrong = world.balance(owner)
    world.drift(wrong, credit=7)
    world.finding(wrong)
    assert "1 balance of this ledger is wrong" in page(owner, *VIEW, *CASES)
    assert "Nothing is open in this ledger" in page(other, *VIEW, *CASES)


def test_a_ledger_that_no_sweep_has_proved_is_not_called_right(owner: Ledger) -> None:
    text = page(owner, *VIEW, *CASES)
    assert "Not proved yet" in text
    assert "Nothing is open" not in text


def test_the_page_for_a_new_ledger_has_no_verdict() -> None:
    answer = signed_in(*VIEW, *CASES, "add_ledger").get(reverse("admin:balances_ledger_add"))
    assert answer.status_code == 200
    assert b"Not proved" not in answer.content
    assert Balance.objects.count() == 0
