"""The statement of a balance: right to the unit at each row and on each page, and read from indexes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.history import balance_at
from balances.history.statement import (
    FIGURES,
    HOLDS,
    Figures,
    Key,
    Line,
    NoSuchPage,
    Wanted,
    statement_lines,
    statement_page,
)
from balances.models import Balance, Transaction
from reconciliation.measuring.measurement import Totals, measure
from tests import world

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 3, 1, tzinfo=UTC)
EVERYTHING = ("APPLIED", *HOLDS, "QUEUED", "REJECTED")


def wanted(balance: Balance, **fields: Any) -> Wanted:
    return Wanted(balance_id=balance.pk, **fields)


def pages(asked: Wanted, size: int) -> Iterator[list[Line]]:
    """Yield the lines of each page, from the first to the last."""
    key: Key | None = None
    while True:
        page = statement_page(asked, size, after=key)
        yield list(page.lines)
        if (key := page.next) is None:
            return


@contextmanager
def taken_back() -> Iterator[None]:
    """Take back what the block writes, so that the next example may use the same ids."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def alternating(balance: Balance, count: int) -> None:
    """Write applied rows that come in and go out in turn, a second apart."""
    other = world.balance()
    Transaction.objects.bulk_create(
        Transaction(
            **dict(zip(("source", "destination"), (other, balance) if number % 2 else (balance, other), strict=True)),
            reference=f"many-{number}",
            currency="USD",
            status="APPLIED",
            precise_amount=number,
            precision=100,
            effective_date=DAY + timedelta(seconds=number),
            meta_data={},
        )
        for number in range(count)
    )


# --- refused


@pytest.mark.parametrize("text", ["", "~", "2026-03-01", "2026-03-01~txn_1", "x~txn_1", "2026-03-01T00:00:00+00:00~\0"])
def test_an_address_that_names_no_row_is_refused(text: str) -> None:
    with pytest.raises(NoSuchPage):
        Key.read(text)


def test_a_key_is_read_as_it_was_written() -> None:
    key = Key(DAY + timedelta(microseconds=1), "txn_1~2")
    assert Key.read(str(key)) == key


def test_rows_that_were_rejected_or_wait_move_nothing() -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 500, bob, alice)
    for status in ("REJECTED", "QUEUED"):
        world.row(status, 77, bob, alice)
    lines = statement_page(wanted(alice, statuses=EVERYTHING), 10).lines
    assert [(line.row.status, line.figures.balance) for line in reversed(lines)] == [
        ("APPLIED", 500),
        ("REJECTED", 500),
        ("QUEUED", 500),
    ]
    assert [line.row.status for line in statement_page(wanted(alice), 10).lines] == ["APPLIED"]


# --- right to the unit


@dataclass
class Book:
    """Rows as other writers leave them, in the order of the statement, and what measuring says after each."""

    alice: Balance = field(default_factory=world.balance)
    bob: Balance = field(default_factory=world.balance)
    parents: list[Transaction] = field(default_factory=list)
    after: dict[str, Totals] = field(default_factory=dict)

    def write(self, number: int, step: Step) -> None:
        status, parent = step.kind, ""
        fields: dict[str, Any] = {}
        if step.kind in ("COMMIT", "VOID") and self.parents:
            parent = self.parents[step.parent % len(self.parents)].pk
        status = "APPLIED" if step.kind == "COMMIT" else step.kind
        if step.is_undated:
            fields["effective_date"] = None
        else:
            fields["effective_date"] = DAY + timedelta(days=step.day)
        ends = (self.alice, self.bob) if step.out else (self.bob, self.alice)
        units = None if step.is_legacy else step.units
        row = world.row(
            status,
            units,
            *ends,
            transaction_id=f"txn_{number:03}",
            parent_transaction=parent,
            created_at=DAY + timedelta(days=step.day),
            amount=Decimal(step.units) / 100,
            **fields,
        )
        if status == "INFLIGHT":
            self.parents.append(row)
        self.after[row.pk] = measure([self.alice.pk])[0].recalculated


@dataclass(frozen=True, order=True)
class Step:
    day: int
    kind: str
    units: int
    out: bool
    parent: int
    is_undated: bool
    is_legacy: bool


KINDS = st.sampled_from(["APPLIED", "INFLIGHT", "COMMIT", "VOID", "QUEUED", "REJECTED"])
RARELY = st.integers(0, 5).map(lambda n: n == 0)
STEPS = st.lists(
    st.builds(
        Step,
        day=st.integers(0, 4),
        kind=KINDS,
        units=st.sampled_from([1, 7, 33_333, 10**30 + 1]),
        out=st.booleans(),
        parent=st.integers(0, 9),
        is_undated=RARELY,
        is_legacy=RARELY,
    ),
    max_size=14,
)


def totals_of(figures: Figures) -> Totals:
    return Totals.net(
        credit=int(figures.credits),
        debit=int(figures.debits),
        inflight_credit=int(figures.inflight_credits),
        inflight_debit=int(figures.inflight_debits),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, size=st.integers(1, 5), newest_first=st.booleans())
def test_after_each_row_the_figures_are_what_measuring_said_when_it_was_the_last_one(
    steps: list[Step], size: int, newest_first: bool, db: None
) -> None:
    with taken_back():
        check_each_row(steps, size, newest_first)


def check_each_row(steps: list[Step], size: int, newest_first: bool) -> None:
    book = Book()
    for number, step in enumerate(sorted(steps, key=lambda each: each.day)):
        book.write(number, step)
    asked = wanted(book.alice, statuses=EVERYTHING, newest_first=newest_first)
    read = [line for page in pages(asked, size) for line in page]
    assert [line.row.pk for line in read] == sorted(book.after, reverse=newest_first)
    assert {line.row.pk: totals_of(line.figures) for line in read} == book.after
    streamed = list(statement_lines(asked))
    assert [(line.key, line.figures) for line in streamed] == sorted(
        ((line.key, line.figures) for line in read), key=lambda each: each[0]
    )
    page = statement_page(asked, size)
    assert totals_of(page.opening) == Totals.net(credit=0, debit=0, inflight_credit=0, inflight_debit=0)
    assert totals_of(page.closing) == measure([book.alice.pk])[0].recalculated


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, first=st.integers(-1, 5), days=st.integers(0, 5), side=st.sampled_from(["source", "destination"]))
def test_a_period_opens_and_closes_with_what_the_balance_was_then_whatever_is_filtered(
    steps: list[Step], first: int, days: int, side: str, db: None
) -> None:
    with taken_back():
        check_period(steps, first, days, side)


def check_period(steps: list[Step], first: int, days: int, side: str) -> None:
    book = Book()
    for number, step in enumerate(sorted(steps, key=lambda each: each.day)):
        book.write(number, step)
    since, until = DAY + timedelta(days=first), DAY + timedelta(days=first + days)
    asked = wanted(book.alice, since=since, until=until, sides=(side,), condition=~Q(precise_amount=7))
    page = statement_page(asked, 3)
    just_before = timedelta(microseconds=1)
    for figures, instant in ((page.opening, since), (page.closing, until)):
        then = balance_at(book.alice.pk, instant - just_before)
        assert (figures.credits, figures.debits) == (then.credit_balance, then.debit_balance)
    shown = [line for each in pages(asked, 2) for line in each]
    assert all(since <= line.key.at < until and line.row.precise_amount != 7 for line in shown)
    assert {line.row.pk: totals_of(line.figures).balance for line in shown} == {
        line.row.pk: book.after[line.row.pk].balance for line in shown
    }
    assert [(each.key, each.figures.balance) for each in statement_lines(asked)] == [
        (line.key, line.figures.balance) for line in reversed(shown)
    ]


def test_a_commit_of_a_hold_that_waited_takes_from_what_is_held() -> None:
    alice, bob = world.balance(), world.balance()
    queued = world.row("QUEUED", 1000, bob, alice)
    world.row("INFLIGHT", 1000, bob, alice, parent_transaction=queued.pk, reference=f"{queued.reference}_q")
    world.row("APPLIED", 300, bob, alice, parent_transaction=queued.pk, reference="commit")
    newest = statement_page(wanted(alice, statuses=EVERYTHING), 1).lines[0].figures
    assert (newest.balance, newest.inflight_balance) == (300, 700)


def test_pages_go_back_the_way_they_came() -> None:
    alice = world.balance()
    alternating(alice, 50)
    for newest_first in (True, False):
        asked = wanted(alice, newest_first=newest_first)
        there = list(pages(asked, 7))
        assert sum(map(len, there)) == 50
        back = [there[-1]]
        while (page := statement_page(asked, 7, before=back[-1][0].key)).lines:
            back.append(list(page.lines))
        assert [line for page in reversed(back) for line in page] == [line for page in there for line in page]


def test_the_first_page_has_none_before_it_and_the_last_none_after() -> None:
    alice = world.balance()
    alternating(alice, 4)
    first = statement_page(wanted(alice), 3)
    assert first.previous is None
    assert first.next is not None
    last = statement_page(wanted(alice), 3, after=first.next)
    assert last.next is None
    assert last.previous is not None
    again = statement_page(wanted(alice), 3, before=last.previous)
    assert (again.lines, again.previous, again.next) == (first.lines, None, first.next)


def test_rows_of_one_instant_are_each_on_one_page_and_counted_once() -> None:
    alice, bob = world.balance(), world.balance()
    for _ in range(5):
        world.row("APPLIED", 3, bob, alice, effective_date=DAY)
        world.row("APPLIED", 1, alice, bob, effective_date=DAY)
    read = [line for page in pages(wanted(alice, newest_first=False), 3) for line in page]
    assert len({line.row.pk for line in read}) == len(read) == 10
    assert read[-1].figures.balance == 10
    moved = [after.figures.balance - before.figures.balance for before, after in pairwise(read)]
    assert sorted(moved) in ([-1] * 4 + [3] * 5, [-1] * 5 + [3] * 4)


def test_an_export_goes_on_over_its_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = world.balance()
    alternating(alice, 25)
    asked = wanted(alice, condition=~Q(reference="many-7"))
    at_once = list(statement_lines(asked))
    monkeypatch.setattr("balances.history.statement.ROWS_AT_ONCE", 2)
    assert list(statement_lines(asked)) == at_once
    assert len(at_once) == 24


# --- read from indexes


def plan_of(asked: Wanted, marks: int) -> str:
    page = statement_page(asked, marks)
    keys = [line.key for line in page.lines]
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (COSTS OFF) {FIGURES.text}",
            {
                "balance_id": asked.balance_id,
                "ats": ["-infinity", "infinity", *(str(key.at) for key in keys)],
                "ids": ["", "", *(key.row_id for key in keys)],
                "dates": [str(key.at) for key in keys],
                "since": "-infinity",
                "with_holds": False,
            },
        )
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_a_page_in_the_middle_is_read_from_indexes_in_two_queries() -> None:
    owner = world.ledger()
    alice, bob = (world.balance(owner) for _ in range(2))
    world.many_rows([alice, bob], 40_000)
    middle = Key(statement_page(wanted(alice), 1).lines[0].key.at - timedelta(seconds=20_000), "txn_")
    with CaptureQueriesContext(connection) as queries:
        page = statement_page(wanted(alice), 50, after=middle)
    assert len(page.lines) == 50
    reads = [query["sql"] for query in queries if "FROM transactions" in query["sql"].replace('"', "")]
    assert (len(reads), len(queries)) == (2, 5)  # and BEGIN, COMMIT, and the choice of one snapshot
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (COSTS OFF) {reads[0]}")
        found = "\n".join(line for (line,) in cursor.fetchall())
    for plan in (found, figures := plan_of(wanted(alice), 50)):
        assert "Seq Scan on transactions" not in plan, plan
        assert "applied_debits" in plan
        assert "applied_credits" in plan
    assert "Index Only Scan using applied_credits" in figures


@pytest.mark.django_db(transaction=True)
def test_the_last_holds_of_a_busy_balance_are_not_looked_for_among_all_rows() -> None:
    owner = world.ledger()
    alice, bob, carol, dora = (world.balance(owner) for _ in range(4))
    Transaction.objects.bulk_create(
        Transaction(status="INFLIGHT", source=carol, destination=dora, precise_amount=5, meta_data={})
        for _ in range(4_000)
    )
    world.many_rows([alice, bob], 40_000)
    plan = Transaction.objects.latest_of(alice.pk).explain()
    assert "transactions_in_order" not in plan, plan
    assert "hold_debits" in plan
