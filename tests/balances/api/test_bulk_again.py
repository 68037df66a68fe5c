"""A batch at once that was recorded by half is sent again: what is recorded is left out, and the rest goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from balances.models import Transaction
from balances.models.queue import Entry
from tests.balances.api.test_settlement_contract import split
from tests.client import Answer, Client
from tests.wire import assert_no_drift, body, create, drain, queued, row, run_batches, settled, sums, wallets, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def bulk(api: Client, *items: dict[str, Any], **options: Any) -> Answer:
    """Send a batch at once, after a dry run that must say which items it leaves out and where it ends."""
    sent = {"transactions": items, "skip_queue": True} | options
    preview = api.post("/transactions/bulk", sent | {"dry_run": True})
    answer = api.post("/transactions/bulk", sent)
    if preview.status == 200 and "run_async" not in options:
        told = answer.body if answer.status == 201 else answer.body["error_detail"]["details"]
        left_out = [each["index"] for each in told.get("results", ())]
        refused = [index for index, each in enumerate(preview.body["results"]) if not each["would_apply"]]
        assert refused[: len(left_out)] == left_out
        assert (answer.status == 201) is (refused == left_out and len(refused) < len(items))
    return answer


def left_out(answer: Answer, *, status: int = 201) -> list[tuple[int, str]]:
    """Return index and reference of what was left out."""
    assert answer.status == status, answer.text
    told = answer.body if status == 201 else answer.body["error_detail"]["details"]
    assert told["failed"] == len(told["results"])
    for each in told["results"]:
        assert (each["status"], each["code"]) == ("failed", "TXN_DUPLICATE_REFERENCE")
        assert each["details"]["same_payment"]
    return [(each["index"], each["reference"]) for each in told["results"]]


def test_a_batch_at_once_that_was_recorded_by_half_gets_through_when_it_is_sent_again(ledger: Client) -> None:
    poor = body("b", source="bln_dora")
    items = [body("a"), poor, body("c"), body("d")]
    assert bulk(ledger, *items).status == 400
    assert sums("bln_alice")[0] == 1000
    again = bulk(ledger, *items)
    assert left_out(again, status=400) == [(0, "a")]
    assert again.body["error"].endswith(
        "insufficient funds in source balance. Previous transactions were not rolled back."
    )
    create(ledger, body("money", destination="bln_dora"))
    answer = bulk(ledger, *items)
    assert left_out(answer) == [(0, "a")]
    assert (answer.body["status"], answer.body["transaction_count"]) == ("applied", 4)
    assert left_out(bulk(ledger, *items, body("e"))) == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]
    assert [row(each).status for each in "abcde"] == ["APPLIED"] * 5
    assert_no_drift()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_batch_at_once_of_which_nothing_is_new_ends_at_its_first_item(ledger: Client, count: int) -> None:
    items = [split(body("s")), body("a"), body("b", destination="@shop")][:count]
    assert bulk(ledger, *items).status == 201
    before = written()
    again = bulk(ledger, *items)
    assert (again.status, again.body["error_detail"]["code"]) == (409, "TXN_DUPLICATE_REFERENCE")
    assert again.body["error_detail"]["details"]["same_payment"]
    assert written() == before


@pytest.mark.parametrize(
    "change",
    [{"precise_amount": 1001}, {"source": "bln_carol"}, {"destination": "bln_carol"}, {"currency": "EUR"}],
)
def test_another_payment_under_a_used_reference_ends_a_batch_at_once(ledger: Client, change: dict[str, Any]) -> None:
    assert bulk(ledger, body("a"), body("b")).status == 201
    answer = bulk(ledger, body("n"), body("a"), body("b") | change, body("c"))
    assert left_out(answer, status=409) == [(1, "a")]
    assert (answer.body["error_detail"]["details"]["same_payment"], answer.body["error"][:34]) == (
        False,
        "failed to queue transaction 3 (Ref",
    )
    assert row("n").status == "APPLIED"
    assert not Transaction.objects.filter(reference="c").exists()
    assert_no_drift()


def test_what_waits_or_was_rejected_or_is_held_is_not_taken_for_recorded(ledger: Client) -> None:
    create(ledger, queued("waits"))
    create(ledger, body("held", inflight=True))
    assert bulk(ledger, body("waits"), body("a")).status == 409
    create(ledger, queued("poor", source="bln_dora"))
    drain()
    assert left_out(bulk(ledger, body("waits"), body("b"))) == [(0, "waits")]
    assert bulk(ledger, body("poor", source="bln_dora"), body("c")).status == 409
    assert bulk(ledger, body("held"), body("d")).status == 409
    assert left_out(bulk(ledger, body("held"), body("e"), inflight=True)) == [(0, "held")]
    settled(ledger, row("held").pk)
    assert left_out(bulk(ledger, body("held"), body("f"), inflight=True)) == [(0, "held")]
    assert not Transaction.objects.filter(reference__in=["a", "c", "d"]).exists()
    assert not Entry.objects.exists()
    assert_no_drift()


def test_a_refund_is_no_payment_that_was_recorded(ledger: Client) -> None:
    paid = create(ledger, body("paid"))
    assert ledger.post(f"/refund-transaction/{paid}", {"skip_queue": True, "reference": "back"}).status == 201
    assert bulk(ledger, body("back", source="bln_bob", destination="bln_alice"), body("a")).status == 409


def test_a_reference_twice_in_one_batch_at_once_ends_it(ledger: Client) -> None:
    answer = bulk(ledger, body("a"), body("a"), body("b"))
    assert (answer.status, answer.body["error_detail"]["code"]) == (409, "TXN_DUPLICATE_REFERENCE")
    assert sums("bln_alice")[0] == 1000


def test_a_split_of_which_one_leg_is_another_is_not_recorded(ledger: Client) -> None:
    assert bulk(ledger, split(body("s"))).status == 201
    first, *others = split(body("s"))["destinations"]
    other = split(body("s")) | {"destinations": [first, *(each | {"identifier": "bln_dora"} for each in others)]}
    assert bulk(ledger, other, body("a")).status == 409
    assert left_out(bulk(ledger, split(body("s")), body("a"))) == [(0, "s")]


def test_an_atomic_batch_goes_on_without_nothing(ledger: Client) -> None:
    create(ledger, body("a"))
    before = written()
    assert bulk(ledger, body("a"), body("b"), atomic=True).status == 409
    assert written() == before


def test_a_batch_in_the_background_goes_on_without_what_is_recorded(ledger: Client) -> None:
    create(ledger, body("a"))
    assert bulk(ledger, body("a"), body("b"), run_async=True).status == 202
    run_batches()
    assert row("b").status == "APPLIED"
    assert sums("bln_alice")[0] == 2000


def test_a_batch_that_is_sent_again_costs_the_same_however_long_it_is(ledger: Client) -> None:
    counts = []
    for size in (2, 40):
        items = [body(f"{size}-{number}") for number in range(size)]
        assert bulk(ledger, *items[: size // 2]).status == 201
        sent = {"transactions": items, "skip_queue": True}
        with CaptureQueriesContext(connection) as queries:
            assert ledger.post("/transactions/bulk", sent).body["failed"] == size // 2
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert_no_drift()
