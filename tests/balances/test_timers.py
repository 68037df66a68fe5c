"""Dates of holds: when they are committed or voided by themselves (defects 2 and 3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from balances.models import Transaction
from balances.models.queue import Entry
from tests.client import Client
from tests.wire import (
    FUNDS,
    assert_no_drift,
    body,
    create,
    drain,
    hold,
    queued,
    row,
    run_batches,
    settle,
    settled,
    sums,
    under,
    wallets,
)

pytestmark = pytest.mark.django_db

NOTHING, ALL_DEBITED = (0, FUNDS, 0, 0), (1000, FUNDS, 0, 0)
TO_BOTH = [{"identifier": "bln_bob", "distribution": "60%"}, {"identifier": "bln_carol", "distribution": "left"}]


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def at(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


def soon(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def fall_due(**about: Any) -> int:
    """Let timers fall due, in the order of their dates, and do what a worker does."""
    count = 0
    for entry in Entry.objects.filter(is_timer=True, **about).order_by("due_at", "pk"):
        count += Entry.objects.filter(pk=entry.pk).update(due_at=datetime.now(UTC) - timedelta(hours=1))
        drain()
    return count


def scheduled_jobs() -> set[datetime]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'drain' AND scheduled_at > now()")
        return {each for (each,) in cursor.fetchall()}


def job_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM procrastinate_jobs WHERE task_name = 'drain' AND coalesce(scheduled_at, now()) <= now()"
        )
        return cursor.fetchone() is not None


def the_row(reference: str, skip_queue: bool) -> Transaction:
    return row(reference if skip_queue else f"{reference}_q")


MODES = pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])


@MODES
@pytest.mark.parametrize(
    ("name", "status", "totals"),
    [("inflight_expiry_date", "VOID", NOTHING), ("inflight_commit_date", "APPLIED", ALL_DEBITED)],
)
def test_a_date_in_the_past_fires_at_once(
    ledger: Client, skip_queue: bool, name: str, status: str, totals: Any
) -> None:
    hold(ledger, "h", skip_queue=skip_queue, **{name: at(hours=1)})
    assert job_waits()
    drain()
    assert under(the_row("h", skip_queue).pk) == [(status, 1000)]
    assert sums("bln_alice") == totals
    assert not Entry.objects.exists()
    assert_no_drift()


@MODES
@pytest.mark.parametrize("name", ["inflight_expiry_date", "inflight_commit_date"])
def test_a_date_to_come_has_a_worker_called_for_then_and_not_before(
    ledger: Client, skip_queue: bool, name: str
) -> None:
    date = datetime(2031, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
    hold(ledger, "h", skip_queue=skip_queue, **{name: "2031-02-03T09:35:06.789012+05:30"})
    assert scheduled_jobs() == {date}
    drain()
    assert Entry.objects.get().due_at == date
    assert sums("bln_alice") == (0, FUNDS, 1000, 0)
    assert fall_due() == 1
    assert sums("bln_alice") == (NOTHING if name == "inflight_expiry_date" else ALL_DEBITED)
    assert_no_drift()


@MODES
def test_2_an_expiry_after_a_partial_commit_releases_exactly_what_is_left(ledger: Client, skip_queue: bool) -> None:
    hold(ledger, "other", 5000)
    own = hold(ledger, "h", skip_queue=skip_queue, inflight_expiry_date=soon(hours=1))
    drain()
    settled(ledger, the_row("h", skip_queue).pk, units=300)
    settled(ledger, own, units=200)
    fall_due()
    assert under(the_row("h", skip_queue).pk) == [("APPLIED", 300), ("APPLIED", 200), ("VOID", 500)]
    assert sums("bln_alice") == (500, FUNDS, 5000, 0)
    assert_no_drift()


@MODES
@pytest.mark.parametrize(("name", "left"), [("inflight_expiry_date", "VOID"), ("inflight_commit_date", "APPLIED")])
def test_3_each_leg_of_a_split_keeps_the_dates_of_its_request(
    ledger: Client, skip_queue: bool, name: str, left: str
) -> None:
    parent = hold(ledger, "s", skip_queue=skip_queue, destination=None, destinations=TO_BOTH, **{name: soon(hours=1)})
    drain()
    settled(ledger, parent, units=100)
    assert fall_due() == 2
    legs = [row("s-1"), row("s-2")] if skip_queue else [row("s_1_q"), row("s_2_q")]
    assert [under(leg.pk) for leg in legs] == [[("APPLIED", 100), (left, 500)], [("APPLIED", 100), (left, 300)]]
    assert_no_drift()


@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("run_async", [True, False])
def test_each_item_of_a_batch_keeps_its_own_dates(
    ledger: Client, skip_queue: bool, atomic: bool, run_async: bool
) -> None:
    items = [
        body("expires", inflight_expiry_date=soon(hours=1)),
        body("commits", inflight_commit_date=soon(hours=2)),
        body("parts", destination=None, destinations=TO_BOTH, inflight_expiry_date=at(hours=1)),
        body("stays"),
    ]
    options = {"inflight": True, "skip_queue": skip_queue, "atomic": atomic, "run_async": run_async}
    answer = ledger.post("/transactions/bulk", {"transactions": items} | options)
    assert answer.status in (201, 202)
    run_batches()
    drain()
    dash, outcome = ("-", "") if skip_queue else ("_", "_q")
    assert under(row(f"parts{dash}1{outcome}").pk) == [("VOID", 600)]
    assert sums("bln_alice") == (0, FUNDS, 3000, 0)
    fall_due()
    assert under(the_row("expires", skip_queue).pk) == [("VOID", 1000)]
    assert under(the_row("commits", skip_queue).pk) == [("APPLIED", 1000)]
    assert under(the_row("stays", skip_queue).pk) == []
    assert sums("bln_alice") == (1000, FUNDS, 1000, 0)
    assert_no_drift()


@MODES
@pytest.mark.parametrize("first", ["commit", "expiry"])
@pytest.mark.parametrize("past", [True, False])
def test_of_two_dates_the_earlier_one_decides(ledger: Client, skip_queue: bool, first: str, past: bool) -> None:
    early, late = (at(hours=2), at(hours=1)) if past else (soon(hours=1), soon(hours=2))
    dates = {"inflight_commit_date": early, "inflight_expiry_date": late}
    if first == "expiry":
        dates = {"inflight_commit_date": late, "inflight_expiry_date": early}
    hold(ledger, "h", skip_queue=skip_queue, **dates)
    drain()
    if not past:
        assert fall_due() == 2
    assert under(the_row("h", skip_queue).pk) == [("APPLIED" if first == "commit" else "VOID", 1000)]
    assert sums("bln_alice") == (ALL_DEBITED if first == "commit" else NOTHING)
    assert not Entry.objects.exists()
    assert_no_drift()


def test_a_hold_that_is_settled_before_its_date_is_left_alone(ledger: Client) -> None:
    for name, status in (("a", "commit"), ("b", "void")):
        own = hold(ledger, name, inflight_expiry_date=soon(hours=1), inflight_commit_date=soon(hours=2))
        settled(ledger, own, status)
    assert fall_due() == 4
    assert sums("bln_alice") == ALL_DEBITED
    assert (len(under(row("a").pk)), len(under(row("b").pk))) == (1, 1)
    assert_no_drift()


def test_a_date_before_the_hold_is_due_itself_waits_for_the_hold(ledger: Client) -> None:
    """It expires in the moment in which it comes to be; it neither stays held nor vanishes."""
    own = create(ledger, queued("h", inflight=True, scheduled_for=soon(hours=2), inflight_expiry_date=soon(hours=1)))
    later = Entry.objects.get(action="apply").due_at
    assert Entry.objects.get(is_timer=True).due_at == later
    drain()
    assert under(own) == []
    Entry.objects.update(due_at=datetime.now(UTC) - timedelta(hours=1))
    drain()
    assert (under(own), under(row("h_q").pk)) == ([("INFLIGHT", 1000)], [("VOID", 1000)])
    assert sums("bln_alice") == NOTHING
    assert_no_drift()


def test_a_hold_made_at_once_expires_by_its_date_whatever_it_is_scheduled_for(ledger: Client) -> None:
    hold(ledger, "h", scheduled_for=soon(hours=9), inflight_expiry_date="2031-02-03T04:05:06Z")
    hold(ledger, "past", scheduled_for=soon(hours=9), inflight_expiry_date=at(hours=1))
    drain()
    assert under(row("past").pk) == [("VOID", 1000)]
    assert Entry.objects.get().due_at == datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_the_date_of_a_hold_that_was_refused_finds_nothing(ledger: Client) -> None:
    own = create(ledger, queued("h", FUNDS + 1, inflight=True, inflight_expiry_date=at(hours=1)))
    drain()
    assert under(own) == [("REJECTED", FUNDS + 1)]
    assert not Entry.objects.exists()
    assert sums("bln_alice") == NOTHING


def test_a_movement_that_holds_nothing_has_no_dates(ledger: Client) -> None:
    for number, give in enumerate((body, queued)):
        create(ledger, give(f"p{number}", inflight_expiry_date=at(hours=1), inflight_commit_date=at(hours=1)))
    assert not Entry.objects.filter(is_timer=True).exists()
    drain()
    assert sums("bln_alice") == (2000, FUNDS, 0, 0)


def test_what_a_date_writes_bears_the_references_of_the_contract(ledger: Client) -> None:
    expired = hold(ledger, "a", inflight_expiry_date=at(hours=1), meta_data={"k": "v"})
    committed = hold(ledger, "b", inflight_commit_date=at(hours=1))
    drain()
    void = Transaction.objects.get(parent_transaction=expired)
    assert re.fullmatch(r"ref_[0-9a-f-]{36}", str(void.reference))
    assert (void.meta_data, void.effective_date) == ({"k": "v"}, void.created_at)
    commit = Transaction.objects.get(parent_transaction=committed)
    assert re.fullmatch(rf"{committed}_commit_act_[0-9a-f-]{{36}}", str(commit.reference))


def test_a_date_does_not_stand_in_the_way_of_a_settlement_that_is_asked_for(ledger: Client) -> None:
    own = hold(ledger, "h", inflight_expiry_date=soon(hours=1), inflight_commit_date=soon(hours=2))
    answer = ledger.put(f"/transactions/inflight/{own}", {"status": "commit", "precise_amount": 300})
    assert answer.status == 200
    drain()
    assert settle(ledger, own, units=200).status == 200
    fall_due()
    assert under(own) == [("APPLIED", 300), ("APPLIED", 200), ("VOID", 500)]
    assert_no_drift()
