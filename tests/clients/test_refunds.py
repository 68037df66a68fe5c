"""Refunds through Blnk's SDKs, unchanged, against a live server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.cast import balance, done, funded, hold, only_python, posting, rows, totals
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
NOTHING = (404, "TXN_NOT_FOUND", "no transaction to refund")


def spent(blnk: Client, source: str, destination: str, amount: float, **fields: object) -> str:
    body = posting(source, destination, amount, skip_queue=True, **fields)
    return str(done(blnk.transactions.create(body))["transaction_id"])


def test_what_moved_no_money_cannot_be_refunded(blnk: Client) -> None:
    alice, bob = funded(blnk), balance(blnk)
    held = hold(blnk, alice, bob, 10)
    queued = done(blnk.transactions.create(posting(alice, bob, 1)))["transaction_id"]
    voided = hold(blnk, alice, bob, 20)
    void = done(blnk.transactions.update_status(voided, {"status": "void", "skip_queue": True}), 200)
    for target in ("txn_x", held, queued, void["transaction_id"]):
        answer = blnk.transactions.refund(target, {"skip_queue": True})
        assert (answer.status, answer.code, answer.message) == NOTHING


@pytest.mark.parametrize("skip_queue", [False, True])
def test_a_refund_happens_once(blnk: Client, drained: Callable[[], None], skip_queue: bool) -> None:
    """The original refunds the refund of a refund that skipped the queue."""
    alice, bob = funded(blnk), balance(blnk)
    original = spent(blnk, alice, bob, 40, meta_data={"order": 7})
    refund = done(blnk.transactions.refund(original, {"skip_queue": skip_queue}))
    assert refund["status"] == ("APPLIED" if skip_queue else "QUEUED")
    assert refund["reference"] == f"{original}_refund"
    assert (refund["parent_transaction"], refund["source"], refund["destination"]) == (original, bob, alice)
    assert (refund["precise_amount"], refund["amount_string"], refund["allow_overdraft"]) == (4_000, "40", True)
    assert {"order": 7, "allow_overdraft": True}.items() <= refund["meta_data"].items()
    for _ in range(2):
        again = blnk.transactions.refund(original, {"skip_queue": skip_queue})
        assert (again.status, again.code) == (409, "GEN_CONFLICT")
        assert again.message == (
            f"error occurred during processing: [transaction {original} has already been refunded]"
        )
        drained()
    assert totals(blnk, alice, bob) == [(4_000, 14_000, 0, 0), (4_000, 4_000, 0, 0)]
    if not skip_queue:
        (applied,) = rows(blnk, "parent_transaction", refund["transaction_id"])
        assert (applied["reference"], applied["status"]) == (f"{original}_refund_q", "APPLIED")


def test_a_refund_without_options_is_queued_and_may_overdraw(blnk: Client, drained: Callable[[], None]) -> None:
    alice, bob, carol = funded(blnk), balance(blnk), balance(blnk)
    original = spent(blnk, alice, bob, 40)
    spent(blnk, bob, carol, 40)
    assert done(blnk.transactions.refund(original))["status"] == "QUEUED"
    drained()
    assert totals(blnk, alice, bob) == [(4_000, 14_000, 0, 0), (8_000, 4_000, 0, 0)]


def test_a_committed_hold_is_refunded_and_a_voided_one_is_held_back_again(blnk: Client) -> None:
    alice, bob = funded(blnk), balance(blnk)
    held = hold(blnk, alice, bob, 50)
    done(blnk.transactions.update_status(held, {"status": "commit", "amount": 30, "skip_queue": True}), 200)
    refund = done(blnk.transactions.refund(held, {"skip_queue": True}))
    assert (refund["status"], refund["precise_amount"]) == ("APPLIED", 3_000)
    other = hold(blnk, alice, bob, 20)
    void = done(blnk.transactions.update_status(other, {"status": "void", "skip_queue": True}), 200)
    back = done(blnk.transactions.refund(other, {"skip_queue": True}))
    assert (back["status"], back["inflight"], back["source"]) == ("INFLIGHT", True, bob)
    assert back["parent_transaction"] == void["transaction_id"]
    assert totals(blnk, alice, bob) == [(3_000, 13_000, 2_000, 2_000), (3_000, 3_000, 2_000, 2_000)]


def test_a_queued_transaction_and_a_batch_are_refunded_by_their_ids(blnk: Client, drained: Callable[[], None]) -> None:
    alice, bob = funded(blnk), balance(blnk)
    queued = done(blnk.transactions.create(posting(alice, bob, 10)))["transaction_id"]
    items = [posting(alice, bob, 20), posting(alice, bob, 30)]
    batch = done(blnk.transactions.create_bulk({"skip_queue": True, "transactions": items}))["batch_id"]
    drained()
    assert totals(blnk, bob) == [(0, 6_000, 0, 0)]
    for target in (queued, batch):
        assert done(blnk.transactions.refund(target, {"skip_queue": True}))["status"] == "APPLIED"
        assert blnk.transactions.refund(target, {"skip_queue": True}).status == 409
    assert totals(blnk, alice, bob) == [(6_000, 16_000, 0, 0), (6_000, 6_000, 0, 0)]


@only_python  # the TypeScript SDK has no such options
def test_a_refund_may_say_why_and_be_tried_first(blnk: Client) -> None:
    alice, bob = funded(blnk), balance(blnk)
    original = spent(blnk, alice, bob, 40, meta_data={"order": 7, "by": "shop"})
    before = totals(blnk, alice, bob)
    preview = done(blnk.transactions.refund(original, {"dry_run": True}), 200)
    assert (preview["would_apply"], preview["reference"]) == (True, f"{original}_refund")
    assert (preview["precise_amount"], preview["status"]) == ("4000", "APPLIED")
    assert [(each["balance_id"], each["resulting_balance"]) for each in preview["balances"]] == [
        (bob, "0"),
        (alice, "10000"),
    ]
    assert preview["notes"] == [f"projected refund of transaction {original}"]
    lost = blnk.transactions.refund("txn_x", {"dry_run": True})
    assert (lost.status, lost.message) == (404, "transaction txn_x not found for refund")
    assert totals(blnk, alice, bob) == before

    asked = {"skip_queue": True, "description": "broken", "meta_data": {"by": "support"}}
    refund = done(blnk.transactions.refund(original, asked))
    assert refund["description"] == "broken"
    assert refund["meta_data"] == {"order": 7, "by": "support", "allow_overdraft": True}
    preview = done(blnk.transactions.refund(original, {"dry_run": True}), 200)
    assert (preview["would_apply"], preview["rejection"]["code"]) == (False, "GEN_CONFLICT")
