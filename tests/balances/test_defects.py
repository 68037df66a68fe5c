"""The defects of the original, each held to what is right here. Those of timers: ``test_timers``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import simplejson

from balances.ground.amounts import EXACT
from balances.keys import keyring
from balances.models import Balance, Transaction
from balances.models.queue import Entry
from tests import world
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
    settle,
    settled,
    sums,
    under,
    wallets,
    written,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def divided(given: dict[str, Any], *parts: tuple[str, str]) -> dict[str, Any]:
    entries = [{"identifier": name, "distribution": part} for name, part in parts]
    return {name: value for name, value in given.items() if name != "destination"} | {"destinations": entries}


def bulk(api: Client, *items: Any, **options: Any) -> Answer:
    return api.post("/transactions/bulk", {"transactions": list(items)} | options)


@pytest.mark.parametrize("first", [True, False])
def test_1_a_second_refund_moves_nothing(ledger: Client, first: bool) -> None:
    moved = create(ledger, queued("q"))
    drain()
    for expected in (201, 409, 409):
        answer = ledger.post(f"/refund-transaction/{moved}", {"skip_queue": first})
        assert answer.status == expected
        drain()
        assert sums("bln_alice") == (1000, FUNDS + 1000, 0, 0)
    assert_no_drift()


@pytest.mark.parametrize("skip_queue", [True, False])
def test_4_legs_are_numbered_paired_and_rounded_in_the_order_of_the_request(ledger: Client, skip_queue: bool) -> None:
    names = [f"@{letter}" for letter in "zyxwvutsrqponm"]
    parts = [(name, "7%") for name in names[:-1]] + [(names[-1], "left")]
    dash = "-" if skip_queue else "_"
    for attempt in range(3):
        sent = divided(body(f"r{attempt}", 1003, skip_queue=skip_queue), *parts)
        given = ledger.post("/transactions", sent).body
        legs = [row(f"r{attempt}{dash}{number}") for number in range(1, len(names) + 1)]
        assert [leg.destination.indicator for leg in legs if leg.destination] == names
        assert [each["transaction_id"] for each in given["destinations"]] == [leg.pk for leg in legs]
        # Of parts that are alike the first one takes what rounding left over.
        assert [leg.precise_amount for leg in legs] == [70] * 13 + [93]
        assert sum(leg.precise_amount or 0 for leg in legs) == 1003
    units = [list(Transaction.objects.filter(reference__startswith=f"r{attempt}{dash}").order_by("created_at", "pk")
                  .values_list("reference", "precise_amount")) for attempt in range(3)]  # fmt: skip
    assert len({tuple(sorted((name[2:], each) for name, each in attempt)) for attempt in units}) == 1


@pytest.mark.parametrize("inflight", [True, False])
def test_5_an_atomic_batch_that_fails_leaves_nothing_of_its_splits(ledger: Client, inflight: bool) -> None:
    split = divided(body("s"), ("bln_bob", "60%"), ("bln_carol", "left"))
    before = written()
    answer = bulk(ledger, split, body("b", source="bln_dora"), skip_queue=True, atomic=True, inflight=inflight)
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_INSUFFICIENT_FUNDS")
    assert written() == before


def test_6_a_hold_is_settled_once_whatever_id_leads_to_it(ledger: Client) -> None:
    """Other holds on the same two balances would cover a second settlement."""
    others = hold(ledger, "other", 5000)
    by_queue = create(ledger, queued("h", inflight=True))
    drain()
    own = row("h_q").pk
    bulk_commit = {"transactions": [{"transaction_id": by_queue, "precise_amount": 900}], "skip_queue": True}
    assert ledger.post("/transactions/inflight/bulk/commit", bulk_commit).body["succeeded"] == 1
    answer = settle(ledger, own, units=900)
    assert answer.body["error_detail"]["code"] == "TXN_COMMIT_AMOUNT_EXCEEDED"
    settled(ledger, own, units=100)
    for transaction_id in (by_queue, own):
        for status in ("commit", "void"):
            assert settle(ledger, transaction_id, status).status == 409
            assert ledger.put(f"/transactions/inflight/{transaction_id}", {"status": status}).status == 409
        assert ledger.post("/transactions/inflight/bulk/commit", bulk_commit).body["failed"] == 1
    drain()
    assert (under(own), under(others)) == ([("APPLIED", 900), ("APPLIED", 100)], [])
    assert sums("bln_alice") == (1000, FUNDS, 5000, 0)
    assert_no_drift()


def test_6_two_queued_settlements_by_two_ids_settle_once(ledger: Client) -> None:
    hold(ledger, "other", 5000)
    by_queue = create(ledger, queued("h", inflight=True))
    drain()
    own = row("h_q").pk
    for transaction_id, status in ((own, "commit"), (by_queue, "void")):
        assert ledger.put(f"/transactions/inflight/{transaction_id}", {"status": status}).status == 200
    drain()
    assert under(own) == [("APPLIED", 1000)]
    assert sums("bln_alice") == (1000, FUNDS, 5000, 0)
    assert_no_drift()


def test_7_the_queue_keeps_the_value_date_and_the_limit_of_overdraft(ledger: Client) -> None:
    day = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    given: dict[str, Any] = {"source": "bln_dora", "effective_date": day.isoformat()}
    for number in range(3):  # siblings that are applied in one commit
        create(ledger, queued(f"fits-{number}", 500, overdraft_limit=15, **given))
    create(ledger, queued("beyond", 1, overdraft_limit=15, **given))
    create(ledger, queued("wider", 1, overdraft_limit=15.01, **given))
    drain()
    assert [row(f"fits-{number}_q").status for number in range(3)] == ["APPLIED"] * 3
    assert (row("beyond_q").status, row("wider_q").status) == ("REJECTED", "APPLIED")
    reason = (row("beyond_q").meta_data or {})["blnk_rejection_reason"]
    assert reason == "failed to apply transaction to balances: transaction exceeds overdraft limit"
    rows = Transaction.objects.filter(source="bln_dora")
    assert set(rows.values_list("effective_date", flat=True)) == {day}
    assert_no_drift()


@pytest.mark.parametrize("amount", ["0.001", "0.0049999", "1e-300"])
def test_9_a_part_that_rounds_to_nothing_commits_nothing(ledger: Client, amount: str) -> None:
    transaction_id = hold(ledger, "h")
    before = written()
    part = {"amount": simplejson.RawJSON(amount)}
    for skip_queue in (True, False):
        given = {"status": "commit", "skip_queue": skip_queue} | part
        answer = ledger.put(f"/transactions/inflight/{transaction_id}", given)
        assert (answer.status, answer.body["error_detail"]["code"]) == (400, "TXN_INVALID_AMOUNT")
        items = {"transactions": [{"transaction_id": transaction_id} | part], "skip_queue": skip_queue}
        (result,) = ledger.post("/transactions/inflight/bulk/commit", items).body["results"]
        assert (result["status"], result["code"]) == ("failed", "INVALID_AMOUNT")
    assert written() == before
    settled(ledger, transaction_id, amount=simplejson.RawJSON("0.01"))
    assert under(transaction_id) == [("APPLIED", 1)]


def test_10_and_11_what_can_never_be_applied_is_never_taken_into_the_queue(ledger: Client) -> None:
    create(ledger, queued("used"))
    before = written()
    for change, status in (
        ({"reference": "used"}, 409),
        ({"reference": "used_q"}, 409),
        ({"destination": "bln_nobody"}, 404),
        ({"precise_amount": 0}, 400),
    ):
        assert ledger.post("/transactions", queued("r") | change).status == status
        assert bulk(ledger, queued("r") | change).body["failed"] == 1
        assert bulk(ledger, queued("ok"), queued("r") | change, atomic=True).status == status
    split = divided(queued("s"), ("bln_bob", "60%"), ("bln_nobody", "left"))
    assert_refused(
        ledger.post("/transactions", split), 404, "TXN_NOT_FOUND", "Balance with ID 'bln_nobody' not found", details={}
    )
    assert written() == before


def test_the_reference_of_an_outcome_is_taken_with_the_row_that_waits_for_it(ledger: Client) -> None:
    create(ledger, queued("a"))
    create(ledger, body("b_q"))
    before = written()
    for given in (body("a_q"), queued("a_q"), queued("b"), divided(queued("b_q"), ("bln_bob", "left"))):
        answer = ledger.post("/transactions", given)
        if "destinations" in given:  # its leg is b_q_1
            assert answer.status == 201
            continue
        assert answer.status == 409
        assert written() == before
    drain()
    assert row("a_q").parent_transaction == row("a").pk
    assert_no_drift()


@pytest.mark.parametrize("bad", [{"source": "bln_dora"}, {"source": "bln_dora", "overdraft_limit": 1}])
def test_13_a_queued_atomic_batch_is_all_or_nothing(ledger: Client, bad: dict[str, Any]) -> None:
    split = divided(body("s"), ("bln_bob", "60%"), ("bln_carol", "left"))
    assert bulk(ledger, body("a"), split, body("b") | bad, body("c"), atomic=True).status == 201
    create(ledger, queued("alone"))
    before = written()["balances"]
    drain()
    outcomes = {name: row(f"{name}_q") for name in ("a", "s_1", "s_2", "b", "c")}
    assert {each.status for each in outcomes.values()} == {"REJECTED"}
    reasons = {name: (each.meta_data or {})["blnk_rejection_reason"] for name, each in outcomes.items()}
    assert reasons["b"].startswith("failed to apply transaction to balances: ")
    assert reasons["a"] == f"not applied, because b_q of the same atomic request was not: {reasons['b']}"
    assert row("alone_q").status == "APPLIED"
    assert sums("bln_alice") == (1000, FUNDS, 0, 0)
    assert [each for each in written()["balances"] if each["balance_id"] == "bln_carol"] == [
        each for each in before if each["balance_id"] == "bln_carol"
    ]
    assert_no_drift()


def test_13_a_queued_atomic_split_is_all_or_nothing_and_another_is_not(ledger: Client) -> None:
    entries = [{"identifier": "bln_alice", "distribution": "4"}, {"identifier": "bln_dora", "distribution": "left"}]
    for atomic, states in ((True, ["REJECTED", "REJECTED"]), (False, ["APPLIED", "REJECTED"])):
        given = queued(f"s{atomic}", atomic=atomic, source=None, sources=entries)
        create(ledger, given)
        drain()
        assert [row(f"s{atomic}_{leg}_q").status for leg in (1, 2)] == states
    assert sums("bln_alice") == (400, FUNDS, 0, 0)
    assert_no_drift()


def test_13_items_of_an_atomic_batch_wait_for_the_last_of_their_dates(ledger: Client) -> None:
    """All or nothing cannot be decided earlier, and nothing may be applied before its date."""
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    bulk(ledger, body("now"), body("later", scheduled_for=later), atomic=True)
    bulk(ledger, body("now2"), body("later2", scheduled_for=later))
    assert settle(ledger, row("now").pk).status == 400
    drain()
    assert set(Transaction.objects.filter(status="APPLIED").values_list("reference", flat=True)) == {"funds", "now2_q"}
    Entry.objects.update(due_at=datetime.now(UTC) - timedelta(hours=1))
    drain()
    assert {row(f"{name}_q").status for name in ("now", "later", "later2")} == {"APPLIED"}
    assert_no_drift()


LARGE = [2**53 + 1, 2**63 - 1, 2**63, 10**21, 10**39 + 7]


@pytest.mark.parametrize("units", LARGE)
def test_12_a_scoped_key_changes_no_digit(ledger: Client, units: int) -> None:
    key = keyring.issue(
        name="k", owner_id="o", scopes=["transactions:*"], expires_at=datetime.now(UTC) + timedelta(days=1)
    )
    scoped = Client(key.plaintext)
    marked = {"BLNK_GENERATED_BY": key.api_key_id}
    given = scoped.post("/transactions", body("r", units, allow_overdraft=True, precision=10**18)).exact
    assert given["precise_amount"] == units
    assert given["meta_data"].items() >= marked.items()
    back = scoped.post(f"/refund-transaction/{given['transaction_id']}", {"skip_queue": True}).exact
    assert (back["precise_amount"], back["meta_data"]["BLNK_GENERATED_BY"]) == (units, key.api_key_id)
    batch = {"transactions": [body("b", units, allow_overdraft=True)], "skip_queue": True}
    assert scoped.post("/transactions/bulk", batch).status == 201
    assert (row("b").precise_amount, row("b").meta_data) == (units, {"allow_overdraft": True, "sequence": 1})
    assert_no_drift()


@pytest.mark.parametrize(
    "units", [*LARGE, 1_000_000_000_000_000_001, 123_456_789_012_345_678_901_234_567_890_123_456_789]
)
def test_every_route_keeps_an_amount_to_the_last_digit(ledger: Client, units: int) -> None:
    """Eighteen decimals, and forty digits: create, queue, hold, part, void, refund, split, batch, background."""
    fine: dict[str, Any] = {"allow_overdraft": True, "precision": 10**18, "inflight": True}
    expected = 0
    for number, give in enumerate((body, queued)):
        own = create(ledger, give(f"h{number}", units, **fine))
        drain()
        settled(ledger, own, units=units // 3)
        part = {"status": "commit", "precise_amount": units // 7}
        assert ledger.put(f"/transactions/inflight/{own}", part).status == 200
        drain()
        void = settle(ledger, own, "void").exact
        assert void["precise_amount"] == units - units // 3 - units // 7
        expected += units // 3 + units // 7
    parts = [{"identifier": "bln_bob", "distribution": "33.333333333333333333%"},
             {"identifier": "bln_carol", "distribution": "left"}]  # fmt: skip
    split = queued("s", units, **fine | {"inflight": False}, destination=None, destinations=parts)
    create(ledger, split)
    drain()
    legs = [row("s_1_q").precise_amount or 0, row("s_2_q").precise_amount or 0]
    assert legs[0] == units * 33_333_333_333_333_333_333 // 10**20
    assert sum(legs) == units
    assert sums("bln_bob") == (0, expected + legs[0], 0, 0)
    exact = ledger.get("/balances/bln_bob").exact
    assert (exact["credit_balance"], exact["inflight_balance"]) == (expected + legs[0], 0)
    sixteen = Decimal(legs[1]).quantize(Decimal("1E2"), context=EXACT).scaleb(-18, EXACT)
    assert ledger.get(f"/transactions/{row('s_2_q').pk}").exact["amount"] == sixteen
    assert_no_drift()


def test_a_hold_of_another_writer_whose_commit_hangs_under_its_queued_row_is_settled_once(ledger: Client) -> None:
    """Rows as the original writes them."""
    alice, bob = Balance.objects.get(pk="bln_alice"), Balance.objects.get(pk="bln_bob")
    waiting = world.row("QUEUED", 1000, alice, bob, reference="h", meta_data={"inflight": True})
    own = world.row("INFLIGHT", 1000, alice, bob, reference="h_q", parent_transaction=waiting.pk)
    world.row("APPLIED", 600, alice, bob, reference="ref_x", parent_transaction=waiting.pk)
    world.drift(alice, debit=600, hold_debit=400)
    world.drift(bob, credit=600, hold_credit=400)
    hold(ledger, "other", 5000)
    assert settle(ledger, own.pk, units=401).status == 400
    assert settle(ledger, waiting.pk).body["precise_amount"] == 400
    assert settle(ledger, own.pk).status == 409
    assert_no_drift()


def test_rows_from_before_minor_units_were_kept_are_settled_and_refunded_by_their_amount(ledger: Client) -> None:
    alice, bob = Balance.objects.get(pk="bln_alice"), Balance.objects.get(pk="bln_bob")
    old = {"amount": Decimal(10), "precision": 100}
    held = world.row("INFLIGHT", None, alice, bob, reference="old_hold", **old)
    world.row("APPLIED", None, alice, bob, reference="old_part", parent_transaction=held.pk, amount=4, precision=100)
    paid = world.row("APPLIED", None, alice, bob, reference="old_paid", **old)
    world.drift(alice, debit=1400, hold_debit=600)
    world.drift(bob, credit=1400, hold_credit=600)
    assert settle(ledger, held.pk, units=601).body["error_detail"]["code"] == "TXN_COMMIT_AMOUNT_EXCEEDED"
    assert settle(ledger, held.pk).body["precise_amount"] == 600
    refund = ledger.post(f"/refund-transaction/{paid.pk}", {"skip_queue": True})
    assert (refund.status, refund.body["precise_amount"]) == (201, 1000)
    assert sums("bln_alice") == (2000, FUNDS + 1000, 0, 0)
    assert_no_drift()
