"""One amount over several balances, through Blnk's SDKs, unchanged, against a live server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.cast import balance, done, funded, of_reference, posting, rows, totals
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
BOTH_WAYS = pytest.mark.parametrize("skip_queue", [False, True])


def share(identifier: str, distribution: str = "", precise: str | None = None) -> dict[str, str]:
    found = {"identifier": identifier, "distribution": distribution, "precise_distribution": precise}
    return {key: value for key, value in found.items() if value}


@BOTH_WAYS
def test_shares_that_do_not_fit_are_refused(blnk: Client, skip_queue: bool) -> None:
    """What exceeds the whole is stopped by the SDKs already, what is unknown by the server."""
    alice, bob = funded(blnk), balance(blnk)
    too_much = [share(bob, "60%"), share("@shop", "50%")]
    answer = blnk.transactions.create(posting(alice, amount=100, destinations=too_much, skip_queue=skip_queue))
    assert answer.status == 400
    lost = [share(bob, "60%"), share("bln_x", "left")]
    body = posting(alice, amount=100, destinations=lost, skip_queue=skip_queue, atomic=True)
    answer = blnk.transactions.create(body)
    assert (answer.status, answer.code, answer.message) == (404, "TXN_NOT_FOUND", "Balance with ID 'bln_x' not found")
    assert totals(blnk, alice, bob) == [(0, 10_000, 0, 0), (0, 0, 0, 0)]


@pytest.mark.parametrize("atomic", [False, True])
def test_a_leg_that_cannot_be_paid_is_refused_by_its_number(blnk: Client, atomic: bool) -> None:
    rich, poor, bob = funded(blnk, 100), funded(blnk, 1), balance(blnk)
    body = posting(
        destination=bob, amount=40, sources=[share(rich, "50%"), share(poor, "left")], atomic=atomic, skip_queue=True
    )
    answer = blnk.transactions.create(body)
    assert (answer.status, answer.code) == (400, "TXN_INSUFFICIENT_FUNDS")
    assert answer.message == (
        "failed to record split transaction 1: failed to apply transaction to balances: "
        "insufficient funds in source balance"
    )


def test_legs_that_the_worker_cannot_pay_are_rejected_one_by_one(blnk: Client, drained: Callable[[], None]) -> None:
    rich, poor, bob = funded(blnk, 100), funded(blnk, 1), balance(blnk)
    body = posting(destination=bob, amount=40, sources=[share(rich, "50%"), share(poor, "left")])
    done(blnk.transactions.create(body))
    drained()
    assert [row[:2] for row in of_reference(blnk, body["reference"])] == [
        ("_1", "QUEUED"),
        ("_1_q", "APPLIED"),
        ("_2", "QUEUED"),
        ("_2_q", "REJECTED"),
    ]
    assert totals(blnk, rich, poor, bob) == [(2_000, 10_000, 0, 0), (0, 100, 0, 0), (0, 2_000, 0, 0)]


@BOTH_WAYS
@pytest.mark.parametrize("inflight", [False, True])
def test_destinations_share_by_percent_amount_and_what_is_left(
    blnk: Client, drained: Callable[[], None], skip_queue: bool, inflight: bool
) -> None:
    alice = funded(blnk, 200)
    bob, fees, rest = (balance(blnk) for _ in range(3))
    shares = [share(bob, "12.5%"), share(fees, "20.05"), share(rest, "left")]
    body = posting(alice, amount=100, destinations=shares, skip_queue=skip_queue, inflight=inflight)
    created = done(blnk.transactions.create(body))
    parent = created["transaction_id"]
    final = "INFLIGHT" if inflight else "APPLIED"
    assert (created["status"], created["inflight"]) == (final if skip_queue else "QUEUED", inflight)
    assert created["source"] == alice
    assert "destination" not in created
    legs = created["destinations"]
    assert [(leg["identifier"], leg["distribution"]) for leg in legs] == [
        (given["identifier"], given["distribution"]) for given in shares
    ]
    assert blnk.transactions.get(parent).status == 404
    drained()
    ids = [leg["transaction_id"] for leg in legs]
    units = [1_250, 2_005, 6_745]
    if skip_queue:
        expected = [(f"-{n}", final, parent, units[n - 1]) for n in (1, 2, 3)]
        assert [done(blnk.transactions.get(leg), 200)["precise_amount"] for leg in ids] == units
    else:
        expected = [
            row
            for n in (1, 2, 3)
            for row in ((f"_{n}", "QUEUED", parent, units[n - 1]), (f"_{n}_q", final, ids[n - 1], units[n - 1]))
        ]
    assert of_reference(blnk, body["reference"]) == expected
    held, moved = (10_000, 0) if inflight else (0, 10_000)
    assert totals(blnk, alice) == [(moved, 20_000, held, 0)]
    assert totals(blnk, bob, fees, rest) == [
        (0, 0, 0, part) if inflight else (0, part, 0, 0) for part in units
    ]  # fmt: skip


@BOTH_WAYS
def test_several_sources_pay_their_shares_in_minor_units(
    blnk: Client, drained: Callable[[], None], skip_queue: bool
) -> None:
    payers = [funded(blnk, 10) for _ in range(3)]
    bob = balance(blnk)
    shares = [share(payers[0], precise="333"), share(payers[1], precise="600"), share(payers[2], precise="67")]
    body = posting(destination=bob, precise_amount=1_000, sources=shares, skip_queue=skip_queue)
    created = done(blnk.transactions.create(body))
    assert created["amount_string"] == "10"
    legs = [{key: value for key, value in leg.items() if key != "transaction_id"} for leg in created["sources"]]
    assert legs == [given | {"distribution": ""} for given in shares]
    drained()
    paid = [(333, 1_000, 0, 0), (600, 1_000, 0, 0), (67, 1_000, 0, 0)]
    assert totals(blnk, *payers, bob) == [*paid, (0, 1_000, 0, 0)]


def test_a_split_hold_is_settled_by_the_id_of_its_request(blnk: Client) -> None:
    """A part is taken from every leg; the worked case of the contract."""
    alice, bob, carol = funded(blnk, 10), balance(blnk), balance(blnk)
    shares = [share(bob, "60%"), share(carol, "left")]
    body: dict[str, Any] = posting(alice, amount=10, destinations=shares, inflight=True, skip_queue=True)
    parent = done(blnk.transactions.create(body))["transaction_id"]

    much = blnk.transactions.update_status(parent, {"status": "commit", "precise_amount": 700, "skip_queue": True})
    assert (much.status, much.code) == (400, "TXN_COMMIT_AMOUNT_EXCEEDED")
    assert "Original: USD6.00, Requested: USD7.00" in much.message
    assert "Original: USD4.00, Requested: USD7.00" in much.message

    part = {"status": "commit", "precise_amount": 100, "skip_queue": True}
    committed = done(blnk.transactions.update_status(parent, part), 200)
    legs = {row["transaction_id"] for row in rows(blnk, "parent_transaction", parent)}
    assert (committed["status"], committed["precise_amount"]) == ("APPLIED", 100)
    assert committed["parent_transaction"] in legs
    assert totals(blnk, alice, bob, carol) == [(200, 1_000, 800, 0), (0, 100, 0, 500), (0, 100, 0, 300)]
    done(blnk.transactions.update_status(parent, {"status": "void", "skip_queue": True}), 200)
    assert totals(blnk, alice, bob, carol) == [(200, 1_000, 0, 0), (0, 100, 0, 0), (0, 100, 0, 0)]
    again = blnk.transactions.update_status(parent, {"status": "void", "skip_queue": True})
    assert (again.status, again.code) == (409, "TXN_ALREADY_VOIDED")


def test_a_queued_commit_of_a_split_answers_with_the_id_that_was_asked_for(
    blnk: Client, drained: Callable[[], None]
) -> None:
    alice, bob, carol = funded(blnk, 10), balance(blnk), balance(blnk)
    shares = [share(bob, "60%"), share(carol, "left")]
    body = posting(alice, amount=10, destinations=shares, inflight=True)
    parent = done(blnk.transactions.create(body))["transaction_id"]
    drained()
    answer = done(blnk.transactions.update_status(parent, {"status": "commit"}), 200)
    assert (answer["transaction_id"], answer["status"], answer["queued"]) == (parent, "INFLIGHT", True)
    drained()
    assert totals(blnk, alice, bob, carol) == [(1_000, 1_000, 0, 0), (0, 600, 0, 0), (0, 400, 0, 0)]
