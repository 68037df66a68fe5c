"""POST /transactions: the answer key by key, and the rows of each flow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from balances.ground.amounts import transaction_hash
from balances.models import Transaction
from tests.balances.api.test_settlement_contract import split
from tests.balances.api.test_settlement_rows import KEYS, ZERO
from tests.client import Client
from tests.wire import assert_no_drift, body, create, drain, queued, row, sums, under, wallets

pytestmark = pytest.mark.django_db

OWN = "QUEUED_PARENT_TRANSACTION"
DATE = "2026-01-02T03:04:05.123456Z"


@pytest.fixture
def ledger(api: Client) -> Client:
    wallets()
    return api


def post(api: Client, given: dict[str, Any]) -> dict[str, Any]:
    answer = api.post("/transactions", given)
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.exact
    return found


def hashed(amount: str, *parts: str) -> str:
    return transaction_hash(Decimal(amount), *parts)  # type: ignore[call-arg]


def listed(*taken: str, **added: Any) -> list[str]:
    """Return the keys of an answer in order, some taken out."""
    after = {"sources": "atomic", "destinations": "atomic"}
    keys = [key for key in KEYS if key not in taken]
    for name in added:
        keys.insert(keys.index(after[name]) + 1, name)
    return keys


@pytest.mark.parametrize("inflight", [False, True])
@pytest.mark.parametrize("flags", [False, True])
def test_a_movement_applied_at_once_answers_its_row(ledger: Client, inflight: bool, flags: bool) -> None:
    more = {"allow_overdraft": True, "atomic": True, "overdraft_limit": 12.5} if flags else {}
    sent = body("r", 12_550, source="@bank", allow_overdraft=True, inflight=inflight, meta_data={"k": "<&>"}) | more
    answer = ledger.post("/transactions", sent | ({"overdraft_limit": 500} if flags else {}))
    given = answer.body
    meta = {"k": "<&>", "allow_overdraft": True} | ({"atomic": True} if flags else {})
    source = str(row("r").source_id)
    assert list(given) == KEYS
    assert given == given | {
        "precise_amount": 12_550, "amount": Decimal("125.5"), "amount_string": "125.5", "precision": 100,
        "overdraft_limit": 500 if flags else 0, "parent_transaction": "", "source": source, "destination": "bln_bob",
        "reference": "r", "currency": "USD", "description": "d", "status": "INFLIGHT" if inflight else "APPLIED",
        "hash": hashed("0", "r", "USD", "@bank", "bln_bob"), "allow_overdraft": True, "inflight": inflight,
        "skip_queue": True, "atomic": flags, "effective_date": given["created_at"], "scheduled_for": ZERO,
        "inflight_expiry_date": ZERO, "inflight_commit_date": ZERO, "meta_data": meta,
    }  # fmt: skip
    assert '"k":"\\u003c\\u0026\\u003e"' in answer.text
    assert list(given["meta_data"]) == sorted(given["meta_data"])
    found = row("r")
    assert found.meta_data == meta | ({"inflight": True} if inflight else {})
    assert (found.transaction_id, found.hash, found.amount) == (
        given["transaction_id"],
        given["hash"],
        Decimal("125.5"),
    )
    read = ledger.get(f"/transactions/{found.pk}").body
    echoes = {"allow_overdraft": False, "skip_queue": False, "atomic": False, "overdraft_limit": 0}
    assert read == {key: value for key, value in given.items() if key != "amount_string"} | echoes
    assert list(read) == listed("amount_string")


@pytest.mark.parametrize("inflight", [False, True])
def test_a_queued_movement_answers_what_was_asked_and_leaves_two_rows(ledger: Client, inflight: bool) -> None:
    sent = queued("r", 12_550, inflight=inflight, allow_overdraft=True, meta_data={"k": 1}, effective_date=DATE)
    given = post(ledger, sent)
    own = given["transaction_id"]
    meta = {"k": 1, "allow_overdraft": True, OWN: own}
    assert list(given) == KEYS
    assert given == given | {
        "precise_amount": 12_550, "amount": Decimal("125.5"), "amount_string": "125.5", "parent_transaction": "",
        "source": "bln_alice", "destination": "bln_bob", "status": "QUEUED", "inflight": inflight,
        "hash": hashed("0", "r", "USD", "bln_alice", "bln_bob"), "allow_overdraft": True, "skip_queue": False,
        "effective_date": DATE, "meta_data": meta,
    }  # fmt: skip
    waiting = row("r")
    true_hash = hashed("125.5", "r", "USD", "bln_alice", "bln_bob")
    assert (waiting.pk, waiting.status, waiting.parent_transaction, waiting.hash) == (own, "QUEUED", "", true_hash)
    assert waiting.meta_data == meta | ({"inflight": True} if inflight else {})
    assert sums("bln_bob") == (0, 0, 0, 0)
    drain()
    outcome = row("r_q")
    assert (outcome.status, outcome.parent_transaction) == ("INFLIGHT" if inflight else "APPLIED", own)
    same = ("created_at", "effective_date", "hash", "amount", "precise_amount", "precision", "description", "currency",
            "source_id", "destination_id", "scheduled_for")  # fmt: skip
    assert [getattr(outcome, name) for name in same] == [getattr(waiting, name) for name in same]
    assert outcome.effective_date == datetime.fromisoformat(DATE)
    assert outcome.meta_data == waiting.meta_data
    assert row("r").status == "QUEUED"  # for ever
    by_reference = ledger.get("/transactions/reference/r").body
    assert (by_reference["transaction_id"], by_reference["status"], by_reference["inflight"]) == (
        own,
        "QUEUED",
        inflight,
    )
    assert_no_drift()


def test_a_client_may_claim_inflight_in_metadata_and_moves_money_all_the_same(ledger: Client) -> None:
    given = post(ledger, queued("r", meta_data={"inflight": True}))
    assert given["inflight"] is True  # the presentation rule looks at metadata alone
    assert ledger.put(f"/transactions/inflight/{given['transaction_id']}", {"status": "commit"}).status in (200, 400)
    drain()
    outcome = row("r_q")
    assert (outcome.status, (outcome.meta_data or {}).get("inflight")) == ("APPLIED", None)
    assert (sums("bln_bob"), under(outcome.pk)) == ((0, 1000, 0, 0), [])
    assert_no_drift()


@pytest.mark.parametrize("amount", ["125.5", "100", "0.01", "999999999999999", "1.05"])
def test_a_major_amount_is_answered_without_its_string_and_hashed_as_sent(ledger: Client, amount: str) -> None:
    for skip_queue, reference in ((True, "now"), (False, "later")):
        sent = body(reference, allow_overdraft=True, amount=Decimal(amount), skip_queue=skip_queue)
        given = post(ledger, {name: value for name, value in sent.items() if name != "precise_amount"})
        assert "amount_string" not in given
        assert list(given) == listed("amount_string")
        assert given["amount"] == Decimal(amount)
        assert given["hash"] == hashed(amount, reference, "USD", "bln_alice", "bln_bob") == row(reference).hash


def test_without_metadata_the_key_is_left_out(ledger: Client) -> None:
    for number, meta in enumerate((None, {})):
        given = post(ledger, body(f"r{number}", meta_data=meta))
        assert list(given) == listed("meta_data")
        assert list(ledger.get(f"/transactions/{given['transaction_id']}").body) == listed("meta_data", "amount_string")


def test_dates_are_echoed_as_they_were_sent_and_zulu_for_no_offset(ledger: Client) -> None:
    sent = {
        "scheduled_for": "2030-01-01T00:00:00+00:00", "inflight_expiry_date": "2031-01-01T05:00:00.250+05:30",
        "inflight_commit_date": "2032-01-01T00:00:00.1-03:00", "effective_date": "2026-01-01T00:00:00.100+02:00",
    }  # fmt: skip
    for skip_queue, status in ((True, "INFLIGHT"), (False, "SCHEDULED")):
        given = post(ledger, body(status, inflight=True, skip_queue=skip_queue, **sent))
        assert [given["status"], *(given[name] for name in sent)] == [
            status, "2030-01-01T00:00:00Z", "2031-01-01T05:00:00.25+05:30", "2032-01-01T00:00:00.1-03:00",
            "2026-01-01T00:00:00.1+02:00",
        ]  # fmt: skip


def test_a_scheduled_movement_leaves_the_rows_of_a_queued_one(ledger: Client) -> None:
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    own = create(ledger, queued("r", scheduled_for=past))
    assert row("r").status == "SCHEDULED"
    drain()
    outcome = row("r_q")
    assert (outcome.status, outcome.parent_transaction) == ("APPLIED", own)
    assert outcome.scheduled_for == row("r").scheduled_for == datetime.fromisoformat(past)
    assert_no_drift()


@pytest.mark.parametrize("inflight", [False, True])
def test_a_refused_movement_leaves_a_rejected_row_that_says_why(ledger: Client, inflight: bool) -> None:
    sent = queued("r", source="bln_dora", inflight=inflight, meta_data={"k": 1}, effective_date=DATE)
    own = create(ledger, sent)
    drain()
    waiting, outcome = row("r"), row("r_q")
    assert (outcome.status, outcome.parent_transaction) == ("REJECTED", own)
    why = "failed to apply transaction to balances: insufficient funds in source balance"
    assert outcome.meta_data == (waiting.meta_data or {}) | {"blnk_rejection_reason": why}
    assert (waiting.meta_data or {}).get("inflight", False) is inflight
    same = ("created_at", "effective_date", "hash", "amount", "precise_amount", "source_id", "destination_id")
    assert [getattr(outcome, name) for name in same] == [getattr(waiting, name) for name in same]
    assert ledger.get(f"/transactions/{outcome.pk}").body["inflight"] is inflight
    assert sums("bln_dora") == (0, 0, 0, 0)
    assert ledger.post("/transactions", queued("r")).status == 409  # the reference is burned


@pytest.mark.parametrize("side", ["sources", "destinations"])
@pytest.mark.parametrize("inflight", [False, True])
def test_a_split_applied_at_once_has_no_row_of_its_own(ledger: Client, side: str, inflight: bool) -> None:
    sent = split_on(side, body("r", inflight=inflight, atomic=True, allow_overdraft=True, effective_date=DATE))
    given = post(ledger, sent)
    own, undivided = given["transaction_id"], "source" if side == "destinations" else "destination"
    status = "INFLIGHT" if inflight else "APPLIED"
    assert list(given) == listed("destination" if undivided == "source" else "source", **{side: True})
    assert (given["status"], given[undivided], given["effective_date"]) == (status, sent[undivided], DATE)
    assert given["meta_data"] == {"allow_overdraft": True, "atomic": True}
    assert ledger.get(f"/transactions/{own}").status == 404
    assert ledger.get("/transactions/reference/r").status == 404
    ends = ("bln_alice", "") if side == "destinations" else ("", "bln_bob")
    for number, units in ((1, 600), (2, 400)):
        leg = row(f"r-{number}")
        assert (leg.status, leg.parent_transaction, leg.precise_amount) == (status, own, units)
        assert leg.hash == hashed(str(units // 100), "r", "USD", *ends)
        assert leg.meta_data == given["meta_data"] | ({"inflight": True} if inflight else {})
        assert leg.effective_date == datetime.fromisoformat(DATE)
        shown = given[side][number - 1]
        assert list(shown) == ["identifier", "distribution", "transaction_id"]
        assert (shown["transaction_id"], shown["identifier"]) == (leg.pk, sent[side][number - 1]["identifier"])
    assert_no_drift()


@pytest.mark.parametrize("side", ["sources", "destinations"])
def test_a_queued_split_has_a_row_for_each_leg_and_each_outcome(ledger: Client, side: str) -> None:
    sent = split_on(side, queued("r", inflight=True, allow_overdraft=True))
    given = post(ledger, sent)
    own = given["transaction_id"]
    assert (given["status"], given["inflight"]) == ("QUEUED", True)
    assert given["meta_data"] == {"allow_overdraft": True, OWN: own}
    assert ledger.get(f"/transactions/{own}").status == 404
    drain()
    for number, units in ((1, 600), (2, 400)):
        waiting, outcome = row(f"r_{number}"), row(f"r_{number}_q")
        assert (waiting.status, waiting.parent_transaction, waiting.precise_amount) == ("QUEUED", own, units)
        assert (outcome.status, outcome.parent_transaction) == ("INFLIGHT", waiting.pk)
        named = sent[side][number - 1]["identifier"]
        ends = ("bln_alice", named) if side == "destinations" else (named, "bln_bob")
        assert waiting.hash == outcome.hash == hashed(str(units // 100), f"r_{number}", "USD", *ends)
        assert (waiting.meta_data or {})[OWN] == own
        assert given[side][number - 1]["transaction_id"] == waiting.pk
    assert_no_drift()


def split_on(side: str, sent: dict[str, Any]) -> dict[str, Any]:
    """Divide one side of a body, 60 % and the rest."""
    if side == "destinations":
        return split(sent)
    entries = [{"identifier": "bln_alice", "distribution": "60%"}, {"identifier": "bln_carol", "distribution": "left"}]
    return {name: value for name, value in sent.items() if name != "source"} | {"sources": entries}


def test_a_part_in_minor_units_is_echoed_beside_an_empty_distribution(ledger: Client) -> None:
    parts = [
        {"identifier": "bln_bob", "precise_distribution": "1"},
        {"identifier": "bln_carol", "distribution": "left"},
    ]
    sent = {name: value for name, value in body("r").items() if name != "destination"} | {"destinations": parts}
    given = post(ledger, sent)
    assert list(given["destinations"][0].items())[:3] == [
        ("identifier", "bln_bob"),
        ("distribution", ""),
        ("precise_distribution", "1"),
    ]
    assert (row("r-1").precise_amount, row("r-2").precise_amount) == (1, 999)


def test_an_indicator_has_a_balance_for_each_currency_and_stands_in_the_row_by_its_id(ledger: Client) -> None:
    dollars = create(ledger, body("usd", source="@bank", destination="@cash", allow_overdraft=True))
    euros = create(ledger, body("eur", source="@bank", destination="@cash", allow_overdraft=True, currency="EUR"))
    first, second = (Transaction.objects.select_related("source").get(pk=each) for each in (dollars, euros))
    assert first.source_id != second.source_id
    assert first.source
    assert second.source
    assert (first.source.indicator, second.source.indicator) == ("@bank", "@bank")
    assert (first.source.currency, second.source.currency) == ("USD", "EUR")
    assert first.source.ledger_id == "general_ledger_id"
    given = post(ledger, queued("q", source="@bank", allow_overdraft=True))
    assert given["source"] == "@bank"
    assert row("q").source_id == first.source_id
    assert row("q").hash == hashed("10", "q", "USD", "@bank", "bln_bob")


def test_currencies_are_not_compared(ledger: Client) -> None:
    create(ledger, body("eur", currency="EUR"))
    assert sums("bln_bob") == (0, 1000, 0, 0)
