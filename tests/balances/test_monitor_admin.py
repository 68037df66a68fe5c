"""Monitors in the back-office, and the panels on the page of a balance: who watches it, what it was at an instant."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.models import Balance
from balances.models.monitors import BalanceMonitor
from tests import world
from tests.people import VIEW, signed_in

pytestmark = pytest.mark.django_db
LIST, ADD = reverse("admin:balances_balancemonitor_changelist"), reverse("admin:balances_balancemonitor_add")
WRITER = (*VIEW, "view_balancemonitor", "add_balancemonitor", "change_balancemonitor", "delete_balancemonitor")


def page(row: Any, view: str = "change") -> str:
    return reverse(f"admin:balances_{row._meta.model_name}_{view}", args=[row.pk])


def form(balance: Balance, **fields: Any) -> dict[str, Any]:
    given = {"field": "balance", "operator": "<", "value": "0.29", "precision": "100", "description": "empty soon"}
    return {"balance": balance.pk} | given | fields


# --- refused


def test_monitors_are_closed_to_staff_without_the_permission_for_each_step() -> None:
    alice = world.balance()
    monitor = world.monitor(alice)
    assert signed_in(*VIEW).get(LIST).status_code == 403
    viewer = signed_in(*VIEW, "view_balancemonitor")
    assert viewer.get(LIST).status_code == viewer.get(page(monitor)).status_code == 200
    assert b"Save" not in viewer.get(page(monitor)).content
    for path in (ADD, page(monitor), page(monitor, "delete")):
        assert viewer.post(path, form(alice) | {"post": "yes"}).status_code == 403
    assert viewer.post(LIST, {"action": "delete_selected", "_selected_action": monitor.pk}).status_code == 403
    assert BalanceMonitor.objects.get().precise_value == monitor.precise_value


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"precision": "0"}, "The precision must be more than zero."),
        ({"precision": "-100"}, "The precision must be more than zero."),
        ({"value": "NaN"}, "Enter a number."),
        ({"value": "1e1001"}, "Ensure that there are no more than"),
        ({"value": "ten"}, "Enter a number."),
        ({"operator": "=="}, "Select a valid choice."),
        ({"field": "currency"}, "Select a valid choice."),
        ({"balance": "bln_none"}, "Select a valid choice."),
    ],
)
def test_what_no_monitor_can_be_is_said_beside_the_field(fields: dict[str, Any], said: str) -> None:
    answer = signed_in(*WRITER).post(ADD, form(world.balance()) | fields)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not BalanceMonitor.objects.exists()


def test_an_instant_that_is_none_is_said_and_nothing_is_shown() -> None:
    alice = world.balance()
    for given, said in (("yesterday", "Enter a valid date/time."), ("", "This field is required.")):
        shown = signed_in(*VIEW).get(page(alice), {"as_of": given}).content.decode()
        assert said in shown
        assert "From the transactions" not in shown
    zero = signed_in(*VIEW).get(page(alice), {"as_of": "0001-01-01T00:00:00"}).content.decode()
    assert "Target time cannot be zero" in zero


# --- served


def test_a_monitor_is_added_changed_and_deleted_and_each_is_noted() -> None:
    alice, bob = world.balance(), world.balance()
    client = signed_in(*WRITER)
    assert client.post(ADD, form(alice)).status_code == 302
    monitor = BalanceMonitor.objects.get()
    assert (monitor.balance_id, monitor.value, monitor.precise_value) == (alice.pk, Decimal("0.29"), 29)
    assert monitor.description == "empty soon"
    BalanceMonitor.objects.update(call_back_url="https://example.com")

    changed = form(bob, operator=">=", value="-1.999", precision="1000", description="")
    assert client.post(page(monitor), changed).status_code == 302
    monitor.refresh_from_db()
    assert (monitor.balance_id, monitor.operator, monitor.precise_value) == (bob.pk, ">=", -1999)
    assert (monitor.description, monitor.call_back_url) == ("", "https://example.com")

    assert client.post(page(monitor, "delete"), {"post": "yes"}).status_code == 302
    assert not BalanceMonitor.objects.exists()
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {monitor.pk}
    assert LogEntry.objects.count() == 3


def test_a_number_of_many_digits_is_shown_and_saved_as_it_is() -> None:
    value = Decimal("123456789012345678901234567890.123456789012345678")
    monitor = world.monitor(world.balance(), value=value, precision=Decimal(10**18))
    client = signed_in(*WRITER)
    assert f'value="{value}"' in client.get(page(monitor)).content.decode()
    saved = form(monitor.balance, value=str(value), precision=str(10**18))
    assert client.post(page(monitor), saved).status_code == 302
    assert BalanceMonitor.objects.get().precise_value == 123456789012345678901234567890123456789012345678


def test_monitors_are_found_by_id_balance_or_indicator_in_as_many_statements_as_there_are() -> None:
    alice, bob = named("@alice"), world.balance()
    of_alice, of_bob = world.monitor(alice), world.monitor(bob, "inflight_balance", "!=")
    client = signed_in(*WRITER)
    for term, found in (
        (of_bob.pk, of_bob),
        (alice.pk, of_alice),
        ("@alice", of_alice),
        ("alice", of_alice),
        ("mon_none", None),
    ):
        results = client.get(LIST, {"q": term}).context["cl"].result_list
        assert list(results) == ([found] if found else [])
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for _ in range(5):
        world.monitor(alice)
    with CaptureQueriesContext(connection) as many:
        assert client.get(LIST).content.decode().count("Debit is more than") == 6
    assert len(few) == len(many)


def named(indicator: str) -> Balance:
    world.post("@world", indicator, 1)
    return Balance.objects.get(indicator=indicator)


def test_the_page_of_a_balance_lists_its_monitors_for_those_who_may_see_them() -> None:
    alice = world.balance()
    monitor = world.monitor(alice, "credit_balance", ">=", description="large credits")
    shown = signed_in(*VIEW, "view_balancemonitor").get(page(alice)).content.decode()
    assert "large credits" in shown
    assert page(monitor) in shown
    assert f"{ADD}?balance=" not in shown
    assert f"{ADD}?balance={alice.pk}" in signed_in(*WRITER).get(page(alice)).content.decode()
    assert 'id="monitors"' not in signed_in(*VIEW).get(page(alice)).content.decode()


def test_the_page_of_a_balance_says_what_it_was_at_an_instant_in_utc() -> None:
    alice = world.balance()
    world.post("@world", alice, 4_711, effective_date=datetime(2026, 3, 4, 12, tzinfo=UTC))
    world.post(alice, "@world", 11, effective_date=datetime(2026, 3, 4, 13, tzinfo=UTC))
    client = signed_in(*VIEW)
    assert client.get(page(alice)).context.get("then") is None
    for given, balance in (("2026-03-04T11:59:59", 0), ("2026-03-04T12:00", 4_711), ("2026-03-04T13:00:00", 4_700)):
        answer = client.get(page(alice), {"as_of": given})
        assert answer.context["then"].balance == balance
        assert f"Applied by {given.replace('T', ' ')}" in answer.content.decode()
