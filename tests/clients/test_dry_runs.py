"""Previews of transactions and batches through Blnk's SDKs, unchanged: told what would happen, nothing happens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.cast import balance, done, funded, name, posting, rows, totals
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
BOTH_WAYS = pytest.mark.parametrize("skip_queue", [False, True])
INSUFFICIENT = {
    "code": "TXN_INSUFFICIENT_FUNDS",
    "reason": "insufficient_funds",
    "message": "failed to apply transaction to balances: insufficient funds in source balance",
}
EMPTY = dict.fromkeys(
    ("balance", "available", "credit_balance", "debit_balance", "inflight_debit_balance", "inflight_credit_balance"),
    "0",
)
FUNDED = EMPTY | {"balance": "10000", "available": "10000", "credit_balance": "10000"}


def projection(balance_id: str, role: str, now: dict[str, str], then: dict[str, str], **more: Any) -> dict[str, Any]:
    moved = {f"current_{key}": value for key, value in now.items()} | {f"resulting_{k}": v for k, v in then.items()}
    return {"balance_id": balance_id, "role": role, "currency": "USD"} | more | moved


def preview(blnk: Client, *sides: Any, **fields: Any) -> Any:
    return done(blnk.transactions.create(posting(*sides, dry_run=True, **fields)), 200)


@BOTH_WAYS
def test_bodies_and_balances_are_checked_as_for_real(blnk: Client, skip_queue: bool) -> None:
    alice = funded(blnk)
    asked: dict[str, Any] = {"dry_run": True, "skip_queue": skip_queue}
    wrong = blnk.transactions.create(posting(alice, "@shop", 1, currency="", **asked))
    assert (wrong.status, wrong.code) == (400, "TXN_VALIDATION_ERROR")
    lost = blnk.transactions.create(posting(alice, "bln_x", 1, **asked))
    assert (lost.status, lost.code, lost.message) == (404, "TXN_NOT_FOUND", "Balance with ID 'bln_x' not found")
    batch = blnk.transactions.create_bulk({"transactions": [posting(alice, "bln_x", 1)]} | asked)
    if skip_queue:
        assert (batch.status, batch.code, batch.message) == (404, "TXN_NOT_FOUND", "Balance with ID 'bln_x' not found")
    else:  # the real call goes on without it
        (item,) = done(batch, 200)["results"]
        assert (item["would_apply"], item["rejection"]["code"]) == (False, "TXN_NOT_FOUND")


@BOTH_WAYS
def test_a_transaction_that_would_apply(blnk: Client, skip_queue: bool) -> None:
    alice, bob, used = funded(blnk), balance(blnk), name()
    paid = FUNDED | {"balance": "6000", "available": "6000", "debit_balance": "4000"}
    got = EMPTY | {"balance": "4000", "available": "4000", "credit_balance": "4000"}
    assert preview(blnk, alice, bob, 40, reference=used, skip_queue=skip_queue) == {
        "dry_run": True,
        "would_apply": True,
        "status": "APPLIED",
        "reference": used,
        "currency": "USD",
        "amount": 40,
        "precise_amount": "4000",
        "precision": 100,
        "balances": [projection(alice, "source", FUNDED, paid), projection(bob, "destination", EMPTY, got)],
    }
    assert totals(blnk, alice, bob) == [(0, 10_000, 0, 0), (0, 0, 0, 0)]
    assert rows(blnk, "reference", used) == []
    done(blnk.transactions.create(posting(alice, bob, 1, reference=used, skip_queue=True)))


def test_a_hold_that_would_be_taken_and_an_indicator_that_would_be_opened(blnk: Client) -> None:
    alice, new = funded(blnk), name("@new")
    told = preview(blnk, alice, new, precise_amount=4_001, inflight=True, scheduled_for="2099-01-01T00:00:00Z")
    assert (told["status"], told["amount"], told["precise_amount"]) == ("INFLIGHT", 40.01, "4001")
    held = FUNDED | {"available": "5999", "inflight_debit_balance": "4001"}
    awaited = EMPTY | {"inflight_credit_balance": "4001"}
    assert told["balances"] == [
        projection(alice, "source", FUNDED, held),
        projection(new, "destination", EMPTY, awaited, virtual=True),
    ]
    assert told["notes"] == ["scheduled_for is ignored in a dry run; the projection shows the effect as if applied now"]
    assert blnk.ledger_balances.get_by_indicator(new, "USD").status == 404


@BOTH_WAYS
@pytest.mark.parametrize(
    ("fields", "rejection"),
    [
        ({}, INSUFFICIENT),
        (
            {"overdraft_limit": 10},
            {
                "code": "TXN_VALIDATION_ERROR",
                "reason": "overdraft_limit",
                "message": "failed to apply transaction to balances: transaction exceeds overdraft limit",
            },
        ),
    ],
)
def test_a_transaction_that_would_be_rejected(
    blnk: Client, skip_queue: bool, fields: dict[str, Any], rejection: dict[str, str]
) -> None:
    alice, bob = funded(blnk), balance(blnk)
    told = preview(blnk, alice, bob, 150, skip_queue=skip_queue, **fields)
    assert (told["would_apply"], told["rejection"]) == (False, rejection)
    assert "status" not in told
    assert told["balances"] == [
        projection(alice, "source", FUNDED, FUNDED),
        projection(bob, "destination", EMPTY, EMPTY),
    ]


def test_a_used_reference_and_a_foreign_currency_are_told(blnk: Client) -> None:
    alice, euros, used = funded(blnk), balance(blnk, currency="EUR"), name()
    done(blnk.transactions.create(posting(alice, "@shop", 1, reference=used, skip_queue=True)))
    again = preview(blnk, alice, "@shop", 1, reference=used)
    assert again["rejection"] == {
        "code": "TXN_DUPLICATE_REFERENCE",
        "reason": "other",
        "message": f"transaction validation failed: reference {used} has already been used",
    }
    assert preview(blnk, alice, euros, 1)["notes"] == [
        f"currency mismatch: transaction is USD but destination balance {euros} is EUR; "
        "the ledger applies this as raw minor units"
    ]


@BOTH_WAYS
def test_legs_of_a_split_are_projected_in_order(blnk: Client, skip_queue: bool) -> None:
    """With ``skip_queue`` all or none, else each against what there is now."""
    alice, bob, carol = funded(blnk), balance(blnk), balance(blnk)
    shares = [{"identifier": bob, "distribution": "60%"}, {"identifier": carol, "distribution": "left"}]
    told = preview(blnk, alice, amount=150, destinations=shares, skip_queue=skip_queue)
    legs = [
        {"identifier": bob, "role": "destination", "precise_amount": "9000", "amount": 90},
        {"identifier": carol, "role": "destination", "precise_amount": "6000", "amount": 60},
    ]
    roles = [(each["balance_id"], each["role"], each["resulting_balance"]) for each in told["balances"]]
    if skip_queue:
        assert (told["would_apply"], told["rejection"], "legs" in told) == (False, INSUFFICIENT, False)
        assert roles == [(alice, "source", "10000"), (bob, "destination", "0"), (carol, "destination", "0")]
    else:
        assert (told["would_apply"], told["legs"]) == (True, legs)
        assert roles == [
            (alice, "source", "1000"),
            (bob, "destination", "9000"),
            (alice, "source", "4000"),
            (carol, "destination", "6000"),
        ]
        assert told["notes"][0].startswith("skip_queue is false: legs are queued ")


@BOTH_WAYS
def test_items_of_a_batch_are_projected_in_order(blnk: Client, skip_queue: bool) -> None:
    """With ``skip_queue`` one after the other, else each against what there is now."""
    alice, bob = funded(blnk), balance(blnk)
    items = [posting(alice, bob, 60), posting(bob, alice, 5)]
    told = done(blnk.transactions.create_bulk({"skip_queue": skip_queue, "dry_run": True, "transactions": items}), 200)
    assert (told["dry_run"], told["would_apply"], told["cumulative"]) == (True, skip_queue, skip_queue)
    assert [each["reference"] for each in told["results"]] == [item["reference"] for item in items]
    assert [each["would_apply"] for each in told["results"]] == [True, skip_queue]
    if skip_queue:
        assert [each["balances"] for each in told["results"]] == [None] * 2
        left = [(each["balance_id"], each["resulting_balance"]) for each in told["balances"]]
        assert left == [(alice, "4500"), (bob, "5500")]
    else:
        assert "balances" not in told
        assert [each["balances"][0]["resulting_balance"] for each in told["results"]] == ["4000", "0"]
        assert told["notes"][0].startswith("items are ")
    assert totals(blnk, alice, bob) == [(0, 10_000, 0, 0), (0, 0, 0, 0)]


@pytest.mark.parametrize(("atomic", "left"), [(False, ["4000", "6000"]), (True, ["10000", "0"])])
def test_a_batch_of_which_an_item_would_be_rejected(blnk: Client, atomic: bool, left: list[str]) -> None:
    """Told is what would be left: of an atomic batch nothing. The original goes on behind the item that fails."""
    alice, bob = funded(blnk), balance(blnk)
    items = [posting(alice, bob, 60), posting(alice, bob, 50), posting(bob, alice, 5)]
    asked = {"skip_queue": True, "atomic": atomic, "dry_run": True, "transactions": items}
    told = done(blnk.transactions.create_bulk(asked), 200)
    assert (told["would_apply"], told["cumulative"], told.get("atomic", False)) == (False, True, atomic)
    assert [each["would_apply"] for each in told["results"]] == [True, False, True]
    assert told["results"][1]["rejection"] == INSUFFICIENT
    assert [each["resulting_balance"] for each in told["balances"]] == left
    assert done(blnk.transactions.create_bulk(asked | {"run_async": True}), 200)["results"] == told["results"]
