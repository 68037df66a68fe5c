"""Holds through Blnk's SDKs, unchanged: committed in parts, voided, expired, one by one and in bulk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.clients.cast import balance, done, funded, hold, of_reference, only_python, posting, rows, totals
from tests.clients.sdks import Answer, Client

pytestmark = pytest.mark.django_db(transaction=True)
PAST = datetime(2026, 1, 1, tzinfo=UTC)
BOTH_WAYS = pytest.mark.parametrize("skip_queue", [False, True])
COMMITTED = "Transaction already committed"
VOIDED = "transaction has already been voided"
QUEUED_ALREADY = "a commit or void is already queued for this transaction"


def settle(blnk: Client, transaction_id: str, status: str, **fields: Any) -> Answer:
    return blnk.transactions.update_status(transaction_id, {"status": status} | fields)


def refusal(answer: Answer) -> tuple[int, str | None, str]:
    return answer.status, answer.code, answer.message


def processing(message: str, *, skip_queue: bool) -> str:
    """Return how a refusal reads: what is settled at once is settled leg by leg."""
    return f"error occurred during processing: [{message}]" if skip_queue else message


@pytest.mark.parametrize("status", ["commit", "void"])
def test_what_is_no_hold_cannot_be_settled(blnk: Client, status: str) -> None:
    alice = funded(blnk)
    applied = done(blnk.transactions.create(posting(alice, "@shop", 1, skip_queue=True)))["transaction_id"]
    unknown = "Transaction with ID 'txn_x' not found"
    assert refusal(settle(blnk, "txn_x", status)) == (404, "TXN_NOT_FOUND", unknown)
    nothing = (400, "TXN_NOT_INFLIGHT", f"no transaction to {status}")
    assert refusal(settle(blnk, "txn_x", status, skip_queue=True)) == nothing
    assert refusal(settle(blnk, applied, status, skip_queue=True)) == nothing
    applied_already = (400, "TXN_NOT_INFLIGHT", "transaction is not in inflight status")
    assert refusal(settle(blnk, applied, status)) == applied_already


@BOTH_WAYS
def test_amounts_that_do_not_fit_are_refused(blnk: Client, skip_queue: bool) -> None:
    alice, bob = funded(blnk), balance(blnk)
    held = hold(blnk, alice, bob, 100)
    way: dict[str, Any] = {"skip_queue": skip_queue}
    much = "cannot commit more than the original transaction amount. Original: USD100.00, Requested: USD110.00"
    answer = settle(blnk, held, "commit", precise_amount=11_000, **way)
    assert refusal(answer) == (400, "TXN_COMMIT_AMOUNT_EXCEEDED", processing(much, skip_queue=skip_queue))
    negative = settle(blnk, held, "commit", amount=-10, **way)
    assert (negative.status, negative.code) == (400, "GEN_BAD_REQUEST")
    assert "commit amount cannot be negative" in negative.message
    zero = settle(blnk, held, "commit", precise_amount=0, **way)
    assert refusal(zero) == (400, "TXN_INVALID_AMOUNT", "precise_amount must be positive")
    other = settle(blnk, held, "expire", **way)
    assert refusal(other) == (400, "TXN_INVALID_STATUS_ACTION", "status not supported. use either commit or void")
    done(settle(blnk, held, "commit", amount=40, skip_queue=True), 200)
    rest = "cannot commit more than the remaining amount. Available: USD60.00, Requested: USD70.00"
    answer = settle(blnk, held, "commit", amount=70, **way)
    assert refusal(answer) == (400, "TXN_COMMIT_AMOUNT_EXCEEDED", processing(rest, skip_queue=skip_queue))
    assert totals(blnk, alice, bob) == [(4_000, 10_000, 6_000, 0), (0, 4_000, 0, 6_000)]


@BOTH_WAYS
def test_a_partial_commit_that_rounds_to_nothing_is_refused(blnk: Client, skip_queue: bool) -> None:
    """The original commits everything."""
    alice, bob = funded(blnk), balance(blnk)
    held = hold(blnk, alice, bob, 100)
    answer = settle(blnk, held, "commit", amount=0.001, skip_queue=skip_queue)
    assert (answer.status, answer.code) == (400, "TXN_INVALID_AMOUNT")
    assert totals(blnk, alice) == [(0, 10_000, 10_000, 0)]


@BOTH_WAYS
def test_a_hold_is_settled_once(blnk: Client, skip_queue: bool) -> None:
    alice, bob = funded(blnk), balance(blnk)
    committed, voided = hold(blnk, alice, bob, 10), hold(blnk, alice, bob, 20)
    done(settle(blnk, committed, "commit", skip_queue=True), 200)
    done(settle(blnk, voided, "void", skip_queue=True), 200)
    for status in ("commit", "void"):
        again = settle(blnk, committed, status, skip_queue=skip_queue)
        assert (again.status, again.code) == (409, "TXN_ALREADY_COMMITTED")
        assert COMMITTED in again.message
        again = settle(blnk, voided, status, skip_queue=skip_queue)
        assert refusal(again) == (409, "TXN_ALREADY_VOIDED", processing(VOIDED, skip_queue=skip_queue))
    assert totals(blnk, alice, bob) == [(1_000, 10_000, 0, 0), (0, 1_000, 0, 0)]


def test_a_hold_is_committed_in_parts_and_the_rest_is_voided(blnk: Client) -> None:
    alice, bob = funded(blnk), balance(blnk)
    held = hold(blnk, alice, bob, 100, meta_data={"order": 7})
    assert totals(blnk, alice, bob) == [(0, 10_000, 10_000, 0), (0, 0, 0, 10_000)]
    steps = [
        ("commit", {"amount": 30}, "APPLIED", 3_000, [(3_000, 10_000, 7_000, 0), (0, 3_000, 0, 7_000)]),
        ("commit", {"precise_amount": 2_501}, "APPLIED", 2_501, [(5_501, 10_000, 4_499, 0), (0, 5_501, 0, 4_499)]),
        ("void", {"amount": 0}, "VOID", 4_499, [(5_501, 10_000, 0, 0), (0, 5_501, 0, 0)]),
    ]
    for status, fields, settled, units, after in steps:
        row = done(settle(blnk, held, status, skip_queue=True, **fields), 200)
        assert (row["status"], row["precise_amount"], row["parent_transaction"]) == (settled, units, held)
        assert (row["source"], row["destination"], row["inflight"]) == (alice, bob, False)
        assert row["meta_data"] == {"order": 7}
        assert "queued" not in row
        assert totals(blnk, alice, bob) == after
    assert done(blnk.transactions.get(held), 200)["status"] == "INFLIGHT"


def test_a_queued_commit_answers_the_hold_and_is_done_by_the_worker(blnk: Client, drained: Callable[[], None]) -> None:
    alice, bob = funded(blnk), balance(blnk)
    held, other = hold(blnk, alice, bob, 60), hold(blnk, alice, bob, 40)
    read = done(blnk.transactions.get(held), 200)
    answer = done(settle(blnk, held, "commit", amount=25), 200)
    assert {key: answer[key] for key in read.keys() - {"effective_date"}} == {
        key: value for key, value in read.items() if key != "effective_date"
    }
    assert answer["queued"] is True
    assert answer["status"] == "INFLIGHT"
    assert done(settle(blnk, other, "void"), 200)["queued"] is True
    assert refusal(settle(blnk, held, "void")) == (409, "GEN_CONFLICT", QUEUED_ALREADY)
    drained()
    assert totals(blnk, alice, bob) == [(2_500, 10_000, 3_500, 0), (0, 2_500, 0, 3_500)]
    (commit,), (void,) = rows(blnk, "parent_transaction", held), rows(blnk, "parent_transaction", other)
    assert (commit["status"], commit["precise_amount"]) == ("APPLIED", 2_500)
    assert commit["reference"].startswith(f"{held}_commit_act_")
    assert (void["status"], void["precise_amount"]) == ("VOID", 4_000)
    assert void["reference"].startswith(f"{other}_void_act_")


@BOTH_WAYS
def test_a_queued_hold_is_settled_by_the_id_of_its_request(
    blnk: Client, drained: Callable[[], None], skip_queue: bool
) -> None:
    alice, bob = funded(blnk), balance(blnk)
    body = posting(alice, bob, 50, inflight=True)
    created = done(blnk.transactions.create(body))
    parent = created["transaction_id"]
    assert (created["status"], created["inflight"]) == ("QUEUED", True)
    assert done(blnk.transactions.get(parent), 200)["inflight"] is True
    drained()
    assert of_reference(blnk, body["reference"]) == [("", "QUEUED", "", 5_000), ("_q", "INFLIGHT", parent, 5_000)]
    assert totals(blnk, alice, bob) == [(0, 10_000, 5_000, 0), (0, 0, 0, 5_000)]
    held = rows(blnk, "parent_transaction", parent)[0]["transaction_id"]
    answer = done(settle(blnk, parent, "commit", skip_queue=skip_queue), 200)
    if skip_queue:
        assert (answer["status"], answer["parent_transaction"]) == ("APPLIED", held)
    else:
        assert (answer["status"], answer["transaction_id"], answer["queued"]) == ("QUEUED", parent, True)
    drained()
    assert totals(blnk, alice, bob) == [(5_000, 10_000, 0, 0), (0, 5_000, 0, 0)]


def test_holds_end_by_themselves_at_their_dates(blnk: Client, drained: Callable[[], None]) -> None:
    """Of a hold that was committed in part, expiry releases the rest."""
    alice, bob = funded(blnk), balance(blnk)
    expired = hold(blnk, alice, bob, 50, inflight_expiry_date=datetime(2099, 1, 1, tzinfo=UTC))
    done(settle(blnk, expired, "commit", amount=20, skip_queue=True), 200)
    lapsed = posting(alice, bob, 10, inflight=True, skip_queue=True, inflight_expiry_date=PAST)
    kept = posting(alice, bob, 5, inflight=True, skip_queue=True, inflight_commit_date=PAST)
    sent = [done(blnk.transactions.create(body)) for body in (lapsed, kept)]
    assert [row["inflight_expiry_date"] for row in sent] == ["2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
    assert [row["inflight_commit_date"] for row in sent] == ["0001-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]
    drained()
    ended = [rows(blnk, "parent_transaction", row["transaction_id"])[0]["status"] for row in sent]
    assert ended == ["VOID", "APPLIED"]
    assert totals(blnk, alice, bob) == [(2_500, 10_000, 3_000, 0), (0, 2_500, 0, 3_000)]


@BOTH_WAYS
def test_many_holds_are_committed_in_one_call_each_with_an_outcome_of_its_own(
    blnk: Client, drained: Callable[[], None], skip_queue: bool
) -> None:
    alice, bob = funded(blnk), balance(blnk)
    full, part, small = (hold(blnk, alice, bob, 10) for _ in range(3))
    applied = done(blnk.transactions.create(posting(alice, bob, 1, skip_queue=True)))["transaction_id"]
    items = [
        {"transaction_id": full},
        {"transaction_id": part, "amount": 4},
        {"transaction_id": "txn_x"},
        {"transaction_id": small, "precise_amount": 99_999},
        {"transaction_id": applied},
    ]
    answer = done(blnk.transactions.bulk_commit_inflight({"transactions": items, "skip_queue": skip_queue}), 200)
    did = {"status": "succeeded"} if skip_queue else {"status": "queued", "code": "QUEUED"}
    much = "cannot commit more than the original transaction amount. Original: USD10.00, Requested: USD999.99"
    no_hold = "transaction is not in inflight status"
    assert answer == {
        "succeeded": 2,
        "failed": 3,
        "results": [
            {"transaction_id": full} | did,
            {"transaction_id": part} | did,
            failed("txn_x", "NOT_FOUND", "NOT_FOUND: Transaction with ID 'txn_x' not found"),
            failed(small, "INVALID_AMOUNT", much),
            failed(applied, "NOT_INFLIGHT", no_hold),
        ],
    }
    drained()
    assert totals(blnk, alice, bob) == [(1_500, 10_000, 1_600, 0), (0, 1_500, 0, 1_600)]
    again = done(blnk.transactions.bulk_commit_inflight({"transactions": items[:1], "skip_queue": skip_queue}), 200)
    assert again["results"] == [failed(full, "ALREADY_COMMITTED", "cannot commit. Transaction already committed")]


@BOTH_WAYS
def test_many_holds_are_voided_in_one_call(blnk: Client, drained: Callable[[], None], skip_queue: bool) -> None:
    alice, bob = funded(blnk), balance(blnk)
    held = [hold(blnk, alice, bob, 10) for _ in range(3)]
    asked = {"transaction_ids": [*held, "txn_x"], "skip_queue": skip_queue}
    answer = done(blnk.transactions.bulk_void_inflight(asked), 200)
    assert (answer["succeeded"], answer["failed"]) == (3, 1)
    assert [each["transaction_id"] for each in answer["results"]] == asked["transaction_ids"]
    drained()
    assert totals(blnk, alice, bob) == [(0, 10_000, 0, 0), (0, 0, 0, 0)]
    again = done(blnk.transactions.bulk_void_inflight(asked), 200)
    assert again["results"][0] == failed(held[0], "ALREADY_VOIDED", VOIDED)


def test_what_is_queued_already_is_told_so(blnk: Client) -> None:
    alice, bob = funded(blnk), balance(blnk)
    held = hold(blnk, alice, bob, 10)
    for _ in range(2):
        answer = done(blnk.transactions.bulk_commit_inflight({"transactions": [{"transaction_id": held}] * 2}), 200)
    assert answer == {
        "succeeded": 2,
        "failed": 0,
        "results": [
            {"transaction_id": held, "status": "queued", "code": "ALREADY_QUEUED", "message": QUEUED_ALREADY}
        ] * 2,
    }  # fmt: skip


@only_python  # the TypeScript SDK has no such option
def test_dry_runs_settle_nothing(blnk: Client) -> None:
    alice, bob = funded(blnk), balance(blnk)
    held = hold(blnk, alice, bob, 50)
    before = totals(blnk, alice, bob)
    commit = done(settle(blnk, held, "commit", amount=20, dry_run=True), 200)
    assert (commit["would_apply"], commit["operation"], commit["status"]) == (True, "commit", "APPLIED")
    assert (commit["amount"], commit["precise_amount"], commit["precision"]) == (20, "2000", 100)
    paid, got = commit["balances"]
    assert (paid["balance_id"], paid["role"], got["balance_id"], got["role"]) == (alice, "source", bob, "destination")
    assert [paid[f"{key}_available"] for key in ("current", "resulting")] == ["5000", "5000"]
    assert paid["resulting_balance"] == "8000"
    assert (got["resulting_credit_balance"], got["resulting_inflight_credit_balance"]) == ("2000", "3000")

    void = done(settle(blnk, held, "void", amount=0, dry_run=True), 200)
    assert (void["operation"], void["status"], void["precise_amount"]) == ("void", "VOID", "5000")
    assert settle(blnk, held, "void", amount=20, dry_run=True).status == 400

    much = done(settle(blnk, held, "commit", amount=51, dry_run=True), 200)
    assert (much["would_apply"], much["balances"]) == (False, [])
    assert much["rejection"]["code"] == "TXN_COMMIT_AMOUNT_EXCEEDED"
    assert settle(blnk, "txn_x", "commit", dry_run=True).status == 404

    asked = {"transactions": [{"transaction_id": held}, {"transaction_id": "txn_x"}], "dry_run": True}
    bulk = done(blnk.transactions.bulk_commit_inflight(asked), 200)
    assert (bulk["would_apply"], bulk["cumulative"]) == (False, False)
    assert [each["would_apply"] for each in bulk["results"]] == [True, False]
    lost = bulk["results"][1]
    assert lost["rejection"]["message"] == "NOT_FOUND: Transaction with ID 'txn_x' not found"
    assert (lost["rejection"]["code"], lost["precise_amount"], lost["balances"]) == ("GEN_NOT_FOUND", "", None)
    voids = done(blnk.transactions.bulk_void_inflight({"transaction_ids": [held], "dry_run": True}), 200)
    assert (voids["would_apply"], voids["results"][0]["operation"]) == (True, "void")
    assert totals(blnk, alice, bob) == before


def failed(transaction_id: str, code: str, message: str) -> dict[str, str]:
    return {"transaction_id": transaction_id, "status": "failed", "code": code, "message": message}
