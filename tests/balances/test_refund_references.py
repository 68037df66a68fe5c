"""A refund bears a reference of its client's own, so that one that is sent again is not made again."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from balances.models import Transaction
from balances.models.queue import Entry
from tests.balances.api.test_settlement_contract import split
from tests.balances.test_partial_refunds import MODES, given_back, refund
from tests.client import Answer, Client
from tests.wire import (
    FUNDS,
    assert_no_drift,
    assert_refused,
    body,
    create,
    drain,
    hold,
    queued,
    row,
    settled,
    sums,
    wallets,
    written,
)

pytestmark = pytest.mark.django_db
USED = "transaction validation failed: reference {} has already been used"
UNFIT = pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("", "cannot be blank"),
        (" back", "begins or ends with a blank"),
        ("back\t", "invisible character U+0009"),
        ("ba\u200bck", "invisible"),
        ("cafe\u0301", "NFC"),
        ("x" * 2001, "cannot be longer than 2000 bytes"),
    ],
)
"""References that the rules of every reference refuse, and why."""


@pytest.fixture
def paid(api: Client) -> str:
    """Return the id of a payment of 10 from Alice to Bob."""
    wallets()
    return create(api, body("paid"))


def used(api: Client, transaction_id: str, reference: str = "back", **fields: Any) -> dict[str, Any]:
    """Return what is said of a reference that is in use; nothing is written."""
    before = written()
    answer = refund(api, transaction_id, reference=reference, **fields)
    details: dict[str, Any] = answer.body["error_detail"]["details"]
    assert_refused(answer, 409, "TXN_DUPLICATE_REFERENCE", USED.format(details["reference"]), details=details)
    assert list(details) == sorted(details)
    assert written() == before
    return details


@MODES
@pytest.mark.parametrize("part", [{}, {"precise_amount": 400}, {"amount": 6}, {"precise_amount": 1000}])
def test_a_refund_that_is_sent_again_with_its_reference_is_made_once(
    api: Client, paid: str, part: dict[str, Any], skip_queue: bool
) -> None:
    found = given_back(api, paid, reference="back", skip_queue=skip_queue, **part)
    assert (found["reference"], found["parent_transaction"]) == ("back", paid)
    told = {"reference": "back", "same_payment": True, "transaction_id": found["transaction_id"]}
    status = {"status": "APPLIED" if skip_queue else "QUEUED"}
    for mode in (True, False):
        assert used(api, paid, skip_queue=mode, **part) == told | status
    drain()
    outcome = {} if skip_queue else {"outcome": "APPLIED"}
    for mode in (True, False):
        assert used(api, paid, skip_queue=mode, **part) == told | status | outcome
    assert sums("bln_alice") == (1000, FUNDS + found["precise_amount"], 0, 0)
    assert row("back" if skip_queue else "back_q").status == "APPLIED"
    assert_no_drift()


@MODES
def test_the_same_reference_for_another_refund_is_told_by_what_differs(
    api: Client, paid: str, skip_queue: bool
) -> None:
    twin, other = create(api, body("twin")), create(api, body("other", source="bln_bob", destination="bln_carol"))
    given_back(api, paid, reference="back", precise_amount=400, skip_queue=True)
    for ask, differs in (
        ((paid, {"precise_amount": 401}), ["amount"]),
        ((paid, {}), ["amount"]),
        ((paid, {"precise_amount": 601}), ["amount"]),
        ((paid, {"amount": 0.001}), ["amount"]),
        ((twin, {"precise_amount": 400}), ["parent_transaction"]),
        ((twin, {}), ["amount", "parent_transaction"]),
        ((other, {"precise_amount": 400}), ["destination", "parent_transaction", "source"]),
    ):
        details = used(api, ask[0], skip_queue=skip_queue, **ask[1])
        assert (details["same_payment"], details["differs"]) == (False, differs)
    assert "differs" not in used(api, paid, amount=4, skip_queue=skip_queue)
    assert sums("bln_alice") == (2000, FUNDS + 400, 0, 0)


def test_a_reference_is_one_over_payments_and_refunds(api: Client, paid: str) -> None:
    assert used(api, paid, "paid")["differs"] == ["destination", "parent_transaction", "source"]
    swapped = create(api, body("swapped", source="bln_bob", destination="bln_alice"))
    details = used(api, paid, "swapped")
    assert (details["transaction_id"], details["differs"]) == (swapped, ["parent_transaction"])
    back = given_back(api, paid, reference="back", skip_queue=True)
    answer = api.post("/transactions", body("back", source="bln_bob", destination="bln_alice"))
    details = answer.body["error_detail"]["details"]
    assert (answer.status, details["transaction_id"]) == (409, back["transaction_id"])
    assert details["differs"] == ["parent_transaction"]


def test_the_reference_of_the_outcome_of_a_queued_refund_is_kept_for_it(api: Client, paid: str) -> None:
    other = create(api, body("other"))
    back = given_back(api, paid, reference="back", precise_amount=1)
    for mode in (True, False):
        assert used(api, other, "back_q", skip_queue=mode)["transaction_id"] == back["transaction_id"]
    taken = create(api, body("late_q"))
    assert used(api, other, "late")["transaction_id"] == taken
    assert given_back(api, other, reference="late", skip_queue=True)["reference"] == "late"
    drain()
    assert row("back_q").parent_transaction == back["transaction_id"]
    assert_no_drift()


def test_a_refund_by_any_id_of_its_payment_is_the_same_one(api: Client) -> None:
    wallets()
    waiting = create(api, queued("q"))
    drain()
    held = hold(api, "h")
    commit = settled(api, held)
    for first, second, reference in ((waiting, row("q_q").pk, "a"), (held, commit, "b")):
        given_back(api, first, reference=reference, precise_amount=300, skip_queue=True)
        assert used(api, second, reference, precise_amount=300)["same_payment"]
        assert used(api, first, reference, amount=3)["same_payment"]
    assert_no_drift()


@MODES
def test_one_reference_for_several_payments_is_refused(api: Client, skip_queue: bool) -> None:
    wallets()
    legs = create(api, split(body("s")))
    batch = api.post("/transactions/bulk", {"transactions": [body("a"), body("b")], "skip_queue": True}).body[
        "batch_id"
    ]
    held = hold(api, "h")
    settled(api, held, units=300)
    settled(api, held, "void")
    for several in (legs, batch, held):
        before = written()
        answer = refund(api, several, reference="back", skip_queue=skip_queue)
        assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_VALIDATION_ERROR")
        text = f"a reference can be given to the refund of one transaction only, and {several} stands for 2: "
        assert answer.body["error"].startswith(text)
        assert written() == before
    one = Transaction.objects.get(parent_transaction=batch, reference="a").pk
    assert given_back(api, one, reference="back", skip_queue=skip_queue)["reference"] == "back"


def test_an_id_that_came_to_stand_for_more_still_knows_its_refund(api: Client) -> None:
    wallets()
    held = hold(api, "h")
    settled(api, held, units=300)
    given_back(api, held, reference="back", skip_queue=True)
    settled(api, held, units=200)
    assert used(api, held)["same_payment"]


def test_references_of_the_server_and_of_clients_stand_side_by_side(api: Client, paid: str) -> None:
    asked = ("back", None, f"{paid}_refund_3", None)
    found = [
        given_back(api, paid, precise_amount=1, skip_queue=True, **({"reference": each} if each else {}))["reference"]
        for each in asked
    ]
    assert found == ["back", f"{paid}_refund_2", f"{paid}_refund_3", f"{paid}_refund_4"]


def test_a_refund_that_was_rejected_keeps_its_reference_and_is_said_to_be(api: Client, paid: str) -> None:
    given_back(api, paid, reference="back", precise_amount=600)
    Entry.objects.update(attempts=5, last_error="the disk was full")
    drain()
    details = used(api, paid, precise_amount=600)
    assert (details["outcome"], details["same_payment"]) == ("REJECTED", True)
    assert used(api, paid)["differs"] == ["amount"]
    assert given_back(api, paid, reference="again", precise_amount=600, skip_queue=True)["precise_amount"] == 600


def test_a_released_hold_that_comes_back_bears_the_reference(api: Client) -> None:
    wallets()
    held = hold(api, "h")
    settled(api, held, "void")
    assert given_back(api, held, reference="back", skip_queue=True)["reference"] == "back"
    assert used(api, held)["status"] == "INFLIGHT"
    assert sums("bln_bob")[2:] == (1000, 0)


@MODES
@UNFIT
def test_a_reference_keeps_the_rules_of_every_reference(
    api: Client, paid: str, reference: str, why: str, skip_queue: bool
) -> None:
    before = written()
    answer = refund(api, paid, reference=reference, skip_queue=skip_queue)
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_VALIDATION_ERROR")
    assert answer.body["errors"].startswith("reference: ")
    assert why in answer.body["errors"]
    assert written() == before
    for odd in (5, [], {}, True):
        assert api.post(f"/refund-transaction/{paid}", {"reference": odd}).status == 400
    assert written() == before
    assert refund(api, paid, reference=None, skip_queue=skip_queue).body["reference"] == f"{paid}_refund"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ways", [(True,), (False,), (True, False)], ids=["at once", "queued", "both ways"])
@pytest.mark.parametrize("payments", [1, 2])
def test_many_at_once_with_one_reference_give_back_once(api: Client, ways: tuple[bool, ...], payments: int) -> None:
    wallets()
    ids = [create(api, body(f"paid{number}")) for number in range(payments)]
    answers = list[Answer]()
    gate = threading.Barrier(8)

    def ask(number: int) -> None:
        try:
            gate.wait(20)
            sent = {"precise_amount": 100, "skip_queue": ways[number % len(ways)], "reference": "back"}
            answers.append(Client().post(f"/refund-transaction/{ids[number // 2 % payments]}", sent))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(each.status for each in answers) == [201] + [409] * 7, [each.text for each in answers]
    refusals = [each.body["error_detail"] for each in answers if each.status == 409]
    assert {each["code"] for each in refusals} == {"TXN_DUPLICATE_REFERENCE"}
    assert all(each["details"]["reference"] == "back" for each in refusals)
    drain()
    assert sums("bln_alice")[:2] == (1000 * payments, FUNDS + 100)
    assert_no_drift()
