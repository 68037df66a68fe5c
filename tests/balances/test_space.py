"""How much space a payment takes, and that every query still has an index now that these are narrow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from balances.history.snapshots import TAKE_SNAPSHOTS
from balances.importing.adding import STAGED_PRECISIONS
from balances.importing.load import KNOWN_PRECISIONS
from balances.models import Transaction
from reconciliation.checks import CHECKS
from reconciliation.explaining.evidence.surroundings import ODD_ROWS
from tests import world
from tests.benchmarks import space

STAGE_ROWS = "CREATE TEMPORARY TABLE staged_rows (LIKE transactions, file_number int, line bigint)"


@pytest.mark.django_db
def test_a_payment_takes_less_than_970_bytes_with_its_indexes() -> None:
    payments = 20_000
    with connection.cursor() as wrapped:
        cursor = wrapped.connection.cursor()
        cursor.execute("SET LOCAL session_replication_role = replica")  # triggers refuse this otherwise
        cursor.execute("TRUNCATE transactions CASCADE")  # rows of other tests have left pages
        cursor.execute("SET LOCAL session_replication_role = origin")
        space.write(cursor, payments, balances=1_000)
        taken = space.a_payment(cursor, payments, "transactions")
    assert set(taken) == {
        *("table", "transactions_pkey", "unique_reference", "applied_debits", "applied_credits"),
        *("debits_of_balance", "credits_of_balance", "transactions_in_order", "transactions_by_amount", "in all"),
    }
    assert taken["transactions_in_order"] < 35
    assert taken["debits_of_balance"] < 60
    assert taken["in all"] < 970


@pytest.fixture
def history() -> Iterator[dict[str, Any]]:
    """Make 20,000 rows of a hundred balances."""
    owner = world.ledger()
    cast = [world.balance(owner) for _ in range(100)]
    world.many_rows(cast, 20_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE balances")
        cursor.execute(STAGE_ROWS)
        cursor.execute("INSERT INTO staged_rows SELECT *, 1, 1 FROM transactions LIMIT 20")
        cursor.execute("ANALYZE staged_rows")
    yield {"ledger_id": owner.pk, "balance_ids": [cast[0].pk]}
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE staged_rows")


def plan_of(text: str, parameters: dict[str, Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {text}", parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_the_rows_of_a_balance_are_found_by_its_hash(history: dict[str, Any]) -> None:
    given = history | {"units": [100], "after": "", "batch_size": 10, "taken_at": datetime.now(UTC)}
    for statement in (TAKE_SNAPSHOTS, KNOWN_PRECISIONS, STAGED_PRECISIONS, ODD_ROWS):
        plan = plan_of(statement.text, given)
        assert "debits_of_balance" in plan, plan
        assert "credits_of_balance" in plan, plan
        assert "Seq Scan on transactions" not in plan, plan


@pytest.mark.django_db(transaction=True)
def test_edits_are_compared_with_the_rows_of_their_balance_by_its_hash(history: dict[str, Any]) -> None:
    with connection.cursor() as cursor:  # what the triggers of the journal write
        cursor.execute("UPDATE balances SET credit_balance = credit_balance + 1, balance = balance + 1")
        cursor.execute("ANALYZE reconciliation_balanceedit")
    plan = plan_of(CHECKS["forced_edit"].statement.text, {"sweep_id": "none"})
    assert "debits_of_balance" in plan, plan
    assert "credits_of_balance" in plan, plan


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["columns_contradict", "hash_disagrees"])
def test_a_check_of_one_balance_reads_its_rows_alone(history: dict[str, Any], name: str) -> None:
    plan = plan_of(CHECKS[name].statement.text, {"balance_ids": history["balance_ids"]})
    assert "applied_debits" in plan, plan
    assert "applied_credits" in plan, plan
    assert "Seq Scan on transactions" not in plan, plan


@pytest.mark.django_db(transaction=True)
def test_the_newest_rows_are_read_in_order_and_no_others(history: dict[str, Any]) -> None:
    plan = Transaction.objects.newest_first()[:20].explain(analyze=True, timing=False)
    assert "Index Scan Backward using transactions_in_order" in plan, plan
    assert "Sort" not in plan, plan
