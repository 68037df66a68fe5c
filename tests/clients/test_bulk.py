"""Batches through Blnk's SDKs, unchanged: in order, atomic, as holds, in the background, against a live server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.cast import balance, done, funded, name, posting, rows, totals
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
BOTH_WAYS = pytest.mark.parametrize("skip_queue", [False, True])
POOR = "failed to apply transaction to balances: insufficient funds in source balance"


def under(blnk: Client, batch: str) -> list[tuple[str, str, int]]:
    """Return status, metadata's sequence and minor units of each row of a batch, by its sequence."""
    found = rows(blnk, "parent_transaction", batch)
    return sorted(((row["status"], row["meta_data"]["sequence"], row["precise_amount"]) for row in found), key=str)


@BOTH_WAYS
def test_nothing_of_a_batch_is_done_when_an_item_makes_no_sense(blnk: Client, skip_queue: bool) -> None:
    alice, bob = funded(blnk), balance(blnk)
    items = [posting(alice, bob, 1), posting(alice, bob, 1, reference="")]
    answer = blnk.transactions.create_bulk({"skip_queue": skip_queue, "transactions": items})
    assert (answer.status, answer.code) == (400, "TXN_VALIDATION_ERROR")
    assert answer.message == "transactions[1]: reference: cannot be blank."
    assert answer.data["error_detail"]["details"] == {"index": 1}
    assert answer.data["errors"] == answer.message
    assert totals(blnk, alice) == [(0, 10_000, 0, 0)]


@pytest.mark.parametrize(
    ("flags", "sentence", "left"),
    [
        ({}, "Previous transactions were not rolled back.", (1_000, 10_000, 0, 0)),
        ({"atomic": True}, "All transactions in this batch have been refunded.", None),
        ({"atomic": True, "inflight": True}, "All transactions in this batch have been voided.", (0, 10_000, 0, 0)),
        ({"inflight": True}, "Previous transactions were not rolled back.", (0, 10_000, 1_000, 0)),
    ],
)
def test_the_first_item_that_fails_ends_a_batch(
    blnk: Client, drained: Callable[[], None], flags: dict[str, bool], sentence: str, left: Any
) -> None:
    alice, poor, bob = funded(blnk), balance(blnk), balance(blnk)
    items = [posting(alice, bob, 10), posting(poor, bob, 10), posting(alice, bob, 5)]
    answer = blnk.transactions.create_bulk({"skip_queue": True, "transactions": items} | flags)
    assert (answer.status, answer.code) == (400, "TXN_INSUFFICIENT_FUNDS")
    assert answer.message == (
        f"failed to queue transaction 2 (Reference: {items[1]['reference']}, Source: {poor}, Destination: {bob}, "
        f"Amount: 10.00): {POOR}. {sentence}"
    )
    batch = answer.data["batch_id"]
    assert batch.startswith("bulk_")
    assert answer.data["error"] == answer.message
    assert answer.data["error_detail"]["details"] == {"batch_id": batch}
    drained()
    spent, got, *held = totals(blnk, alice)[0]
    if left is None:  # the original shows the item and its refund, we neither
        assert (got - spent, *held) == (10_000, 0, 0)
    else:
        assert (spent, got, *held) == left


def test_what_a_batch_cannot_find_or_has_seen_before_is_named(blnk: Client) -> None:
    alice, used = funded(blnk), name()
    done(blnk.transactions.create(posting(alice, "@shop", 1, reference=used, skip_queue=True)))
    again = blnk.transactions.create_bulk(
        {"skip_queue": True, "transactions": [posting(alice, "@shop", 1, reference=used)]}
    )
    assert (again.status, again.code) == (409, "TXN_DUPLICATE_REFERENCE")
    assert f"reference {used} has already been used" in again.message
    lost = blnk.transactions.create_bulk({"skip_queue": True, "transactions": [posting(alice, "bln_x", 1)]})
    assert (lost.status, lost.code) == (404, "TXN_NOT_FOUND")
    assert "NOT_FOUND: Balance with ID 'bln_x' not found. Previous transactions were not rolled back." in lost.message


@BOTH_WAYS
@pytest.mark.parametrize("inflight", [False, True])
def test_a_batch_is_recorded_in_order(
    blnk: Client, drained: Callable[[], None], skip_queue: bool, inflight: bool
) -> None:
    alice, bob, carol = funded(blnk), balance(blnk), balance(blnk)
    second = alice if inflight else bob  # only where money moves at once can Bob pass it on
    items = [posting(alice, bob, 60, inflight=False, meta_data={"k": "v"}), posting(second, carol, 40)]
    asked = {"skip_queue": skip_queue, "inflight": inflight, "transactions": items}
    answer = done(blnk.transactions.create_bulk(asked))
    batch = answer.pop("batch_id")
    assert answer == {"status": "inflight" if inflight else "applied", "transaction_count": 2}
    final = "INFLIGHT" if inflight else "APPLIED"
    assert under(blnk, batch) == [(final if skip_queue else "QUEUED", n, u) for n, u in ((1, 6_000), (2, 4_000))]
    drained()
    if inflight:
        expected = [(0, 10_000, 10_000, 0), (0, 0, 0, 6_000), (0, 0, 0, 4_000)]
    else:
        expected = [(6_000, 10_000, 0, 0), (4_000, 6_000, 0, 0), (0, 4_000, 0, 0)]
    assert totals(blnk, alice, bob, carol) == expected
    first = done(blnk.transactions.get_by_reference(items[0]["reference"]), 200)
    assert (first["parent_transaction"], first["inflight"]) == (batch, inflight)
    assert first["meta_data"]["k"] == "v"
    if not skip_queue:
        assert first["meta_data"]["QUEUED_PARENT_TRANSACTION"] == batch


def test_a_batch_of_holds_is_settled_by_its_id(blnk: Client, drained: Callable[[], None]) -> None:
    alice, bob = funded(blnk), balance(blnk)
    items = [posting(alice, bob, 5), posting(alice, bob, 7)]
    batch = done(blnk.transactions.create_bulk({"inflight": True, "transactions": items}))["batch_id"]
    drained()
    assert totals(blnk, alice) == [(0, 10_000, 1_200, 0)]
    done(blnk.transactions.update_status(batch, {"status": "commit", "skip_queue": True}), 200)
    assert totals(blnk, alice, bob) == [(1_200, 10_000, 0, 0), (0, 1_200, 0, 0)]
    again = blnk.transactions.update_status(batch, {"status": "void", "skip_queue": True})
    assert (again.status, again.code) == (409, "TXN_ALREADY_COMMITTED")


@BOTH_WAYS
def test_a_batch_is_recorded_in_the_background(blnk: Client, drained: Callable[[], None], skip_queue: bool) -> None:
    alice, bob = funded(blnk), balance(blnk)
    items = [posting(alice, bob, 1.5), posting(alice, bob, precise_amount=250)]
    asked = {"run_async": True, "skip_queue": skip_queue, "transactions": items}
    answer = done(blnk.transactions.create_bulk(asked), 202)
    batch = answer.pop("batch_id")
    assert answer == {"message": "Bulk transaction processing started", "status": "processing"}
    drained()
    final = "APPLIED" if skip_queue else "QUEUED"
    assert under(blnk, batch) == [(final, 1, 150), (final, 2, 250)]
    assert totals(blnk, alice, bob) == [(400, 10_000, 0, 0), (0, 400, 0, 0)]


def test_an_atomic_queued_batch_without_funds_is_accepted(blnk: Client) -> None:
    """Go's integration tests rely on it."""
    pool = name("@FundingPool")
    items = [posting(pool, balance(blnk), 10), posting(pool, balance(blnk), 20)]
    answer = done(blnk.transactions.create_bulk({"atomic": True, "transactions": items}))
    assert (answer["status"], answer["transaction_count"]) == ("applied", 2)
