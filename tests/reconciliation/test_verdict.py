"""The first line of a balance's page: measured as it opens, and never a word too much."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from balances.models import Balance
from reconciliation.backoffice import verdict
from reconciliation.models import Plan, Reconstruction
from tests import world
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db


def verdict_of(balance: Balance, client: Client | None = None) -> str:
    url = reverse("admin:balances_balance_change", args=[balance.pk])
    page = (client or signed_in(*VIEW, *CASES)).get(url).content.decode()
    found = re.search(r'<section[^>]*ledger-verdict-([a-z-]+)" id="verdict">(.*?)</section>', page, re.DOTALL)
    assert found
    return f"{found[1]}: {' '.join(strip_tags(found[2]).split())}"


def used() -> Balance:
    balance = world.balance(indicator="@ben")
    world.post("@payer", balance, 1_234_567)
    return balance


# --- not proved


def test_a_balance_that_takes_too_long_to_measure_is_not_called_right(monkeypatch: pytest.MonkeyPatch) -> None:
    balance = used()
    monkeypatch.setattr(verdict, "MEASURED_SECONDS", 0.0)
    assert "not-proved: @ben: 12,345.67 USD Not checked: it has so many transactions" in verdict_of(balance)


@pytest.mark.parametrize("odd", ["NaN", "Infinity"])
def test_a_total_that_is_no_number_cannot_be_proved(odd: str) -> None:
    balance = used()
    Balance.objects.filter(pk=balance.pk).update(credit_balance=Decimal(odd), balance=Decimal(odd))
    assert "Cannot be proved: a total is no number" in verdict_of(balance)


def test_totals_without_a_transaction_cannot_be_proved() -> None:
    balance = world.balance()
    world.drift(balance, credit=5)
    assert "Cannot be proved: the balance has totals but no transactions." in verdict_of(balance)


# --- wrong


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        ({"credit": 252_300}, "Wrong: 2,523.00 USD too high."),
        ({"debit": 252_300}, "Wrong: 2,523.00 USD too low."),
        ({"credit": 9, "debit": 9}, "Wrong: credit 0.09 USD too high, debit 0.09 USD too high."),
        ({"hold_credit": 100}, "Wrong: inflight credit 1.00 USD too high."),
        ({"credit": 10**40}, "Wrong: 100,000,000,000,000,000,000,000,000,000,000,000,000.00 USD too high."),
    ],
)
def test_it_says_by_how_much_and_which_way(drift: dict[str, int], said: str) -> None:
    balance = used()
    world.drift(balance, **drift)
    shown = verdict_of(balance)
    assert shown.startswith("findings: ")
    assert f"{said} The next sweep looks for the cause." in shown


def test_it_names_the_cause_that_a_finding_of_the_same_drift_has_and_since_when() -> None:
    balance = used()
    world.drift(balance, credit=252_300)
    since = datetime(2026, 11, 1, 8, tzinfo=UTC)
    world.finding(balance, explained_at=since, cause="lost_update", first_wrong_at=since)
    assert "too high. Lost update, since 2026-11-01 08:00:00 UTC." in verdict_of(balance)
    world.drift(balance, credit=1)
    assert "2,523.01 USD too high. The next sweep looks for the cause." in verdict_of(balance)


def test_a_plan_is_proposed_from_there_by_whoever_may() -> None:
    balance = used()
    world.drift(balance, credit=252_300)
    assert "Propose plan" not in verdict_of(balance)
    client = signed_in(*VIEW, *CASES, "propose_plan")
    assert "Propose plan" in verdict_of(balance, client)
    sent = {"action": "propose_plan_for_chosen", "_selected_action": balance.pk, "post": "yes", "reason": "month end"}
    answer = client.post(reverse("admin:balances_balance_changelist"), sent)
    assert (answer.status_code, Plan.objects.get().items.get().balance_id) == (302, balance.pk)
    refused = signed_in(*VIEW, *CASES).post(reverse("admin:balances_balance_changelist"), sent)
    assert (refused.status_code, Plan.objects.count()) == (403, 1)


# --- right


def test_a_right_balance_is_called_right_and_looking_leaves_no_record() -> None:
    balance, client = used(), signed_in(*VIEW, *CASES)
    verdict_of(balance, client)
    with CaptureQueriesContext(connection) as queries:
        assert verdict_of(balance, client) == "healthy: @ben: 12,345.67 USD Right, checked now."
    assert len(queries) <= 20, [each["sql"][:90] for each in queries]
    assert not Reconstruction.objects.exists()
    assert "Propose plan" not in verdict_of(balance, signed_in(*VIEW, *CASES, "propose_plan"))


def test_a_balance_that_nothing_touched_is_right() -> None:
    assert "Right, checked now." in verdict_of(world.balance())


def test_a_net_that_alone_is_off_is_named() -> None:
    balance = used()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE balances DROP CONSTRAINT inflight_is_credit_less_debit")
    Balance.objects.filter(pk=balance.pk).update(inflight_balance=300)
    assert "Wrong: inflight balance 3.00 USD too high." in verdict_of(balance)
