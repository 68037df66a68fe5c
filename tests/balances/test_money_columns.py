"""Amounts in lists: major units first, grouped, and the exact minor units on hover."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from balances.models import now
from balances.templatetags.money import listed
from reconciliation.overview import count_hours
from tests import world
from tests.people import VIEW, signed_in

LONG = int("1234567890" * 4)


@pytest.mark.parametrize(
    ("units", "precision", "shown"),
    [
        (125_034, 100, ">1,250.34<"),
        (-125_034, 100, ">-1,250.34<"),
        (125_034, 1, ">125,034<"),
        (125_034, None, ">125,034 minor<"),
        (None, 100, ">–<"),
        (Decimal("NaN"), 100, ">NaN minor<"),
    ],
)
def test_an_amount_is_major_units_or_says_that_it_is_not(units: Any, precision: int | None, shown: str) -> None:
    assert shown in listed(units, precision)


def test_forty_digits_may_break_and_are_whole_on_hover() -> None:
    shown = listed(LONG, 100)
    assert f'title="{LONG} minor units"' in shown
    assert "money-long" in shown
    assert "money-long" not in listed(125_034, 100)


@pytest.mark.django_db
def test_lists_of_balances_and_transactions_show_major_units() -> None:
    world.post("@a", "@b", 125_034, currency="EUR", precision=100)
    count_hours(now())
    client = signed_in(*VIEW)
    for model in ("balances_balance", "balances_transaction"):
        shown = client.get(reverse(f"admin:{model}_changelist")).content.decode()
        assert 'title="125034 minor units">1,250.34' in shown, model
