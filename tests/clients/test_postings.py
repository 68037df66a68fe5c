"""Transactions created by Blnk's SDKs, unchanged, applied at once or by the worker, against a live server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.clients.cast import balance, done, funded, name, of_reference, only_python, posting, totals
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
ZERO_TIME = "0001-01-01T00:00:00Z"
INSUFFICIENT = "failed to apply transaction to balances: insufficient funds in source balance"
OVER_THE_LIMIT = "failed to apply transaction to balances: transaction exceeds overdraft limit"
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"amount": -1}, "amount: amount cannot be negative."),
        ({"precise_amount": 100}, "amount: either amount or precise_amount should be provided, not both."),
        ({"precision": 1.5}, "precision: precision must be an integer value."),
        ({"reference": "", "currency": ""}, "currency: cannot be blank; reference: cannot be blank."),
        ({"source": None}, "source: either source or sources is required, not both."),
        ({"source": "@x", "destination": "@x"}, "destination: source and destination cannot be the same balance."),
        ({"amount": 1234567890.123456}, "amount: amount has more than 15 significant digits which may cause rounding "
         "errors; use precise_amount instead."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("skip_queue", [False, True])
def test_bodies_that_make_no_sense_are_refused(
    blnk: Client, fields: dict[str, Any], message: str, skip_queue: bool
) -> None:
    body = posting("@world", "@bob", 1, skip_queue=skip_queue) | fields
    answer = blnk.transactions.create({key: value for key, value in body.items() if value is not None})
    assert (answer.status, answer.code, answer.message) == (400, "TXN_VALIDATION_ERROR", message)


def test_precise_amounts_as_text_are_refused(blnk: Client) -> None:
    answer = blnk.transactions.create(posting("@world", "@bob", precise_amount="100"))
    assert (answer.status, answer.code, answer.message) == (400, "GEN_MALFORMED_REQUEST", "Invalid input")


@pytest.mark.parametrize("skip_queue", [False, True])
def test_what_can_never_be_applied_is_refused_at_once(blnk: Client, skip_queue: bool) -> None:
    """The original answers 201 to such queued requests and keeps nothing of them."""
    alice, used = funded(blnk), name()
    done(blnk.transactions.create(posting(alice, "@shop", 1, skip_queue=True, reference=used)))
    asked: dict[str, Any] = {"skip_queue": skip_queue}
    again = blnk.transactions.create(posting(alice, "@shop", 1, reference=used, **asked))
    assert (again.status, again.code) == (409, "TXN_DUPLICATE_REFERENCE")
    assert again.message == f"transaction validation failed: reference {used} has already been used"
    lost = blnk.transactions.create(posting(alice, "bln_x", 1, **asked))
    assert (lost.status, lost.code, lost.message) == (404, "TXN_NOT_FOUND", "Balance with ID 'bln_x' not found")
    nothing = blnk.transactions.create(posting(alice, "@shop", precise_amount=0, **asked))
    assert (nothing.status, nothing.code) == (400, "TXN_VALIDATION_ERROR")
    assert totals(blnk, alice) == [(100, 10_000, 0, 0)]


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({}, "TXN_INSUFFICIENT_FUNDS", INSUFFICIENT),
        ({"allow_overdraft": True, "overdraft_limit": 49.99}, "TXN_VALIDATION_ERROR", OVER_THE_LIMIT),
        ({"inflight": True}, "TXN_INSUFFICIENT_FUNDS", INSUFFICIENT),
    ],
)
def test_more_than_there_is_cannot_be_spent(
    blnk: Client, drained: Callable[[], None], fields: dict[str, Any], code: str, message: str
) -> None:
    alice, bob = funded(blnk), balance(blnk)
    refused = blnk.transactions.create(posting(alice, bob, 150, skip_queue=True, **fields))
    assert (refused.status, refused.code, refused.message) == (400, code, message)
    queued = posting(alice, bob, 150, **fields)
    parent = done(blnk.transactions.create(queued))["transaction_id"]
    drained()
    assert of_reference(blnk, queued["reference"]) == [
        ("", "QUEUED", "", 15_000),
        ("_q", "REJECTED", parent, 15_000),
    ]
    rejected = done(blnk.transactions.get_by_reference(queued["reference"] + "_q"), 200)
    assert rejected["meta_data"]["blnk_rejection_reason"] == message
    assert rejected["inflight"] is bool(fields.get("inflight"))
    assert totals(blnk, alice, bob) == [(0, 10_000, 0, 0), (0, 0, 0, 0)]


def test_a_transaction_that_skips_the_queue_has_every_field_of_the_contract(blnk: Client) -> None:
    alice, bob = funded(blnk), balance(blnk)
    body = posting(alice, bob, 40.05, skip_queue=True, meta_data={"order": 7}, effective_date=PAST, rate=1)
    created = done(blnk.transactions.create(body))
    digest = hashlib.sha256(f"40.05{body['reference']}USD{alice}{bob}".encode()).hexdigest()
    row: dict[str, Any] = {
        "precise_amount": 4_005,
        "amount": 40.05,
        "precision": 100,
        "overdraft_limit": 0,
        "transaction_id": created["transaction_id"],
        "parent_transaction": "",
        "source": alice,
        "destination": bob,
        "reference": body["reference"],
        "currency": "USD",
        "description": "from an SDK",
        "status": "APPLIED",
        "hash": digest,
        "allow_overdraft": False,
        "inflight": False,
        "skip_queue": True,
        "atomic": False,
        "scheduled_for": ZERO_TIME,
        "inflight_expiry_date": ZERO_TIME,
        "inflight_commit_date": ZERO_TIME,
        "meta_data": {"order": 7},
    }
    assert created | {"created_at": ""} == row | {"created_at": "", "effective_date": "2026-01-01T00:00:00Z"}
    read = done(blnk.transactions.get(created["transaction_id"]), 200)
    assert {key: read[key] for key in row} == row | {"skip_queue": False}
    assert done(blnk.transactions.get_by_reference(body["reference"]), 200)["transaction_id"] == row["transaction_id"]
    assert totals(blnk, alice, bob) == [(4_005, 10_000, 0, 0), (0, 4_005, 0, 0)]


def test_a_queued_transaction_is_readable_at_once_and_applied_by_the_worker(
    blnk: Client, drained: Callable[[], None]
) -> None:
    alice, bob = funded(blnk), balance(blnk)
    body = posting(alice, bob, 40, meta_data={"order": 7})
    created = done(blnk.transactions.create(body))
    parent = created["transaction_id"]
    assert (created["status"], created["parent_transaction"], len(created["hash"])) == ("QUEUED", "", 64)
    assert created["meta_data"] == {"QUEUED_PARENT_TRANSACTION": parent, "order": 7}
    for read in (blnk.transactions.get(parent), blnk.transactions.get_by_reference(body["reference"])):
        found = done(read, 200)
        assert (found["transaction_id"], found["status"]) == (parent, "QUEUED")
    assert totals(blnk, alice) == [(0, 10_000, 0, 0)]
    drained()
    assert of_reference(blnk, body["reference"]) == [("", "QUEUED", "", 4_000), ("_q", "APPLIED", parent, 4_000)]
    assert done(blnk.transactions.get(parent), 200)["status"] == "QUEUED"
    applied = done(blnk.transactions.get_by_reference(body["reference"] + "_q"), 200)["meta_data"]
    assert {key: applied[key] for key in created["meta_data"]} == created["meta_data"]
    assert totals(blnk, alice, bob) == [(4_000, 10_000, 0, 0), (0, 4_000, 0, 0)]


def test_indicators_get_balances_of_their_own_per_currency(blnk: Client, drained: Callable[[], None]) -> None:
    source, destination = name("@from"), name("@to")
    for currency in ("USD", "EUR"):
        body = posting(source, destination, 5, currency=currency, allow_overdraft=True)
        sent = done(blnk.transactions.create(body))
        assert (sent["source"], sent["destination"], sent["allow_overdraft"]) == (source, destination, True)
        assert sent["meta_data"]["allow_overdraft"] is True
    drained()
    for currency in ("USD", "EUR"):
        paid = done(blnk.ledger_balances.get_by_indicator(source, currency), 200)
        got = done(blnk.ledger_balances.get_by_indicator(destination, currency), 200)
        assert (paid["balance"], got["balance"], got["ledger_id"]) == (-500, 500, "general_ledger_id")


def test_a_scheduled_transaction_waits_for_its_time(blnk: Client, drained: Callable[[], None]) -> None:
    alice, bob = funded(blnk), balance(blnk)
    later = posting(alice, bob, 1, scheduled_for=datetime(2099, 1, 1, tzinfo=UTC), inflight_commit_date=PAST)
    due = posting(alice, bob, 2, scheduled_for=PAST)
    at_once = posting(alice, bob, 4, scheduled_for=datetime(2099, 1, 1, tzinfo=UTC), skip_queue=True)
    sent = [done(blnk.transactions.create(body)) for body in (later, due, at_once)]
    assert [row["status"] for row in sent] == ["SCHEDULED", "SCHEDULED", "APPLIED"]
    assert [row["scheduled_for"] for row in sent] == [
        "2099-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
        "2099-01-01T00:00:00Z",
    ]
    assert done(blnk.transactions.get(sent[0]["transaction_id"]), 200)["status"] == "SCHEDULED"
    drained()
    found = [of_reference(blnk, body["reference"]) for body in (later, due, at_once)]
    assert [[row[:2] for row in rows] for rows in found] == [
        [("", "SCHEDULED")],
        [("", "SCHEDULED"), ("_q", "APPLIED")],
        [("", "APPLIED")],
    ]
    assert totals(blnk, bob) == [(0, 600, 0, 0)]


def test_what_is_stuck_is_recovered_by_its_threshold(blnk: Client) -> None:
    assert blnk.transactions.recover_queue({"threshold": "1d"}).status == 400  # the SDK refuses it itself
    assert done(blnk.transactions.recover_queue({"threshold": "24h"}), 200)["threshold"] == "24h0m0s"
    assert done(blnk.transactions.recover_queue({"threshold": "90s"}), 200)["threshold"] == "1m30s"
    assert done(blnk.transactions.recover_queue(), 200)["threshold"] == "2m0s"


@only_python  # numbers of JavaScript end at 2**53
@pytest.mark.parametrize("skip_queue", [False, True])
def test_no_unit_of_a_huge_amount_is_lost(blnk: Client, drained: Callable[[], None], skip_queue: bool) -> None:
    units = 10**36 + 1
    alice = balance(blnk, currency="ETH")
    body = posting(
        "@mint", alice, currency="ETH", precision=10**18, precise_amount=units, allow_overdraft=True,
        skip_queue=skip_queue,
    )  # fmt: skip
    sent = done(blnk.transactions.create(body))
    assert (sent["precise_amount"], sent["amount_string"]) == (units, "1000000000000000000")
    drained()
    assert totals(blnk, alice) == [(0, units, 0, 0)]
