"""Random histories over all routes: whatever is asked in whatever order, and whoever fails then, the books agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from balances.models import Transaction
from balances.models.queue import Entry
from balances.queueing import draining
from balances.recording import writing
from reconciliation.checks import CHECKS
from reconciliation.measuring.scope import Scope
from reconciliation.models import Origin
from reconciliation.sweeping.service import create_sweep, run_sweep
from reconciliation.sweeping.status import unproved, verdict
from tests.client import Answer, Client
from tests.wire import SOME, assert_no_drift, drain, run_batches, under, wallets

NAMES = ("bln_alice", "bln_bob", "bln_carol", "@bank", "@cash")
DATES = (None, "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z")
HELD: dict[str, Any] = {"meta_data__inflight": True}
MOVED: dict[str, Any] = {"status__in": ("APPLIED", "VOID")}
TAKEN = {200, 201, 202}
REFUSED = {400, 404, 409}


REMARKS = {"refunded_refund"}
"""What a history may have remarks about: any transaction can be refunded, refunds as well."""


class Killed(BaseException):
    """The process ends here."""


@dataclass
class History:
    """One history as it unfolds."""

    api: Client
    count: int = 0
    broken: str = ""
    statuses: list[int] = field(default_factory=list)

    def body(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what is asked for with a reference of its own."""
        self.count += 1
        return {key: value for key, value in asked.items() if value is not None} | {"reference": f"r{self.count}"}

    def target(self, number: int, **about: Any) -> str:
        """Return one of the ids that some rows have or hang under, now and then one of all."""
        rows = Transaction.objects.order_by("created_at", "reference")
        wanted = rows.filter(**about) if number % 8 else rows
        pairs = (wanted if wanted.exists() else rows).values_list("pk", "parent_transaction")
        ids = list(dict.fromkeys(each for pair in pairs for each in pair if each))
        return ids[number % len(ids)]

    def send(self, method: str, path: str, given: dict[str, Any]) -> Answer:
        """Send a request, and see that it is taken, refused, or failed as it was made to fail, leaving nothing."""
        before = Transaction.objects.count(), Entry.objects.count()
        answer = self.api.send(method, path, given)
        self.statuses.append(answer.status)
        assert answer.status in TAKEN | REFUSED | ({500} if self.broken == "request" else set()), answer.text
        if answer.status == 500:
            assert (Transaction.objects.count(), Entry.objects.count()) == before
        return answer


@contextmanager
def breaking(history: History, where: str) -> Iterator[None]:
    """Let the next write of a request or of a worker fail, or a worker be killed, before its commit."""
    real_write, real_finish = writing.write, draining._finish

    def write(rows: Any, book: Any) -> None:
        real_write(rows, book)
        if where in ("request", "worker") and history.broken:
            history.broken = "" if where == "worker" else history.broken
            raise DatabaseError("the disk is full")

    def finish(*given: Any, **named: Any) -> None:
        if where == "killed" and history.broken:
            raise Killed
        real_finish(*given, **named)

    history.broken = where
    writing.write, draining._finish = write, finish
    try:
        yield
    finally:
        writing.write, draining._finish = real_write, real_finish
        history.broken = ""


def shares(parts: list[tuple[str, int]]) -> list[dict[str, str]]:
    """Return entries that give percentages to all but the last, which gets what is left."""
    entries = [{"identifier": name, "distribution": f"{percent}%"} for name, percent in parts]
    entries[-1]["distribution"] = "left"
    return entries


def divided(movement: dict[str, Any], side: str, parts: list[tuple[str, int]]) -> dict[str, Any]:
    """Return a movement of which one side is shared out."""
    return {key: value for key, value in movement.items() if key != side} | {f"{side}s": shares(parts)}


PAIR = st.sampled_from(list(permutations(NAMES, 2)))
MOVEMENT = st.fixed_dictionaries(
    {
        "pair": PAIR,
        "precise_amount": st.one_of(st.integers(1, 3000), st.sampled_from([60_000, 2**70])),
        "inflight": st.booleans(),
        "skip_queue": st.booleans(),
        "atomic": st.booleans(),
        "allow_overdraft": st.sampled_from([True, True, True, False]),
        "inflight_expiry_date": st.sampled_from(DATES),
        "inflight_commit_date": st.sampled_from(DATES),
        "scheduled_for": st.sampled_from((None, None, *DATES)),
    }
).map(lambda movement: SOME | dict(zip(("source", "destination"), movement.pop("pair"), strict=True)) | movement)
SPLIT = st.tuples(
    MOVEMENT,
    st.sampled_from(["source", "destination"]),
    st.lists(st.tuples(st.sampled_from(("@x", "bln_dora", "@y")), st.integers(1, 40)), min_size=1, max_size=3),
).map(lambda given: divided(*given))
BATCH = st.fixed_dictionaries(
    {
        "transactions": st.lists(st.one_of(MOVEMENT, SPLIT), min_size=1, max_size=4),
        "inflight": st.booleans(),
        "skip_queue": st.booleans(),
        "atomic": st.booleans(),
        "run_async": st.booleans(),
    }
)
PART = st.one_of(st.none(), st.integers(1, 1500))
SETTLEMENT = st.tuples(st.integers(0, 99), st.sampled_from(["commit", "commit", "void"]), PART, st.booleans())
REFUND = st.tuples(st.integers(0, 99), PART, st.booleans())
STEP = st.one_of(
    st.tuples(st.just("create"), st.one_of(MOVEMENT, SPLIT)),
    st.tuples(st.just("batch"), BATCH),
    st.tuples(st.just("settle"), SETTLEMENT),
    st.tuples(st.just("settle"), SETTLEMENT),
    st.tuples(st.just("settle each"), st.lists(SETTLEMENT, min_size=1, max_size=4)),
    st.tuples(st.just("refund"), REFUND),
    st.tuples(st.just("drain"), st.sampled_from([1, 2, 2000])),
    st.tuples(st.just("fall due"), st.booleans()),
)
HOLDS = st.lists(
    st.one_of(MOVEMENT, SPLIT).map(
        lambda given: given | {"inflight": True, "allow_overdraft": True, "scheduled_for": None}
    ),
    min_size=1,
    max_size=3,
)
FAILURE = st.sampled_from(["", "", "", "request", "worker", "killed"])


def create(history: History, asked: dict[str, Any]) -> None:
    history.send("POST", "/transactions", history.body(asked))


def batch(history: History, asked: dict[str, Any]) -> None:
    items = [history.body(item) | {"inflight": asked["inflight"]} for item in asked["transactions"]]
    history.send("POST", "/transactions/bulk", asked | {"transactions": items})


def settle(history: History, asked: tuple[int, str, int | None, bool]) -> None:
    number, status, part, skip_queue = asked
    given = {"status": status, "skip_queue": skip_queue} | ({"precise_amount": part} if status == "commit" else {})
    history.send("PUT", f"/transactions/inflight/{history.target(number, **HELD)}", given)


def settle_each(history: History, asked: list[tuple[int, str, int | None, bool]]) -> None:
    _, status, _, skip_queue = asked[0]
    ids = [history.target(number, **HELD) for number, *_ in asked]
    given: dict[str, Any] = {"transaction_ids": ids}
    if status == "commit":
        items = [{"transaction_id": one, "precise_amount": each[2]} for one, each in zip(ids, asked, strict=True)]
        given = {"transactions": items}
    history.send("POST", f"/transactions/inflight/bulk/{status}", given | {"skip_queue": skip_queue})


def refund(history: History, asked: tuple[int, int | None, bool]) -> None:
    number, part, skip_queue = asked
    given = {"precise_amount": part, "skip_queue": skip_queue}
    history.send("POST", f"/refund-transaction/{history.target(number, **MOVED)}", given)


def drain_some(history: History, size: int) -> None:
    with suppress(Killed):
        draining.drain(size=size)


def fall_due(history: History, timers: bool) -> None:
    """Let time pass: what is put off or scheduled falls due, or dates of holds do."""
    Entry.objects.filter(is_timer=timers).update(due_at=datetime.now(UTC) - timedelta(hours=1))


STEPS: dict[str, Callable[[History, Any], None]] = {
    "create": create,
    "batch": batch,
    "settle": settle,
    "settle each": settle_each,
    "refund": refund,
    "drain": drain_some,
    "fall due": fall_due,
}


def books_agree() -> None:
    """Compare totals with rows (reconstruction), debits with credits, and holds with what settled them."""
    assert_no_drift()
    for each in Transaction.objects.filter(status="INFLIGHT"):
        settled = [units for status, units in under(each.pk) if status in ("APPLIED", "VOID")]
        assert sum(settled) <= (each.precise_amount or 0)
        assert min(settled, default=1) > 0


def all_is_decided() -> None:
    """Find one outcome for each row that waited, none for any other, and nothing in the queue."""
    assert not Entry.objects.exists()
    for each in Transaction.objects.filter(status__in=("QUEUED", "SCHEDULED")):
        (outcome,) = Transaction.objects.filter(parent_transaction=each.pk)
        assert outcome.status in ("APPLIED", "INFLIGHT", "REJECTED")
        assert (outcome.precise_amount, outcome.reference) == (each.precise_amount, f"{each.reference}_q")
        assert (outcome.created_at, outcome.effective_date) == (each.created_at, each.effective_date)
    references = list(Transaction.objects.values_list("reference", flat=True))
    assert len(references) == len(set(references))


def nothing_is_found() -> None:
    """Run every check of a deep sweep: a ledger that used every feature has no finding."""
    found = {name: faults for name, check in CHECKS.items() if (faults := check.faults())}
    assert not found.keys() - REMARKS, found


Steps = list[tuple[tuple[str, Any], str]]
HISTORY = {"holds": HOLDS, "steps": st.lists(st.tuples(STEP, FAILURE), min_size=3, max_size=14)}
PATIENT: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
}


def play(history: History, holds: list[dict[str, Any]], steps: Steps) -> None:
    """Let a history happen, the books in agreement after each step, and at its end let all be done that waits."""
    for asked in holds:
        create(history, asked)
    for (name, asked), failure in steps:
        with breaking(history, failure if (name == "drain") == (failure in ("worker", "killed")) else ""):
            STEPS[name](history, asked)
        books_agree()
    run_batches()
    for _ in range(12):  # what was put off falls due, and what settles it after it
        drain()
        Entry.objects.update(due_at=datetime.now(UTC) - timedelta(hours=1))
    books_agree()
    all_is_decided()
    nothing_is_found()


@pytest.mark.django_db
@settings(max_examples=25, **PATIENT)
@given(**HISTORY)
def test_whatever_is_asked_in_whatever_order_the_books_agree(
    holds: list[dict[str, Any]], steps: Steps, api: Client
) -> None:
    with transaction.atomic():
        wallets()
        play(History(api), holds, steps)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_the_books_agree_where_each_request_commits_by_itself(api: Client) -> None:
    """One history after the other on one ledger. Requests that read and write once then need no block."""
    wallets()
    history = History(api)

    @settings(max_examples=8, phases=[Phase.generate], database=None, **PATIENT)
    @given(**HISTORY)
    def on_one_ledger(holds: list[dict[str, Any]], steps: Steps) -> None:
        play(history, holds, [(step, failure) for step, failure in steps if failure != "request"])
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs")

    on_one_ledger()
    sweep = run_sweep(create_sweep(Scope(everything=True), actor="alice", origin=Origin.COMMAND, deep=True).sweep_id)
    assert (verdict(sweep), unproved(sweep), sweep.findings.filter(remarks=[]).count()) == ("healthy", [], 0)
