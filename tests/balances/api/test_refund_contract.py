"""POST /refund-transaction/{id} and POST /transactions/recover: refusals with nothing written, then rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from balances.ground.amounts import transaction_hash
from balances.models import Balance, Transaction
from balances.models.queue import Entry
from tests import world
from tests.balances.api.test_settlement_contract import COMMITTED, FAILED, ids, split
from tests.balances.api.test_settlement_rows import KEYS, ZERO
from tests.client import Answer, Client
from tests.wire import (
    assert_no_drift,
    assert_refused,
    body,
    create,
    drain,
    hold,
    queued,
    row,
    settle,
    settled,
    sums,
    wallets,
    while_locked,
    written,
)

__all__ = ["ids"]
pytestmark = pytest.mark.django_db

REFUNDED = "transaction {} has already been refunded"


def refund(api: Client, transaction_id: str, **fields: Any) -> Answer:
    return api.post(f"/refund-transaction/{transaction_id}", {"skip_queue": True} | fields)


def test_what_moved_nothing_cannot_be_refunded(api: Client, ids: dict[str, str]) -> None:
    before = written()
    for name in ("open", "scheduled", "rejected", "rejected_q", "queued", "pending", "void", "legs", "nowhere"):
        for skip_queue in (True, False):
            answer = refund(api, ids.get(name, "txn_x"), skip_queue=skip_queue)
            assert_refused(answer, 404, "TXN_NOT_FOUND", "no transaction to refund")
    assert written() == before


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"{", "unexpected EOF"),
        (b"[]", "json: cannot unmarshal array into Go value of type api.refundTransactionRequest"),
        (
            b'{"skip_queue":"yes"}',
            "json: cannot unmarshal string into Go struct field refundTransactionRequest.skip_queue of type bool",
        ),
        (
            b'{"meta_data":5}',
            "json: cannot unmarshal number into Go struct field refundTransactionRequest.meta_data of type "
            "map[string]interface {}",
        ),
    ],
)
def test_a_body_that_cannot_be_read_is_told(api: Client, raw: bytes, text: str) -> None:
    wallets()
    transaction_id = create(api, body("a"))
    before = written()
    answer = api.post(f"/refund-transaction/{transaction_id}", raw)
    assert_refused(answer, 400, "GEN_MALFORMED_REQUEST", text)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert written() == before


@pytest.mark.parametrize("first", [True, False], ids=["first at once", "first queued"])
@pytest.mark.parametrize("second", [True, False], ids=["again at once", "again queued"])
def test_what_was_refunded_is_not_refunded_again(api: Client, first: bool, second: bool) -> None:
    wallets()
    transaction_id = create(api, body("a"))
    assert refund(api, transaction_id, skip_queue=first).status == 201
    for _ in range(2):
        before = written()
        answer = refund(api, transaction_id, skip_queue=second)
        assert_refused(answer, 409, "GEN_CONFLICT", FAILED.format(REFUNDED.format(transaction_id)))
        assert written() == before
        drain()
    assert sums("bln_alice") == (1000, 101_000, 0, 0)
    assert_no_drift()


def test_each_row_under_an_id_is_refunded_once_and_each_that_was_is_told(api: Client) -> None:
    wallets()
    transaction_id = hold(api, "h")
    first = settled(api, transaction_id, units=300)
    second = settled(api, transaction_id, units=200)
    assert refund(api, first).status == 201
    answer = refund(api, transaction_id)
    assert_refused(answer, 409, "GEN_CONFLICT", FAILED.format(REFUNDED.format(first)))
    assert sums("bln_alice") == (500, 100_500, 500, 0)  # the second one went back all the same
    before = written()
    answer = refund(api, transaction_id)
    text = FAILED.format(f"{REFUNDED.format(second)} {REFUNDED.format(first)}")
    assert_refused(answer, 409, "GEN_CONFLICT", text)
    assert written() == before
    assert_no_drift()


@pytest.mark.django_db(transaction=True)
def test_a_refund_whose_balance_is_locked_for_too_long_answers_423(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balances.recording.writing.LOCK_WAIT", "50ms")
    wallets()
    transaction_id = create(api, body("a"))
    before = written()
    with while_locked("bln_bob"):
        answer = refund(api, transaction_id)
    text = "failed to acquire lock: failed to acquire all locks within the wait timeout"
    assert_refused(answer, 423, "GEN_RESOURCE_LOCKED", text)
    assert written() == before


@pytest.mark.parametrize("raw", [b"", b"  ", b"null", b"{}"])
def test_a_refund_needs_no_body(api: Client, raw: bytes) -> None:
    wallets()
    answer = api.post(f"/refund-transaction/{create(api, body('a'))}", raw)
    assert (answer.status, answer.body["status"]) == (201, "QUEUED")


@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
def test_a_refund_answers_a_row_in_the_opposite_direction(api: Client, skip_queue: bool) -> None:
    wallets()
    original = create(api, body("a", meta_data={"a": 1, "b": 2}))
    world.post("bln_bob", "@world", 1000, reference="spent")  # so that only an overdraft can pay it back
    given = refund(api, original, skip_queue=skip_queue, description="why", meta_data={"b": 3, "c": 4}).body
    own = {"QUEUED_PARENT_TRANSACTION": given["transaction_id"]}
    assert list(given) == KEYS
    assert given == given | {
        "precise_amount": 1000, "amount": 10, "amount_string": "10", "precision": 100, "overdraft_limit": 0,
        "parent_transaction": original, "source": "bln_bob", "destination": "bln_alice",
        "reference": f"{original}_refund", "currency": "USD", "description": "why",
        "status": "APPLIED" if skip_queue else "QUEUED",
        "hash": transaction_hash(Decimal(10), f"{original}_refund", "USD", "bln_bob", "bln_alice"),
        "allow_overdraft": True, "inflight": False, "skip_queue": skip_queue, "atomic": False,
        "effective_date": given["created_at"], "scheduled_for": ZERO, "inflight_expiry_date": ZERO,
        "inflight_commit_date": ZERO,
        "meta_data": {"a": 1, "allow_overdraft": True, "b": 3, "c": 4} | ({} if skip_queue else own),
    }  # fmt: skip
    assert abs(datetime.fromisoformat(given["created_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    drain()
    if not skip_queue:
        outcome = row(f"{original}_refund_q")
        assert (outcome.status, outcome.parent_transaction) == ("APPLIED", given["transaction_id"])
        assert outcome.meta_data == given["meta_data"]
        assert outcome.hash == given["hash"]
    assert sums("bln_alice") == (1000, 101_000, 0, 0)
    assert sums("bln_bob") == (2000, 1000, 0, 0)
    assert_no_drift()


@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
def test_the_refund_of_a_void_is_a_hold_in_the_opposite_direction(api: Client, skip_queue: bool) -> None:
    wallets()
    transaction_id = hold(api, "h", meta_data={"k": "v"})
    void = settled(api, transaction_id, "void")
    given = refund(api, transaction_id, skip_queue=skip_queue).body
    assert (given["parent_transaction"], given["inflight"]) == (void, True)
    assert given["status"] == ("INFLIGHT" if skip_queue else "QUEUED")
    assert given["meta_data"].keys() - {"QUEUED_PARENT_TRANSACTION"} == {"allow_overdraft", "k"}
    drain()
    assert sums("bln_alice") == (0, 100_000, 0, 1000)
    assert sums("bln_bob") == (0, 0, 1000, 0)
    assert_no_drift()
    assert settle(api, given["transaction_id"]).status == 200
    assert sums("bln_alice") == (0, 101_000, 0, 0)
    assert_no_drift()
    answer = settle(api, given["transaction_id"], "void")
    assert_refused(answer, 409, "TXN_ALREADY_COMMITTED", FAILED.format(COMMITTED.format("void")))


@pytest.mark.parametrize("of", ["queued", "queued split", "split", "batch", "queued batch", "queued hold"])
def test_what_was_moved_under_an_id_is_refunded_by_that_id_newest_first(api: Client, of: str) -> None:
    wallets()
    give = queued if "queued" in of else body
    if "split" in of:
        moved = create(api, split(give("s")))
    elif "batch" in of:
        given = {"transactions": [body("a", 600), body("b", 400)], "skip_queue": "queued" not in of}
        moved = str(api.post("/transactions/bulk", given).body["batch_id"])
    else:
        moved = create(api, give("q", inflight="hold" in of))
    drain()
    if "hold" in of:
        settled(api, moved)
    newest = Transaction.objects.filter(status="APPLIED").exclude(reference="funds")
    newest = newest.order_by("-created_at", "-reference")
    answer = refund(api, moved)
    assert (answer.status, answer.body["parent_transaction"]) == (201, newest[len(newest) // 2].pk)
    assert sums("bln_alice") == (1000, 101_000, 0, 0)
    assert_no_drift()
    assert refund(api, moved).status == 409
    assert sums("bln_alice") == (1000, 101_000, 0, 0)


def test_a_refund_can_itself_be_refunded_once(api: Client) -> None:
    wallets()
    moved = create(api, body("a"))
    for number in range(1, 4):
        moved = refund(api, moved, skip_queue=number != 2).body["transaction_id"]
        drain()
        assert_no_drift()
    assert sums("bln_alice") == (2000, 102_000, 0, 0)


@pytest.mark.parametrize(
    ("threshold", "why"),
    [
        ("x", 'invalid duration "x"'),
        ("5", 'missing unit in duration "5"'),
        ("5x", 'unknown unit "x" in duration "5x"'),
        ("1d", 'unknown unit "d" in duration "1d"'),
        ("-", 'invalid duration "-"'),
        (".s", 'invalid duration ".s"'),
        ("9999999h", 'invalid duration "9999999h"'),
    ],
)
def test_a_threshold_that_is_no_duration_is_refused(api: Client, threshold: str, why: str) -> None:
    answer = api.post(f"/transactions/recover?threshold={threshold}")
    assert_refused(answer, 400, "GEN_VALIDATION_ERROR", f"invalid threshold duration: time: {why}")


@pytest.mark.parametrize(
    ("query", "echoed"),
    [
        ("", "2m0s"), ("?threshold=", "2m0s"), ("?threshold=24h", "24h0m0s"), ("?threshold=90s", "1m30s"),
        ("?threshold=5m", "5m0s"), ("?threshold=0", "0s"), ("?threshold=1h30m1.5s", "1h30m1.5s"),
        ("?threshold=100ms", "100ms"), ("?threshold=-5m", "-5m0s"), ("?threshold=1us", "1µs"),
    ],
)  # fmt: skip
def test_a_recovery_tells_how_many_and_echoes_what_was_asked(api: Client, query: str, echoed: str) -> None:
    answer = api.post(f"/transactions/recover{query}")
    assert answer.status == 200
    assert list(answer.body.items()) == [("recovered", 0), ("threshold", echoed)]


def test_what_another_writer_left_queued_is_applied_and_what_has_an_outcome_is_not(api: Client) -> None:
    wallets()
    alice, bob = Balance.objects.get(pk="bln_alice"), Balance.objects.get(pk="bln_bob")
    old = datetime.now(UTC) - timedelta(minutes=10)
    day = datetime(2026, 1, 2, tzinfo=UTC)
    stuck = world.row("QUEUED", 500, alice, bob, reference="old", created_at=old, effective_date=day)
    world.row("QUEUED", 600, alice, bob, reference="held", created_at=old, meta_data={"inflight": True})
    world.row("QUEUED", 700, bob, alice, reference="deep", created_at=old, meta_data={"allow_overdraft": True})
    done = world.row("QUEUED", 1, alice, bob, reference="done", created_at=old)
    world.row("REJECTED", 1, alice, bob, reference="done_q", parent_transaction=done.pk)
    world.row("QUEUED", 1, alice, bob, reference="young")
    world.row("SCHEDULED", 1, alice, bob, reference="later", created_at=old)
    for _ in range(2):  # asked twice, they wait once
        assert api.post("/transactions/recover?threshold=5m").body["recovered"] == 3
        assert Entry.objects.count() == 3
    drain()
    found = row("old_q")
    assert (found.status, found.parent_transaction, found.effective_date) == ("APPLIED", stuck.pk, day)
    assert found.created_at == old
    for each in (row("old"), found):
        said = dict(each.meta_data)
        at = datetime.strptime(said.pop("recovery_last_attempt"), "%Y-%m-%dT%H:%M:%S%z")
        assert timedelta() <= datetime.now(UTC) - at < timedelta(minutes=5)
        assert (said.pop("recovery_attempts"), said.pop("recovery_status")) == (1, "recovered")
    assert "recovery_status" not in row("young").meta_data
    assert (row("held_q").status, row("deep_q").status) == ("INFLIGHT", "APPLIED")
    assert api.post("/transactions/recover?threshold=1s").body == {"recovered": 0, "threshold": "1s"}
    assert sums("bln_bob") == (700, 500, 0, 600)
    assert_no_drift()
