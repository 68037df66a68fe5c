"""How many statements a read takes, and that none of those about transactions reads the whole table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection

from balances.api import hot_reads, views
from balances.ground.statements import Statement
from balances.keys import keyring
from balances.models import ApiKey, Balance, Transaction
from balances.posting.metadata import MERGE_TRANSACTION_METADATA
from tests import world
from tests.client import Client


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "statements"), [("/ledgers", 1), ("/balances?limit=50", 1), ("/transactions", 1)])
def test_a_list_takes_one_statement_however_long_it_is(
    api: Client, django_assert_num_queries: Callable[..., Any], path: str, statements: int
) -> None:
    for _ in range(8):
        world.post("@world", world.balance(), 5)
    with django_assert_num_queries(statements):
        assert len(api.get(path).body) >= 8


@pytest.mark.django_db
@pytest.mark.parametrize(("scoped", "statements"), [(False, 1), (True, 2)])
def test_one_row_takes_one_statement_and_a_key_with_scopes_another(
    django_assert_num_queries: Callable[..., Any], scoped: bool, statements: int
) -> None:
    row = world.post("@world", world.balance(), 5)
    expires_at = datetime.now(UTC) + timedelta(days=1)
    key = keyring.issue(name="k", owner_id="o", scopes=["*:read"], expires_at=expires_at) if scoped else None
    client = Client(key.plaintext) if key else Client()
    paths = (f"/balances/{row.destination_id}", f"/transactions/{row.pk}", f"/transactions/reference/{row.reference}")
    if key:
        keyring.note_use(key)
    for path in (*paths, "/balances/indicator/@world/currency/USD"):
        with django_assert_num_queries(statements):
            assert client.get(path).status == 200


@pytest.mark.django_db
def test_a_lookup_finds_what_the_orm_finds() -> None:
    balance = world.balance(meta_data={"n": 10**30, "d": Decimal("0.10")})
    row = world.post("@world", balance, 10**25)
    expires_at = datetime.now(UTC) + timedelta(days=1)
    key = keyring.issue(name="k", owner_id="o", scopes=["a:read", "b:write"], expires_at=expires_at)
    for lookup, values, model in (
        (hot_reads.BALANCE.lookup, {"balance_id": balance.pk}, Balance),
        (hot_reads.BALANCE_OF_INDICATOR.lookup, {"indicator": "@world", "currency": "USD"}, Balance),
        (hot_reads.TRANSACTION.lookup, {"transaction_id": row.pk}, Transaction),
        (hot_reads.TRANSACTION_OF_REFERENCE.lookup, {"reference": row.reference}, Transaction),
        (keyring.KEYS, {"key_prefix": key.key_prefix}, ApiKey),
    ):
        found: Any = lookup.first(**values)
        expected: Any = model._base_manager.get(**values)
        for field in model._meta.concrete_fields:
            read, wanted = getattr(found, field.attname), getattr(expected, field.attname)
            assert (read, type(read)) == (wanted, type(wanted))
        assert not found._state.adding
    assert hot_reads.BALANCE.lookup.first(balance_id="bln_nobody") is None


@pytest.mark.django_db(transaction=True)
def test_no_statement_about_transactions_reads_the_whole_table() -> None:
    balances = [world.balance() for _ in range(100)]
    world.many_rows(balances, 20_000)
    one = Transaction.objects.first()
    assert one is not None
    for statement, parameters in (
        (views.QUEUED, {"balance_id": balances[0].pk}),
        (MERGE_TRANSACTION_METADATA, {"transaction_id": one.pk, "meta_data": "{}"}),
    ):
        plan = "\n".join(next(iter(row.values())) for row in explain(statement, parameters))
        assert "Seq Scan on transactions" not in plan, plan
    for rows in (
        Transaction.objects.newest_first()[:20],
        Transaction.objects.with_children(one.pk),
        Transaction.objects.latest_of(balances[0].pk),
    ):
        assert "Seq Scan on transactions" not in rows.explain()
    for read in (hot_reads.TRANSACTION, hot_reads.TRANSACTION_OF_REFERENCE):
        rows = Transaction.objects.filter(**dict.fromkeys(read.fields, "many-5"))
        assert "Seq Scan on transactions" not in rows.explain()


def explain(statement: Statement, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    explained = Statement.__new__(Statement)
    explained.text, explained.hot = f"EXPLAIN {statement.text}", False
    return explained.rows(**parameters)


@pytest.mark.django_db
def test_health_says_when_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(connection, "cursor", unreachable)
    answer = Client(None).get("/health")
    monkeypatch.undo()
    assert (answer.status, answer.text) == (503, '{"reason":"database unreachable","status":"DOWN"}')
