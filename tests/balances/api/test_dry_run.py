"""Dry runs over HTTP: refusals first, then every route to the byte, and that nothing at all is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from balances.models import Balance, Transaction
from balances.posting import Posting
from balances.posting.batches import Batch
from balances.posting.previewing import preview_batch
from balances.queueing import draining
from tests import world
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db

FUNDS = "failed to apply transaction to balances: insufficient funds in source balance"
IN_PARTS = (
    "skip_queue is false: legs are queued and applied later, so each is projected on its own rather than cumulatively"
)
"""Where Blnk says that legs race for their balances: here the queue applies them in order."""


@pytest.fixture
def alice() -> Balance:
    """Return a balance with 100.00 in it."""
    balance = world.balance()
    world.post("@world", balance, 10_000, reference="funds")
    return balance


@pytest.fixture
def bob() -> Balance:
    return world.balance()


def order(source: Balance | str, destination: Balance | str, amount: Any, **fields: Any) -> dict[str, Any]:
    given = {
        "source": source if isinstance(source, str) else source.pk,
        "destination": destination if isinstance(destination, str) else destination.pk,
        "amount": amount,
        "precision": 100,
        "currency": "USD",
        "reference": "ref-1",
        "description": "d",
    }
    return given | fields


def divided(source: Balance, amount: Any, *shares: tuple[Balance | str, str], **fields: Any) -> dict[str, Any]:
    body = order(source, "", amount, **fields)
    del body["destination"]
    named = [(each if isinstance(each, str) else each.pk, part) for each, part in shares]
    return body | {"destinations": [{"identifier": name, "distribution": part} for name, part in named]}


def dry(api: Client, path: str, body: dict[str, Any], method: str = "POST") -> Answer:
    return api.send(method, path, body | {"dry_run": True})


def hold(source: Balance, destination: Balance, units: int, **fields: Any) -> str:
    return world.post(source, destination, units, inflight=True, **fields).pk


def side(balance: Balance | str, role: str, now: str, then: str, currency: str = "USD") -> str:
    """Return a projection as it is sent; now and then: balance, available, credit, debit, inflight debit and credit."""
    names = ("balance", "available", "credit_balance", "debit_balance")
    names = (*names, "inflight_debit_balance", "inflight_credit_balance")
    name, virtual = (balance, ',"virtual":true') if isinstance(balance, str) else (balance.pk, "")
    figures = [
        f'"{when}_{part}":"{figure}"'
        for when, figures in (("current", now), ("resulting", then))
        for part, figure in zip(names, figures.split(), strict=True)
    ]
    return f'{{"balance_id":"{name}","role":"{role}","currency":"{currency}"{virtual},{",".join(figures)}}}'


def short(projections: Any) -> list[str]:
    """Return projections as balances before and after."""
    return [f"{each['role']} {each['current_balance']} -> {each['resulting_balance']}" for each in projections]


# --- refusals


def test_a_dry_run_is_validated_as_the_real_call_is(api: Client, alice: Balance, bob: Balance) -> None:
    held = hold(alice, bob, 500)
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/transactions", order(alice, bob, 0)),
        ("POST", "/transactions", divided(alice, 10, (bob, "60%"), ("@x", "50%"))),
        ("POST", "/transactions/bulk", {"transactions": []}),
        ("POST", "/transactions/bulk", {"transactions": [order(alice, bob, 1), None]}),
        ("POST", "/transactions/bulk", {"transactions": [order(alice, bob, 1, currency="")]}),
        ("PUT", f"/transactions/inflight/{held}", {"status": "x"}),
        ("PUT", f"/transactions/inflight/{held}", {"status": "commit", "precise_amount": 0}),
        ("POST", "/transactions/inflight/bulk/commit", {"transactions": []}),
        ("POST", "/transactions/inflight/bulk/void", {"transaction_ids": ["txn_1"] * 101}),
    ]
    for method, path, body in calls:
        previewed, real = dry(api, path, body, method), api.send(method, path, body)
        assert previewed.status == real.status == 400
        assert previewed.text == real.text


@pytest.mark.parametrize("skip_queue", [True, False])
@pytest.mark.parametrize("atomic", [True, False])
def test_a_missing_balance_is_404_as_for_the_real_call(
    api: Client, alice: Balance, bob: Balance, skip_queue: bool, atomic: bool
) -> None:
    message = "Balance with ID 'bln_nope' not found"
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/transactions", order(alice, "bln_nope", 1)),
        ("/transactions", order("bln_nope", alice, 1)),
        ("/transactions", divided(alice, 10, (bob, "60%"), ("bln_nope", "left"))),
        ("/transactions/bulk", {"transactions": [order(alice, bob, 1), order(alice, "bln_nope", 1, reference="b")]}),
    ]
    for path, body in bodies:
        answer = dry(api, path, body | {"skip_queue": skip_queue, "atomic": atomic})
        if path.endswith("bulk") and not (skip_queue or atomic):  # it goes on without, and so does its preview
            assert [each.get("rejection", {}).get("message") for each in answer.body["results"]] == [None, message]
            continue
        assert (answer.status, answer.text) == (
            404,
            f'{{"error":"{message}","error_detail":{{"code":"TXN_NOT_FOUND","message":"{message}","details":{{}}}}}}',
        )


def test_an_unknown_id_has_no_preview(api: Client) -> None:
    for skip_queue in (True, False):
        answer = dry(api, "/transactions/inflight/txn_nope", {"status": "commit", "skip_queue": skip_queue}, "PUT")
        assert (answer.status, answer.body["error_detail"]) == (
            404,
            {"code": "TXN_NOT_FOUND", "message": "Transaction with ID 'txn_nope' not found", "details": {}},
        )
        answer = dry(api, "/refund-transaction/txn_nope", {"skip_queue": skip_queue})
        assert (answer.status, answer.body["error_detail"]) == (
            404,
            {"code": "TXN_NOT_FOUND", "message": "transaction txn_nope not found for refund"},
        )


# --- one posting


@pytest.mark.parametrize("skip_queue", [True, False])
def test_a_preview_of_one_posting_is_what_blnk_sends_to_the_byte(
    api: Client, alice: Balance, bob: Balance, skip_queue: bool
) -> None:
    answer = dry(api, "/transactions", order(alice, bob, 40, skip_queue=skip_queue))
    source = side(alice, "source", "10000 10000 10000 0 0 0", "6000 6000 10000 4000 0 0")
    destination = side(bob, "destination", "0 0 0 0 0 0", "4000 4000 4000 0 0 0")
    assert (answer.status, answer.text) == (
        200,
        '{"dry_run":true,"would_apply":true,"status":"APPLIED","reference":"ref-1","currency":"USD","amount":40,'
        f'"precise_amount":"4000","precision":100,"balances":[{source},{destination}]}}',
    )


def test_a_refusal_is_200_has_no_status_and_leaves_balances_as_they_are(
    api: Client, alice: Balance, bob: Balance
) -> None:
    answer = dry(api, "/transactions", order(alice, bob, 140, skip_queue=True))
    source = side(alice, "source", "10000 10000 10000 0 0 0", "10000 10000 10000 0 0 0")
    destination = side(bob, "destination", "0 0 0 0 0 0", "0 0 0 0 0 0")
    assert (answer.status, answer.text) == (
        200,
        f'{{"dry_run":true,"would_apply":false,"rejection":{{"code":"TXN_INSUFFICIENT_FUNDS",'
        f'"reason":"insufficient_funds","message":"{FUNDS}"}},"reference":"ref-1","currency":"USD","amount":140,'
        f'"precise_amount":"14000","precision":100,"balances":[{source},{destination}]}}',
    )


@pytest.mark.parametrize(
    ("change", "code", "reason", "message"),
    [
        (
            {"overdraft_limit": 10, "allow_overdraft": True},
            "TXN_VALIDATION_ERROR",
            "overdraft_limit",
            "failed to apply transaction to balances: transaction exceeds overdraft limit",
        ),
        (
            {"reference": "funds"},
            "TXN_DUPLICATE_REFERENCE",
            "other",
            "transaction validation failed: reference funds has already been used",
        ),
        (
            {"amount": 0, "precise_amount": 0},
            "TXN_VALIDATION_ERROR",
            "other",
            "failed to apply transaction to balances: transaction precise amount must be positive",
        ),
    ],
)
@pytest.mark.parametrize("skip_queue", [True, False])
def test_a_refusal_has_the_reason_and_the_words_of_the_real_call(
    api: Client, alice: Balance, bob: Balance, change: Any, code: str, reason: str, message: str, skip_queue: bool
) -> None:
    body = order(alice, bob, 140, skip_queue=skip_queue) | change
    assert dry(api, "/transactions", body).body["rejection"] == {"code": code, "reason": reason, "message": message}
    real = api.post("/transactions", body | {"skip_queue": True})
    assert real.body["error_detail"]["message"] == message


def test_a_queued_posting_also_needs_the_reference_of_its_outcome(api: Client, alice: Balance, bob: Balance) -> None:
    world.post("@world", bob, 1, reference="mine_q")
    body = order(alice, bob, 1, reference="mine")
    assert dry(api, "/transactions", body | {"skip_queue": True}).body["would_apply"] is True
    previewed = dry(api, "/transactions", body).body["rejection"]
    assert previewed["message"] == api.post("/transactions", body).body["error"]


def test_an_unknown_indicator_is_virtual_and_is_not_created(api: Client, alice: Balance) -> None:
    answer = dry(api, "/transactions", order(alice, "@new", 10)).text
    assert side("@new", "destination", "0 0 0 0 0 0", "1000 1000 1000 0 0 0") in answer
    answer = dry(api, "/transactions", order("@a", "@b", 10, inflight=True, allow_overdraft=True)).text
    assert side("@a", "source", "0 0 0 0 0 0", "0 -1000 0 0 1000 0") in answer
    assert side("@b", "destination", "0 0 0 0 0 0", "0 0 0 0 0 1000") in answer
    assert '"status":"INFLIGHT"' in answer
    assert dry(api, "/transactions", order("@new", alice, 10)).body["rejection"]["reason"] == "insufficient_funds"
    assert not Balance.objects.filter(indicator__in=("@new", "@a", "@b")).exists()


def test_an_indicator_and_its_own_balance_are_one_told_in_both_roles(api: Client, alice: Balance) -> None:
    known = Balance.objects.get(indicator="@world")
    body = dry(api, "/transactions", order("@world", known, 5, allow_overdraft=True)).body
    assert body["rejection"] == {
        "code": "TXN_VALIDATION_ERROR",
        "reason": "other",
        "message": f"Optimistic locking failure: balance with ID '{known.pk}' "
        "may have been updated or deleted by another transaction",
    }
    assert [(each["balance_id"], each["role"]) for each in body["balances"]] == [
        (known.pk, "source"),
        (known.pk, "destination"),
    ]


def test_notes_say_what_is_ignored_and_which_currencies_differ(api: Client, alice: Balance) -> None:
    euros = world.balance(currency="EUR")
    body = dry(api, "/transactions", order(alice, euros, 5, scheduled_for="2030-01-01T00:00:00Z")).body
    assert body["notes"] == [
        "scheduled_for is ignored in a dry run; the projection shows the effect as if applied now",
        f"currency mismatch: transaction is USD but destination balance {euros.pk} is EUR; "
        "the ledger applies this as raw minor units",
    ]
    assert body["would_apply"] is True


def test_what_waits_in_the_queue_counts_where_the_ledger_says_so(
    api: Client, alice: Balance, bob: Balance, settings: Any
) -> None:
    assert api.post("/transactions", order(alice, bob, 70, reference="waits")).status == 201
    body = order(alice, bob, 40)
    assert dry(api, "/transactions", body).body["would_apply"] is True
    settings.BLNK_TRANSACTION_ENABLE_QUEUED_CHECKS = True
    previewed = dry(api, "/transactions", body | {"skip_queue": True}).body
    assert previewed["rejection"]["reason"] == "insufficient_funds"
    assert previewed["balances"][0]["current_available"] == "3000"


# --- shares


def test_legs_at_once_share_one_set_of_balances(api: Client, alice: Balance, bob: Balance) -> None:
    answer = dry(api, "/transactions", divided(alice, 100, (bob, "60%"), ("@carol", "left"), skip_queue=True))
    balances = ",".join(
        (
            side(alice, "source", "10000 10000 10000 0 0 0", "0 0 10000 10000 0 0"),
            side(bob, "destination", "0 0 0 0 0 0", "6000 6000 6000 0 0 0"),
            side("@carol", "destination", "0 0 0 0 0 0", "4000 4000 4000 0 0 0"),
        )
    )
    assert answer.text == (
        '{"dry_run":true,"would_apply":true,"status":"APPLIED","reference":"ref-1","currency":"USD","amount":100,'
        f'"precise_amount":"10000","precision":100,"balances":[{balances}],"legs":['
        f'{{"identifier":"{bob.pk}","role":"destination","precise_amount":"6000","amount":60}},'
        '{"identifier":"@carol","role":"destination","precise_amount":"4000","amount":40}]}'
    )


def test_legs_at_once_and_those_of_an_atomic_posting_move_all_or_nothing(
    api: Client, alice: Balance, bob: Balance
) -> None:
    for skip_queue, atomic in ((True, False), (True, True), (False, True)):
        body = divided(alice, 150, (bob, "60%"), ("@carol", "left"), skip_queue=skip_queue, atomic=atomic)
        previewed = dry(api, "/transactions", body).body
        assert previewed["rejection"]["message"] == FUNDS
        assert "legs" not in previewed
        assert short(previewed["balances"]) == ["source 10000 -> 10000", "destination 0 -> 0", "destination 0 -> 0"]


@pytest.mark.parametrize("skip_queue", [True, False])
@pytest.mark.parametrize("atomic", [True, False])
def test_a_leg_that_gets_nothing_is_a_rejection_and_leaves_the_previews_of_other_items(
    api: Client, alice: Balance, bob: Balance, skip_queue: bool, atomic: bool
) -> None:
    empty = divided(alice, 10, (bob, "0.05%"), ("@carol", "left"), skip_queue=skip_queue, atomic=atomic)
    previewed = dry(api, "/transactions", empty)
    assert (previewed.status, previewed.body["would_apply"]) == (200, False)
    assert previewed.body["rejection"] == {
        "code": "TXN_VALIDATION_ERROR",
        "reason": "other",
        "message": "failed to apply transaction to balances: transaction precise amount must be positive",
    }
    assert {each["resulting_balance"] for each in previewed.body["balances"]} == {"10000", "0"}
    refused = api.post("/transactions", empty)
    assert (refused.status, refused.body["error_detail"]["code"]) == (400, "TXN_VALIDATION_ERROR")
    orders = [order(alice, bob, 1), empty | {"reference": "ref-2"}, order(alice, bob, 1, reference="ref-3")]
    options = {"transactions": orders, "skip_queue": skip_queue, "atomic": atomic}
    answer = dry(api, "/transactions/bulk", options)
    assert [each["would_apply"] for each in answer.body["results"]] == [True, False, True]
    assert ("failed" in api.post("/transactions/bulk", options).body) is not (skip_queue or atomic)


def test_queued_legs_are_projected_one_by_one(api: Client, alice: Balance, bob: Balance) -> None:
    previewed = dry(api, "/transactions", divided(alice, 150, (bob, "60%"), ("@carol", "left"))).body
    assert previewed["would_apply"] is True
    assert previewed["notes"] == [IN_PARTS]
    assert short(previewed["balances"]) == [
        "source 10000 -> 1000",
        "destination 0 -> 9000",
        "source 10000 -> 4000",
        "destination 0 -> 6000",
    ]
    assert [each["precise_amount"] for each in previewed["legs"]] == ["9000", "6000"]
    previewed = dry(api, "/transactions", divided(alice, 250, (bob, "60%"), ("@carol", "left"))).body
    assert previewed["rejection"]["reason"] == "insufficient_funds"
    assert [each["precise_amount"] for each in previewed["legs"]] == ["10000"]


def test_a_used_reference_of_one_queued_leg_refuses_them_all(api: Client, alice: Balance, bob: Balance) -> None:
    world.post("@world", bob, 1, reference="ref-1_2")
    body = divided(alice, 10, (bob, "60%"), ("@carol", "left"))
    previewed = dry(api, "/transactions", body).body
    assert previewed["rejection"]["code"] == "TXN_DUPLICATE_REFERENCE"
    assert "legs" not in previewed
    assert {each["resulting_balance"] for each in previewed["balances"][::2]} == {"10000"}
    assert api.post("/transactions", body).status == 409


def test_a_repeated_identifier_has_a_leg_for_each_share(api: Client, alice: Balance, bob: Balance) -> None:
    body = divided(alice, 10, (bob, "30%"), (bob, "70%"), skip_queue=True)
    previewed = dry(api, "/transactions", body).body
    assert [each["precise_amount"] for each in previewed["legs"]] == ["300", "700"]
    assert short(previewed["balances"]) == ["source 10000 -> 9000", "destination 0 -> 1000"]


# --- refunds


def test_a_refund_is_previewed_to_the_byte(api: Client, alice: Balance, bob: Balance) -> None:
    paid = world.post(alice, bob, 4000).pk
    answer = dry(api, f"/refund-transaction/{paid}", {"skip_queue": True})
    source = side(bob, "source", "4000 4000 4000 0 0 0", "0 0 4000 4000 0 0")
    destination = side(alice, "destination", "6000 6000 10000 4000 0 0", "10000 10000 14000 4000 0 0")
    assert (answer.status, answer.text) == (
        200,
        f'{{"dry_run":true,"would_apply":true,"status":"APPLIED","reference":"{paid}_refund","currency":"USD",'
        f'"amount":40,"precise_amount":"4000","precision":100,"balances":[{source},{destination}],'
        f'"notes":["projected refund of transaction {paid}"]}}',
    )
    assert dry(api, f"/refund-transaction/{paid}", {}).text == answer.text


def test_all_rows_under_an_id_are_carried_forward(api: Client, alice: Balance, bob: Balance) -> None:
    held = hold(alice, bob, 5000)
    part = api.put(f"/transactions/inflight/{held}", {"status": "commit", "precise_amount": 2000, "skip_queue": True})
    rest = api.put(f"/transactions/inflight/{held}", {"status": "void", "skip_queue": True})
    previewed = dry(api, f"/refund-transaction/{held}", {}).body
    assert (previewed["status"], previewed["precise_amount"], previewed["amount"]) == ("APPLIED", "5000", 50)
    assert previewed["legs"] == [
        {"identifier": rest.body["transaction_id"], "role": "source", "precise_amount": "3000", "amount": 30},
        {"identifier": part.body["transaction_id"], "role": "source", "precise_amount": "2000", "amount": 20},
    ]
    assert previewed["notes"] == [f"projected refund of 2 refundable transactions under {held}"]
    assert previewed["balances"][0]["resulting_inflight_debit_balance"] == "3000"
    assert short(previewed["balances"]) == ["source 2000 -> 0", "destination 8000 -> 10000"]


@pytest.mark.parametrize("skip_queue", [True, False])
def test_what_was_refunded_is_not_refunded_again(api: Client, alice: Balance, bob: Balance, skip_queue: bool) -> None:
    paid = world.post(alice, bob, 4000).pk
    assert api.post(f"/refund-transaction/{paid}", {"skip_queue": skip_queue}).status == 201
    message = f"error occurred during processing: [transaction {paid} has already been refunded]"
    assert dry(api, f"/refund-transaction/{paid}", {}).text == (
        '{"dry_run":true,"would_apply":false,"rejection":{"code":"GEN_CONFLICT","reason":"other",'
        f'"message":"{message}"}},"currency":"","amount":0,"precise_amount":"0","precision":0,"balances":[],'
        f'"notes":["projected refund of transaction {paid}"]}}'
    )
    assert api.post(f"/refund-transaction/{paid}", {"skip_queue": True}).body["error"] == message


# --- commits and voids


def test_commits_and_voids_are_previewed_to_the_byte(api: Client, alice: Balance, bob: Balance) -> None:
    held = hold(alice, bob, 5000)
    path, now = f"/transactions/inflight/{held}", ("10000 5000 10000 0 5000 0", "0 0 0 0 0 5000")
    for body, amount, status, source, destination in (
        ({"status": "commit"}, 50, "APPLIED", "5000 5000 10000 5000 0 0", "5000 5000 5000 0 0 0"),
        ({"status": "commit", "amount": 20}, 20, "APPLIED", "8000 5000 10000 2000 3000 0", "2000 2000 2000 0 0 3000"),
        ({"status": "void"}, 50, "VOID", "10000 10000 10000 0 0 0", "0 0 0 0 0 0"),
    ):
        balances = f"{side(alice, 'source', now[0], source)},{side(bob, 'destination', now[1], destination)}"
        for skip_queue in (True, False):
            answer = dry(api, path, body | {"skip_queue": skip_queue}, "PUT")
            assert (answer.status, answer.text) == (
                200,
                f'{{"dry_run":true,"would_apply":true,"operation":"{body["status"]}","status":"{status}",'
                f'"currency":"USD","amount":{amount},"precise_amount":"{amount * 100}","precision":100,'
                f'"balances":[{balances}]}}',
            )


def rejected(action: str, code: str, message: str) -> str:
    return (
        f'{{"dry_run":true,"would_apply":false,"rejection":{{"code":"{code}","reason":"other","message":"{message}"}},'
        f'"operation":"{action}","currency":"","amount":0,"precise_amount":"0","precision":0,"balances":[]}}'
    )


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"precise_amount": 6000},
            "TXN_COMMIT_AMOUNT_EXCEEDED",
            "cannot commit more than the original transaction amount. Original: USD50.00, Requested: USD60.00",
        ),
        ({"amount": -1}, "TXN_VALIDATION_ERROR", "commit amount cannot be negative"),
        (
            {"amount": 4.005},
            "TXN_INVALID_AMOUNT",
            "4.005 at precision 100 is no whole number of minor units; 4 or 4.01 would be",
        ),
    ],
)
def test_a_part_that_does_not_fit_is_refused(
    api: Client, alice: Balance, bob: Balance, body: Any, code: str, message: str
) -> None:
    path = f"/transactions/inflight/{hold(alice, bob, 5000)}"
    text = f"error occurred during processing: [{message}]"
    assert dry(api, path, body | {"status": "commit"}, "PUT").text == rejected("commit", code, text)
    assert api.put(path, body | {"status": "commit", "skip_queue": True}).body["error"] == text


def test_what_is_settled_or_no_hold_cannot_be_settled(api: Client, alice: Balance, bob: Balance) -> None:
    committed, voided, applied = hold(alice, bob, 100), hold(alice, bob, 100), world.post(alice, bob, 1).pk
    api.put(f"/transactions/inflight/{committed}", {"status": "commit", "skip_queue": True})
    api.put(f"/transactions/inflight/{voided}", {"status": "void", "skip_queue": True})
    for action in ("commit", "void"):
        for held, code, message in (
            (
                committed,
                "TXN_ALREADY_COMMITTED",
                f"error occurred during processing: [cannot {action}. Transaction already committed]",
            ),
            (voided, "TXN_ALREADY_VOIDED", "transaction has already been voided"),
            (applied, "TXN_NOT_INFLIGHT", "transaction is not in inflight status"),
        ):
            answer = dry(api, f"/transactions/inflight/{held}", {"status": action}, "PUT")
            assert answer.text == rejected(action, code, message)


def test_legs_under_a_parent_are_settled_each_as_far_as_it_goes(api: Client, alice: Balance, bob: Balance) -> None:
    split = divided(alice, 10, (bob, "60%"), ("@carol", "left"), inflight=True, skip_queue=True)
    parent = api.post("/transactions", split).body["transaction_id"]
    path = f"/transactions/inflight/{parent}"
    previewed = dry(api, path, {"status": "commit", "precise_amount": 500}, "PUT").body
    assert previewed["rejection"] == {
        "code": "TXN_COMMIT_AMOUNT_EXCEEDED",
        "reason": "other",
        "message": "error occurred during processing: [cannot commit more than the original transaction amount. "
        "Original: USD4.00, Requested: USD5.00]",
    }
    assert [(each["role"], each["precise_amount"]) for each in previewed["legs"]] == [("source", "500")]
    assert short(previewed["balances"]) == ["source 10000 -> 9500", "destination 0 -> 500"]
    previewed = dry(api, path, {"status": "void"}, "PUT").body
    assert (previewed["status"], previewed["precise_amount"], len(previewed["legs"])) == ("VOID", "1000", 2)


def test_a_hold_that_waits_in_the_queue_is_projected_as_if_it_were_applied(
    api: Client, alice: Balance, bob: Balance
) -> None:
    queued = api.post("/transactions", order(alice, bob, 9, inflight=True)).body["transaction_id"]
    path = f"/transactions/inflight/{queued}"
    previewed = dry(api, path, {"status": "commit", "amount": 4}, "PUT")
    source = side(alice, "source", "10000 10000 10000 0 0 0", "9600 9100 10000 400 500 0")
    destination = side(bob, "destination", "0 0 0 0 0 0", "400 400 400 0 0 500")
    assert f'"balances":[{source},{destination}]}}' in previewed.text
    assert previewed.body["would_apply"] is True
    draining.drain()
    assert dry(api, path, {"status": "commit", "amount": 4}, "PUT").body["precise_amount"] == "400"


def test_a_hold_that_the_queue_would_reject_cannot_be_settled_and_the_note_says_why(
    api: Client, alice: Balance, bob: Balance
) -> None:
    queued = api.post("/transactions", order(alice, bob, 900, inflight=True)).body["transaction_id"]
    path, body = f"/transactions/inflight/{queued}", {"status": "commit", "skip_queue": True}
    previewed = dry(api, path, body, "PUT").body
    assert previewed["rejection"]["code"] == "TXN_NOT_INFLIGHT"
    assert previewed["notes"] == [f"{queued} waits in the queue and would be rejected: {FUNDS}"]
    assert api.put(path, body).body["error_detail"]["code"] == "TXN_NOT_INFLIGHT"


def test_all_that_an_atomic_batch_holds_is_applied_with_the_first_of_it(
    api: Client, alice: Balance, bob: Balance
) -> None:
    orders = [order(alice, bob, 30, reference="a"), order(alice, "@shop", 20, reference="b")]
    assert api.post("/transactions/bulk", {"transactions": orders, "inflight": True, "atomic": True}).status == 201
    first = Transaction.objects.get(reference="a").pk
    path, body = f"/transactions/inflight/{first}", {"status": "commit", "skip_queue": True}
    previewed = dry(api, path, body, "PUT").body
    assert previewed["balances"][0]["resulting_inflight_debit_balance"] == "2000"
    assert previewed["precise_amount"] == "3000"
    assert api.put(path, body).status == 200
    assert world.totals(alice)["inflight_debit_balance"] == 2000


def test_a_settlement_that_is_queued_already_is_not_queued_again(api: Client, alice: Balance, bob: Balance) -> None:
    path = f"/transactions/inflight/{hold(alice, bob, 100)}"
    assert api.put(path, {"status": "commit"}).status == 200
    previewed = dry(api, path, {"status": "void"}, "PUT").body
    assert previewed["rejection"]["message"] == api.put(path, {"status": "void"}).body["error"]
    assert dry(api, path, {"status": "void", "skip_queue": True}, "PUT").body["would_apply"] is True


def test_totals_that_have_drifted_refuse_a_settlement_in_the_real_calls_words(
    api: Client, alice: Balance, bob: Balance
) -> None:
    path = f"/transactions/inflight/{hold(alice, bob, 100)}"
    world.drift(bob, hold_credit=-60)
    previewed = dry(api, path, {"status": "commit"}, "PUT").body
    assert previewed["rejection"]["code"] == "TXN_VALIDATION_ERROR"
    assert "insufficient inflight credit balance: have 40, need 100" in previewed["rejection"]["message"]
    real = api.put(path, {"status": "commit", "skip_queue": True})
    assert real.body["error"] == previewed["rejection"]["message"]


# --- bulk


def three(alice: Balance, bob: Balance) -> list[dict[str, Any]]:
    return [
        order(alice, bob, 60, reference="b1"),
        order(alice, bob, 50, reference="b2"),
        order(bob, alice, 5, reference="b3"),
    ]


def test_a_batch_at_once_carries_balances_from_item_to_item(api: Client, alice: Balance, bob: Balance) -> None:
    orders = [order(alice, bob, 60, reference="b1"), order(bob, "@new", 10, reference="b2")]
    answer = dry(api, "/transactions/bulk", {"transactions": orders, "skip_queue": True, "inflight": False})
    balances = ",".join(
        (
            side(alice, "source", "10000 10000 10000 0 0 0", "4000 4000 10000 6000 0 0"),
            side(bob, "destination", "0 0 0 0 0 0", "5000 5000 6000 1000 0 0"),
            side("@new", "destination", "0 0 0 0 0 0", "1000 1000 1000 0 0 0"),
        )
    )
    items = ",".join(
        f'{{"dry_run":true,"would_apply":true,"status":"APPLIED","reference":"{reference}","currency":"USD",'
        f'"amount":{amount},"precise_amount":"{amount}00","precision":100,"balances":null}}'
        for reference, amount in (("b1", 60), ("b2", 10))
    )
    assert (answer.status, answer.text) == (
        200,
        f'{{"dry_run":true,"would_apply":true,"cumulative":true,"atomic":false,"results":[{items}],'
        f'"balances":[{balances}]}}',
    )


def test_a_batch_goes_on_projecting_but_its_balances_stop_where_the_real_one_does(
    api: Client, alice: Balance, bob: Balance
) -> None:
    previewed = dry(api, "/transactions/bulk", {"transactions": three(alice, bob), "skip_queue": True}).body
    assert [each["would_apply"] for each in previewed["results"]] == [True, False, True]
    assert previewed["would_apply"] is False
    assert short(previewed["balances"]) == ["source 10000 -> 4000", "destination 0 -> 6000"]
    assert previewed["notes"] == [
        "the batch stops at the first item that is rejected: balances show what the items before it leave, "
        "while results go on as if that item were left out"
    ]


def test_an_atomic_batch_is_all_or_nothing_also_in_the_queue(api: Client, alice: Balance, bob: Balance) -> None:
    for skip_queue in (True, False):
        body = {"transactions": three(alice, bob), "skip_queue": skip_queue, "atomic": True, "run_async": True}
        previewed = dry(api, "/transactions/bulk", body).body
        assert (previewed["would_apply"], previewed["cumulative"], previewed["atomic"]) == (False, True, True)
        assert short(previewed["balances"]) == ["source 10000 -> 10000", "destination 0 -> 0"]
        assert previewed["notes"] == [
            "an atomic batch is one database transaction: if an item is rejected, nothing of the batch is applied",
            "run_async is ignored in a dry run; the projection is returned immediately",
        ]


def test_items_that_are_queued_are_projected_each_on_its_own(api: Client, alice: Balance, bob: Balance) -> None:
    previewed = dry(api, "/transactions/bulk", {"transactions": three(alice, bob)}).body
    assert [each["would_apply"] for each in previewed["results"]] == [True, True, False]
    assert [short(each["balances"])[0] for each in previewed["results"]] == [
        "source 10000 -> 4000",
        "source 10000 -> 5000",
        "source 0 -> 0",
    ]
    assert "balances" not in previewed
    assert previewed["notes"] == [
        "items are applied later by a worker unless skip_queue is set, so each item is projected independently "
        "against current balances"
    ]


@pytest.mark.parametrize("skip_queue", [True, False])
def test_references_are_refused_in_order_without_their_balances(
    api: Client, alice: Balance, bob: Balance, skip_queue: bool
) -> None:
    orders = [order(alice, bob, 1), order(alice, bob, 1), order(alice, "bln_nope", 1, reference="funds")]
    previewed = dry(api, "/transactions/bulk", {"transactions": orders, "skip_queue": skip_queue}).body
    assert [each.get("rejection", {}).get("code") for each in previewed["results"]] == [
        None,
        "TXN_DUPLICATE_REFERENCE",
        "TXN_DUPLICATE_REFERENCE",
    ]
    assert [each["balances"] for each in previewed["results"]][1:] == [None, None]


def test_one_indicator_has_a_virtual_balance_in_each_currency(api: Client, alice: Balance) -> None:
    given = {"allow_overdraft": True}
    orders = [order("@new", alice, 1, **given), order("@new", alice, 2, currency="EUR", reference="ref-2", **given)]
    previewed = dry(api, "/transactions/bulk", {"transactions": orders, "skip_queue": True}).body
    virtual = [each for each in previewed["balances"] if each.get("virtual")]
    assert [(each["balance_id"], each["currency"], each["resulting_balance"]) for each in virtual] == [
        ("@new", "USD", "-100"),
        ("@new", "EUR", "-200"),
    ]


def test_a_bulk_commit_tells_each_item_on_its_own(api: Client, alice: Balance, bob: Balance) -> None:
    first, second = hold(alice, bob, 500), hold(alice, bob, 600)
    items = [{"transaction_id": first}, {"transaction_id": second, "precise_amount": 200}]
    answer = dry(api, "/transactions/inflight/bulk/commit", {"transactions": items, "skip_queue": True})
    expected = [
        ("5", side(alice, "source", "10000 8900 10000 0 1100 0", "9500 8900 10000 500 600 0"), "500 500 500 0 0 600"),
        ("2", side(alice, "source", "10000 8900 10000 0 1100 0", "9800 8900 10000 200 900 0"), "200 200 200 0 0 900"),
    ]
    results = ",".join(
        f'{{"dry_run":true,"would_apply":true,"operation":"commit","status":"APPLIED","currency":"USD",'
        f'"amount":{amount},"precise_amount":"{amount}00","precision":100,'
        f'"balances":[{source},{side(bob, "destination", "0 0 0 0 0 1100", then)}]}}'
        for amount, source, then in expected
    )
    assert (answer.status, answer.text) == (
        200,
        f'{{"dry_run":true,"would_apply":true,"cumulative":false,"atomic":false,"results":[{results}],"notes":['
        '"each item is projected independently against current balances; '
        'items are settled in the order of the request"]}',
    )


def test_an_unknown_or_empty_id_in_bulk_is_not_resolved(api: Client, alice: Balance, bob: Balance) -> None:
    hold(alice, bob, 500)
    for skip_queue in (True, False):
        body = {"transaction_ids": ["txn_nope", ""], "skip_queue": skip_queue}
        answer = dry(api, "/transactions/inflight/bulk/void", body)
        for unknown in ("txn_nope", ""):
            assert (
                '{"dry_run":true,"would_apply":false,"rejection":{"code":"GEN_NOT_FOUND","reason":"",'
                f'"message":"NOT_FOUND: Transaction with ID \'{unknown}\' not found"}},"operation":"void",'
                '"currency":"","amount":0,"precise_amount":"","precision":0,"balances":null}'
            ) in answer.text


def test_repeated_ids_are_decided_in_order_as_the_real_call_does(api: Client, alice: Balance, bob: Balance) -> None:
    held = hold(alice, bob, 500)
    items = [{"transaction_id": held, "precise_amount": units} for units in (200, 200, 200)]
    path = "/transactions/inflight/bulk/commit"
    previewed = dry(api, path, {"transactions": items, "skip_queue": True}).body
    assert [each["would_apply"] for each in previewed["results"]] == [True, True, False]
    assert previewed["notes"][1] == (
        f"transaction id appears more than once in this batch ({held}); "
        "each occurrence settles what the ones before it leave"
    )
    previewed = dry(api, path, {"transactions": items}).body
    assert [each.get("rejection", {}).get("code") for each in previewed["results"]] == [
        None,
        "GEN_CONFLICT",
        "GEN_CONFLICT",
    ]
    assert previewed["notes"][1].endswith("only the first is queued")
    statuses = [each["status"] for each in api.post(path, {"transactions": items, "skip_queue": True}).body["results"]]
    assert statuses == ["succeeded", "succeeded", "failed"]


def test_a_bulk_commit_at_once_takes_no_parents_and_one_in_the_queue_does(
    api: Client, alice: Balance, bob: Balance
) -> None:
    split = divided(alice, 10, (bob, "60%"), ("@carol", "left"), inflight=True, skip_queue=True)
    items = [{"transaction_id": api.post("/transactions", split).body["transaction_id"]}]
    path = "/transactions/inflight/bulk/commit"
    (queued,) = dry(api, path, {"transactions": items}).body["results"]
    assert (queued["would_apply"], len(queued["legs"])) == (True, 2)
    (at_once,) = dry(api, path, {"transactions": items, "skip_queue": True}).body["results"]
    assert at_once["rejection"]["code"] == "GEN_NOT_FOUND"
    assert api.post(path, {"transactions": items, "skip_queue": True}).body["failed"] == 1


# --- nothing is written


@pytest.fixture
def calls(api: Client, alice: Balance, bob: Balance) -> list[tuple[str, str, dict[str, Any]]]:
    """Return a dry run of every route, of what exists and what waits."""
    held, paid = hold(alice, bob, 500), world.post(alice, bob, 4).pk
    queued = api.post("/transactions", order(alice, bob, 9, inflight=True, reference="waits")).body["transaction_id"]
    dated = {"inflight_expiry_date": "2030-01-01T00:00:00Z", "inflight": True, "reference": "dated"}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/transactions", order("@new", "@newer", 1, allow_overdraft=True)),
        ("POST", "/transactions", order(alice, bob, 1, **dated)),
        ("POST", "/transactions", divided(alice, 10, (bob, "60%"), ("@newest", "left"))),
        ("POST", "/transactions/bulk", {"transactions": [order(alice, "@new", 1)], "run_async": True}),
        ("POST", "/transactions/bulk", {"transactions": [order(alice, "@new", 1)], "atomic": True}),
        ("PUT", f"/transactions/inflight/{held}", {"status": "commit"}),
        ("PUT", f"/transactions/inflight/{queued}", {"status": "void"}),
        ("POST", "/transactions/inflight/bulk/commit", {"transactions": [{"transaction_id": held}]}),
        ("POST", "/transactions/inflight/bulk/void", {"transaction_ids": [held, queued]}),
        ("POST", f"/refund-transaction/{paid}", {}),
    ]
    return [
        (method, path, body | {"dry_run": True, "skip_queue": skip_queue})
        for method, path, body in calls
        for skip_queue in (True, False)
    ]


def database() -> dict[str, Any]:
    """Return a digest of every table, and how far every sequence is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        digests = ", ".join(
            f"(SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} AS t)" for name in tables
        )
        cursor.execute(f"SELECT {digests}")
        contents = dict(zip(tables, cursor.fetchone(), strict=True))
        cursor.execute("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'")
        return contents | dict(cursor.fetchall())


def test_no_row_changes_no_sequence_moves_and_no_job_is_deferred(api: Client, calls: Any) -> None:
    before = database()
    assert len(before) > 40
    for call in calls:
        assert api.send(*call).status == 200
    assert database() == before


def test_dry_runs_need_no_more_than_a_transaction_that_may_only_read(api: Client, calls: Any) -> None:
    """The database itself would refuse writes, locks of rows and numbers of sequences."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
        assert {api.send(*call).body["would_apply"] for call in calls} == {True}
        transaction.set_rollback(True)


def test_what_was_previewed_can_be_done_afterwards_for_real(api: Client, calls: Any) -> None:
    method, path, body = calls[0]
    assert api.send(method, path, body).status == 200
    assert api.send(method, path, body | {"dry_run": False}).status == 201
    assert Balance.objects.filter(indicator="@newer").exists()


# --- how much it reads


def test_a_preview_of_ten_thousand_items_is_one_statement(
    alice: Balance, bob: Balance, django_assert_num_queries: Callable[..., Any]
) -> None:
    given: dict[str, Any] = {"currency": "USD", "description": "d", "precise_amount": 1, "precision": 100}
    postings = [
        Posting(source=alice.pk, destination=f"@shop{n % 100}", reference=f"many-{n}", **given) for n in range(10_000)
    ]
    for skip_queue in (True, False):
        batch = Batch(batch_id="bulk_1", postings=postings, skip_queue=skip_queue)
        with django_assert_num_queries(1):
            preview = preview_batch(batch)
        assert preview.would_apply is True
        assert len(preview.results) == 10_000


def test_a_preview_of_many_settlements_is_a_few_statements(
    api: Client, alice: Balance, bob: Balance, django_assert_num_queries: Callable[..., Any]
) -> None:
    held = [hold(alice, bob, 1) for _ in range(20)]
    waiting = [
        api.post("/transactions", order(alice, bob, 1, inflight=True, reference=f"q{n}")).body["transaction_id"]
        for n in range(20)
    ]
    for ids, skip_queue, count in ((held, True, 2), (held, False, 3), (held + waiting, False, 4)):
        with django_assert_num_queries(count):
            dry(api, "/transactions/inflight/bulk/void", {"transaction_ids": ids, "skip_queue": skip_queue})


def test_the_api_document_describes_previews_as_alternatives(api: Client) -> None:
    document = api.get("/schema").body
    paths, shapes = document["paths"], document["components"]["schemas"]
    for path in ("/transactions", "/refund-transaction/{transaction_id}"):
        answer = paths[path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer == {"$ref": "#/components/schemas/PreviewAnswer"}
    assert shapes["TransactionOrPreview"]["oneOf"] == [
        {"$ref": "#/components/schemas/TransactionAnswer"},
        {"$ref": "#/components/schemas/PreviewAnswer"},
    ]
    assert shapes["ProjectionAnswer"]["properties"]["current_available"]["type"] == "string"
