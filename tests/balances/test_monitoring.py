"""Which monitors speak after balances moved: by totals as they are, in one statement, by index."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from balances.ground.exact_json import dumps
from balances.models import TOTALS, Balance
from balances.models.monitors import BalanceMonitor
from balances.monitors.monitoring import FIRED_MONITORS, fired
from reconciliation.correcting.rebuilding import reconstruct
from tests import world
from tests.balances.api.test_statements import explain

AROUND = {
    ">": (False, False, True),
    "<": (True, False, False),
    ">=": (False, True, True),
    "<=": (True, True, False),
    "=": (False, True, False),
    "!=": (True, False, True),
}
"""Whether a condition holds one minor unit below its threshold, at it, and one above."""


def heard(*balances: Balance) -> list[str]:
    return [each["monitor_id"] for each in fired([balance.pk for balance in balances])]


@pytest.mark.django_db
@pytest.mark.parametrize("operator", AROUND)
@pytest.mark.parametrize("threshold", [0, -25, 10**40])
def test_each_operator_compares_to_the_minor_unit(operator: str, threshold: int) -> None:
    alice = world.balance()
    monitor = world.monitor(alice, "balance", operator, value=Decimal(threshold), precision=Decimal(1))
    world.drift(alice, credit=threshold - 1)
    said = []
    for _ in range(3):
        said.append(heard(alice) == [monitor.pk])
        world.drift(alice, credit=1)
    assert tuple(said) == AROUND[operator]


@pytest.mark.django_db
def test_each_of_the_six_totals_is_watched_by_itself() -> None:
    alice = world.balance()
    world.drift(alice, credit=11, debit=3, hold_credit=7, hold_debit=2)
    for total, units in world.totals(alice).items():
        monitor = world.monitor(alice, total, "=", value=Decimal(units), precision=Decimal(1))
        assert heard(alice) == [monitor.pk], total
        monitor.delete()
    assert len(set(world.totals(alice).values())) == len(TOTALS)


@pytest.mark.django_db
def test_the_payload_is_that_of_the_event_keys_in_byte_order() -> None:
    alice = world.balance()
    told = world.monitor(alice, "balance", "<", value=Decimal("0.50"), description="empty soon")
    silent = world.monitor(alice, "balance", "=", value=Decimal(0), precision=Decimal("0.1"))
    by_id = {each["monitor_id"]: each for each in fired([alice.pk])}
    payload = by_id[told.pk]
    created_at = payload["created_at"]
    assert created_at.endswith("Z")
    assert dumps(payload) == (
        f'{{"balance_id":"{alice.pk}","condition":{{"field":"balance","operator":"<","precise_value":50,'
        f'"precision":100,"value":0.5}},"created_at":"{created_at}","description":"empty soon",'
        f'"monitor_id":"{told.pk}"}}'
    )
    assert json.loads(dumps(by_id[silent.pk])) == {
        "balance_id": alice.pk,
        "condition": {"field": "balance", "operator": "=", "precise_value": 0, "precision": 0.1, "value": 0},
        "created_at": by_id[silent.pk]["created_at"],
        "monitor_id": silent.pk,
    }


@pytest.mark.django_db
def test_only_monitors_of_the_named_balances_speak_and_each_time() -> None:
    alice, bob, carol = (world.balance() for _ in range(3))
    of_alice, of_bob = (world.monitor(each, "debit_balance", ">=", value=Decimal(1)) for each in (alice, bob))
    world.monitor(carol, "balance", "=", value=Decimal(0))
    world.monitor(alice, "debit_balance", ">", value=Decimal(1))
    assert heard(alice, bob) == heard() == []
    world.post(alice, bob, 100)
    world.post(bob, alice, 100)
    for _ in range(2):
        assert set(heard(alice, bob)) == {of_alice.pk, of_bob.pk}
    assert heard(bob) == [of_bob.pk]


@pytest.mark.django_db
def test_totals_are_those_of_the_transaction_that_asks() -> None:
    alice, bob = world.balance(), world.balance()
    monitor = world.monitor(alice, "credit_balance", ">=", value=Decimal(1))
    with pytest.raises(RuntimeError), transaction.atomic():
        world.post(bob, alice, 100)
        assert heard(alice) == [monitor.pk]
        raise RuntimeError
    assert heard(alice) == []


@pytest.mark.django_db(transaction=True)
def test_a_monitor_speaks_by_the_totals_that_a_reconstruction_left() -> None:
    alice, bob = world.balance(), world.balance()
    monitor = world.monitor(alice, "credit_balance", "=", value=Decimal(1))
    world.post(bob, alice, 100)
    world.drift(alice, credit=5)
    assert heard(alice) == []
    reconstruct(alice.pk, world.request())
    assert heard(alice) == [monitor.pk]


@pytest.mark.django_db
def test_a_monitor_from_before_there_was_a_precision_speaks_by_its_value() -> None:
    alice = world.balance()
    monitor = world.monitor(alice, "credit_balance", ">=", value=Decimal(250))
    BalanceMonitor.objects.update(precision=None, precise_value=None)
    world.drift(alice, credit=249)
    assert heard(alice) == []
    world.drift(alice, credit=1)
    assert heard(alice) == [monitor.pk]
    assert fired([alice.pk])[0]["condition"] == {
        "field": "credit_balance",
        "operator": ">=",
        "precise_value": 250,
        "precision": 1,
        "value": 250,
    }


@pytest.mark.django_db
def test_all_that_moved_is_asked_about_in_one_statement_by_index(django_assert_num_queries: Callable[..., Any]) -> None:
    owner = world.ledger()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO balances (balance_id, ledger_id, currency, balance, credit_balance, debit_balance, "
            "inflight_balance, inflight_credit_balance, inflight_debit_balance, version, created_at, "
            "track_fund_lineage, allocation_strategy) "
            "SELECT 'bln_' || n, %s, 'USD', 0, 0, 0, 0, 0, 0, 1, now(), false, 'FIFO' FROM generate_series(1, 20000) n",
            [owner.pk],
        )
        cursor.execute(
            "INSERT INTO balance_monitors (monitor_id, balance_id, field, operator, value, precision, precise_value, "
            "created_at) SELECT 'mon_' || n, 'bln_' || n, 'balance', '<=', 0, 1, 0, now() "
            "FROM generate_series(1, 20000) n"
        )
        cursor.execute("ANALYZE balances, balance_monitors")
    moved = [f"bln_{number}" for number in range(1, 101)]
    with django_assert_num_queries(1):
        assert len(fired(moved)) == 100
    plan = "\n".join(next(iter(row.values())) for row in explain(FIRED_MONITORS, {"balance_ids": moved}))
    assert "monitors_of_balance" in plan, plan
    assert "Seq Scan" not in plan, plan
