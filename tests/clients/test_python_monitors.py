"""Monitors and past balances through Blnk's official Python SDK, unchanged, against a live server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from blnk_sdk import BlnkClientOptions, blnk_init

from tests import world

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONDITION = {"field": "credit_balance", "operator": ">=", "value": 250, "precision": 100}


@pytest.fixture
def blnk(live_server: Any) -> Any:
    return blnk_init(world.MASTER_KEY, BlnkClientOptions(base_url=live_server.url))


def test_what_is_not_there_is_not_found_by_any_method(blnk: Any) -> None:
    monitors = blnk.balance_monitor
    asked = {"balance_id": "bln_x", "condition": CONDITION}
    assert [each.status for each in (monitors.get("mon_x"), monitors.update("mon_x", asked))] == [404] * 2
    assert monitors.delete("mon_x").status == 404
    assert monitors.create(asked).status == 400
    assert blnk.ledger_balances.get_at("bln_x", {"timestamp": "2026-03-04T12:00:00Z"}).status == 404


def test_the_sdk_keeps_monitors(blnk: Any) -> None:
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


@pytest.mark.parametrize("from_source", [False, True])
@pytest.mark.parametrize(("timestamp", "units"), [("2026-03-04T14:00:00+02:00", 7), ("2026-03-04T11:59:59.999Z", 0)])
def test_the_sdk_reads_what_a_balance_was(blnk: Any, from_source: bool, timestamp: str, units: int) -> None:
    alice = world.balance()
    world.post("@world", alice, 7, effective_date=NOON)
    then = blnk.ledger_balances.get_at(alice.pk, {"timestamp": timestamp, "from_source": from_source})
    assert then.status == 200, then
    assert then.data["balance"]["credit_balance"] == units
    assert then.data["from_source"] is from_source
