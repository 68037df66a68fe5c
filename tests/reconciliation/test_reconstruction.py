"""The formula: worked cases, random histories against a plain model, the plan of the statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.models import Balance, Transaction
from reconciliation.measuring.measurement import MEASURE, Totals, measure
from tests import world

pytestmark = pytest.mark.django_db


@dataclass
class Pair:
    """Source and destination of a worked case, and short ways to write its rows."""

    source: Balance = field(default_factory=world.balance)
    destination: Balance = field(default_factory=world.balance)

    def row(self, status: str, units: int, parent: Transaction | None = None, **fields: Any) -> Transaction:
        given = {"parent_transaction": parent.pk if parent else ""} | fields
        return world.row(status, units, self.source, self.destination, **given)

    def back(self, status: str, units: int, parent: Transaction) -> Transaction:
        return world.row(status, units, self.destination, self.source, parent_transaction=parent.pk)

    def queued_hold(self, units: int) -> tuple[Transaction, Transaction]:
        queued = self.row("QUEUED", units)
        return queued, self.row("INFLIGHT", units, queued, reference=f"{queued.reference}_q")

    def sides(self) -> list[tuple[int, int, int, int]]:
        """Return debit, credit, inflight debit, inflight credit of source and destination, as the contract's table."""
        by_id = {each.balance_id: each.recalculated for each in measure([self.source.pk, self.destination.pk])}
        return [
            (t.debit_balance, t.credit_balance, t.inflight_debit_balance, t.inflight_credit_balance)
            for t in (by_id[self.source.pk], by_id[self.destination.pk])
        ]


def open_hold(p: Pair) -> None:
    p.row("INFLIGHT", 1000)


def two_partial_commits(p: Pair) -> None:
    hold = p.row("INFLIGHT", 1000)
    p.row("APPLIED", 300, hold)
    p.row("APPLIED", 250, hold)


def committed_in_full(p: Pair) -> None:
    hold = p.row("INFLIGHT", 1000)
    for units in (300, 250, 450):
        p.row("APPLIED", units, hold)


def void_after_one_partial(p: Pair) -> None:
    hold = p.row("INFLIGHT", 1000)
    p.row("APPLIED", 300, hold)
    p.row("VOID", 700, hold)


def expiry_of_a_queued_hold(p: Pair) -> None:
    queued, _ = p.queued_hold(1000)
    p.row("VOID", 1000, queued)


def partial_commit_of_a_queued_hold(p: Pair) -> None:
    _, hold = p.queued_hold(1000)
    p.row("APPLIED", 300, hold)


def commit_under_the_queued_row(p: Pair) -> None:
    queued, _ = p.queued_hold(1000)
    p.row("APPLIED", 1000, queued, reference="ref_direct")


def queued_plain_apply(p: Pair) -> None:
    queued = p.row("QUEUED", 1000)
    p.row("APPLIED", 1000, queued, reference=f"{queued.reference}_q")


def queued_refused(p: Pair) -> None:
    p.row("REJECTED", 1000, p.row("QUEUED", 1000))


def scheduled(p: Pair) -> None:
    p.row("SCHEDULED", 1000)


def refund_of_a_plain_apply(p: Pair) -> None:
    p.back("APPLIED", 1000, p.row("APPLIED", 1000))


def refund_of_a_committed_hold(p: Pair) -> None:
    p.back("APPLIED", 1000, p.row("APPLIED", 1000, p.row("INFLIGHT", 1000)))


def refund_of_a_voided_hold(p: Pair) -> None:
    p.back("INFLIGHT", 1000, p.row("VOID", 1000, p.row("INFLIGHT", 1000)))


def refund_of_a_voided_hold_then_voided(p: Pair) -> None:
    back = p.back("INFLIGHT", 1000, p.row("VOID", 1000, p.row("INFLIGHT", 1000)))
    p.back("VOID", 1000, back)


def refund_of_partial_and_void(p: Pair) -> None:
    hold = p.row("INFLIGHT", 1000)
    p.back("APPLIED", 300, p.row("APPLIED", 300, hold))
    p.back("INFLIGHT", 700, p.row("VOID", 700, hold))


def two_holds_settled_differently(p: Pair) -> None:
    first, second = p.row("INFLIGHT", 1000), p.row("INFLIGHT", 400)
    p.row("APPLIED", 400, second)
    p.row("VOID", 1000, first)


@pytest.mark.parametrize(
    ("case", "source", "destination"),
    [
        (open_hold, (0, 0, 1000, 0), (0, 0, 0, 1000)),
        (two_partial_commits, (550, 0, 450, 0), (0, 550, 0, 450)),
        (committed_in_full, (1000, 0, 0, 0), (0, 1000, 0, 0)),
        (void_after_one_partial, (300, 0, 0, 0), (0, 300, 0, 0)),
        (expiry_of_a_queued_hold, (0, 0, 0, 0), (0, 0, 0, 0)),
        (partial_commit_of_a_queued_hold, (300, 0, 700, 0), (0, 300, 0, 700)),
        (commit_under_the_queued_row, (1000, 0, 0, 0), (0, 1000, 0, 0)),
        (queued_plain_apply, (1000, 0, 0, 0), (0, 1000, 0, 0)),
        (queued_refused, (0, 0, 0, 0), (0, 0, 0, 0)),
        (scheduled, (0, 0, 0, 0), (0, 0, 0, 0)),
        (refund_of_a_plain_apply, (1000, 1000, 0, 0), (1000, 1000, 0, 0)),
        (refund_of_a_committed_hold, (1000, 1000, 0, 0), (1000, 1000, 0, 0)),
        (refund_of_a_voided_hold, (0, 0, 0, 1000), (0, 0, 1000, 0)),
        (refund_of_a_voided_hold_then_voided, (0, 0, 0, 0), (0, 0, 0, 0)),
        (refund_of_partial_and_void, (300, 300, 0, 700), (300, 300, 700, 0)),
        (two_holds_settled_differently, (400, 0, 0, 0), (0, 400, 0, 0)),
    ],
)
def test_worked_cases_of_the_contract(
    case: Callable[[Pair], None], source: tuple[int, ...], destination: tuple[int, ...]
) -> None:
    pair = Pair()
    case(pair)
    assert pair.sides() == [source, destination]


def test_a_split_hold_settles_leg_by_leg() -> None:
    source, first, second = world.balance(), world.balance(), world.balance()
    legs = [
        world.row("INFLIGHT", units, source, destination, parent_transaction="txn_no_row")
        for units, destination in ((600, first), (400, second))
    ]
    for leg in legs:
        world.row("APPLIED", 100, source, leg.destination, parent_transaction=leg.pk)
    by_id = {each.balance_id: each.recalculated for each in measure([source.pk, first.pk, second.pk])}
    assert (by_id[source.pk].debit_balance, by_id[source.pk].inflight_debit_balance) == (200, 800)
    assert (by_id[first.pk].credit_balance, by_id[first.pk].inflight_credit_balance) == (100, 500)
    assert (by_id[second.pk].credit_balance, by_id[second.pk].inflight_credit_balance) == (100, 300)


def test_references_that_are_missing_make_no_commit_of_a_posting() -> None:
    pair = Pair()
    queued = pair.row("QUEUED", 70, reference=None)
    pair.row("INFLIGHT", 70, queued)
    pair.row("APPLIED", 70, queued, reference=None)
    assert pair.sides() == [(70, 0, 70, 0), (0, 70, 0, 70)]


def test_rows_of_other_balances_never_count() -> None:
    alice, bob, carol = world.balance(), world.balance(), world.balance()
    hold = world.row("INFLIGHT", 50, bob, carol)
    world.row("APPLIED", 50, bob, carol, parent_transaction=hold.pk)
    world.post("@world", alice, 10)
    (measured,) = measure([alice.pk])
    assert measured.recalculated == Totals.net(credit=10, debit=0, inflight_credit=0, inflight_debit=0)
    assert measure(["bln_nobody"]) == []


class Model:
    """The totals of a few balances, kept by plain arithmetic as each step of a history is written."""

    def __init__(self, balances: list[Balance]) -> None:
        self.balances = balances
        self.totals = {
            b.pk: dict.fromkeys(("credit", "debit", "inflight_credit", "inflight_debit"), 0) for b in balances
        }
        self.holds: list[tuple[Transaction, int]] = []

    def move(self, kind: str, row: Transaction, units: int) -> None:
        self.totals[row.source_id][f"{kind}debit"] += units  # type: ignore[index]
        self.totals[row.destination_id][f"{kind}credit"] += units  # type: ignore[index]

    def step(self, action: int, a: int, b: int, units: int, via_queue: bool) -> None:
        source, destination = self.balances[a], self.balances[(a + b) % len(self.balances)]
        if action < 3:
            self.create(source, destination, units, hold=action == 2, via_queue=via_queue)
        elif self.holds:
            self.settle(a % len(self.holds), units, void=action == 4)

    def create(self, source: Balance, destination: Balance, units: int, *, hold: bool, via_queue: bool) -> None:
        fields: dict[str, Any] = {}
        if via_queue:
            queued = world.row("QUEUED", units, source, destination)
            fields = {"parent_transaction": queued.pk, "reference": f"{queued.reference}_q"}
        row = world.row("INFLIGHT" if hold else "APPLIED", units, source, destination, **fields)
        self.move("inflight_" if hold else "", row, units)
        if hold:
            self.holds.append((row, units))

    def settle(self, index: int, units: int, *, void: bool) -> None:
        hold, remaining = self.holds.pop(index)
        settled = remaining if void else min(units, remaining)
        # As the original does, a settlement may hang under the queued row that the hold came from.
        parent = hold.parent_transaction if hold.parent_transaction and units % 2 else hold.pk
        source, destination = hold.source, hold.destination
        assert source is not None
        assert destination is not None
        row = world.row("VOID" if void else "APPLIED", settled, source, destination, parent_transaction=parent)
        self.move("inflight_", row, -settled)
        if not void:
            self.move("", row, settled)
            if settled < remaining:
                self.holds.append((hold, remaining - settled))


STEP = st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(1, 2), st.integers(1, 10**30), st.booleans())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=12))
def test_any_history_is_summed_as_plain_arithmetic_would(
    steps: list[tuple[int, int, int, int, bool]], db: None
) -> None:
    model = Model([world.balance() for _ in range(3)])
    for step in steps:
        model.step(*step)
    measured = {each.balance_id: each for each in measure([each.pk for each in model.balances])}
    for balance_id, sides in model.totals.items():
        assert measured[balance_id].recalculated == Totals.net(**sides)
    recalculated = [each.recalculated for each in measured.values()]
    assert sum(each.balance for each in recalculated) == 0
    assert sum(each.inflight_balance for each in recalculated) == 0


def plan_of(balance_ids: list[str]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {MEASURE.text}", {"balance_ids": balance_ids})
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_sums_are_index_only_scans_that_read_no_table_page() -> None:
    balances = [world.balance() for _ in range(20)]
    world.many_rows(balances, 40_000)
    (measured,) = measure([balances[7].pk])
    assert (measured.credit_rows, measured.recalculated.credit_balance) == (2_000, 200_000)
    plan = plan_of([balances[7].pk])
    assert "Index Only Scan using applied_credits" in plan
    assert "Index Only Scan using applied_debits" in plan
    assert "Seq Scan on transactions" not in plan
    assert "Heap Fetches: 0" in plan
