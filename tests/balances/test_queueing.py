"""The queue itself: order, groups, failures and what is told of them. Under fire: ``test_queueing_under_fire``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection

from balances.models import Balance, Transaction
from balances.models.queue import Entry
from balances.queueing import draining
from balances.recording import entries, writing
from tests import world
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
    settle,
    sums,
    under,
    wallets,
)

pytestmark = pytest.mark.django_db

WHY = "the disk is full"


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def states(*references: str) -> list[str]:
    return [str(row(f"{each}_q").status) for each in references]


def breaks_on(monkeypatch: pytest.MonkeyPatch, *references: str) -> list[int]:
    """Let the database fail whenever an outcome of one of these is written; return a counter of failures."""
    failures: list[int] = []
    real = writing.write

    def write(rows: Any, book: Any) -> None:
        if any(each.reference in {f"{name}_q" for name in references} and each.status != "REJECTED" for each in rows):
            failures.append(len(rows))
            raise DatabaseError(WHY)
        real(rows, book)

    monkeypatch.setattr(writing, "write", write)
    return failures


def waiting() -> list[tuple[str, int]]:
    """Return what waits, by reference, with the number of failed attempts."""
    names = dict(Transaction.objects.values_list("transaction_id", "reference"))
    return [(str(names[each.transaction_id]), each.attempts) for each in Entry.objects.order_by("pk")]


def fall_due() -> None:
    Entry.objects.update(due_at=datetime.now(UTC) - timedelta(hours=1))


def calls() -> list[datetime]:
    """Return for when workers have been called."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'drain' AND scheduled_at > now()")
        return [each for (each,) in cursor.fetchall()]


@pytest.mark.parametrize("size", [1, 2, 2000])
def test_what_touches_a_common_balance_happens_in_the_order_in_which_it_was_asked_for(
    ledger: Client, size: int
) -> None:
    """Dora can pay Carol only after Alice has paid Dora, and the second time not at all."""
    create(ledger, queued("too early", 600, source="bln_dora", destination="bln_carol"))
    create(ledger, queued("fund", 1000, destination="bln_dora"))
    create(ledger, queued("first", 600, source="bln_dora", destination="bln_carol"))
    create(ledger, queued("second", 600, source="bln_dora", destination="bln_carol"))
    create(ledger, queued("back", 600, source="bln_carol", destination="bln_dora"))
    create(ledger, queued("third", 600, source="bln_dora", destination="bln_carol"))
    drained = 0
    while count := draining.drain(size=size):
        assert count <= size
        drained += count
    assert drained == 6
    names = ("too early", "fund", "first", "second", "back", "third")
    assert states(*names) == ["REJECTED", "APPLIED", "APPLIED", "REJECTED", "APPLIED", "APPLIED"]
    assert sums("bln_dora") == (1200, 1600, 0, 0)
    assert_no_drift()


def test_settlements_wait_their_turn_behind_the_hold_and_before_what_needs_the_money(ledger: Client) -> None:
    own = create(ledger, queued("h", FUNDS, inflight=True))
    create(ledger, queued("before", 1))
    assert ledger.put(f"/transactions/inflight/{own}", {"status": "void"}).status == 200
    create(ledger, queued("after", FUNDS))
    drain()
    assert (states("before", "after"), under(row("h_q").pk)) == (["REJECTED", "APPLIED"], [("VOID", FUNDS)])
    assert_no_drift()


def test_a_group_is_claimed_whole_however_small_the_batch(ledger: Client) -> None:
    items = [queued(f"g{number}", 100) for number in range(5)]
    ledger.post("/transactions/bulk", {"transactions": items, "atomic": True})
    create(ledger, queued("alone"))
    assert draining.drain(size=1) == 5
    assert states(*(f"g{number}" for number in range(5))) == ["APPLIED"] * 5
    assert draining.drain(size=1) == 1
    assert_no_drift()


def test_a_group_that_is_taken_back_leaves_its_funds_to_what_comes_after(ledger: Client) -> None:
    items = [queued("g1", FUNDS), queued("g2", source="bln_dora")]
    ledger.post("/transactions/bulk", {"transactions": items, "atomic": True})
    create(ledger, queued("after", FUNDS))
    drain()
    assert states("g1", "g2", "after") == ["REJECTED", "REJECTED", "APPLIED"]
    assert_no_drift()


@pytest.mark.parametrize("times", [1, 5])
def test_what_the_database_fails_to_write_holds_up_nothing_else(
    ledger: Client, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    for name in ("a", "bad", "c"):
        create(ledger, queued(name))
    failures = breaks_on(monkeypatch, "bad")
    assert draining.drain() == 3
    assert states("a", "c") == ["APPLIED", "APPLIED"]
    assert waiting() == [("bad", 1)]
    assert Entry.objects.get().last_error == WHY
    assert len(failures) == 2  # in the batch, and by itself
    for attempt in range(2, times + 1):
        assert draining.drain() == 0  # not before its time
        fall_due()
        assert draining.drain() == 1
        assert waiting() == [("bad", attempt)]
    fall_due()
    if times == 1:
        monkeypatch.undo()
    draining.drain()
    outcome = row("bad_q")
    assert (outcome.status, not Entry.objects.exists()) == ("APPLIED" if times == 1 else "REJECTED", True)
    if times == 5:
        assert (outcome.meta_data or {})["blnk_rejection_reason"] == WHY
    assert sums("bln_alice") == (3000 if times == 1 else 2000, FUNDS, 0, 0)
    assert_no_drift()


def test_what_is_put_off_is_tried_again_when_its_time_has_come_not_at_the_next_minute(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(ledger, queued("bad"))
    breaks_on(monkeypatch, "bad")
    for seconds in (1, 2, 4, 8, 16):
        begun = datetime.now(UTC)
        drain()
        (called,) = calls()
        assert begun <= called - timedelta(seconds=seconds) <= datetime.now(UTC)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs")
        fall_due()


def test_a_group_of_which_one_fails_is_put_off_and_rejected_whole(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [queued(f"g{number}", 100) for number in range(3)]
    ledger.post("/transactions/bulk", {"transactions": items, "atomic": True})
    create(ledger, queued("alone"))
    breaks_on(monkeypatch, "g1")
    for attempt in range(1, 6):
        drain()
        assert waiting() == [(f"g{number}", attempt) for number in range(3)]
        fall_due()
    drain()
    assert states("g0", "g1", "g2", "alone") == ["REJECTED"] * 3 + ["APPLIED"]
    reasons = [(row(f"g{number}_q").meta_data or {})["blnk_rejection_reason"] for number in range(3)]
    assert reasons[0] == WHY
    assert set(reasons[1:]) == {f"not applied, because g0_q of the same atomic request was not: {WHY}"}
    assert sums("bln_alice") == (1000, FUNDS, 0, 0)
    assert_no_drift()


def test_a_settlement_waits_for_a_hold_that_is_put_off_and_is_not_lost(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = create(ledger, queued("h", inflight=True, inflight_expiry_date="2020-01-01T00:00:00Z"))
    assert ledger.put(f"/transactions/inflight/{own}", {"status": "commit", "precise_amount": 400}).status == 200
    breaks_on(monkeypatch, "h")
    for _ in range(3):
        drain()
        assert Entry.objects.count() == 3
        Entry.objects.update(due_at=datetime.now(UTC) - timedelta(hours=1))
    monkeypatch.undo()
    drain()
    assert under(row("h_q").pk) == [("VOID", 1000)]  # the date of the past came first
    assert not Entry.objects.exists()
    assert_no_drift()


def test_a_settlement_that_cannot_be_written_is_tried_until_it_can(
    ledger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = hold(ledger, "h")
    ledger.put(f"/transactions/inflight/{own}", {"status": "commit"})
    real = writing.write

    def write(rows: Any, book: Any) -> None:
        raise DatabaseError(WHY)

    monkeypatch.setattr(writing, "write", write)
    for attempt in range(1, 9):
        drain()
        assert Entry.objects.get().attempts == attempt
        fall_due()
    monkeypatch.setattr(writing, "write", real)
    drain()
    assert under(own) == [("APPLIED", 1000)]
    assert_no_drift()


@pytest.mark.parametrize("atomic", [False, True])
def test_a_movement_whose_outcome_has_its_reference_taken_by_another_writer_is_rejected_aloud(
    ledger: Client, atomic: bool
) -> None:
    """Two postings can look for the same reference at the same instant; the original drops the queued one."""
    items = [queued("a", 100), queued("b", 100)]
    ledger.post("/transactions/bulk", {"transactions": items, "atomic": atomic})
    alice, bob = Balance.objects.get(pk="bln_alice"), Balance.objects.get(pk="bln_bob")
    world.row("REJECTED", 5, alice, bob, reference="b_q")
    drain()
    (outcome,) = Transaction.objects.filter(parent_transaction=row("b").pk)
    assert outcome.status == "REJECTED"
    assert str(outcome.reference).startswith("ref_")
    why = "transaction validation failed: reference b_q has already been used"
    assert (outcome.meta_data or {})["blnk_rejection_reason"] == why
    assert states("a") == ["REJECTED" if atomic else "APPLIED"]
    assert not Entry.objects.exists()
    assert_no_drift()


def test_an_outcome_that_is_there_already_is_not_made_again(ledger: Client) -> None:
    own = create(ledger, queued("a"))
    drain()
    entries.add([entries.Waiting(action=Entry.Action.APPLY, transaction_id=own)])
    assert drain() == 1
    assert under(own) == [("APPLIED", 1000)]
    assert sums("bln_alice") == (1000, FUNDS, 0, 0)


def test_an_entry_without_a_row_is_taken_out(ledger: Client) -> None:
    entries.add([entries.Waiting(action=Entry.Action.APPLY, transaction_id="txn_gone")])
    entries.add([entries.Waiting(action=Entry.Action.VOID, transaction_id="txn_gone")])
    assert drain() == 2
    assert not Entry.objects.exists()


def test_a_thousand_movements_take_a_handful_of_statements(ledger: Client, django_assert_max_num_queries: Any) -> None:
    items = [queued(f"r{number}", 1) for number in range(1000)]
    ledger.post("/transactions/bulk", {"transactions": items})
    own = hold(ledger, "h")
    ledger.put(f"/transactions/inflight/{own}", {"status": "commit"})
    with django_assert_max_num_queries(16):
        assert draining.drain() == 1001
    assert sums("bln_bob")[1] == 2000
    assert_no_drift()


def test_a_worker_is_called_once_for_all_that_is_added_while_none_has_come(ledger: Client) -> None:
    for number in range(5):
        create(ledger, queued(f"r{number}"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'drain' AND status = 'todo'")
        assert cursor.fetchone() == (1,)


def test_the_balance_shows_what_waits_and_what_is_done_no_more(ledger: Client) -> None:
    create(ledger, queued("a", 700))
    shown = ledger.get("/balances/bln_alice?with_queued=true").body
    assert shown["queued_debit_balance"] == 700
    assert settle(ledger, row("a").pk).status == 400  # it holds nothing
    drain()
    shown = ledger.get("/balances/bln_alice?with_queued=true").body
    assert shown.get("queued_debit_balance", 0) == 0
    assert ledger.post("/transactions", body("b")).status == 201


def test_what_is_added_to_the_queue_says_every_column_of_an_entry_but_those_of_its_failures() -> None:
    columns = {column.attname for column in Entry._meta.concrete_fields}
    assert set(entries.COLUMNS) == columns - {"id", "attempts", "last_error"}
