"""Parts of a balance's page that load when they are looked at: open holds, and with whom money was moved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.backoffice import balance_parts
from balances.ground import ReadTimedOut
from balances.history import counterparties, moving, open_holds
from balances.models import Balance, now
from balances.models.queue import Entry
from tests import world
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}


def url(name: str, balance: Balance) -> str:
    return reverse(f"admin:balances_balance_{name}", args=[balance.pk])


def shown(name: str, balance: Balance, client: Client | None = None, **query: str) -> str:
    answer = (client or signed_in(*VIEW)).get(url(name, balance), query, headers=PART)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def pair() -> tuple[Balance, Balance]:
    return world.balance(indicator="@alice"), world.balance(indicator="@bob")


# --- refused


@pytest.mark.parametrize("name", balance_parts.PARTS)
@pytest.mark.parametrize("codenames", [(), ("view_balance",), ("view_transaction",)])
def test_a_part_is_closed_to_who_may_not_see_balances_and_transactions(
    pair: tuple[Balance, Balance], name: str, codenames: tuple[str, ...]
) -> None:
    assert signed_in(*codenames).get(url(name, pair[0])).status_code == 403
    page = reverse("admin:balances_balance_change", args=[pair[0].pk])
    assert url(name, pair[0]) not in signed_in("view_balance").get(page).content.decode()


@pytest.mark.parametrize("name", balance_parts.PARTS)
def test_a_part_that_takes_too_long_says_so(
    pair: tuple[Balance, Balance], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*given: Any, **named: Any) -> Any:
        raise ReadTimedOut(2)

    monkeypatch.setattr(balance_parts, "open_holds", slow)
    monkeypatch.setattr(balance_parts, "counterparties", slow)
    assert "reading them took too long" in shown(name, pair[0])


def test_a_hold_that_is_settled_or_released_is_not_open(pair: tuple[Balance, Balance]) -> None:
    alice, bob = pair
    for status, units in (("APPLIED", 1000), ("VOID", 1000), ("VOID", 300)):
        hold = world.row("INFLIGHT", 1000, alice, bob)
        world.row(status, units, alice, bob, parent_transaction=hold.pk)
    world.row("REJECTED", 1000, alice, bob)
    assert open_holds(alice.pk, 10).count == 0
    assert "No hold is open on this balance." in shown("holds", alice)


# --- shown


@pytest.mark.parametrize("name", balance_parts.PARTS)
def test_a_part_is_a_page_too_and_the_page_of_the_balance_asks_for_it(pair: tuple[Balance, Balance], name: str) -> None:
    client = signed_in(*VIEW)
    assert "<html" not in shown(name, pair[0], client)
    assert "<html" in client.get(url(name, pair[0])).content.decode()
    page = client.get(reverse("admin:balances_balance_change", args=[pair[0].pk])).content.decode()
    assert f'hx-get="{url(name, pair[0])}"' in page


def test_an_open_hold_shows_what_is_committed_and_what_remains(pair: tuple[Balance, Balance]) -> None:
    alice, bob = pair
    hold = world.row("INFLIGHT", 100_000, alice, bob, effective_date=now() - timedelta(days=3))
    world.row("APPLIED", 30_000, alice, bob, parent_transaction=hold.pk)
    queued = world.row("QUEUED", 500, bob, alice)
    waited = world.row("INFLIGHT", 500, bob, alice, parent_transaction=queued.pk, reference=f"{queued.reference}_q")
    world.row("APPLIED", 200, bob, alice, parent_transaction=queued.pk)
    due = now() + timedelta(days=4)
    Entry.objects.create(action="void", transaction_id=hold.pk, is_timer=True, due_at=due)
    Entry.objects.create(action="commit", transaction_id=queued.pk, is_timer=True, due_at=due)
    found = open_holds(alice.pk, 10)
    assert [(each.transaction_id, each.units, each.committed, each.remaining) for each in found.shown] == [
        (hold.pk, 100_000, 30_000, 70_000),
        (waited.pk, 500, 200, 300),
    ]
    assert (found.count, found.debits, found.credits) == (2, 70_000, 300)
    assert [(each.expires_at, each.commits_at) for each in found.shown] == [(due, None), (None, due)]
    page = shown("holds", alice)
    assert "3\xa0days old" in page
    assert f"released {due:%Y-%m-%d %H:%M:%S}" in page
    assert 'title="70000 minor units">700.00<' in page
    assert reverse("admin:balances_transaction_change", args=[hold.pk]) in page


def test_many_holds_are_counted_and_the_oldest_shown(
    pair: tuple[Balance, Balance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balance_parts, "SHOWN_HOLDS", 2)
    for days in range(5):
        world.row("INFLIGHT", 100 + days, *pair, effective_date=now() - timedelta(days=days))
    found = open_holds(pair[0].pk, 2)
    assert [each.units for each in found.shown] == [104, 103]
    assert (found.count, found.debits) == (5, 510)
    assert "… and 3 younger ones" in shown("holds", pair[0])


def test_counterparties_are_those_of_the_days_by_what_was_moved(pair: tuple[Balance, Balance]) -> None:
    alice, bob = pair
    carol = world.balance(indicator="@carol")
    for units, source, destination in ((500, bob, alice), (700, bob, alice), (9_000, carol, alice), (40, alice, bob)):
        world.row("APPLIED", units, source, destination)
    world.row("APPLIED", 10**6, bob, alice, effective_date=now() - timedelta(days=91))
    world.row("INFLIGHT", 10**6, bob, alice)
    came_in, went_out = counterparties(alice.pk, now() - timedelta(days=90), 8)
    assert [(each.other_name, each.units, each.row_count) for each in came_in.largest] == [
        ("@carol", 9_000, 1),
        ("@bob", 1_200, 2),
    ]
    assert (came_in.total, came_in.others, came_in.is_cut) == (10_200, 2, False)
    assert [(each.other_name, each.units) for each in went_out.largest] == [("@bob", 40)]
    page = shown("flows", alice)
    assert "applied in the last 90 days" in page
    assert 'title="1200 minor units">12.00<' in page
    assert "1001200" not in page
    assert "1001200 minor units" in shown("flows", alice, days="365")


@pytest.mark.parametrize("days", ["", "x", "-1", "9" * 50, "0", "²"])
def test_days_that_are_none_show_the_usual_ones_or_none(pair: tuple[Balance, Balance], days: str) -> None:
    assert "applied in the last" in shown("flows", pair[0], days=days)


def test_only_the_newest_movements_are_read(pair: tuple[Balance, Balance], monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = pair
    monkeypatch.setattr(moving, "READ_ROWS", 3)
    monkeypatch.setattr(balance_parts, "READ_ROWS", 3)
    for minutes in range(5):
        world.row("APPLIED", 10**minutes, bob, alice, effective_date=now() - timedelta(minutes=minutes))
    came_in, _ = counterparties(alice.pk, now() - timedelta(days=90), 8)
    assert (came_in.total, came_in.is_cut) == (111, True)
    assert "Of the newest 3 movements" in shown("flows", alice)


def test_parts_take_few_queries_and_the_page_none_for_them(pair: tuple[Balance, Balance]) -> None:
    alice, bob = pair
    for _ in range(12):
        world.row("INFLIGHT", 5, alice, bob)
        world.row("APPLIED", 5, world.balance(), alice)
    client = signed_in(*VIEW)
    for name in balance_parts.PARTS:
        with CaptureQueriesContext(connection) as queries:
            shown(name, alice, client)
        assert len(queries) <= 8
