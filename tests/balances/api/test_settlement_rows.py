"""Commits and voids over REST: bulk answers item by item, then answers and rows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from balances.ground.amounts import transaction_hash
from balances.models import Transaction
from balances.models.queue import Entry
from tests.balances.api.test_settlement_contract import (
    COMMITTED,
    DIFFER,
    FRACTION,
    INFLIGHT,
    NOT_FOUND,
    ORIGINAL,
    REMAINING,
    SMALL,
    VOIDED,
    WAITING,
    ids,
    split,
)
from tests.client import Answer, Client
from tests.wire import (
    assert_no_drift,
    assert_refused,
    body,
    create,
    drain,
    filled,
    hold,
    queued,
    row,
    settle,
    settled,
    sums,
    under,
    wallets,
    written,
)

__all__ = ["ids"]
pytestmark = pytest.mark.django_db

ZERO = "0001-01-01T00:00:00Z"
COMMIT, VOID = "/transactions/inflight/bulk/commit", "/transactions/inflight/bulk/void"
KEYS = [
    "precise_amount", "amount", "amount_string", "precision", "overdraft_limit", "transaction_id", "parent_transaction",
    "source", "destination", "reference", "currency", "description", "status", "hash", "allow_overdraft", "inflight",
    "skip_queue", "atomic", "created_at", "effective_date", "scheduled_for", "inflight_expiry_date",
    "inflight_commit_date", "meta_data",
]  # fmt: skip


def commit(api: Client, *items: Any, **options: Any) -> Answer:
    return api.post(COMMIT, {"transactions": list(items)} | options)


def void(api: Client, *items: Any, **options: Any) -> Answer:
    return api.post(VOID, {"transaction_ids": list(items)} | options)


@pytest.mark.parametrize(
    ("path", "raw", "text"),
    [
        (COMMIT, b"", "EOF"),
        (VOID, b"", "EOF"),
        (COMMIT, b"{", "unexpected EOF"),
        (VOID, b"[]", "json: cannot unmarshal array into Go value of type model.BulkInflightVoidRequest"),
        (COMMIT, b"[]", "json: cannot unmarshal array into Go value of type model.BulkInflightCommitRequest"),
        (
            VOID, b'{"transaction_ids":[5]}',
            "json: cannot unmarshal number into Go struct field BulkInflightVoidRequest.transaction_ids of type string",
        ),
        (COMMIT, b'{"transactions":[{"precise_amount":"5"}]}', 'math/big: cannot unmarshal "\\"5\\"" into a *big.Int'),
        (
            COMMIT, b'{"transactions":[{"amount":"5"}]}',
            "json: cannot unmarshal string into Go struct field BulkInflightCommitItem.transactions.amount "
            "of type float64",
        ),
    ],
)  # fmt: skip
def test_bulk_bodies_that_cannot_be_read_are_told_as_plain_text_that_is_json(
    api: Client, path: str, raw: bytes, text: str
) -> None:
    answer = api.post(path, raw)
    assert_refused(answer, 400, "GEN_MALFORMED_REQUEST", text)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "given", "code", "text"),
    [
        (COMMIT, {}, "TXN_BULK_EMPTY", "transactions cannot be empty"),
        (COMMIT, {"transactions": []}, "TXN_BULK_EMPTY", "transactions cannot be empty"),
        (VOID, {}, "TXN_BULK_EMPTY", "transaction_ids cannot be empty"),
        (VOID, {"transaction_ids": []}, "TXN_BULK_EMPTY", "transaction_ids cannot be empty"),
        (
            COMMIT, {"transactions": [{"transaction_id": "x"}] * 101},
            "TXN_BULK_LIMIT_EXCEEDED", "too many transactions; max is 100",
        ),
        (
            VOID, {"transaction_ids": ["x"] * 101},
            "TXN_BULK_LIMIT_EXCEEDED", "too many transaction_ids; max is 100",
        ),
    ],
)  # fmt: skip
def test_too_little_and_too_much_at_once_is_refused(api: Client, path: str, given: Any, code: str, text: str) -> None:
    for skip_queue in (True, False):
        assert_refused(api.post(path, given | {"skip_queue": skip_queue}), 400, code, text)


Item = tuple[Any, str | None, str, str]
UNKNOWN = "NOT_FOUND: " + NOT_FOUND
COMMIT_EITHER_WAY: list[Item] = [
    ({"transaction_id": "txn_x"}, None, "NOT_FOUND", UNKNOWN.format("txn_x")),
    ({"transaction_id": ""}, None, "NOT_FOUND", UNKNOWN.format("")),
    ({}, None, "NOT_FOUND", UNKNOWN.format("")),
    (None, None, "NOT_FOUND", UNKNOWN.format("")),
    ({"transaction_id": "<applied>"}, "<applied>", "NOT_INFLIGHT", INFLIGHT),
    ({"transaction_id": "<rejected>"}, "<rejected>", "NOT_INFLIGHT", INFLIGHT),
    ({"transaction_id": "<scheduled>"}, "<scheduled>", "NOT_INFLIGHT", INFLIGHT),
    ({"transaction_id": "<voided>"}, "<voided>", "ALREADY_VOIDED", VOIDED),
    ({"transaction_id": "<committed>"}, "<committed>", "ALREADY_COMMITTED", COMMITTED.format("commit")),
    ({"transaction_id": "<queued_committed>"}, None, "ALREADY_COMMITTED", COMMITTED.format("commit")),
    (
        {"transaction_id": "<open>", "precise_amount": 1001}, None,
        "INVALID_AMOUNT", ORIGINAL.format("10.00", "10.01"),
    ),
    (
        {"transaction_id": "<partly>", "amount": 6.01}, None,
        "INVALID_AMOUNT", REMAINING.format("6.00", "6.01"),
    ),
    ({"transaction_id": "<open>", "amount": -1}, None, "INTERNAL_ERROR", "commit amount cannot be negative"),
    ({"transaction_id": "<open>", "precise_amount": -1}, None, "INTERNAL_ERROR", "commit amount cannot be negative"),
    ({"transaction_id": "<open>", "amount": 0.001}, None, "INVALID_AMOUNT", SMALL),
    ({"transaction_id": "<open>", "amount": 4.005}, None, "INVALID_AMOUNT", FRACTION),
    ({"transaction_id": "<open>", "precise_amount": 0}, None, "INVALID_AMOUNT", "precise_amount must be positive"),
    ({"transaction_id": "<open>", "amount": 4, "precise_amount": 401}, None, "INVALID_AMOUNT", DIFFER),
]  # fmt: skip
VOID_EITHER_WAY: list[Item] = [
    ("txn_x", None, "NOT_FOUND", UNKNOWN.format("txn_x")),
    ("", None, "NOT_FOUND", UNKNOWN.format("")),
    (None, None, "NOT_FOUND", UNKNOWN.format("")),
    ("<applied>", None, "NOT_INFLIGHT", INFLIGHT),
    ("<partly_voided>", None, "ALREADY_VOIDED", VOIDED),
    ("<committed>", None, "ALREADY_COMMITTED", COMMITTED.format("void")),
]
EXPANDED_NEVER: list[Item] = [({"transaction_id": "<legs>"}, None, "NOT_FOUND", UNKNOWN.format("<legs>"))]


@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
def test_items_that_fail_are_told_one_by_one_and_write_nothing(
    api: Client, ids: dict[str, str], skip_queue: bool
) -> None:
    before = written()
    tables = [(COMMIT, "transactions", COMMIT_EITHER_WAY), (VOID, "transaction_ids", VOID_EITHER_WAY)]
    if skip_queue:
        tables.append((COMMIT, "transactions", EXPANDED_NEVER))
    for path, name, table in tables:
        table = filled([list(each) for each in table], ids)
        answer = api.post(path, {name: [each[0] for each in table], "skip_queue": skip_queue})
        assert answer.status == 200
        assert list(answer.body) == ["succeeded", "failed", "results"]
        assert (answer.body["succeeded"], answer.body["failed"]) == (0, len(table))
        for result, (item, _, code, said) in zip(answer.body["results"], table, strict=True):
            text = said if skip_queue else said.replace("cannot void. ", "cannot commit. ")  # as the contract has it
            asked = (item or {}).get("transaction_id", "") if isinstance(item, dict | None) else item
            expected = {"transaction_id": asked or "", "status": "failed", "code": code, "message": text}
            assert list(result.items()) == list(expected.items())
    assert written() == before


def test_items_are_queued_once_each_and_count_as_succeeded(api: Client, ids: dict[str, str]) -> None:
    answer = commit(
        api, {"transaction_id": ids["open"]}, {"transaction_id": "txn_x"}, {"transaction_id": ids["open"]},
        {"transaction_id": ids["pending"]}, {"transaction_id": ids["legs"], "precise_amount": 100},
        {"transaction_id": ids["queued"], "amount": 4},
    )  # fmt: skip
    assert (answer.body["succeeded"], answer.body["failed"]) == (5, 1)
    waits = {"transaction_id": ids["pending"], "status": "queued", "code": "ALREADY_QUEUED", "message": WAITING}
    assert list(answer.body["results"][3].items()) == list(waits.items())
    assert list(answer.body["results"][0]) == ["transaction_id", "status", "code"]
    states = [(result["status"], result["code"]) for result in answer.body["results"]]
    assert states == [
        ("queued", "QUEUED"), ("failed", "NOT_FOUND"), ("queued", "ALREADY_QUEUED"), ("queued", "ALREADY_QUEUED"),
        ("queued", "QUEUED"), ("queued", "QUEUED"),
    ]  # fmt: skip
    drain()
    assert under(ids["open"]) == [("APPLIED", 1000)]
    assert under(row("legs-1").pk) == under(row("legs-2").pk) == [("APPLIED", 100)]
    assert under(row("queued_q").pk) == [("APPLIED", 400)]
    assert under(ids["pending"]) == [("APPLIED", 1000)]
    assert_no_drift()


def test_items_settled_at_once_succeed_in_three_keys_less(api: Client, ids: dict[str, str]) -> None:
    answer = commit(
        api, {"transaction_id": ids["open"], "precise_amount": 100}, {"transaction_id": ids["open"], "amount": 2},
        {"transaction_id": ids["partly"], "amount": 0}, {"transaction_id": ids["queued"]},
        {"transaction_id": ids["open"], "precise_amount": 701}, skip_queue=True,
    )  # fmt: skip
    results = answer.body["results"]
    assert [list(each) for each in results[:4]] == [["transaction_id", "status"]] * 4
    assert [each["status"] for each in results] == ["succeeded"] * 4 + ["failed"]
    assert results[4]["message"] == REMAINING.format("7.00", "7.01")
    assert under(ids["open"]) == [("APPLIED", 100), ("APPLIED", 200)]
    assert under(ids["partly"]) == [("APPLIED", 400), ("APPLIED", 600)]
    # Ours hangs under the hold; the original's under the queued row.
    assert under(row("queued_q").pk) == [("APPLIED", 1000)]
    answer = void(api, ids["open"], ids["open"], ids["pending"], skip_queue=True)
    assert [each["status"] for each in answer.body["results"]] == ["succeeded", "failed", "succeeded"]
    assert answer.body["results"][1]["code"] == "ALREADY_VOIDED"
    assert under(ids["open"]) == [("APPLIED", 100), ("APPLIED", 200), ("VOID", 700)]
    drain()  # the commit that was queued before finds nothing to do
    assert under(ids["pending"]) == [("VOID", 1000)]
    assert_no_drift()


@pytest.mark.parametrize(
    ("status", "part", "units", "hashed"),
    [
        ("commit", {}, 1000, "10"),
        ("commit", {"amount": 0, "precise_amount": None}, 1000, "10"),
        ("commit", {"precise_amount": 400}, 400, "10"),
        ("commit", {"amount": 4}, 400, "10"),
        ("commit", {"amount": 4, "precise_amount": 400}, 400, "10"),
        ("commit", {"amount": 0, "precise_amount": 400}, 400, "10"),
        ("void", {}, 1000, "10"),
        ("void", {"amount": 0, "precise_amount": None}, 1000, "10"),
    ],
)
def test_a_settlement_at_once_answers_its_row_key_by_key(
    api: Client, status: str, part: Any, units: int, hashed: str
) -> None:
    wallets()
    transaction_id = hold(api, "h", meta_data={"k": "v"}, effective_date="2026-01-02T03:04:05Z")
    answer = settle(api, transaction_id, status, **part)
    given = answer.body
    assert answer.status == 200
    assert list(given) == KEYS
    reference = given["reference"]
    assert re.fullmatch(r"ref_[0-9a-f-]{36}", reference)
    at = datetime.fromisoformat(given["created_at"])
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
    assert given == given | {
        "precise_amount": units, "amount": units // 100, "amount_string": str(units // 100), "precision": 100,
        "overdraft_limit": 0, "parent_transaction": transaction_id, "source": "bln_alice", "destination": "bln_bob",
        "currency": "USD", "description": "d", "status": "APPLIED" if status == "commit" else "VOID",
        "hash": transaction_hash(Decimal(hashed), reference, "USD", "bln_alice", "bln_bob"),
        "allow_overdraft": False, "inflight": False, "skip_queue": False, "atomic": False,
        "effective_date": given["created_at"], "scheduled_for": ZERO, "inflight_expiry_date": ZERO,
        "inflight_commit_date": ZERO, "meta_data": {"k": "v"},
    }  # fmt: skip
    assert sums("bln_alice") == ((0, 100_000, 0, 0) if status == "void" else (units, 100_000, 1000 - units, 0))
    stored = api.get(f"/transactions/{given['transaction_id']}").body
    assert stored == {key: value for key, value in given.items() if key != "amount_string"}
    assert api.get(f"/transactions/{transaction_id}").body["status"] == "INFLIGHT"
    assert_no_drift()


def test_the_hash_of_a_full_commit_covers_what_remained_and_that_of_a_part_the_amount_of_the_hold(api: Client) -> None:
    wallets()
    transaction_id = hold(api, "h")
    other = hold(api, "h2")
    settled(api, other, units=300)
    answers = [(settle(api, transaction_id, units=part), hashed) for part, hashed in ((300, "10"), (250, "10"))]
    answers += [(settle(api, transaction_id), "4.5"), (settle(api, other, "void"), "10")]
    for answer, hashed in answers:
        reference = answer.body["reference"]
        assert answer.body["hash"] == transaction_hash(Decimal(hashed), reference, "USD", "bln_alice", "bln_bob")


@pytest.mark.parametrize("status", ["commit", "void"])
def test_a_queued_settlement_answers_the_unchanged_hold_and_is_done_by_a_worker(api: Client, status: str) -> None:
    wallets()
    transaction_id = hold(api, "h", meta_data={"k": "v"})
    stored = api.get(f"/transactions/{transaction_id}").body
    totals = sums("bln_alice")
    answer = api.put(f"/transactions/inflight/{transaction_id}", {"status": status})
    assert (answer.status, answer.body) == (200, stored | {"queued": True})
    assert list(answer.body)[-1] == "queued"
    assert (answer.body["status"], answer.body["inflight"], answer.body["skip_queue"]) == ("INFLIGHT", True, False)
    assert "amount_string" not in answer.body
    assert (under(transaction_id), sums("bln_alice")) == ([], totals)
    assert drain() == 1
    found = Transaction.objects.get(parent_transaction=transaction_id)
    assert (found.status, found.precise_amount) == ("APPLIED" if status == "commit" else "VOID", 1000)
    assert re.fullmatch(rf"{transaction_id}_{status}_act_[0-9a-f-]{{36}}", str(found.reference))
    assert found.meta_data == {"k": "v"}
    assert found.effective_date == found.created_at
    assert_no_drift()


def test_a_queued_settlement_of_a_queued_id_answers_the_queued_row_and_waits_for_its_hold(api: Client) -> None:
    wallets()
    transaction_id = create(api, queued("q", inflight=True))
    answer = api.put(f"/transactions/inflight/{transaction_id}", {"status": "commit", "precise_amount": 400})
    assert (answer.body["transaction_id"], answer.body["status"]) == (transaction_id, "QUEUED")
    assert (answer.body["inflight"], answer.body["queued"]) == (True, True)
    drain()
    found = row("q_q")
    assert (found.status, found.parent_transaction) == ("INFLIGHT", transaction_id)
    (commit_row,) = Transaction.objects.filter(parent_transaction=found.pk)
    assert str(commit_row.reference).startswith(f"{found.pk}_commit_act_")
    assert (commit_row.meta_data or {})["QUEUED_PARENT_TRANSACTION"] == transaction_id
    assert "inflight" not in (commit_row.meta_data or {})
    assert sums("bln_alice") == (400, 100_000, 600, 0)
    assert_no_drift()


def test_a_settlement_at_once_of_a_queued_id_does_not_wait_for_a_worker(api: Client) -> None:
    wallets()
    for status in ("commit", "void"):
        transaction_id = create(api, queued(f"q-{status}", inflight=True))
        answer = settle(api, transaction_id, status)
        assert (answer.status, answer.body["parent_transaction"]) == (200, row(f"q-{status}_q").pk)
    assert not Entry.objects.exists()
    assert sums("bln_alice") == (1000, 100_000, 0, 0)
    assert_no_drift()


@pytest.mark.parametrize("first", ["queued", "at once"])
def test_a_parent_answers_its_newest_leg_under_its_own_id_and_settles_each(api: Client, first: str) -> None:
    wallets()
    parent = create(api, split((queued if first == "queued" else body)("s", inflight=True)))
    drain()
    answer = api.put(f"/transactions/inflight/{parent}", {"status": "commit", "precise_amount": 100})
    newest = row("s_2_q" if first == "queued" else "s-2")
    assert answer.body["transaction_id"] == parent
    assert (answer.body["reference"], answer.body["precise_amount"]) == (newest.reference, 400)
    assert (answer.body["status"], answer.body["queued"]) == ("INFLIGHT", True)
    drain()
    given = settle(api, parent, "void").body
    assert (given["parent_transaction"], given["precise_amount"]) == (newest.pk, 300)
    assert sums("bln_alice") == (200, 100_000, 0, 0)
    assert (sums("bln_bob"), sums("bln_carol")) == ((0, 100, 0, 0), (0, 100, 0, 0))
    assert_no_drift()


def test_a_batch_is_settled_by_its_id(api: Client) -> None:
    wallets()
    given = {"transactions": [queued("a", 500), queued("b", 700)], "inflight": True}
    batch_id = api.post("/transactions/bulk", given).body["batch_id"]
    answer = settle(api, batch_id, units=100)
    assert (answer.status, answer.body["parent_transaction"]) == (200, row("b_q").pk)
    assert (answer.body["meta_data"]["sequence"], answer.body["meta_data"]["QUEUED_PARENT_TRANSACTION"]) == (
        2,
        batch_id,
    )
    assert api.put(f"/transactions/inflight/{batch_id}", {"status": "void"}).status == 200
    drain()
    assert sums("bln_alice") == (200, 100_000, 0, 0)
    assert_no_drift()


def test_major_units_of_holds_of_several_precisions_are_not_guessed(api: Client) -> None:
    wallets()
    items = [body("cents", inflight=True), body("units", 10, inflight=True, precision=1)]
    sent = {"transactions": items, "inflight": True, "skip_queue": True}
    batch_id = api.post("/transactions/bulk", sent).body["batch_id"]
    refused = api.put(f"/transactions/inflight/{batch_id}", {"status": "commit", "amount": 1})
    assert (refused.status, refused.body["error_detail"]["code"]) == (400, "TXN_INVALID_AMOUNT")
    assert (
        refused.body["error"] == f"the holds under {batch_id} have several precisions: send precise_amount, not amount"
    )
    assert settle(api, batch_id, amount=1).status == 200  # at once each hold is asked for its own
    assert (under(row("cents").pk), under(row("units").pk)) == ([("APPLIED", 100)], [("APPLIED", 1)])
    assert_no_drift()
