"""Fund lineage under fire: random histories, many at once, kill -9, and statements that do not grow with the ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from procrastinate.contrib.django.models import ProcrastinateJob

from balances.ground.exceptions import LedgerError
from balances.lineage import following, outbox, tracing
from balances.lineage.reading import balance_lineage
from balances.models import Balance, Transaction
from balances.models.lineage import LineageMapping, LineageOutbox
from balances.posting import Posting
from balances.posting.enqueuing import enqueue
from balances.posting.refunding import Refund, refund
from balances.recording import LINEAGE, tracked
from tests import world
from tests.balances.api.test_statements import explain
from tests.balances.test_lineage import (
    PROVIDER,
    came,
    commit,
    hold,
    holder,
    kept,
    sound,
    trace_all,
    tracks,
    void,
)
from tests.balances.test_posting import together
from tests.test_scratch import environment

ROOT = Path(__file__).resolve().parent.parent.parent
STRATEGIES = ("FIFO", "LIFO", "PROPORTIONAL")
TRACKED, PROVIDERS, WORLD = 4, ("", "a", "b", "c"), -1
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("move"),
            st.integers(WORLD, TRACKED - 1),
            st.integers(WORLD, TRACKED - 1),
            st.integers(1, 400),
            st.sampled_from(PROVIDERS),
            st.sampled_from(["at once", "held", "queued", "queued and held"]),
        ),
        st.tuples(st.just("commit"), st.integers(0, 30), st.integers(0, 200)),
        st.tuples(st.just("void"), st.integers(0, 30)),
        st.tuples(st.just("refund"), st.integers(0, 30)),
        st.tuples(st.just("trace"), st.integers(1, 5)),
    ),
    max_size=30,
)


class History:
    """A small ledger to which anything may happen: three holders, of whom one has two balances."""

    def __init__(self) -> None:
        jane, john, acme = holder(), holder("John", "Doe"), holder("", "", "Acme Co")
        owners = (jane, jane, john, acme)
        self.balances = [tracks(STRATEGIES[n % 3], owner) for n, owner in enumerate(owners)]
        self.rows: list[str] = []
        self.was_overdrawn = False
        for target, units, provider in zip(self.balances, (500, 0, 300, 700), "abca", strict=True):
            if units:
                came(target, units, provider)
                came(target, units // 7, "b" if units > 600 else "")

    def name(self, number: int) -> str:
        return "@world" if number == WORLD else str(self.balances[number].pk)

    def step(self, kind: str, *given: Any) -> None:
        try:
            getattr(self, kind)(*given)
        except LedgerError:
            return

    def move(self, source: int, destination: int, units: int, provider: str, how: str) -> None:
        posting = Posting(
            source=self.name(source),
            destination=self.name(destination),
            currency="USD",
            reference=f"{self.balances[0].pk}-{len(self.rows)}",
            description="history",
            precise_amount=units,
            precision=100,
            allow_overdraft=source == WORLD,
            inflight="held" in how,
            meta_data={PROVIDER: provider} if provider else {},
        )
        self.rows.append("")
        if "queued" in how:
            self.rows[-1] = enqueue(posting).rows[0].pk
        else:
            self.rows[-1] = world.post_transaction(posting).pk

    def _row(self, number: int) -> Transaction:
        if not self.rows:
            raise LedgerError
        return Transaction(transaction_id=self.rows[number % len(self.rows)])

    def commit(self, number: int, units: int) -> None:
        commit(self._row(number), units or None)

    def void(self, number: int) -> None:
        void(self._row(number))

    def refund(self, number: int) -> None:
        refund(Refund(transaction_id=self._row(number).pk, queued=False))
        tracking = Balance.objects.filter(track_fund_lineage=True)
        self.was_overdrawn |= tracking.filter(balance__lt=F("inflight_debit_balance")).exists()

    def trace(self, size: int) -> None:
        tracing.trace(size=size)


@pytest.mark.django_db
@settings(max_examples=35, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_totals_are_those_of_the_rows_and_no_provider_has_more_than_there_is(
    steps: list[tuple[Any, ...]], db: None
) -> None:
    history = History()
    for step in steps:
        history.step(*step)
    trace_all()
    sound()
    assert not LineageOutbox.objects.exclude(status="completed").exists()
    if history.was_overdrawn:  # a refund took what had been spent: what comes next is not there, and yet a provider's
        return
    by_holder: dict[Any, list[Balance]] = {}
    for each in Balance.objects.filter(pk__in=[each.pk for each in history.balances]):
        by_holder.setdefault(each.identity_id, []).append(each)
    for balances in by_holder.values():
        there = sum(each.balance - each.inflight_debit_balance for each in balances)
        shadows = set(LineageMapping.objects.filter(balance__in=balances).values_list("shadow_balance_id", flat=True))
        whose = sum(
            each.debit_balance - each.credit_balance - each.inflight_credit_balance
            for each in Balance.objects.filter(pk__in=shadows)
        )
        assert whose <= there


@pytest.mark.django_db
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, size=st.integers(1, 3))
def test_it_does_not_matter_when_and_in_how_many_commits_it_is_traced(
    steps: list[tuple[Any, ...]], size: int, db: None
) -> None:
    figures = []
    for traced_at_once in (False, True):
        history = History()
        for step in steps:
            if step[0] != "trace":
                history.step(*step)
            if traced_at_once:
                while tracing.trace(size=size):
                    pass
        trace_all()
        figures.append([kept(each) for each in history.balances])
    assert figures[0] == figures[1]


@pytest.mark.django_db(transaction=True)
def test_postings_and_workers_at_once_lose_and_double_nothing() -> None:
    alice, bob = tracks(), tracks("PROPORTIONAL", holder("Bob", "Roe"))
    came(alice, 10_000, "stripe")
    came(bob, 10_000, "bank")

    def move(source: Balance, to: Balance) -> None:
        for number in range(20):
            held = hold(source, to, 3)
            came(source, 1, "stripe")
            commit(held, 1) if number % 2 else void(held)

    def work() -> None:
        for _ in range(60):
            try:
                tracing.trace(size=7)
            except outbox.AnotherTraces:
                continue

    ends = together(lambda: move(alice, bob), lambda: move(bob, alice), work, work)
    assert ends == [None] * 4
    trace_all()
    assert set(LineageOutbox.objects.values_list("status", flat=True)) == {"completed"}
    assert sum(each.available for each in balance_lineage(alice.pk).providers) == 10_020
    assert sum(each.available for each in balance_lineage(bob.pk).providers) == 10_020
    sound()


TRACE_AND_DIE = """
import os, signal, sys
import django
django.setup()
from balances.lineage import following, outbox, tracing
owner, _, name = sys.argv[1].partition(".")
target = outbox if owner == "outbox" else getattr(following, owner)
def dying(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(target, name, dying)
tracing.trace()
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["writing.write", "MAP.execute", "MERGE_ALLOCATIONS.execute", "outbox.finish"])
def test_a_worker_that_is_killed_has_traced_nothing_and_the_next_one_everything_once(where: str) -> None:
    alice = tracks()
    came(alice, 100)
    held = hold(alice, "@shop", 30)
    commit(held, 10)
    words = [sys.executable, "-c", TRACE_AND_DIE, where]
    child = subprocess.run(words, cwd=ROOT, env=os.environ | environment(), capture_output=True, timeout=60)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert set(LineageOutbox.objects.values_list("status", "attempts")) == {("pending", 0)}
    assert not Transaction.objects.filter(meta_data__has_key="_shadow_for").exists()

    call_command("work", "--once", "--queue", "postings")

    assert {each.provider: each.available for each in balance_lineage(alice.pk).providers} == {"stripe": 90}
    assert set(LineageOutbox.objects.values_list("status", flat=True)) == {"completed"}
    sound()


class TestCalling:
    """Who works, and when."""

    pytestmark = pytest.mark.django_db(transaction=True)

    def jobs(self) -> int:
        return ProcrastinateJob.objects.filter(task_name=LINEAGE.task, status="todo").count()

    def test_one_worker_is_called_in_the_commit_and_one_that_waits_is_enough(self) -> None:
        alice = tracks()
        came(world.balance(), 5)
        assert self.jobs() == 0
        came(alice, 5)
        came(alice, 5)
        assert self.jobs() == 1
        call_command("work", "--once", "--queue", "postings")
        assert (self.jobs(), LineageOutbox.objects.filter(status="completed").count()) == (0, 2)

    def test_while_one_traces_others_leave_it_to_it(self) -> None:
        came(tracks(), 5)

        def second() -> Any:
            return together(tracing.trace)[0]

        with transaction.atomic():
            assert len(outbox.claim()) == 1
            assert isinstance(second(), outbox.AnotherTraces)
        assert second() == 1

    def test_a_worker_does_not_leave_while_somebody_is_about_to_note(self) -> None:
        alice = tracks()
        with transaction.atomic():
            came(alice, 5)
            assert together(outbox.is_finished) == [False]
        assert together(outbox.is_finished) == [False]  # there is something now
        trace_all()
        assert together(outbox.is_finished) == [True]

    def test_what_failed_is_looked_at_again_when_it_is_due(self) -> None:
        alice = tracks()
        world.post("@a", "@b", 1, reference="in_shadow_stripe")
        came(alice, 5, reference="in")
        trace_all()
        due = LineageOutbox.objects.get().locked_until
        assert due in ProcrastinateJob.objects.filter(task_name=LINEAGE.task).values_list("scheduled_at", flat=True)


@pytest.mark.django_db
class TestStatements:
    """How many there are, and that none reads what it need not."""

    def test_a_batch_takes_as_many_statements_as_a_single_movement(
        self, django_assert_num_queries: Callable[..., Any]
    ) -> None:
        alice, bob = tracks(), tracks(owner=holder("Bob", "Roe"))
        came(alice, 10_000)
        came(alice, 10_000, "bank")
        world.post(alice, bob, 1)
        trace_all()

        def some(count: int) -> None:
            for _ in range(count):
                came(alice, 5, "bank")
                world.post(alice, bob, 2)
                commit(hold(alice, "@shop", 9), 4)

        for count in (1, 20):
            some(count)
            # savepoint, turn, claim; balances, whose they are, shadows; lock; write, allocations, marks; release
            with django_assert_num_queries(11):
                assert tracing.trace() == 4 * count
        sound()

    def test_each_statement_reads_by_index(self) -> None:
        fill()
        known = {
            "shadows": {"ids": ["txn_5", "txn_7"]},
            "claim": {"size": 500},
            "tracked": {"ids": ["bln_5", "bln_6"]},
            "owners": {"indicators": ["@5_lineage"], "currencies": ["USD"]},
            "merge": {"ids": ["txn_5", "txn_7"], "allocations": ["[]", "[]"]},
        }
        for statement, parameters, index in (
            (following.SHADOWS, known["shadows"], "shadow_rows"),
            (outbox.CLAIM, known["claim"], "lineage_in_order"),
            (tracked.TRACKED_BALANCES, known["tracked"], "one_mapping_of_a_provider"),
            (tracked.OWNERS_OF_AGGREGATES, known["owners"], "mappings_of_aggregate"),
            (following.MERGE_ALLOCATIONS, known["merge"], "children"),
        ):
            plan = "\n".join(next(iter(row.values())) for row in explain(statement, parameters))
            assert index in plan, plan
            assert "Seq Scan" not in plan, plan
        plan = Transaction.objects.shadows_of("txn_5").explain()
        assert "shadow_rows" in plan, plan
        assert "Seq Scan" not in plan, plan

    def test_rows_that_are_no_shadows_are_not_in_the_index(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_indexdef('shadow_rows'::regclass)")
            (definition,) = cursor.fetchone()
        assert "WHERE ((meta_data ->> '_shadow_for'::text) IS NOT NULL)" in definition


FILL = """
    INSERT INTO identity (identity_id, first_name, last_name, created_at)
    SELECT 'idt_' || n, 'Jane', 'Doe', now() FROM generate_series(1, 20000) AS n;
    INSERT INTO balances (balance_id, ledger_id, indicator, currency, balance, credit_balance, debit_balance,
                          inflight_balance, inflight_credit_balance, inflight_debit_balance, version, created_at,
                          identity_id, track_fund_lineage, allocation_strategy)
    SELECT 'bln_' || n, %(ledger)s, '@' || n || '_lineage', 'USD', 0, 0, 0, 0, 0, 0, 1, now(), 'idt_' || n, true, 'FIFO'
    FROM generate_series(1, 20000) AS n;
    INSERT INTO lineage_mappings (balance_id, provider, shadow_balance_id, aggregate_balance_id, identity_id,
                                  created_at)
    SELECT 'bln_' || n, 'stripe', 'bln_' || n, 'bln_' || n, 'idt_' || n, now() FROM generate_series(1, 20000) AS n;
    INSERT INTO transactions (transaction_id, parent_transaction, source, destination, reference, amount,
                              precise_amount, precision, currency, status, created_at, effective_date, meta_data)
    SELECT 'txn_' || n, CASE WHEN n %% 2 = 0 THEN 'txn_' || n - 1 ELSE '' END, 'bln_' || n, 'bln_' || n + 1, 'r' || n,
           1, 1, 1, 'USD', 'APPLIED', now(), now(),
           CASE WHEN n %% 10 = 0 THEN jsonb_build_object('_shadow_for', 'txn_' || n - 5) ELSE '{}'::jsonb END
    FROM generate_series(1, 19999) AS n;
    INSERT INTO lineage_outbox (transaction_id, lineage_type, payload, status, attempts, max_attempts, created_at,
                                inflight)
    SELECT 'txn_' || n, 'credit', '{}', CASE WHEN n > 19990 THEN 'pending' ELSE 'completed' END, 0, 5, now(), false
    FROM generate_series(1, 20000) AS n;
    ANALYZE identity, balances, lineage_mappings, transactions, lineage_outbox
"""


def fill() -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"ledger": world.ledger().pk})
