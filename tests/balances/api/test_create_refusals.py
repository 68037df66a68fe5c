"""POST /transactions refused: every refusal of the contract, each with nothing written."""

from __future__ import annotations

from typing import Any

import pytest
import simplejson

from balances.models import Balance, Transaction
from tests.client import Client
from tests.wire import (
    assert_no_drift,
    assert_refused,
    body,
    create,
    drain,
    hold,
    queued,
    wallets,
    while_locked,
    written,
)

TWO_SIDES = {"source": None, "destination": None}
DATE = "please format the scheduled date as 'YYYY-MM-DDTHH:MM:SS+00:00' (e.g., 2024-04-22T15:28:03+00:00)"
DIGITS = "amount has more than 15 significant digits which may cause rounding errors; use precise_amount instead"
BOTH = "either amount or precise_amount should be provided, not both"
NEITHER = "either amount or precise_amount is required"
NO_UNITS = "at precision 100 is no whole number of minor units"
SAME = "source and destination cannot be the same balance"
TO_BOTH = [{"identifier": "bln_bob", "distribution": "60%"}, {"identifier": "bln_carol", "distribution": "left"}]


def major(amount: str, **fields: Any) -> dict[str, Any]:
    return {"precise_amount": None, "amount": simplejson.RawJSON(amount)} | fields


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"amount": 1}, f"amount: {BOTH}."),
    ({"amount": 1, "precise_amount": 0}, f"amount: {BOTH}."),
    ({"amount": -1, "precise_amount": -1}, f"amount: {BOTH}."),
    ({"precise_amount": None}, f"amount: {NEITHER}."),
    (major("0"), f"amount: {NEITHER}."),
    (major("0.0"), f"amount: {NEITHER}."),
    (major("1234567890.123456"), f"amount: {DIGITS}."),
    (major("1000000000000000"), f"amount: {DIGITS}."),
    (major("1e15"), f"amount: {DIGITS}."),
    (major("-1000000000000000"), f"amount: {DIGITS}."),
    (major("0.1234567890123456"), f"amount: {DIGITS}."),
    (major("-2"), "amount: amount cannot be negative."),
    (major("-0.001"), "amount: amount cannot be negative."),
    (major("0.001"), f"amount: 0.001 {NO_UNITS}; 0.01 would be."),
    (major("1.005"), f"amount: 1.005 {NO_UNITS}; 1 or 1.01 would be."),
    (
        major("12.55", precision=None),
        "amount: 12.55 at precision 1 is no whole number of minor units; 12 or 13 would be.",
    ),
    (
        major("1000000000000.5", precision=1),
        "amount: 1000000000000.5 at precision 1 is no whole number of minor units; "
        "1000000000000 or 1000000000001 would be.",
    ),
    (major("1.005", precision=0.5), "precision: precision must be an integer value."),
    ({"overdraft_limit": 0.5, "precision": -1}, "precision: precision cannot be negative."),
    ({"overdraft_limit": -1}, "overdraft_limit: overdraft_limit cannot be negative."),
    ({"overdraft_limit": -0.001}, "overdraft_limit: overdraft_limit cannot be negative."),
    ({"precision": 2**63}, "precision: precision is too large."),
    ({"overdraft_limit": 0.004}, f"overdraft_limit: 0.004 {NO_UNITS}; 0.01 would be."),
    ({"overdraft_limit": 9.994}, f"overdraft_limit: 9.994 {NO_UNITS}; 9.99 or 10 would be."),
    (
        {"overdraft_limit": 0.4, "precision": None},
        "overdraft_limit: 0.4 at precision 1 is no whole number of minor units; 1 would be.",
    ),
    ({"precise_amount": -1}, "amount: precise_amount cannot be negative."),
    ({"precise_amount": -(10**40)}, "amount: precise_amount cannot be negative."),
    ({"precision": 1.5}, "precision: precision must be an integer value."),
    ({"precision": -1.5}, "precision: precision must be an integer value."),
    ({"precision": -100}, "precision: precision cannot be negative."),
    ({"currency": ""}, "currency: cannot be blank."),
    ({"description": None}, "description: cannot be blank."),
    ({"reference": ""}, "reference: cannot be blank."),
    ({"source": None}, "source: either source or sources is required, not both."),
    ({"source": ""}, "source: either source or sources is required, not both."),
    ({"sources": TO_BOTH}, "destination: " + SAME + "; source: either source or sources is required, not both."),
    ({"destination": None}, "destination: either destination or destinations is required, not both."),
    ({"destinations": TO_BOTH}, "destination: either destination or destinations is required, not both."),
    ({"destination": "bln_alice"}, f"destination: {SAME}."),
    ({"source": "@bank", "destination": "@bank"}, f"destination: {SAME}."),
    ({"destination": None, "destinations": [{"identifier": "bln_alice"}]}, f"destination: {SAME}."),
    ({"source": None, "sources": [{"identifier": "bln_bob"}]}, f"destination: {SAME}."),
    ({"source": "@" + "x" * 1000}, "source: cannot be longer than 1000 bytes."),
    (
        {"destination": None, "destinations": [{"identifier": "@" + "é" * 500, "distribution": "left"}]},
        "destinations: an identifier cannot be longer than 1000 bytes.",
    ),
    ({"scheduled_for": "tomorrow"}, f"scheduled_for: {DATE}."),
    ({"scheduled_for": "2030-01-01"}, f"scheduled_for: {DATE}."),
    ({"scheduled_for": "2030-01-01T00:00:00"}, f"scheduled_for: {DATE}."),
    ({"scheduled_for": "2030-02-30T00:00:00Z"}, f"scheduled_for: {DATE}."),
    ({"inflight_expiry_date": "2030-01-01 00:00:00Z"}, f"inflight_expiry_date: {DATE}."),
    ({"inflight_commit_date": "1900000000"}, f"inflight_commit_date: {DATE}."),
    (
        {"precise_amount": None, "reference": None, "precision": 0.5, **TWO_SIDES, "scheduled_for": "x"},
        f"amount: {NEITHER}; destination: either destination or destinations is required, not both; "
        "precision: precision must be an integer value; reference: cannot be blank; "
        f"scheduled_for: {DATE}; source: either source or sources is required, not both.",
    ),
]
"""What changes in a body that is fine, and the text."""

SPLIT = {"destination": None}
TOTAL = "failed to split transaction: total distributions exceed 100% or total amount"
REMAINING = "failed to split transaction: fixed amount exceeds remaining transaction amount"
NOBODY = "failed to split transaction: nothing is given to anybody"
PRECISE = "failed to split transaction: invalid precise_distribution format: must be an integer value in minor units"


def shares(*parts: Any, **fields: Any) -> dict[str, Any]:
    """Divide the destination: a text for a distribution, an object for anything else."""
    entries = [{"distribution": part} if isinstance(part, str) else part for part in parts]
    return SPLIT | {"destinations": [{"identifier": f"@{n}"} | entry for n, entry in enumerate(entries)]} | fields


DOUBT = "failed to split transaction: distribution and precise_distribution of @0 contradict each other"
INDIVISIBLE: list[tuple[dict[str, Any], str]] = [
    (shares("1.005", "left"), f"failed to split transaction: 1.005 {NO_UNITS}; 1 or 1.01 would be"),
    (shares("0.004", "left"), f"failed to split transaction: 0.004 {NO_UNITS}; 0.01 would be"),
    (shares("-1.005", "left"), f"failed to split transaction: -1.005 {NO_UNITS}; -1 or -1.01 would be"),
    (
        shares("12.5", "left", precision=None),
        "failed to split transaction: 12.5 at precision 1 is no whole number of minor units; 12 or 13 would be",
    ),
    (shares({}, "left"), "failed to split transaction: @0 has neither distribution nor precise_distribution"),
    (shares({"distribution": "1", "precise_distribution": "101"}, "left"), DOUBT),
    (shares({"distribution": "10%", "precise_distribution": "100"}, "left"), DOUBT),
    (shares({"distribution": "left", "precise_distribution": "100"}), DOUBT),
    (shares({"distribution": "1", "precise_distribution": "left"}), DOUBT),
    (shares("10.01"), REMAINING),
    (shares("6", "5"), REMAINING),
    (shares({"precise_distribution": "1001"}), REMAINING),
    (shares({"precise_distribution": "1.5"}), PRECISE),
    (shares({"precise_distribution": "1e2"}), PRECISE),
    (shares({"precise_distribution": " 5"}), PRECISE),
    (shares({"precise_distribution": str(2**63)}, precise_amount=2**64), PRECISE),
    (shares("ten"), "failed to split transaction: invalid fixed amount format"),
    (shares("1,5"), "failed to split transaction: invalid fixed amount format"),
    (shares("ten%"), "failed to split transaction: invalid percentage format"),
    (shares("%"), "failed to split transaction: invalid percentage format"),
    (shares("60%", "40.01%"), TOTAL),
    (shares("0", {"precise_distribution": "0"}), NOBODY),
    (
        shares({"identifier": "@0", "distribution": "1"}, {"identifier": "@0", "distribution": "left"}),
        "failed to split transaction: multiple identifiers with 'left' distribution",
    ),
]
"""Shares that cannot be."""

FUNDS = "failed to apply transaction to balances: insufficient funds in source balance"
LIMIT = "failed to apply transaction to balances: transaction exceeds overdraft limit"
ZERO = "failed to apply transaction to balances: transaction precise amount must be positive"
USED = "transaction validation failed: reference {} has already been used"
Refusal = tuple[dict[str, Any], int, str, str, Any]


def unknown(name: str, **change: Any) -> Refusal:
    return change, 404, "TXN_NOT_FOUND", f"Balance with ID '{name}' not found", {}


def used(reference: str, **change: Any) -> Refusal:
    return {"reference": reference} | change, 409, "TXN_DUPLICATE_REFERENCE", USED.format(reference), None


def part(leg: int, *parts: str, **fields: Any) -> Refusal:
    """Divide an amount so that one leg gets nothing, or less than nothing."""
    text = f"failed to record split transaction {leg}: {ZERO}"
    return shares(*parts, **fields), 400, "TXN_VALIDATION_ERROR", text, None


IMPOSSIBLE: list[Refusal] = [
    unknown("bln_nobody", source="bln_nobody"),
    unknown("bln_nobody", destination="bln_nobody"),
    unknown("bln_nobody", source="@new", destination="bln_nobody", allow_overdraft=True),
    unknown("", source=None, destination=None, sources=TO_BOTH, destinations=[{"identifier": "@new"}]),
    unknown(
        "bln_nobody",
        destination=None,
        destinations=[*TO_BOTH[:1], {"identifier": "bln_nobody", "distribution": "left"}],
        atomic=True,
    ),
    ({"precise_amount": 0}, 400, "TXN_VALIDATION_ERROR", ZERO, None),
    part(1, "left", "0%"),
    part(0, "0.05%", "99.95%"),
    part(1, "left", "-5"),
    part(0, "left", "60%", "5"),
    part(1, "left", "left", precise_amount=1),
    used("funds"),
    used("funds", source="bln_nobody", precise_amount=0),
    used("funds", precise_amount=10**9),
    used("waiting"),
    used("waiting_q"),
    used("done"),
    used("done_q"),
    used("rejected"),
    used("rejected_q"),
    used("held"),
    used("legs-1"),
    used("parts_2"),
    used("parts_2_q"),
]
"""What can be known before anything is applied, so queued ones are refused alike."""

UNPAYABLE: list[Refusal] = [
    ({"precise_amount": 100_001}, 400, "TXN_INSUFFICIENT_FUNDS", FUNDS, None),
    ({"source": "bln_dora"}, 400, "TXN_INSUFFICIENT_FUNDS", FUNDS, None),
    ({"source": "@new"}, 400, "TXN_INSUFFICIENT_FUNDS", FUNDS, None),
    ({"source": "@world"}, 400, "TXN_INSUFFICIENT_FUNDS", FUNDS, None),
    ({"precise_amount": 10**40}, 400, "TXN_INSUFFICIENT_FUNDS", FUNDS, None),
    ({"precise_amount": 100_001, "inflight": True}, 400, "TXN_INSUFFICIENT_FUNDS", FUNDS, None),
    ({"source": "bln_dora", "overdraft_limit": 9.99}, 400, "TXN_VALIDATION_ERROR", LIMIT, None),
    (
        {"source": "bln_dora", "overdraft_limit": 9.99, "allow_overdraft": True},
        400, "TXN_VALIDATION_ERROR", LIMIT, None,
    ),
    (
        shares("50%", "left", source="bln_dora", atomic=True),
        400, "TXN_INSUFFICIENT_FUNDS", f"failed to record split transaction 0: {FUNDS}", None,
    ),
    (
        {"source": None, "sources": [{"identifier": "bln_alice", "precise_distribution": "400"},
                                     {"identifier": "bln_dora", "distribution": "left"}], "atomic": True},
        400, "TXN_INSUFFICIENT_FUNDS", f"failed to record split transaction 1: {FUNDS}", None,
    ),
]  # fmt: skip
"""What only whoever applies it can know; with skip_queue that is now."""


def known_references(api: Client) -> None:
    """Have a row of every kind whose reference is taken."""
    wallets()
    create(api, queued("done"))
    create(api, queued("rejected", 10**9))
    create(api, queued("parts") | SPLIT | {"destinations": TO_BOTH})
    drain()
    create(api, queued("waiting"))
    create(api, body("legs") | SPLIT | {"destinations": TO_BOTH})
    hold(api, "held")


@pytest.fixture
def ledger(api: Client) -> Client:
    known_references(api)
    return api


def refuse(api: Client, change: dict[str, Any], *expected: Any, key: str = "error") -> None:
    """Send a body that is fine but for a change, at once or queued, and see that nothing is written."""
    before = written()
    answer = api.post("/transactions", {name: value for name, value in (body("r") | change).items() if value != ""})
    status, code, text, details = expected
    assert_refused(answer, status, code, text, key=key, details=details)
    assert written() == before


@pytest.mark.django_db
@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
@pytest.mark.parametrize(("change", "text"), INVALID)
def test_broken_rules_are_told_field_by_field(api: Client, change: Any, text: str, skip_queue: bool) -> None:
    change = {"skip_queue": skip_queue} | change
    refuse(api, change, 400, "TXN_VALIDATION_ERROR", text, None, key="errors")


@pytest.mark.django_db
@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
@pytest.mark.parametrize(("change", "text"), INDIVISIBLE)
def test_shares_that_cannot_be_are_refused_in_both_modes(api: Client, change: Any, text: str, skip_queue: bool) -> None:
    refuse(api, {"skip_queue": skip_queue} | change, 400, "TXN_VALIDATION_ERROR", text, None)


@pytest.mark.django_db
@pytest.mark.parametrize("skip_queue", [True, False], ids=["at once", "queued"])
@pytest.mark.parametrize(("change", "status", "code", "text", "details"), IMPOSSIBLE)
def test_what_can_never_be_applied_is_refused_in_both_modes(
    ledger: Client, change: Any, status: int, code: str, text: str, details: Any, skip_queue: bool
) -> None:
    refuse(ledger, {"skip_queue": skip_queue} | change, status, code, text, details)


@pytest.mark.django_db
@pytest.mark.parametrize(("change", "status", "code", "text", "details"), UNPAYABLE)
def test_what_cannot_be_paid_is_refused_at_once(
    ledger: Client, change: Any, status: int, code: str, text: str, details: Any
) -> None:
    refuse(ledger, change, status, code, text, details)


@pytest.mark.django_db
@pytest.mark.parametrize(("change", "text"), [(each[0], each[3]) for each in UNPAYABLE])
def test_what_cannot_be_paid_waits_in_the_queue_and_is_rejected_there_with_its_reason(
    ledger: Client, change: Any, text: str
) -> None:
    drain()
    before = written()
    answer = ledger.post("/transactions", body("r") | {"skip_queue": False} | change)
    assert answer.status == 201
    drain()
    reasons = {
        str((each.meta_data or {})["blnk_rejection_reason"])
        for each in Transaction.objects.filter(status="REJECTED", reference__startswith="r_")
        if not str((each.meta_data or {})["blnk_rejection_reason"]).startswith("not applied, because")
    }
    assert reasons == {text.partition(": ")[2] if "split" in text else text}
    after = written()
    assert [each for each in after["balances"] if each in before["balances"]] == before["balances"]
    assert after["entries"] == []
    assert {each.status for each in Transaction.objects.filter(reference__regex="^r_.*q$")} == {"REJECTED"}


@pytest.mark.django_db(transaction=True)
def test_refusals_write_nothing_where_each_request_commits_by_itself(api: Client) -> None:
    known_references(api)
    for change, text in INVALID:
        refuse(api, change, 400, "TXN_VALIDATION_ERROR", text, None, key="errors")
    for change, text in INDIVISIBLE:
        refuse(api, change, 400, "TXN_VALIDATION_ERROR", text, None)
    for change, *expected in IMPOSSIBLE:
        for skip_queue in (True, False):
            refuse(api, {"skip_queue": skip_queue} | change, *expected)
    for change, *expected in UNPAYABLE:
        refuse(api, change, *expected)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"xyz", b"[]", b'{"precise_amount":"750"}', b'{"precise_amount":7.5}', b'{"precise_amount":1e3}',
        b'{"precise_amount":1.0}', b'{"amount":"7"}', b'{"amount":1e400}', b'{"amount":NaN}', b'{"precision":"1"}',
        b'{"effective_date":"yesterday"}', b'{"effective_date":""}', b'{"effective_date":"2026-01-01"}',
        b'{"reference":5}', b'{"reference":"a\\u0000b"}', b'{"allow_overdraft":"yes"}', b'{"scheduled_for":5}',
        b'{"meta_data":[1]}', b'{"sources":{}}', b'{"sources":[5]}', b'{"destinations":["bln_bob"]}',
        b'{"sources":[{"identifier":5}]}', b'{"sources":[{"identifier":"a","distribution":5}]}',
        b'{"destinations":[{"identifier":"a","precise_distribution":5}]}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_invalid_input(api: Client, raw: bytes) -> None:
    before = written()
    answer = api.post("/transactions", raw)
    assert_refused(answer, 400, "GEN_MALFORMED_REQUEST", "Invalid input")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert written() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        major("999999999999999"),
        major("0.000000123456789012", precision=10**18),
        major("1.100000000000000000000"),
        {"amount": 0},
        {"currency": "a b", "reference": "é", "description": " "},
        {"scheduled_for": "", "inflight_expiry_date": "", "inflight_commit_date": ""},
        {"scheduled_for": "2030-01-01T00:00:00.123456789+05:30"},
        {"sources": [], "destinations": []},
        {"rate": 5, "status": "APPLIED", "balance_id": "x", "narration": "y", "transaction_id": "txn_mine"},
        {"precision": 0},
        {"precision": None},
        {"effective_date": "2999-01-01T00:00:00Z"},
    ],
)
def test_what_looks_odd_and_is_allowed_is_taken(api: Client, change: Any) -> None:
    wallets()
    answer = api.post("/transactions", body("odd", allow_overdraft=True) | change)
    assert answer.status == 201, answer.text
    assert answer.body["transaction_id"] != "txn_mine"


@pytest.mark.django_db
def test_keys_of_a_body_are_found_whatever_their_case(api: Client) -> None:
    wallets()
    answer = api.post("/transactions", {name.upper(): value for name, value in body("shout").items()})
    assert (answer.status, answer.body["reference"]) == (201, "shout")


@pytest.mark.django_db
def test_source_and_destination_that_prove_to_be_one_balance_conflict(api: Client) -> None:
    wallets()
    own = Balance.objects.get(indicator="@world").pk
    text = (
        f"Optimistic locking failure: balance with ID '{own}' may have been updated or deleted by another transaction"
    )
    change = {"source": "@world", "destination": own, "allow_overdraft": True}
    refuse(api, change, 409, "GEN_CONFLICT", text, None)
    refuse(api, change | {"skip_queue": False}, 409, "GEN_CONFLICT", text, None)
    parts = {"destination": None, "destinations": [{"identifier": own, "distribution": "left"}]}
    refuse(api, change | parts, 409, "GEN_CONFLICT", text, None)


UNPAID = (400, "TXN_INSUFFICIENT_FUNDS", f"failed to record split transaction 1: {FUNDS}", None)
LOST = (404, "TXN_NOT_FOUND", "Balance with ID 'bln_nobody' not found", {})
TAKEN = (
    409, "TXN_DUPLICATE_REFERENCE",
    "failed to record split transaction 1: transaction validation failed: reference s-2 has already been used", None,
)  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("inflight", [False, True])
@pytest.mark.parametrize(
    ("last", "refusal"), [("bln_carol", UNPAID), ("bln_nobody", LOST), ("bln_dora", TAKEN)], ids=str
)
def test_a_split_at_once_of_which_a_leg_is_refused_moves_nothing_and_can_be_sent_again(
    api: Client, last: str, refusal: Any, inflight: bool, atomic: bool
) -> None:
    wallets()
    if refusal is TAKEN:
        create(api, body("s-2", destination="bln_dora"))
    sources = [
        {"identifier": "bln_alice", "distribution": "4"},
        {"identifier": last, "distribution": "left"},
        {"identifier": "@new", "distribution": "1"},
    ]
    given = body("s") | {"source": None, "sources": sources, "atomic": atomic, "inflight": inflight}
    refuse(api, given, *refusal)
    assert not Balance.objects.filter(indicator="@new").exists()
    if refusal is not TAKEN:
        sources[1]["identifier"], sources[2]["identifier"] = "@world", "bln_alice"
        create(api, {name: value for name, value in given.items() if value is not None} | {"allow_overdraft": True})
        assert_no_drift()


@pytest.mark.django_db(transaction=True)
def test_a_balance_that_is_locked_for_too_long_answers_423(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balances.recording.writing.LOCK_WAIT", "50ms")
    wallets()
    text = "failed to acquire lock: failed to acquire all locks within the wait timeout"
    with while_locked("bln_bob"):
        refuse(api, {}, 423, "GEN_RESOURCE_LOCKED", text, None)
        assert api.post("/transactions", queued("waits")).status == 201  # waits for no balance
