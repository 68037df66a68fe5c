"""How PostgreSQL looks up what a filter asks of transactions: never through the history of everybody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase
from pytest_django.plugin import DjangoDbBlocker

from balances.api.filtering.grammar import Asked, Condition
from balances.api.filtering.requests import Page
from balances.api.filtering.resources import TransactionFilters
from balances.api.filtering.values import from_json
from balances.models import Transaction
from tests import world
from tests.client import Client

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("plans")]

ROWS, STALE = 20_000, 300
PAGE = 20


@pytest.fixture(scope="module")
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, str]]:
    """Make the rows once for all tests, which only read them: VACUUM runs in no transaction that a test could undo."""
    with django_db_blocker.unblock():
        made = filled()
    yield made
    with django_db_blocker.unblock():
        TransactionTestCase()._fixture_teardown()  # type: ignore[attr-defined]  # tests/conftest.py replaces it
        connection.close()


def filled() -> dict[str, str]:
    """Make 20,000 rows of a hundred busy balances, and before them 300 of one that has not moved since."""
    owner = world.ledger()
    busy = [world.balance(owner) for _ in range(100)]
    stale, rare = world.balance(owner), world.balance(owner)
    world.post("@rare", rare, 5, reference="rare")
    world.many_rows([stale, busy[0]], STALE, prefix="stale")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE transactions SET created_at = created_at - interval '1 year'")
        cursor.execute(
            "UPDATE transactions SET parent_transaction = 'txn_' || reference WHERE reference LIKE 'stale-1%'"
        )
        cursor.execute("SET session_replication_role = origin")
    world.many_rows(busy, ROWS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE balances")
    one = Transaction.objects.get(reference="stale-7")
    return {"busy": busy[5].pk, "stale": stale.pk, "rare": rare.pk, "txn": one.pk, "hot": busy[0].pk}


def condition(field: str, operator: str, value: Any = None) -> Condition:
    if operator in ("isnull", "isnotnull"):
        return Condition(field, operator)
    values = value if isinstance(value, list) else [value]
    return Condition(field, operator, tuple(from_json(item) for item in values))


def explained(*conditions: Condition, any_of: bool = False, **more: Any) -> str:
    page = Page(Asked(conditions, any_of), more.pop("limit", PAGE), more.pop("offset", 0), **more)
    plan: str = TransactionFilters._page(page).explain(analyze=True, timing=False)
    return plan


def passed_over(plan: str) -> int:
    """Return how many transactions were read for nothing."""
    passed, node = 0, ""
    for line in plan.splitlines():
        node = line if "(cost=" in line else node
        removed = re.search(r"Rows Removed by Filter: (\d+)", line)
        if removed and " on transactions" in node:
            loops = re.search(r"loops=(\d+)", node)
            passed += int(removed[1]) * int(loops[1] if loops else 1)
    return passed


def test_no_indexed_field_is_looked_for_in_the_whole_table(history: dict[str, str]) -> None:
    references = [f"stale-{number}" for number in range(250)]
    parents = [f"txn_stale-{number}" for number in range(100, 200)]
    table = [
        ("transaction_id", "eq", history["txn"]),
        ("transaction_id", "in", [history["txn"], "txn_none"]),
        ("transaction_id", "between", [history["txn"], history["txn"] + "0"]),
        ("reference", "eq", "stale-7"),
        ("reference", "in", references),
        ("reference", "like", "stale-12%"),
        ("parent_transaction", "eq", "txn_stale-100"),
        ("parent_transaction", "in", parents),
        ("parent_transaction", "in", parents * 2),
        *((side, "eq", history[who]) for side in ("source", "destination") for who in ("busy", "stale", "rare")),
        *((side, "in", [history["stale"], history["rare"]]) for side in ("source", "destination")),
        *((side, "isnull", None) for side in ("source", "destination", "balance_id")),
        *(("balance_id", "eq", history[who]) for who in ("busy", "stale", "rare", "hot")),
        ("balance_id", "in", [history["stale"], history["rare"]]),
        ("balance_id", "eq", "bln_none"),
        *(("indicator", operator, "@rare") for operator in ("eq", "gte", "lte", "like", "ilike")),
        *(("indicator", operator, "@a") for operator in ("gt", "ne")),
        ("indicator", "lt", "@s"),
        ("indicator", "in", ["@rare", "@none"]),
        ("indicator", "between", ["@q", "@s"]),
        ("indicator", "isnotnull", None),
        ("indicator", "eq", "@none"),
        ("created_at", "eq", "2020-01-01T00:00:00Z"),
        ("created_at", "in", ["2020-01-01"]),
        ("created_at", "between", ["2020-01-01", "2021-01-01"]),
        ("created_at", "lt", "2021-01-01"),
        ("created_at", "lte", "2021-01-01"),
        ("created_at", "gt", "2020-01-01"),
        ("created_at", "gte", "2020-01-01"),
    ]
    wasteful = {}
    for asked in table:
        for ascending in (False, True):
            plan = explained(condition(*asked), ascending=ascending)
            if "Seq Scan on transactions" in plan or passed_over(plan) > 3 * PAGE:
                wasteful[asked[:2]] = plan
    assert not wasteful, "\n".join(f"{asked}\n{plan}" for asked, plan in wasteful.items())


def test_a_range_of_an_indexed_field_is_no_sequential_scan_whatever_the_planner_expects_of_it(
    history: dict[str, str],
) -> None:
    # ``ilike``, and ``like`` without a fixed beginning, no B-tree can answer.
    for field, low, high in (
        ("reference", "stale-1", "stale-11"),
        ("reference", "many-0", "many-10"),
        ("transaction_id", "txn_0", "txn_01"),
        ("parent_transaction", "txn_stale-1", "txn_stale-11"),
        ("source", "bln_0", "bln_1"),
        ("destination", "bln_0", "bln_1"),
    ):
        for operator in ("gt", "gte", "lt", "lte", "ne", "like", "between", "isnotnull"):
            value = {"between": [low, high], "like": f"{low}%"}.get(operator, high)
            plan = explained(condition(field, operator, value))
            assert "Seq Scan on transactions" not in plan, plan


def test_counting_what_an_indexed_field_selects_reads_nothing_else(history: dict[str, str]) -> None:
    for asked in (
        ("transaction_id", "eq", history["txn"]),
        ("reference", "eq", "stale-7"),
        ("reference", "like", "stale-12%"),
        ("parent_transaction", "in", [f"txn_stale-{number}" for number in range(100, 240)]),
        ("source", "eq", history["stale"]),
        ("balance_id", "eq", history["busy"]),
        ("balance_id", "in", [history["stale"], history["rare"]]),
        ("indicator", "eq", "@rare"),
        ("created_at", "lt", "2021-01-01"),
    ):
        plan = explained(condition(*asked), counted=True)
        assert "Seq Scan on transactions" not in plan, plan
        assert passed_over(plan) <= 3 * PAGE, plan


def test_a_page_of_one_balance_reads_no_more_of_its_rows_than_it_shows(history: dict[str, str]) -> None:
    for field in ("balance_id", "source", "destination"):
        for asked in ((), (condition("status", "eq", "APPLIED"),)):
            plan = explained(condition(field, "eq", history["hot"]), *asked, limit=5)
            read = sum(map(int, re.findall(r" on transactions.*actual rows=(\d+)", plan)))
            assert read <= 4 * PAGE, plan


def test_conditions_beside_an_indexed_one_keep_its_index(history: dict[str, str]) -> None:
    stale, busy = condition("balance_id", "eq", history["stale"]), condition("source", "eq", history["busy"])
    applied = condition("status", "eq", "APPLIED")
    for conditions in ((applied, stale), (busy, stale), (condition("reference", "eq", "stale-7"), stale)):
        assert passed_over(explained(*conditions)) <= 400
    either = explained(condition("reference", "eq", "stale-7"), condition("transaction_id", "eq", "x"), any_of=True)
    assert "Seq Scan" not in either
    assert passed_over(either) == 0
    alone = explained(stale, any_of=True, offset=40)
    assert passed_over(alone) == 0


@pytest.mark.parametrize("ascending", [False, True])
def test_the_short_way_finds_what_the_long_way_finds(history: dict[str, str], ascending: bool) -> None:
    """The pages of each balance, one after the other, are its rows in order."""
    ids = [history[name] for name in ("stale", "busy", "rare", "hot")]
    balances = condition("balance_id", "in", ids)
    both = (balances, condition("reference", "like", "%7%"))
    order = ("created_at", "pk") if ascending else ("-created_at", "-pk")
    sides = Transaction.objects.filter(source__in=ids) | Transaction.objects.filter(destination__in=ids)
    for conditions, rows in (((balances,), sides), (both, sides.filter(reference__contains="7"))):
        expected = list(rows.order_by(*order).values_list("pk", flat=True))
        paged: list[str] = []
        for offset in range(0, len(expected) + 90, 90):
            page = Page(Asked(conditions), 90, offset, ascending=ascending, counted=True)
            found = TransactionFilters.rows(page)
            assert {row["total_count"] for row in found} <= {len(expected)}
            paged += [row["transaction_id"] for row in found]
        assert paged == expected
        assert len(expected) > 90


def test_a_page_takes_one_statement(history: dict[str, str], api: Client, django_assert_num_queries: Any) -> None:
    for field, value in (("balance_id", history["stale"]), ("indicator", "@rare"), ("reference", "stale-7")):
        body = {"filters": [{"field": field, "operator": "eq", "value": value}], "include_count": True}
        with django_assert_num_queries(1):
            assert api.post("/transactions/filter", body).body["total_count"] > 0
        with django_assert_num_queries(1):
            assert api.get(f"/transactions?{field}_eq={value}").body
