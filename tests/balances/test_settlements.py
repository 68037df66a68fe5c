"""What settles a hold is said once, and whoever asks, from rows, from holds or from balances, hears the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.models import Balance, Transaction
from reconciliation.correcting.rebooked_rows import IS_COMMIT
from reconciliation.measuring.measurement import measure
from reconciliation.sweeping.service import SCREEN
from tests import world

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent.parent
WRITTEN_OUT = re.compile(r"reference IS DISTINCT FROM [\w.]*reference \|\| '_q'")
WAITING = ("QUEUED", "SCHEDULED")


def asked(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


@dataclass
class Family:
    """Rows of any status under each other, all from one balance to another, and the rule as the contract words it."""

    source: Balance
    destination: Balance

    def __post_init__(self) -> None:
        self.rows: list[Transaction] = []

    def add(self, status: str, units: int, above: int, is_outcome: bool) -> None:
        parent = self.rows[above % len(self.rows)] if self.rows and above else None
        fields = {"parent_transaction": parent.pk} if parent else {}
        if parent and is_outcome and all(row.reference != f"{parent.reference}_q" for row in self.rows):
            fields["reference"] = f"{parent.reference}_q"
        self.rows.append(world.row(status, units, self.source, self.destination, **fields))

    def parent(self, row: Transaction) -> Transaction | None:
        return next((each for each in self.rows if each.pk == row.parent_transaction), None)

    def settles(self, row: Transaction) -> bool:
        parent = self.parent(row)
        if parent is None or row.status not in ("APPLIED", "VOID"):
            return False
        if parent.status in WAITING:
            held = any(each.parent_transaction == parent.pk and each.status == "INFLIGHT" for each in self.rows)
            return held and row.reference != f"{parent.reference}_q"
        return parent.status == "INFLIGHT"

    def settlements_of(self, hold: Transaction) -> set[str]:
        above = self.parent(hold)
        places = {hold.pk, above.pk} if above and above.status in WAITING else {hold.pk}
        return {row.pk for row in self.rows if row.parent_transaction in places and self.settles(row)}

    @property
    def inflight(self) -> int:
        counts = {"INFLIGHT": 1, "VOID": -1, "APPLIED": -1}
        rows = [row for row in self.rows if row.status != "APPLIED" or self.settles(row)]
        return sum(counts.get(str(row.status), 0) * row.units for row in rows)


ROW = st.tuples(
    st.sampled_from([*Transaction.Status.values, "INFLIGHT", "APPLIED"]),
    st.integers(1, 10**25),
    st.integers(0, 6),
    st.booleans(),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=14))
def test_any_family_of_rows_is_settled_as_the_contract_words_it(
    rows: list[tuple[str, int, int, bool]], db: None
) -> None:
    family = Family(world.balance(), world.balance())
    for row in rows:
        family.add(*row)
    wanted = {(row.pk, row.status, row.units) for row in family.rows if family.settles(row)}
    found = asked("SELECT transaction_id, status, units FROM settlements WHERE source = %s", family.source.pk)
    assert set(found) == wanted
    assert len(found) == len(wanted)
    for row in family.rows:
        (answer,) = IS_COMMIT.rows(transaction_id=row.pk)
        assert answer["is_commit"] == (row.status == "APPLIED" and family.settles(row))
        if row.status == "INFLIGHT":
            of_hold = asked("SELECT transaction_id FROM settlements_of(%s, %s)", row.pk, row.parent_transaction)
            assert sorted(of_hold) == sorted((each,) for each in family.settlements_of(row))
    ends = sorted([family.source.pk, family.destination.pk])
    measured = measure(ends)
    assert {each.recalculated.inflight_balance for each in measured} == {-family.inflight, family.inflight}
    for each in measured:
        Balance.objects.filter(pk=each.balance_id).update(**vars(each.recalculated))
    assert not {row["balance_id"] for row in SCREEN.rows(after="", through="z")} & set(ends)


@pytest.mark.parametrize("waiting", WAITING)
def test_a_commit_under_the_waiting_row_of_its_hold_takes_it_out_of_inflight(waiting: str) -> None:
    alice, bob = world.balance(), world.balance()
    above = world.row(waiting, 100, alice, bob)
    world.row("INFLIGHT", 100, alice, bob, parent_transaction=above.pk, reference=f"{above.reference}_q")
    world.row("APPLIED", 70, alice, bob, parent_transaction=above.pk)
    (measured,) = measure([bob.pk])
    assert (measured.recalculated.credit_balance, measured.recalculated.inflight_credit_balance) == (70, 30)


def test_the_planner_puts_the_rules_themselves_in_place_of_the_calls() -> None:
    plan = "\n".join(
        line
        for (line,) in asked(
            "EXPLAIN (VERBOSE) SELECT s.units FROM transactions AS h"
            " CROSS JOIN LATERAL settlements_of(h.transaction_id, h.parent_transaction) AS s"
            " WHERE h.status = 'INFLIGHT'"
        )
    )
    assert "IS DISTINCT FROM" in plan, plan
    assert "settles(" not in plan, plan
    assert "Function Scan" not in plan, plan


def test_no_statement_writes_the_rule_out() -> None:
    statements = [path for app in ("balances", "reconciliation") for path in (ROOT / app).rglob("*.sql")]
    guilty = [path.name for path in statements if WRITTEN_OUT.search(path.read_text())]
    assert guilty == ["0015_settlements.sql"]
