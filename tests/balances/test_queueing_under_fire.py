"""Many workers and many clients: nothing is lost, nothing is applied twice, nobody waits for ever."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection

from balances.books.holds import Settlement
from balances.ground import jobs
from balances.ground.exceptions import LedgerError
from balances.models import Transaction
from balances.models.queue import Entry
from balances.posting import Posting
from balances.posting.batches import Batch, new_batch_id, post_batch
from balances.posting.enqueuing import enqueue
from balances.posting.refunding import Refund, refund
from balances.posting.settling import request, settle
from balances.queueing import draining, tasks
from balances.recording import POSTINGS, writing
from tests.balances.test_posting import together
from tests.client import Client
from tests.wire import FUNDS, assert_no_drift, body, drain, queued, sums, under, wallets

pytestmark = pytest.mark.django_db(transaction=True)

PAIRS = [("bln_alice", "bln_bob"), ("bln_bob", "bln_alice"), ("bln_alice", "bln_carol"), ("bln_carol", "bln_bob")]


def posting(reference: str, units: int = 1, pair: int = 0, **fields: Any) -> Posting:
    source, destination = PAIRS[pair % len(PAIRS)]
    return Posting(source=source, destination=destination, currency="USD", reference=reference, description="d",
                   precise_amount=units, precision=100, allow_overdraft=True, **fields)  # fmt: skip


def in_and_out(suffix: str = "") -> None:
    """Have Dora spend what Alice gives her: swapped, the second one is rejected."""
    for name, source, destination in (("in", "bln_alice", "bln_dora"), ("out", "bln_dora", "bln_carol")):
        enqueue(Posting(source=source, destination=destination, currency="USD", reference=f"{name}{suffix}",
                        description="d", precise_amount=10, precision=100))  # fmt: skip


def outcomes() -> Counter[str]:
    """Return how many outcomes each queued row has; and see that all of them have one of the right size."""
    found: Counter[str] = Counter()
    queue = dict(Transaction.objects.filter(status="QUEUED").values_list("transaction_id", "precise_amount"))
    for parent, units, reference in Transaction.objects.filter(parent_transaction__in=queue).values_list(
        "parent_transaction", "precise_amount", "reference"
    ):
        assert units == queue[str(parent)], reference
        found[str(parent)] += 1
    assert set(found) == set(queue)
    return found


def all_was_done_once() -> None:
    assert not Entry.objects.exists()
    assert set(outcomes().values()) <= {1}
    references = list(Transaction.objects.values_list("reference", flat=True))
    assert len(references) == len(set(references))
    for each in Transaction.objects.filter(status="INFLIGHT"):
        assert sum(units for _, units in under(each.pk)) <= (each.precise_amount or 0)
    assert_no_drift()


def well(results: list[Any]) -> None:
    assert [each for each in results if isinstance(each, BaseException)] == []


class Context:
    """What a job sees of its worker."""

    def __init__(self, stopped: threading.Event) -> None:
        self.should_abort = stopped.is_set


def take_job() -> int | None:
    """Take one call for a worker, as procrastinate does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (SELECT id FROM procrastinate_jobs "
            "WHERE task_name = 'drain' AND status = 'todo' AND coalesce(scheduled_at, now()) <= now() "
            "LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
        )
        found = cursor.fetchone()
    return found[0] if found else None


def work(stopped: threading.Event) -> int:
    """Do what a worker process does: wait to be called, drain, leave. Return how often it was called."""
    called = 0
    while True:
        ends = stopped.is_set()
        if take_job() is None:
            if ends:
                return called
            time.sleep(0.001)
            continue
        called += 1
        tasks.drain.func(Context(threading.Event()))


def test_a_worker_never_leaves_while_somebody_adds_what_it_would_not_see() -> None:
    """Whatever is added is either seen by the worker that works, or calls another."""
    wallets()
    stopped = threading.Event()

    def add(name: int) -> None:
        rng = random.Random(name)
        for number in range(30):
            enqueue(posting(f"r-{name}-{number}", pair=number))
            time.sleep(rng.random() * 0.01)

    def clients() -> None:
        try:
            well(together(*[lambda name=name: add(name) for name in range(3)]))  # type: ignore[misc]
        finally:
            stopped.set()

    results = together(clients, lambda: work(stopped))
    well(results)
    assert results[1] >= 1
    all_was_done_once()
    assert take_job() is None


def test_workers_side_by_side_apply_everything_once_and_in_order() -> None:
    """What is paid out of Dora's account was paid in before, so whoever swaps two entries rejects one."""
    wallets()
    for number in range(60):
        in_and_out(f"-{number}")
    post_batch(Batch(batch_id=new_batch_id(), postings=[posting(f"g{n}", pair=n) for n in range(9)], atomic=True))

    def until_empty() -> int:
        total = 0
        while Entry.objects.exists():
            total += draining.drain(size=5)
        return total

    results = together(*[until_empty] * 4)
    well(results)
    assert sum(results) == 129
    assert not Transaction.objects.filter(status="REJECTED").exists()
    assert sums("bln_dora") == (600, 600, 0, 0)
    all_was_done_once()


def test_where_a_worker_is_killed_those_behind_it_let_its_entries_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dora can spend only what Alice gives her; whoever waits for Dora's balance has claimed the spending already."""
    wallets()
    in_and_out()
    writes, killed = threading.Event(), threading.Event()
    real = writing.write

    def write(rows: Any, book: Any) -> None:
        if not killed.is_set():
            writes.set()
            wait_for_lock_queue()
            killed.set()
            raise SystemExit  # as when the process ends: the transaction is rolled back, nothing else happens
        real(rows, book)

    monkeypatch.setattr(writing, "write", write)

    def behind() -> int:
        assert writes.wait(20)
        return draining.drain(size=1)

    def dies() -> None:
        with suppress(SystemExit):
            draining.drain(size=1)

    well(together(dies, behind))
    drain()
    assert Counter(Transaction.objects.values_list("status", flat=True)) == {"QUEUED": 2, "APPLIED": 3}
    all_was_done_once()


def test_who_asks_whether_there_is_more_makes_nobody_pass_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else another worker would take what comes after it first."""
    wallets()
    in_and_out()
    asks, real = threading.Event(), draining.CLAIM_ENTRIES.rows

    def rows(**given: Any) -> Any:
        found = real(**given)
        if not asks.is_set():
            asks.set()
            time.sleep(0.3)  # long enough for the other one, were it not kept waiting
        return found

    def behind() -> int:
        assert asks.wait(20)
        return draining.drain(size=1)

    monkeypatch.setattr(draining.CLAIM_ENTRIES, "rows", rows)
    assert together(draining.is_finished, behind) == [False, 1]
    drain()
    assert not Transaction.objects.filter(status="REJECTED").exists()
    assert draining.is_finished()
    all_was_done_once()


def wait_for_lock_queue() -> None:
    """Return when another connection waits for a row that this one has locked."""
    for _ in range(2000):
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)) AND NOT granted")
            if cursor.fetchone() is not None:
                return
        time.sleep(0.005)
    raise AssertionError("nobody waits")


def test_who_settles_at_once_and_workers_never_wait_for_each_other_in_a_circle() -> None:
    wallets()
    stopped = threading.Event()

    def client(name: int) -> None:
        for number in range(12):
            own = enqueue(posting(f"h-{name}-{number}", 10, number, inflight=True)).place.transaction_id
            batch = Batch(
                batch_id=new_batch_id(), inflight=True, atomic=number % 2 == 0,
                postings=[posting(f"b-{name}-{number}-{n}", 10, number + n) for n in range(3)],
            )  # fmt: skip
            post_batch(batch)
            settle(Settlement(transaction_id=own, action="commit"))
            settle(Settlement(transaction_id=batch.batch_id, action="void" if number % 3 else "commit"))

    def worker() -> None:
        while not stopped.is_set():
            draining.drain(size=3)

    def clients() -> None:
        try:
            well(together(*[lambda name=name: client(name) for name in range(3)]))  # type: ignore[misc]
        finally:
            stopped.set()

    begun = time.monotonic()
    well(together(clients, worker, worker))
    assert time.monotonic() - begun < 30
    drain()
    all_was_done_once()
    held = Transaction.objects.filter(status="INFLIGHT")
    assert held.count() == 3 * 12 * 4
    assert all(sum(units for _, units in under(each.pk)) == 10 for each in held)


def test_one_hold_settled_by_many_through_both_its_ids_is_settled_once() -> None:
    wallets()
    enqueue(posting("cover", 100_000, inflight=True))
    own = enqueue(posting("h", 100, inflight=True)).place.transaction_id
    drain()
    inner = Transaction.objects.get(reference="h_q").pk

    def attempt(number: int) -> int:
        asked = Settlement(transaction_id=(own, inner)[number % 2], action=("commit", "void")[number % 3 == 2])
        try:
            if number % 4 == 3:
                request(asked)
                draining.drain()
                return 0
            settle(asked)
        except LedgerError:
            return 0
        return 1

    results = together(*[lambda number=number: attempt(number) for number in range(8)])  # type: ignore[misc]
    well(results)
    drain()
    assert sum(results) <= 1
    assert sum(units for _, units in under(inner)) == 100
    all_was_done_once()


def test_one_row_refunded_by_many_is_refunded_once() -> None:
    wallets()
    own = enqueue(posting("p", 100)).place.transaction_id
    drain()

    def attempt(number: int) -> str:
        try:
            refund(Refund(transaction_id=own, queued=number % 2 == 0))
        except LedgerError as error:
            return error.code
        return "refunded"

    results = together(*[lambda number=number: attempt(number) for number in range(6)])  # type: ignore[misc]
    drain()
    assert Counter(results) == {"refunded": 1, "GEN_CONFLICT": 5}
    assert sums("bln_alice") == (100, FUNDS + 100, 0, 0)
    all_was_done_once()


def test_one_reference_sent_by_many_to_the_queue_and_at_once_is_recorded_once(api: Client) -> None:
    wallets()

    def attempt(number: int) -> int:
        return Client(way="lane").post("/transactions", (queued if number % 2 else body)("same")).status

    results = together(*[lambda number=number: attempt(number) for number in range(6)])  # type: ignore[misc]
    assert Counter(results) == {201: 1, 409: 5}
    drain()
    assert sums("bln_alice") == (1000, FUNDS, 0, 0)
    all_was_done_once()


def test_a_worker_that_is_called_leaves_no_one_waiting_where_it_was_killed_before() -> None:
    """The job of a killed worker stays behind as one that is being done; the next call is answered all the same."""
    wallets()
    enqueue(posting("a"))
    assert take_job() is not None  # its worker is killed here
    enqueue(posting("b"))
    stopped = threading.Event()
    stopped.set()
    assert work(stopped) == 1
    all_was_done_once()


def test_a_worker_that_found_little_lets_more_gather_and_one_that_found_much_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses = list[float]()
    monkeypatch.setattr(jobs.time, "sleep", pauses.append)
    found = [jobs.MANY, 3, jobs.MANY - 1, 0]
    context: Any = Context(threading.Event())
    POSTINGS.work(context, lambda: found.pop(0), lambda: not found, crowd=math.inf)
    assert pauses == [jobs.GATHER_SECONDS, jobs.GATHER_SECONDS]
