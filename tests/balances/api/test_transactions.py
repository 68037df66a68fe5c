"""POST and GET /transactions: refusals first, each with nothing written, then postings."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest
import simplejson

from balances.models import Balance, Transaction
from tests import world
from tests.client import Client
from tests.wire import drain

pytestmark = pytest.mark.django_db

VALID = world.POSTING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": 7.5}, "amount: either amount or precise_amount should be provided, not both."),
        ({"precise_amount": None}, "amount: either amount or precise_amount is required."),
        ({"precise_amount": -1}, "amount: precise_amount cannot be negative."),
        ({"precise_amount": None, "amount": -2}, "amount: amount cannot be negative."),
        (
            {"precise_amount": None, "amount": 1234567890.123456},
            "amount: amount has more than 15 significant digits which may cause rounding errors; "
            "use precise_amount instead.",
        ),
        ({"precision": 1.5}, "precision: precision must be an integer value."),
        ({"precision": -100}, "precision: precision cannot be negative."),
        ({"reference": "", "currency": ""}, "currency: cannot be blank; reference: cannot be blank."),
        ({"source": None}, "source: either source or sources is required, not both."),
        ({"destination": "@world"}, "destination: source and destination cannot be the same balance."),
        (
            {"scheduled_for": "tomorrow"},
            "scheduled_for: please format the scheduled date as 'YYYY-MM-DDTHH:MM:SS+00:00' "
            "(e.g., 2024-04-22T15:28:03+00:00).",
        ),
    ],
)
def test_broken_rules_are_answered_in_the_contracts_words(api: Client, change: Any, message: str) -> None:
    answer = api.post("/transactions", VALID | change)
    assert answer.status == 400
    assert answer.body == {
        "errors": message,
        "error_detail": {"code": "TXN_VALIDATION_ERROR", "message": message},
    }
    assert not Transaction.objects.exists()
    assert not Balance.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"precise_amount": "750"}',
        b'{"precise_amount": 7.5}',
        b'{"amount": "7"}',
        b'{"amount": 1e999}',
        b'{"amount": NaN}',
        b'{"effective_date": "yesterday"}',
        b'{"reference": "a\\u0000b"}',
        b'{"allow_overdraft": "yes"}',
        b"[" * 100_000,
    ],
)
def test_malformed_bodies_are_invalid_input(api: Client, raw: bytes) -> None:
    answer = api.post("/transactions", raw)
    assert answer.status == 400
    assert answer.body["error_detail"] == {"code": "GEN_MALFORMED_REQUEST", "message": "Invalid input"}
    assert answer.body["error"] == "Invalid input"


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        (
            {"allow_overdraft": False},
            400,
            "TXN_INSUFFICIENT_FUNDS",
            "failed to apply transaction to balances: insufficient funds in source balance",
        ),
        (
            {"overdraft_limit": 7.49},
            400,
            "TXN_VALIDATION_ERROR",
            "failed to apply transaction to balances: transaction exceeds overdraft limit",
        ),
        (
            {"precise_amount": 0},
            400,
            "TXN_VALIDATION_ERROR",
            "failed to apply transaction to balances: transaction precise amount must be positive",
        ),
        ({"source": "bln_nobody"}, 404, "TXN_NOT_FOUND", "Balance with ID 'bln_nobody' not found"),
    ],
)
def test_refused_postings_leave_no_row_and_no_new_indicator(
    api: Client, change: Any, status: int, code: str, message: str
) -> None:
    answer = api.post("/transactions", VALID | change)
    assert (answer.status, answer.body["error_detail"]["code"], answer.body["error"]) == (status, code, message)
    assert not Transaction.objects.exists()
    assert not Balance.objects.exists()


def test_a_used_reference_is_refused_before_anything_else(api: Client) -> None:
    assert api.post("/transactions", VALID).status == 201
    answer = api.post("/transactions", VALID | {"source": "bln_nobody", "precise_amount": 1})
    assert answer.status == 409
    assert answer.body["error_detail"]["code"] == "TXN_DUPLICATE_REFERENCE"
    assert answer.body["error"] == "transaction validation failed: reference ref-1 has already been used"
    assert Transaction.objects.count() == 1


def test_an_indicator_and_its_own_id_are_one_balance_and_refused(api: Client) -> None:
    assert api.post("/transactions", VALID).status == 201
    bob = Balance.objects.get(indicator="@bob")
    before = world.totals(bob)
    answer = api.post("/transactions", VALID | {"reference": "ref-2", "source": "@bob", "destination": bob.pk})
    assert (answer.status, answer.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
    assert answer.body["error"].startswith(f"Optimistic locking failure: balance with ID '{bob.pk}'")
    assert world.totals(bob) == before


def test_a_posting_moves_both_sides_and_answers_in_the_contracts_order(api: Client) -> None:
    answer = api.post("/transactions", VALID | {"meta_data": {"n": 12345678901234567890}})
    world_balance, bob = Balance.objects.get(indicator="@world"), Balance.objects.get(indicator="@bob")
    assert answer.status == 201
    assert list(answer.body) == [
        "precise_amount",
        "amount",
        "amount_string",
        "precision",
        "overdraft_limit",
        "transaction_id",
        "parent_transaction",
        "source",
        "destination",
        "reference",
        "currency",
        "description",
        "status",
        "hash",
        "allow_overdraft",
        "inflight",
        "skip_queue",
        "atomic",
        "created_at",
        "effective_date",
        "scheduled_for",
        "inflight_expiry_date",
        "inflight_commit_date",
        "meta_data",
    ]
    assert '"amount":7.5,"amount_string":"7.5","precision":100,' in answer.text
    assert answer.body["source"] == world_balance.pk
    assert answer.body["meta_data"] == {"allow_overdraft": True, "n": 12345678901234567890}
    assert answer.body["scheduled_for"] == "0001-01-01T00:00:00Z"
    assert answer.body["hash"] == hashlib.sha256(b"0ref-1USD@world@bob").hexdigest()
    assert (world_balance.debit_balance, world_balance.balance, world_balance.version) == (750, -750, 2)
    assert (bob.credit_balance, bob.balance, bob.version) == (750, 750, 2)
    assert bob.ledger_id == "general_ledger_id"


@pytest.mark.parametrize(
    ("amount", "precision", "units"),
    [("1.01", 100, 101), ("0.29", 100, 29), ("12", 0, 12), ("0.000000000000000001", 10**18, 1)],
)
def test_amounts_become_minor_units_exactly(api: Client, amount: str, precision: int, units: int) -> None:
    rest = simplejson.dumps(VALID | {"precision": precision, "precise_amount": None})
    answer = api.post("/transactions", f'{{"amount":{amount},{rest[1:]}'.encode())
    assert answer.status == 201
    assert answer.body["precise_amount"] == units
    assert "amount_string" not in answer.body


@pytest.mark.parametrize("skip_queue", [True, False])
@pytest.mark.parametrize(
    ("amount", "precision", "booked", "units"),
    [("12.5500000000001", 100, "12.55", 1255), ("29.9999999999999", 1, "30", 30), ("0.333333333333333", 3, None, 1)],
)
def test_the_noise_of_a_float_is_dropped_and_what_was_booked_is_stored_and_shown(
    api: Client, amount: str, precision: int, booked: str | None, units: int, skip_queue: bool
) -> None:
    given = simplejson.dumps(VALID | {"precision": precision, "precise_amount": None, "skip_queue": skip_queue})
    answer = api.post("/transactions", f'{{"amount":{amount},{given[1:]}'.encode())
    assert (answer.status, answer.body["precise_amount"]) == (201, units)
    drain()
    stored = Transaction.objects.exclude(source__isnull=True)
    assert {(each.units, each.amount) for each in stored} == {(units, Decimal(str(answer.body["amount"])))}
    if booked:
        assert str(answer.body["amount"]) == booked
    assert {each.amount * precision for each in stored if each.amount} == {units} or precision == 3


def test_amounts_of_forty_digits_go_in_and_come_out_whole(api: Client) -> None:
    units = 10**39 + 7
    created = api.post("/transactions", VALID | {"precise_amount": units, "precision": 1})
    assert f'"precise_amount":{units},"amount":{units},' in created.text
    bob = Balance.objects.get(indicator="@bob")
    assert api.get(f"/balances/{bob.pk}").body["balance"] == units


def test_a_posting_is_read_by_id_by_reference_and_in_the_list(api: Client) -> None:
    created = api.post(
        "/transactions", VALID | {"effective_date": "2026-01-02T03:04:05.500+02:00", "destination": "@éá/x?"}
    )
    assert created.body["effective_date"] == "2026-01-02T03:04:05.5+02:00"
    stored = api.get(f"/transactions/{created.body['transaction_id']}")
    assert (stored.status, stored.body["effective_date"]) == (200, "2026-01-02T01:04:05.5Z")
    assert stored.body["allow_overdraft"] is False
    assert stored.body["meta_data"] == {"allow_overdraft": True}
    assert api.get("/transactions/reference/ref-1").body == stored.body
    assert api.get("/transactions").body == [stored.body]
    assert api.get("/transactions?limit=0&offset=-4").body == [stored.body]
    assert api.get("/transactions?offset=1").body == []


def test_missing_transactions_are_named(api: Client) -> None:
    for path, message in (
        ("/transactions/txn_x", "Transaction with ID 'txn_x' not found"),
        ("/transactions/reference/r-9", "Transaction with reference 'r-9' not found"),
    ):
        answer = api.get(path)
        assert answer.status == 404
        assert answer.body == {
            "error": message,
            "error_detail": {"code": "TXN_NOT_FOUND", "details": {}, "message": message},
        }


def test_an_overdraft_limit_holds_to_the_last_unit(api: Client) -> None:
    assert api.post("/transactions", VALID | {"overdraft_limit": 7.5, "allow_overdraft": False}).status == 201
    refused = api.post("/transactions", VALID | {"overdraft_limit": 7.5, "precise_amount": 1, "reference": "ref-2"})
    assert refused.body["error_detail"]["code"] == "TXN_VALIDATION_ERROR"
    assert world.totals(Balance.objects.get(indicator="@world"))["balance"] == -750
