"""Monitors and past balances through Blnk's SDKs, unchanged, against a live server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests import world
from tests.clients.cast import only_python
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONDITION = {"field": "credit_balance", "operator": ">=", "value": 250, "precision": 100}


def test_what_is_not_there_is_not_found_by_any_method(blnk: Client) -> None:
    monitors = blnk.balance_monitor
    asked = {"balance_id": "bln_x", "condition": CONDITION}
    assert [each.status for each in (monitors.get("mon_x"), monitors.update("mon_x", asked))] == [404] * 2
    assert monitors.delete("mon_x").status == 404
    assert monitors.create(asked).status == 400
    assert blnk.ledger_balances.get_at("bln_x", {"timestamp": "2026-03-04T12:00:00Z"}).status == 404


def test_the_sdk_keeps_monitors(blnk: Client) -> None:
    alice, bob = world.balance(), world.balance()
    asked = {"balance_id": alice.pk, "condition": CONDITION, "description": "large", "call_back_url": "https://e.com"}
    created = blnk.balance_monitor.create(asked)
    assert created.status == 201, created
    monitor = created.data["monitor_id"]
    assert created.data["condition"] == CONDITION | {"precise_value": 25_000}
    assert created.data["description"] == "large"
    assert blnk.balance_monitor.get(monitor).data == created.data
    assert blnk.balance_monitor.get("").data == [created.data]  # sends GET /balance-monitors/, follows the redirect
    assert blnk.balance_monitor.list().data == [created.data]

    change = asked | {"balance_id": bob.pk, "condition": CONDITION | {"value": 3}}
    updated = blnk.balance_monitor.update(monitor, change)
    assert (updated.status, updated.data) == (200, {"message": "BalanceMonitor updated successfully"})
    assert blnk.balance_monitor.get(monitor).data["condition"]["precise_value"] == 300
    assert blnk.balance_monitor.delete(monitor).data == {"message": "BalanceMonitor deleted successfully"}
    assert blnk.balance_monitor.list().data is None


@only_python  # the TypeScript SDK has no method for it
def test_the_sdk_lists_the_monitors_of_a_balance(blnk: Client) -> None:
    alice, bob = world.balance(), world.balance()
    for watched in (alice, alice, bob):
        world.monitor(watched)
    listed = blnk.balance_monitor.list_by_balance_id(alice.pk)
    assert (listed.status, [row["balance_id"] for row in listed.data]) == (200, [alice.pk] * 2)
    assert blnk.balance_monitor.list_by_balance_id("bln_x").data is None


@pytest.mark.parametrize("from_source", [False, True])
@pytest.mark.parametrize(("timestamp", "units"), [("2026-03-04T14:00:00+02:00", 7), ("2026-03-04T11:59:59.999Z", 0)])
def test_the_sdk_reads_what_a_balance_was(blnk: Client, from_source: bool, timestamp: str, units: int) -> None:
    alice = world.balance()
    world.post("@world", alice, 7, effective_date=NOON)
    then = blnk.ledger_balances.get_at(alice.pk, {"timestamp": timestamp, "from_source": from_source})
    assert then.status == 200, then
    assert then.data["balance"]["credit_balance"] == units
    assert then.data["from_source"] is from_source
