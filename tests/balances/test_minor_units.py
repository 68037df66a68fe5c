"""What a row moves is said once, in the function minor_units, and that costs no statement its plan."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.models import Transaction

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent
WRITTEN_OUT = re.compile(r"round\([\w.]*amount \* coalesce")
CALL = "minor_units(%(precise_amount)s::numeric, %(amount)s::numeric, %(precision)s::bigint)"


def asked(sql: str, **parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    precise_amount=st.none() | st.integers(-(10**30), 10**30),
    amount=st.none() | st.decimals(-(10**12), 10**12, places=4) | st.decimals(-10, 10, places=1),
    precision=st.none() | st.sampled_from([0, 1, 5, 100, 10**18]),
)
def test_the_database_counts_any_row_as_the_model_does(
    precise_amount: int | None, amount: Decimal | None, precision: int | None, db: None
) -> None:
    columns: dict[str, Any] = {"precise_amount": precise_amount, "amount": amount, "precision": precision}
    (units,) = asked(f"SELECT {CALL}", **columns)
    if precise_amount is None and amount is None:
        assert units is None  # which no sum counts
    else:
        assert units == Transaction(**columns).units


@pytest.mark.parametrize(
    ("amount", "precision", "units"), [("1.005", 100, 101), ("-1.005", 100, -101), ("7", 0, 7), ("7", None, 7)]
)
def test_amounts_without_minor_units_are_rounded_half_away_from_zero(
    amount: str, precision: int | None, units: int
) -> None:
    assert asked(f"SELECT {CALL}", precise_amount=None, amount=Decimal(amount), precision=precision) == [units]


def test_the_planner_puts_the_rule_itself_in_place_of_the_call() -> None:
    plan = "\n".join(
        asked("EXPLAIN (VERBOSE) SELECT sum(minor_units(precise_amount, amount, precision)) FROM transactions")
    )
    assert "COALESCE(precise_amount, round(" in plan, plan
    assert "minor_units" not in plan


def test_no_search_path_can_change_what_the_rule_means() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA other")
        cursor.execute("CREATE FUNCTION other.round(numeric) RETURNS numeric LANGUAGE sql RETURN 666")
    asked("SELECT set_config('search_path', 'other, pg_catalog, ' || current_schema(), true)")
    assert asked("SELECT round(1.4)") == [666]
    assert asked(f"SELECT {CALL}", precise_amount=None, amount=Decimal("1.4"), precision=1) == [1]


def test_no_statement_writes_the_rule_out() -> None:
    statements = [path for app in ("balances", "reconciliation") for path in (ROOT / app).rglob("*.sql")]
    guilty = [path.name for path in statements if WRITTEN_OUT.search(path.read_text())]
    assert guilty == ["0014_minor_units.sql"]
