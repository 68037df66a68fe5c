"""The command palette: what a user may see, found as the lists find it, and at a cost that has a bound."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledgerproj import palette
from tests import world
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
MOST_QUERIES = 12


def found(client: Client, term: str) -> str:
    answer = client.get(reverse("admin:search"), {"s": term, "extended": "1"})
    assert answer.status_code == 200
    return answer.content.decode()


def test_who_is_not_signed_in_finds_nothing() -> None:
    assert Client().get(reverse("admin:search"), {"s": "@ada"}).status_code == 302


@pytest.mark.parametrize("term", ["", "%", "\\", "'", "x" * 5_000, "bln_", "1,250.34", "💥"])
def test_odd_terms_are_answered(term: str) -> None:
    found(signed_in(*VIEW, *CASES), term)


def test_nobody_finds_what_they_may_not_see() -> None:
    world.balance(world.ledger(), indicator="@ada")
    assert "@ada" not in found(signed_in("view_transaction"), "@ada")
    assert "Plans" not in found(signed_in("view_transaction"), "plans")


def test_a_permission_that_is_taken_away_counts_at_once() -> None:
    world.balance(world.ledger(), indicator="@ada")
    client = signed_in("view_balance")
    assert "@ada" in found(client, "@ada")
    User.objects.get().user_permissions.remove(Permission.objects.get(codename="view_balance"))
    assert "@ada" not in found(client, "@ada")


def test_rows_are_found_as_their_lists_find_them_whatever_their_case() -> None:
    owner = world.ledger("Shop")
    balance = world.balance(owner, indicator="@Ada")
    world.post(world.balance(owner), balance, 125_034, reference="INV-Seven")
    world.drift(balance, credit=7)
    world.finding(balance)
    client = signed_in(*VIEW, *CASES)
    text = found(client, "@Ada")
    assert reverse("admin:balances_balance_change", args=[balance.pk]) in text
    assert "Finding, " in text
    assert "INV-Seven" in found(client, "INV-Seven")
    assert "Sweeps" in found(client, "sweeps")


def test_many_matches_are_cut_and_take_few_queries() -> None:
    owner = world.ledger()
    for number in range(palette.SHOWN + 3):
        world.balance(owner, indicator=f"@many-{number}")
    client = signed_in(*VIEW, *CASES)
    with CaptureQueriesContext(connection) as taken:
        text = found(client, "@many")
    assert len(taken) <= MOST_QUERIES
    assert text.count("@many-") // 2 == palette.SHOWN  # in the name and in what the script reads
