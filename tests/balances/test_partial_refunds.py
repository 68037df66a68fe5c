"""Refunds of a part: what is left is counted, and never more than was paid is given back."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.ground.amounts import transaction_hash
from balances.models import Balance, Transaction
from balances.models.queue import Entry
from tests import world
from tests.balances.api.test_settlement_contract import split
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
    under,
    wallets,
    written,
)

pytestmark = pytest.mark.django_db
FAILED = "error occurred during processing: [{}]"
EXCEEDS = FAILED.format("cannot refund more than is left of transaction {}. Left: USD{}, Requested: USD{}")
NOTHING = "no transaction to refund"
REFUNDED = FAILED.format("transaction {} has already been refunded")
MODES = pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])


@pytest.fixture
def paid(api: Client) -> str:
    """Return the id of a payment of 10 from Alice to Bob."""
    wallets()
    return create(api, body("paid", meta_data={"order": 7}))


def refund(api: Client, transaction_id: str, **fields: Any) -> Answer:
    """Refund, after a dry run that must say the same."""
    path = f"/refund-transaction/{transaction_id}"
    preview, answer = api.post(path, fields | {"dry_run": True}), api.post(path, fields)
    if preview.status == 200:
        assert preview.body["would_apply"] is (answer.status == 201), (preview.text, answer.text)
        if answer.status == 201:
            assert preview.body["precise_amount"] == str(answer.body["precise_amount"])
            assert preview.body["reference"] == answer.body["reference"]
        else:
            assert preview.body["rejection"]["message"] == answer.body["error"]
    else:
        assert (preview.status, preview.text) == (answer.status, answer.text)
    return answer


def given_back(api: Client, transaction_id: str, **fields: Any) -> dict[str, Any]:
    answer = refund(api, transaction_id, **fields)
    assert answer.status == 201, answer.text
    body: dict[str, Any] = answer.body
    return body


@MODES
def test_a_payment_is_given_back_in_parts_each_with_a_reference_of_its_own(
    api: Client, paid: str, skip_queue: bool
) -> None:
    for number, part in enumerate(({"precise_amount": 100}, {"amount": 2.5}, {"amount": 1, "precise_amount": 100}), 1):
        found = given_back(api, paid, skip_queue=skip_queue, **part)
        units = (100, 250, 100)[number - 1]
        reference = f"{paid}_refund" + ("" if number == 1 else f"_{number}")
        assert (found["reference"], found["parent_transaction"]) == (reference, paid)
        assert (found["precise_amount"], Decimal(str(found["amount"]))) == (units, Decimal(units) / 100)
        assert found["amount_string"] == str(found["amount"])
        assert (found["source"], found["destination"], found["meta_data"]["order"]) == ("bln_bob", "bln_alice", 7)
        amount = Decimal(units) / 100
        assert (
            found["hash"] == transaction_hash(amount, reference, "USD", "bln_bob", "bln_alice") == row(reference).hash
        )
        drain()
        if not skip_queue:
            outcome = row(f"{reference}_q")
            assert (outcome.status, outcome.parent_transaction) == ("APPLIED", found["transaction_id"])
            assert outcome.units == units
    assert sums("bln_alice") == (1000, FUNDS + 450, 0, 0)
    assert_refused(
        refund(api, paid, skip_queue=skip_queue, precise_amount=551),
        400,
        "TXN_INVALID_AMOUNT",
        EXCEEDS.format(paid, "5.5", "5.51"),
    )
    assert given_back(api, paid, skip_queue=skip_queue)["precise_amount"] == 550
    drain()
    for part in ({}, {"precise_amount": 1}):
        answer = refund(api, paid, skip_queue=skip_queue, **part)
        assert_refused(answer, 409, "GEN_CONFLICT", REFUNDED.format(paid))
    assert sums("bln_alice") == (1000, FUNDS + 1000, 0, 0)
    assert_no_drift()


def test_a_part_of_the_whole_is_the_whole(api: Client, paid: str) -> None:
    found = given_back(api, paid, skip_queue=True, precise_amount=1000)
    assert (found["reference"], found["amount"]) == (f"{paid}_refund", 10)
    assert refund(api, paid, skip_queue=True).status == 409


@MODES
@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"amount": 0}, "amount must be positive"),
        ({"amount": -1}, "amount must be positive"),
        ({"precise_amount": 0}, "precise_amount must be positive"),
        ({"precise_amount": -1}, "precise_amount must be positive"),
        ({"amount": 0, "precise_amount": 5}, "amount must be positive"),
        ({"amount": 0.001}, "0.001 at precision 100 is no whole number of minor units; 0.01 would be"),
        ({"amount": 1.005}, "1.005 at precision 100 is no whole number of minor units; 1 or 1.01 would be"),
        ({"amount": 1, "precise_amount": 1}, "amount 1 at precision 100 contradicts precise_amount 1"),
        ({"amount": 1e300}, None),
        ({"precise_amount": 10**40}, None),
    ],
)
def test_a_part_that_is_none_is_refused(
    api: Client, paid: str, part: dict[str, Any], why: str | None, skip_queue: bool
) -> None:
    before = written()
    answer = refund(api, paid, skip_queue=skip_queue, **part)
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_INVALID_AMOUNT")
    assert (why or "cannot refund more than is left") in answer.body["error"]
    assert written() == before
    assert (
        api.post(f"/refund-transaction/{paid}", {"amount": "1"}).body["error_detail"]["code"] == "GEN_MALFORMED_REQUEST"
    )


def test_refunds_that_wait_count_and_go_on_after_a_restart(api: Client, paid: str) -> None:
    given_back(api, paid, precise_amount=600)
    for skip_queue in (True, False):
        assert refund(api, paid, skip_queue=skip_queue, precise_amount=401).status == 400
    given_back(api, paid, precise_amount=100, skip_queue=True)
    given_back(api, paid)
    assert (Entry.objects.count(), sums("bln_alice")[1]) == (2, FUNDS + 100)
    assert refund(api, paid).status == 409
    drain()
    assert sums("bln_alice") == (1000, FUNDS + 1000, 0, 0)
    assert_no_drift()


def test_a_refund_that_was_rejected_gave_nothing_back(api: Client, paid: str) -> None:
    waiting = given_back(api, paid, precise_amount=600)
    Entry.objects.update(attempts=5, last_error="the disk was full")
    drain()
    assert under(waiting["transaction_id"]) == [("REJECTED", 600)]
    found = given_back(api, paid, skip_queue=True)
    assert (found["precise_amount"], found["reference"]) == (1000, f"{paid}_refund_2")
    assert sums("bln_alice") == (1000, FUNDS + 1000, 0, 0)
    assert_no_drift()


def test_a_reference_that_somebody_took_is_passed_over(api: Client, paid: str) -> None:
    create(api, body(f"{paid}_refund_2", 1))
    create(api, body(f"{paid}_refund_3_q", 1))
    references = [given_back(api, paid, precise_amount=1, skip_queue=mode)["reference"] for mode in (True, False, True)]
    assert references == [f"{paid}_refund", f"{paid}_refund_4", f"{paid}_refund_5"]


@MODES
def test_an_id_that_stands_for_several_rows_is_not_guessed_at(api: Client, skip_queue: bool) -> None:
    wallets()
    legs = create(api, split(body("s")))
    batch = api.post("/transactions/bulk", {"transactions": [body("a"), body("b")], "skip_queue": True}).body[
        "batch_id"
    ]
    held = hold(api, "h")
    settled(api, held, units=300)
    settled(api, held, "void")
    for several in (legs, batch, held):
        rows = [
            each.pk
            for each in Transaction.objects.filter(parent_transaction=several).order_by("-created_at", "-reference")
        ]
        before = written()
        answer = refund(api, several, skip_queue=skip_queue, precise_amount=1)
        assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_INVALID_AMOUNT")
        assert f"a part can be refunded of one transaction only, and {several} stands for 2: " in answer.body["error"]
        assert all(each in answer.body["error"] for each in rows)
        assert written() == before
        assert given_back(api, rows[0] if several != held else rows[-1], precise_amount=1)["precise_amount"] == 1
    drain()
    assert api.post(f"/refund-transaction/{batch}", {"skip_queue": True}).status == 201
    back = Transaction.objects.filter(source="bln_bob", status="APPLIED")
    assert sorted(each.units for each in back) == [1, 1, 999, 1000]
    assert_no_drift()


@pytest.mark.parametrize("of", ["queued", "queued hold", "hold"])
def test_an_id_that_stands_for_one_payment_is_refunded_in_parts(api: Client, of: str) -> None:
    wallets()
    give = queued if "queued" in of else body
    moved = create(api, give("q", inflight="hold" in of))
    drain()
    if "hold" in of:
        settled(api, moved)
    assert given_back(api, moved, precise_amount=400, skip_queue=True)["precise_amount"] == 400
    assert given_back(api, moved, skip_queue=True)["precise_amount"] == 600
    assert sums("bln_alice") == (1000, FUNDS + 1000, 0, 0)
    assert_no_drift()


@MODES
def test_a_released_hold_comes_back_whole_or_not_at_all(api: Client, skip_queue: bool) -> None:
    wallets()
    held = hold(api, "h")
    void = settled(api, held, "void")
    answer = refund(api, held, skip_queue=skip_queue, precise_amount=1)
    text = f"transaction {void} released a hold: it can be refunded as a whole only"
    assert_refused(answer, 400, "TXN_INVALID_AMOUNT", f"error occurred during processing: [{text}]")
    assert given_back(api, held, skip_queue=skip_queue)["precise_amount"] == 1000
    assert refund(api, held, skip_queue=skip_queue).status == 409


def test_a_refund_is_refunded_in_parts_as_well(api: Client, paid: str) -> None:
    back = given_back(api, paid, precise_amount=600, skip_queue=True)["transaction_id"]
    assert given_back(api, back, precise_amount=200, skip_queue=True)["source"] == "bln_alice"
    assert refund(api, back, precise_amount=401, skip_queue=True).status == 400
    # What was paid again is a payment of its own: the first one has no more left than before.
    assert refund(api, paid, precise_amount=401, skip_queue=True).status == 400
    assert sums("bln_alice") == (1200, FUNDS + 600, 0, 0)
    assert_no_drift()


def test_rows_from_before_minor_units_are_refunded_in_parts_by_their_amount(api: Client) -> None:
    wallets()
    alice, bob = Balance.objects.get(pk="bln_alice"), Balance.objects.get(pk="bln_bob")
    old = world.row("APPLIED", None, alice, bob, amount=Decimal("10.005"), reference="old")
    world.drift(alice, debit=1001)
    world.drift(bob, credit=1001)
    assert given_back(api, old.pk, amount=4, skip_queue=True)["precise_amount"] == 400
    assert given_back(api, old.pk, skip_queue=True)["precise_amount"] == 601
    assert_no_drift()


PART = st.tuples(st.integers(1, 700) | st.none(), st.booleans(), st.booleans())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(PART, max_size=8))
def test_whatever_is_asked_what_was_paid_is_given_back_at_most(
    asked: list[tuple[int | None, bool, bool]], api: Client
) -> None:
    number = Transaction.objects.count()
    if not number:
        wallets()
    start = sums("bln_alice")[1]
    paid, left = create(api, body(f"r{number}")), 1000
    for units, skip_queue, drains in asked:
        answer = refund(api, paid, skip_queue=skip_queue, **({"precise_amount": units} if units else {}))
        wanted = left if units is None else units
        if left and wanted <= left:
            assert answer.status == 201, answer.text
            left -= wanted
        else:
            assert answer.status == (400 if left else 409), answer.text
        if drains:
            drain()
    drain()
    assert sums("bln_alice")[1] - start == 1000 - left
    assert_no_drift()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ways", [(True,), (False,), (True, False)], ids=["at once", "queued", "both ways"])
def test_many_at_once_give_back_no_more_than_was_paid(api: Client, ways: tuple[bool, ...]) -> None:
    wallets()
    paid = create(api, queued("paid"))
    drain()
    ids, answers = (paid, row("paid_q").pk), list[Answer]()
    gate = threading.Barrier(10)

    def ask(number: int) -> None:
        try:
            gate.wait(20)
            sent = {"precise_amount": 300, "skip_queue": ways[number % len(ways)]}
            answers.append(Client().post(f"/refund-transaction/{ids[number // 2 % 2]}", sent))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(each.status for each in answers) == [201] * 3 + [400] * 7, [each.text for each in answers]
    drain()
    assert sums("bln_alice") == (1000, FUNDS + 900, 0, 0)
    assert given_back(api, paid, skip_queue=True)["precise_amount"] == 100
    assert refund(api, paid).status == 409
    assert_no_drift()


@pytest.mark.parametrize("parent", ["txn_first", "txn_second"], ids=["its own parent", "a circle of two"])
def test_a_refund_ends_where_parents_form_a_circle(api: Client, paid: str, parent: str) -> None:
    for pk, above in (("txn_first", parent), ("txn_second", "txn_first")):
        circling = Transaction.objects.get(pk=paid)
        circling.pk, circling.reference, circling.parent_transaction, circling.status = pk, pk, above, "INFLIGHT"
        circling.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '2s'")
    assert_refused(api.post("/refund-transaction/txn_first", {"skip_queue": True}), 404, "TXN_NOT_FOUND", NOTHING)
