"""How many statements a read takes, and that none of those about transactions reads the whole table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from balances.api import views
from balances.models import Transaction
from balances.posting.metadata import MERGE_TRANSACTION_METADATA
from balances.statements import Statement
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
        assert "Seq Scan" not in plan, plan
    for rows in (
        Transaction.objects.newest_first()[:20],
        Transaction.objects.with_children(one.pk),
        Transaction.objects.latest_of(balances[0].pk),
        Transaction.objects.filter(reference="many-5"),
    ):
        assert "Seq Scan" not in rows.explain()


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
