"""The worked cases of the contract over REST, each with its totals, and the invariants of a ledger.

S is Alice, who has funds at first, D is Bob. Where our rows differ by decision the totals show it, and it is said:
settlements of a queued id hang under the hold, and an expiry releases exactly what is still held.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

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
    settled,
    sums,
    under,
    wallets,
)

pytestmark = pytest.mark.django_db

PAST = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
Totals = tuple[int, int, int, int]
Rows = list[tuple[str, int]]
Case = Callable[[Client], tuple[str, Rows]]


def refund(api: Client, transaction_id: str) -> str:
    answer = api.post(f"/refund-transaction/{transaction_id}", {"skip_queue": True})
    assert answer.status == 201, answer.text
    return str(answer.body["transaction_id"])


def expire(transaction_id: str) -> None:
    """Let the timer of a hold fall due, and do what a worker does."""
    assert Entry.objects.filter(transaction_id=transaction_id, is_timer=True).update(due_at=PAST) == 1
    drain()


def held(api: Client, *parts: int) -> str:
    transaction_id = hold(api, "h")
    for part in parts:
        settled(api, transaction_id, units=part)
    return transaction_id


def expiring(api: Client, *, in_queue: bool) -> str:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    transaction_id = create(api, body("h", inflight=True, skip_queue=not in_queue, inflight_expiry_date=later))
    drain()
    return transaction_id


def open_hold(api: Client) -> tuple[str, Rows]:
    return held(api), []


def partial_commit(api: Client) -> tuple[str, Rows]:
    return held(api, 300), [("APPLIED", 300)]


def second_partial(api: Client) -> tuple[str, Rows]:
    return held(api, 300, 250), [("APPLIED", 300), ("APPLIED", 250)]


def commit_rest(api: Client) -> tuple[str, Rows]:
    transaction_id = held(api, 300, 250)
    settled(api, transaction_id)
    return transaction_id, [("APPLIED", 300), ("APPLIED", 250), ("APPLIED", 450)]


def void_after_a_partial(api: Client) -> tuple[str, Rows]:
    transaction_id = held(api, 300)
    settled(api, transaction_id, "void")
    return transaction_id, [("APPLIED", 300), ("VOID", 700)]


def expiry_of_a_direct_hold(api: Client) -> tuple[str, Rows]:
    transaction_id = expiring(api, in_queue=False)
    expire(transaction_id)
    return transaction_id, [("VOID", 1000)]


def expiry_of_a_queued_hold(api: Client) -> tuple[str, Rows]:
    """Ours hangs under the hold; the original's under the queued row. The totals are the same."""
    transaction_id = expiring(api, in_queue=True)
    expire(transaction_id)
    assert under(transaction_id) == [("INFLIGHT", 1000)]
    return row("h_q").pk, [("VOID", 1000)]


def expiry_of_a_queued_hold_after_a_partial(api: Client) -> tuple[str, Rows]:
    """Ours releases the 700 that are left; the original wants 1000, fails, and leaves them held (defect 2)."""
    transaction_id = expiring(api, in_queue=True)
    settled(api, transaction_id, units=300)
    expire(transaction_id)
    return row("h_q").pk, [("APPLIED", 300), ("VOID", 700)]


def bulk_commit_of_a_queued_id(api: Client) -> tuple[str, Rows]:
    """Ours hangs under the hold; the original's under the queued row. The totals are the same."""
    transaction_id = create(api, queued("h", inflight=True))
    drain()
    given = {"transactions": [{"transaction_id": transaction_id}], "skip_queue": True}
    assert api.post("/transactions/inflight/bulk/commit", given).body["succeeded"] == 1
    assert under(transaction_id) == [("INFLIGHT", 1000)]
    return row("h_q").pk, [("APPLIED", 1000)]


def queued_plain(api: Client) -> tuple[str, Rows]:
    transaction_id = create(api, queued("p"))
    drain()
    return transaction_id, [("APPLIED", 1000)]


def queued_refused(api: Client) -> tuple[str, Rows]:
    transaction_id = create(api, queued("p", FUNDS + 1))
    drain()
    return transaction_id, [("REJECTED", FUNDS + 1)]


def refund_of_a_plain(api: Client) -> tuple[str, Rows]:
    transaction_id = create(api, body("p"))
    refund(api, transaction_id)
    return transaction_id, [("APPLIED", 1000)]


def refund_of_a_committed_hold(api: Client) -> tuple[str, Rows]:
    commit = settled(api, held(api))
    refund(api, commit)
    return commit, [("APPLIED", 1000)]


def refund_of_a_voided_hold(api: Client) -> tuple[str, Rows]:
    transaction_id = held(api)
    void = settled(api, transaction_id, "void")
    refund(api, transaction_id)
    return void, [("INFLIGHT", 1000)]


def and_then_void_it(api: Client) -> tuple[str, Rows]:
    transaction_id = held(api)
    settled(api, transaction_id, "void")
    back = refund(api, transaction_id)
    settled(api, back, "void")
    return back, [("VOID", 1000)]


def refund_of_partial_and_void(api: Client) -> tuple[str, Rows]:
    transaction_id = held(api, 300)
    settled(api, transaction_id, "void")
    refund(api, transaction_id)
    return transaction_id, [("APPLIED", 300), ("VOID", 700)]


TABLE: list[tuple[Case, Totals, Totals]] = [
    (open_hold, (0, 0, 1000, 0), (0, 0, 0, 1000)),
    (partial_commit, (300, 0, 700, 0), (0, 300, 0, 700)),
    (second_partial, (550, 0, 450, 0), (0, 550, 0, 450)),
    (commit_rest, (1000, 0, 0, 0), (0, 1000, 0, 0)),
    (void_after_a_partial, (300, 0, 0, 0), (0, 300, 0, 0)),
    (expiry_of_a_direct_hold, (0, 0, 0, 0), (0, 0, 0, 0)),
    (expiry_of_a_queued_hold, (0, 0, 0, 0), (0, 0, 0, 0)),
    (expiry_of_a_queued_hold_after_a_partial, (300, 0, 0, 0), (0, 300, 0, 0)),
    (bulk_commit_of_a_queued_id, (1000, 0, 0, 0), (0, 1000, 0, 0)),
    (queued_plain, (1000, 0, 0, 0), (0, 1000, 0, 0)),
    (queued_refused, (0, 0, 0, 0), (0, 0, 0, 0)),
    (refund_of_a_plain, (1000, 1000, 0, 0), (1000, 1000, 0, 0)),
    (refund_of_a_committed_hold, (1000, 1000, 0, 0), (1000, 1000, 0, 0)),
    (refund_of_a_voided_hold, (0, 0, 0, 1000), (0, 0, 1000, 0)),
    (and_then_void_it, (0, 0, 0, 0), (0, 0, 0, 0)),
    (refund_of_partial_and_void, (300, 300, 0, 700), (300, 300, 700, 0)),
]


def after_funding(totals: Totals) -> Totals:
    """Return what Alice shows: the contract's S starts at 0, she got her funds as a credit."""
    debit, credit, held_debit, held_credit = totals
    return debit, credit + FUNDS, held_debit, held_credit


def no_hold_is_settled_beyond_its_amount() -> None:
    for each in Transaction.objects.filter(status="INFLIGHT"):
        assert sum(units for _, units in under(each.pk)) <= (each.precise_amount or 0)


@pytest.mark.parametrize(("case", "source", "destination"), TABLE, ids=[each[0].__name__ for each in TABLE])
def test_the_totals_are_those_of_the_contract(api: Client, case: Case, source: Totals, destination: Totals) -> None:
    wallets()
    parent, rows = case(api)
    assert sums("bln_alice") == after_funding(source)
    assert sums("bln_bob") == destination
    assert under(parent) == rows
    assert_no_drift()
    no_hold_is_settled_beyond_its_amount()
    assert not Entry.objects.exists()


@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
def test_a_split_hold_commits_a_part_of_each_leg_and_voids_the_rest(api: Client, skip_queue: bool) -> None:
    wallets()
    parts = [{"identifier": "bln_bob", "distribution": "60%"}, {"identifier": "bln_carol", "distribution": "left"}]
    given = body("s", inflight=True, skip_queue=skip_queue, destinations=parts, destination=None)
    parent = create(api, given)
    drain()
    settled(api, parent, units=100)
    assert sums("bln_alice") == after_funding((200, 0, 800, 0))
    assert (sums("bln_bob"), sums("bln_carol")) == ((0, 100, 0, 500), (0, 100, 0, 300))
    assert_no_drift()
    settled(api, parent, "void")
    assert sums("bln_alice") == after_funding((200, 0, 0, 0))
    assert (sums("bln_bob"), sums("bln_carol")) == ((0, 100, 0, 0), (0, 100, 0, 0))
    first, second = (row("s-1"), row("s-2")) if skip_queue else (row("s_1_q"), row("s_2_q"))
    assert (under(first.pk), under(second.pk)) == (
        [("APPLIED", 100), ("VOID", 500)],
        [("APPLIED", 100), ("VOID", 300)],
    )
    assert_no_drift()


def test_a_queued_batch_of_holds_is_committed_by_its_id(api: Client) -> None:
    wallets()
    given = {"transactions": [body("a", 500), body("b", 700)], "inflight": True}
    batch_id = api.post("/transactions/bulk", given).body["batch_id"]
    assert under(batch_id) == [("QUEUED", 500), ("QUEUED", 700)]
    drain()
    assert sums("bln_alice") == after_funding((0, 0, 1200, 0))
    settled(api, batch_id)
    assert (under(row("a").pk), under(row("b").pk)) == ([("INFLIGHT", 500)], [("INFLIGHT", 700)])
    assert (under(row("a_q").pk), under(row("b_q").pk)) == ([("APPLIED", 500)], [("APPLIED", 700)])
    assert sums("bln_alice") == after_funding((1200, 0, 0, 0))
    assert sums("bln_bob") == (0, 1200, 0, 0)
    assert_no_drift()


def test_two_holds_on_one_pair_are_settled_each_for_itself(api: Client) -> None:
    wallets()
    first, second = hold(api, "first", 1000), hold(api, "second", 400)
    settled(api, second, units=400)
    settled(api, first, "void")
    assert sums("bln_alice") == after_funding((400, 0, 0, 0))
    assert sums("bln_bob") == (0, 400, 0, 0)
    assert (under(first), under(second)) == ([("VOID", 1000)], [("APPLIED", 400)])
    assert_no_drift()
    no_hold_is_settled_beyond_its_amount()
