"""A refusal for a used reference says which transaction has it, and whether it is the same payment."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.balances.api.test_settlement_contract import split
from tests.client import Client
from tests.wire import assert_no_drift, body, create, drain, queued, row, wallets, written

pytestmark = pytest.mark.django_db
MODES = pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def said(api: Client, sent: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a reference that is in use, by single requests and in batches."""
    before = written()
    answer = api.post("/transactions", sent)
    detail = answer.body["error_detail"]
    assert (answer.status, detail["code"]) == (409, "TXN_DUPLICATE_REFERENCE"), answer.text
    assert detail["message"] == answer.body["error"]
    details: dict[str, Any] = detail["details"]
    assert list(details) == sorted(details)
    batch = {"transactions": [sent], "inflight": sent.get("inflight", False)}
    for options in ({"skip_queue": True}, {"atomic": True}, {"skip_queue": True, "atomic": True}):
        told = api.post("/transactions/bulk", batch | options).body["error_detail"]["details"]
        assert told == {"batch_id": told["batch_id"]} | details
    assert api.post("/transactions/bulk", batch).body["results"][0]["details"] == details
    assert written() == before
    return details


@MODES
def test_a_payment_that_is_sent_again_is_the_same_one(ledger: Client, skip_queue: bool) -> None:
    paid = create(ledger, body("r", skip_queue=skip_queue))
    status = "APPLIED" if skip_queue else "QUEUED"
    used = {"reference": "r", "same_payment": True, "status": status, "transaction_id": paid}
    for mode in (True, False):
        assert said(ledger, body("r", skip_queue=mode)) == used
        assert said(ledger, body("r", None, amount=10, description="other", skip_queue=mode)) == used  # type: ignore[arg-type]
    drain()
    if not skip_queue:
        assert said(ledger, body("r")) == used | {"outcome": "APPLIED"}


@MODES
@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"precise_amount": 1001}, ["amount"]),
        ({"source": "bln_carol"}, ["source"]),
        ({"destination": "bln_carol"}, ["destination"]),
        ({"source": "bln_bob", "destination": "bln_alice"}, ["destination", "source"]),
        ({"destination": "@bob"}, ["destination"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"precise_amount": 1, "currency": "EUR", "source": "@new"}, ["amount", "currency", "source"]),
    ],
)
def test_another_payment_is_told_by_what_differs(
    ledger: Client, change: dict[str, Any], differs: list[str], skip_queue: bool
) -> None:
    paid = create(ledger, body("r"))
    assert said(ledger, body("r", skip_queue=skip_queue) | change) == {
        "differs": differs, "reference": "r", "same_payment": False, "status": "APPLIED", "transaction_id": paid,
    }  # fmt: skip


def test_indicators_are_the_balances_that_they_name(ledger: Client) -> None:
    paid = create(ledger, body("r", source="@world", destination="@shop", allow_overdraft=True))
    shop = row("r").destination_id
    for destination in ("@shop", shop):
        used = said(ledger, body("r", source="@world", destination=destination, allow_overdraft=True))
        assert (used["transaction_id"], used["same_payment"]) == (paid, True)
    other = said(ledger, body("r", source="@world", destination="@shop", currency="EUR", allow_overdraft=True))
    assert other["differs"] == ["currency"]


def test_what_became_of_a_queued_one_is_said(ledger: Client) -> None:
    create(ledger, queued("poor", source="bln_dora"))
    held = create(ledger, queued("held", inflight=True))
    assert "outcome" not in said(ledger, queued("held", inflight=True))
    drain()
    assert said(ledger, queued("poor", source="bln_dora"))["outcome"] == "REJECTED"
    used = said(ledger, queued("held", inflight=True))
    assert (used["outcome"], used["transaction_id"]) == ("INFLIGHT", held)


def test_the_reference_of_an_outcome_is_its_queued_rows_until_it_is_there(ledger: Client) -> None:
    waiting = create(ledger, queued("r"))
    assert said(ledger, body("r_q"))["transaction_id"] == waiting
    drain()
    assert said(ledger, body("r_q"))["transaction_id"] == row("r_q").pk


@MODES
def test_legs_are_compared_with_legs(ledger: Client, skip_queue: bool) -> None:
    create(ledger, split(body("s", skip_queue=skip_queue)))
    first = row(f"s{'-' if skip_queue else '_'}1")
    for units, differs in ((1000, None), (2000, ["amount"])):
        answer = ledger.post("/transactions", split(body("s", units, skip_queue=skip_queue)))
        used = answer.body["error_detail"]["details"]
        assert (used["transaction_id"], used["reference"], used.get("differs")) == (first.pk, first.reference, differs)


def test_one_reference_twice_in_a_batch_is_told_by_the_first(ledger: Client) -> None:
    sent = {"transactions": [body("r"), body("r"), body("r", 5)]}
    first, second = ledger.post("/transactions/bulk", sent).body["results"]
    stored = row("r").pk
    assert (first["index"], first["details"]["transaction_id"], first["details"]["same_payment"]) == (1, stored, True)
    assert (second["index"], second["details"]["differs"]) == (2, ["amount"])
    drain()
    assert_no_drift()


def test_a_used_reference_costs_what_is_refused_one_statement_and_nothing_else(
    ledger: Client, django_assert_num_queries: Any
) -> None:
    create(ledger, body("warm"))
    with django_assert_num_queries(4):
        create(ledger, body("r"))
    counts = []
    for size in (1, 40):
        items = [body(f"r{number}") for number in range(size)]
        ledger.post("/transactions/bulk", {"transactions": items})
        with CaptureQueriesContext(connection) as queries:
            assert ledger.post("/transactions/bulk", {"transactions": items}).body["failed"] == size
        counts.append(len(queries))
        assert sum("source_indicator" in (each["sql"] or "") for each in queries) == 1
    assert counts[0] == counts[1]
