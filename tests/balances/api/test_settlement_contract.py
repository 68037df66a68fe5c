"""Commits and voids over REST: every refusal of the contract with nothing written."""

from __future__ import annotations

from typing import Any

import pytest

from balances.models import Transaction
from tests import world
from tests.client import Client
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
    while_locked,
    written,
)

pytestmark = pytest.mark.django_db

ORIGINAL = "cannot commit more than the original transaction amount. Original: USD{}, Requested: USD{}"
REMAINING = "cannot commit more than the remaining amount. Available: USD{}, Requested: USD{}"
NOT_FOUND = "Transaction with ID '{}' not found"
INFLIGHT = "transaction is not in inflight status"
VOIDED = "transaction has already been voided"
COMMITTED = "cannot {}. Transaction already committed"
NO_ACTION = "status not supported. use either commit or void"
WAITING = "a commit or void is already queued for this transaction"
FAILED = "error occurred during processing: [{}]"
FRACTION = "4.005 at precision 100 is no whole number of minor units; 4 or 4.01 would be"
DIFFER = "amount 4 at precision 100 contradicts precise_amount 401"
SMALL = "0.001 at precision 100 is no whole number of minor units; 0.01 would be"
EXCEEDED, INVALID = "TXN_COMMIT_AMOUNT_EXCEEDED", "TXN_INVALID_AMOUNT"
TO_BOTH = {"destinations": [{"identifier": "bln_bob", "distribution": "60%"},
                            {"identifier": "bln_carol", "distribution": "left"}]}  # fmt: skip


def split(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "destination"} | TO_BOTH


@pytest.fixture
def ids(api: Client) -> dict[str, str]:
    """Have a hold in every state, and what is none; return their ids by name."""
    wallets()
    found = {
        "open": hold(api, "open"),
        "partly": hold(api, "partly"),
        "committed": hold(api, "committed"),
        "voided": hold(api, "voided"),
        "partly_voided": hold(api, "partly-voided"),
        "applied": create(api, body("applied")),
        "scheduled": create(api, queued("scheduled", inflight=True, scheduled_for="2030-01-01T00:00:00Z")),
        "rejected": create(api, queued("rejected", 10**9, inflight=True)),
        "plain": create(api, queued("plain")),
        "queued_committed": create(api, queued("queued-committed", inflight=True)),
        "legs": create(api, split(body("legs", inflight=True))),
        "legs_committed": create(api, split(body("legs-committed", inflight=True))),
        "legs_voided": create(api, split(body("legs-voided", inflight=True))),
    }
    settled(api, found["partly"], units=400)
    settled(api, found["committed"])
    settled(api, found["voided"], "void")
    settled(api, found["partly_voided"], units=400)
    settled(api, found["partly_voided"], "void")
    settled(api, found["legs_committed"])
    settled(api, found["legs_voided"], "void")
    drain()
    settled(api, found["queued_committed"])
    found["rejected_q"] = row("rejected_q").pk
    found["commit"] = Transaction.objects.get(parent_transaction=found["committed"]).pk
    found["void"] = Transaction.objects.get(parent_transaction=found["voided"]).pk
    found["queued"] = create(api, queued("queued", inflight=True))
    found["pending"] = hold(api, "pending")
    api.put(f"/transactions/inflight/{found['pending']}", {"status": "commit"})
    return found


MALFORMED: list[tuple[bytes, str]] = [
    (b"", "EOF"),
    (b"{", "unexpected EOF"),
    (b"[]", "json: cannot unmarshal array into Go value of type model.InflightUpdate"),
    (
        b'{"status":5}',
        "json: cannot unmarshal number into Go struct field InflightUpdate.status of type string",
    ),
    (
        b'{"status":"commit","amount":"5"}',
        "json: cannot unmarshal string into Go struct field InflightUpdate.amount of type float64",
    ),
    (
        b'{"status":"commit","precise_amount":"5"}',
        'math/big: cannot unmarshal "\\"5\\"" into a *big.Int',
    ),
    (b'{"status":"commit","precise_amount":1.5}', 'math/big: cannot unmarshal "1.5" into a *big.Int'),
]
"""Bodies and what is said of them."""

Row = tuple[str, dict[str, Any], int, str, str]
ANY_MODE: list[Row] = [
    ("<open>", {"status": "release"}, 400, "TXN_INVALID_STATUS_ACTION", NO_ACTION),
    ("<open>", {}, 400, "TXN_INVALID_STATUS_ACTION", NO_ACTION),
    ("<open>", {"status": "COMMIT"}, 400, "TXN_INVALID_STATUS_ACTION", NO_ACTION),
    ("txn_x", {"status": "x"}, 400, "TXN_INVALID_STATUS_ACTION", NO_ACTION),
    ("<open>", {"status": "commit", "precise_amount": 0}, 400, INVALID, "precise_amount must be positive"),
    ("<open>", {"status": "commit", "precise_amount": -1}, 400, INVALID, "precise_amount must be positive"),
    ("<open>", {"status": "void", "precise_amount": 0}, 400, INVALID, "precise_amount must be positive"),
    ("txn_x", {"status": "void", "precise_amount": -5}, 400, INVALID, "precise_amount must be positive"),
]  # fmt: skip
QUEUED: list[Row] = [
    *(
        ("<pending>", {"status": status}, 409, "GEN_CONFLICT", WAITING) for status in ("commit", "void")
    ),
    *(
        (f"<{name}>", {"status": status}, 400, "TXN_NOT_INFLIGHT", INFLIGHT)
        for name in ("applied", "plain", "rejected_q", "rejected", "scheduled", "commit", "void")
        for status in ("commit", "void")
    ),
    *(
        (f"<{name}>", {"status": status}, 409, "TXN_ALREADY_VOIDED", VOIDED)
        for name in ("voided", "partly_voided", "legs_voided")
        for status in ("commit", "void")
    ),
    *(
        (f"<{name}>", {"status": status}, 409, "TXN_ALREADY_COMMITTED", COMMITTED.format(says))
        for name, status, says in (
            ("committed", "commit", "commit"), ("committed", "void", "commit"),
            ("queued_committed", "commit", "commit"),
            ("legs_committed", "commit", "commit"), ("legs_committed", "void", "void"),
        )
    ),
    ("<open>", {"status": "commit", "amount": -1}, 400, "GEN_BAD_REQUEST", "commit amount cannot be negative"),
    ("<legs>", {"status": "commit", "amount": -1}, 400, "GEN_BAD_REQUEST", "commit amount cannot be negative"),
    ("<open>", {"status": "commit", "amount": 11}, 400, EXCEEDED, ORIGINAL.format("10.00", "11.00")),
    ("<open>", {"status": "commit", "precise_amount": 1001}, 400, EXCEEDED, ORIGINAL.format("10.00", "10.01")),
    ("<queued>", {"status": "commit", "precise_amount": 1001}, 400, EXCEEDED, ORIGINAL.format("10.00", "10.01")),
    ("<partly>", {"status": "commit", "precise_amount": 1001}, 400, EXCEEDED, ORIGINAL.format("10.00", "10.01")),
    ("<partly>", {"status": "commit", "amount": 6.01}, 400, EXCEEDED, REMAINING.format("6.00", "6.01")),
    ("<open>", {"status": "commit", "amount": 0.001}, 400, INVALID, SMALL),
    ("<legs>", {"status": "commit", "amount": 0.001}, 400, INVALID, SMALL),
    *(
        (name, {"status": "commit"} | part, 400, INVALID, why)
        for name in ("<open>", "<legs>", "<queued>")
        for part, why in (({"amount": 4.005}, FRACTION), ({"amount": 4, "precise_amount": 401}, DIFFER))
    ),
]  # fmt: skip
AT_ONCE: list[Row] = [
    *(
        (name, {"status": status}, 400, "TXN_NOT_INFLIGHT", f"no transaction to {status}")
        for name in ("txn_x", "<applied>", "<plain>", "<rejected>", "<rejected_q>", "<scheduled>", "<commit>", "<void>")
        for status in ("commit", "void")
    ),
    *(
        (f"<{name}>", {"status": status}, 409, "TXN_ALREADY_VOIDED", FAILED.format(VOIDED))
        for name in ("voided", "partly_voided")
        for status in ("commit", "void")
    ),
    *(
        ("<committed>", {"status": status}, 409, "TXN_ALREADY_COMMITTED", FAILED.format(COMMITTED.format(status)))
        for status in ("commit", "void")
    ),
    ("<legs_voided>", {"status": "commit"}, 409, "TXN_ALREADY_VOIDED", FAILED.format(f"{VOIDED} {VOIDED}")),
    (
        "<legs_committed>", {"status": "void"}, 409, "TXN_ALREADY_COMMITTED",
        FAILED.format(" ".join([COMMITTED.format("void")] * 2)),
    ),
    (
        "<open>", {"status": "commit", "amount": -1}, 400, "GEN_BAD_REQUEST",
        FAILED.format("commit amount cannot be negative"),
    ),
    ("<open>", {"status": "commit", "amount": 11}, 400, EXCEEDED, FAILED.format(ORIGINAL.format("10.00", "11.00"))),
    ("<partly>", {"status": "commit", "amount": 7}, 400, EXCEEDED, FAILED.format(REMAINING.format("6.00", "7.00"))),
    (
        "<legs>", {"status": "commit", "precise_amount": 700}, 400, EXCEEDED,
        FAILED.format(ORIGINAL.format("4.00", "7.00") + " " + ORIGINAL.format("6.00", "7.00")),
    ),
    ("<open>", {"status": "commit", "amount": 0.001}, 400, INVALID, FAILED.format(SMALL)),
    ("<open>", {"status": "commit", "amount": 4.005}, 400, INVALID, FAILED.format(FRACTION)),
    ("<open>", {"status": "commit", "amount": 4, "precise_amount": 401}, 400, INVALID, FAILED.format(DIFFER)),
]  # fmt: skip


def test_what_cannot_be_read_is_told_as_plain_text_that_is_json(api: Client, ids: dict[str, str]) -> None:
    before = written()
    for raw, text in MALFORMED:
        answer = api.put(f"/transactions/inflight/{ids['open']}", raw)
        assert_refused(answer, 400, "GEN_MALFORMED_REQUEST", text)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert written() == before


@pytest.mark.parametrize(
    ("table", "skip_queue"),
    [(ANY_MODE, True), (ANY_MODE, False), (QUEUED, False), (AT_ONCE, True)],
    ids=["either way, at once", "either way, queued", "queued", "at once"],
)
def test_a_refused_settlement_is_told_exactly_and_writes_nothing(
    api: Client, ids: dict[str, str], table: list[Row], skip_queue: bool, subtests: Any
) -> None:
    before = written()
    for transaction_id, given, status, code, text in table:
        with subtests.test(transaction_id=transaction_id, given=given):
            answer = api.put(
                f"/transactions/inflight/{filled(transaction_id, ids)}", given | {"skip_queue": skip_queue}
            )
            assert_refused(answer, status, code, text)
            assert written() == before


def test_an_unknown_id_is_not_found_by_the_queue_with_empty_details(api: Client) -> None:
    for status in ("commit", "void"):
        answer = api.put("/transactions/inflight/txn_x", {"status": status})
        assert_refused(answer, 404, "TXN_NOT_FOUND", NOT_FOUND.format("txn_x"), details={})


def test_legs_that_can_be_settled_are_though_others_cannot(api: Client) -> None:
    wallets()
    parent = create(api, split(body("s", inflight=True)))
    answer = settle(api, parent, units=500)
    assert_refused(answer, 400, EXCEEDED, FAILED.format(ORIGINAL.format("4.00", "5.00")))
    assert under(row("s-1").pk) == [("APPLIED", 500)]
    assert under(row("s-2").pk) == []
    assert_no_drift()


def test_balances_that_hold_less_than_their_holds_say_are_told_of(api: Client) -> None:
    """Only drift can bring that about; a reconstruction puts it right, and the hold can be settled."""
    wallets()
    transaction_id = hold(api, "h")
    world.drift(row("h").source, hold_debit=-1)  # type: ignore[arg-type]
    before = written()
    failed = "saving transaction to db error: failed to apply transaction to balances: {} inflight debit failed: "
    for status in ("commit", "void"):
        text = FAILED.format(f"{failed.format(status)}insufficient inflight debit balance: have 999, need 1000")
        assert_refused(settle(api, transaction_id, status), 400, "GEN_BAD_REQUEST", text)
    world.drift(row("h").source, hold_debit=1)  # type: ignore[arg-type]
    world.drift(row("h").destination, hold_credit=-600)  # type: ignore[arg-type]
    text = FAILED.format(
        "saving transaction to db error: failed to apply transaction to balances: commit inflight credit failed: "
        "insufficient inflight credit balance: have 400, need 401"
    )
    assert_refused(settle(api, transaction_id, units=401), 400, "GEN_BAD_REQUEST", text)
    assert written()["transactions"] == before["transactions"]


@pytest.mark.django_db(transaction=True)
def test_a_hold_whose_balance_is_locked_for_too_long_answers_423(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balances.recording.writing.LOCK_WAIT", "50ms")
    wallets()
    transaction_id = hold(api, "h")
    before = written()
    text = "failed to acquire lock: failed to acquire all locks within the wait timeout"
    with while_locked("bln_bob"):
        assert_refused(settle(api, transaction_id), 423, "GEN_RESOURCE_LOCKED", text)
        answer = api.post("/transactions/inflight/bulk/void", {"transaction_ids": [transaction_id], "skip_queue": True})
        assert_refused(answer, 423, "GEN_RESOURCE_LOCKED", text)
    assert written() == before
    assert settle(api, transaction_id).status == 200
    assert sums("bln_bob") == (0, 1000, 0, 0)
