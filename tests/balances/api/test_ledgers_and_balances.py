"""Ledgers and balances over REST, as the contract has them."""

from __future__ import annotations

from typing import Any

import pytest

from balances.models import GENERAL_LEDGER_ID, Balance, Ledger
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db

BALANCE_KEYS = [
    "balance",
    "version",
    "inflight_balance",
    "credit_balance",
    "inflight_credit_balance",
    "debit_balance",
    "inflight_debit_balance",
    "ledger_id",
    "identity_id",
    "balance_id",
    "currency",
    "created_at",
    "inflight_expires_at",
    "meta_data",
    "track_fund_lineage",
    "allocation_strategy",
]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "EOF"),
        (b'{"name":"a"', "unexpected EOF"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"xyz", "invalid character 'x' looking for beginning of value"),
        (b"[]", "json: cannot unmarshal array into Go value of type model.CreateLedger"),
        (b'{"name":5}', "json: cannot unmarshal number into Go struct field CreateLedger.name of type string"),
        (
            b'{"meta_data":[1]}',
            "json: cannot unmarshal array into Go struct field CreateLedger.meta_data of type map[string]interface {}",
        ),
    ],
)
def test_malformed_ledgers_are_answered_in_the_decoders_words(api: Client, raw: bytes, message: str) -> None:
    answer = api.post("/ledgers", raw)
    assert answer.status == 400
    assert answer.body == {
        "errors": message,
        "error_detail": {"code": "GEN_MALFORMED_REQUEST", "message": message},
    }
    assert Ledger.objects.count() == 1


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, None])
def test_a_ledger_without_a_name_is_refused(api: Client, body: Any) -> None:
    answer = api.post("/ledgers", body)
    assert (answer.status, answer.body["errors"]) == (400, "name: cannot be blank.")
    assert api.put(f"/ledgers/{GENERAL_LEDGER_ID}", body).body["errors"] == "name: cannot be blank."


def test_a_ledger_is_created_read_renamed_and_listed(api: Client) -> None:
    created = api.post("/ledgers", {"Name": "Wallets", "meta_data": {"b": 1, "a": 1.50}, "ledger_id": "mine"})
    assert created.status == 201
    assert list(created.body) == ["ledger_id", "name", "created_at", "meta_data"]
    ledger_id = created.body["ledger_id"]
    assert ledger_id.startswith("ldg_")
    assert api.get(f"/ledgers/{ledger_id}").text == created.text
    renamed = api.put(f"/ledgers/{ledger_id}", {"name": "Purses", "meta_data": {"z": 1}})
    assert renamed.body == created.body | {"name": "Purses"}
    listed = api.get("/ledgers").body
    assert [each["name"] for each in listed] == ["Purses", "General Ledger"]
    assert listed[1]["ledger_id"] == GENERAL_LEDGER_ID
    assert listed[1]["meta_data"] == {}


def test_an_unknown_ledger_is_a_404_with_its_code(api: Client) -> None:
    expected = {
        "error": "Ledger not found",
        "error_detail": {"code": "LGR_NOT_FOUND", "message": "Ledger not found", "details": {}},
    }
    assert api.get("/ledgers/ldg_x").body == expected
    answer = api.put("/ledgers/ldg_x", {"name": "a"})
    assert (answer.status, answer.body) == (404, expected)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/ledgers?limit=0", "Invalid limit value"),
        ("/ledgers?limit=x", "Invalid limit value"),
        ("/ledgers?offset=-1", "Invalid offset value"),
        ("/balances?limit=", "invalid limit value"),
        ("/balances?offset=1.5", "invalid offset value"),
        ("/balances?limit=99999999999999999999", "invalid limit value"),
    ],
)
def test_bad_paging_is_refused(api: Client, path: str, message: str) -> None:
    answer = api.get(path)
    assert answer.status == 400
    assert answer.body == {
        "error": message,
        "error_detail": {"code": "GEN_VALIDATION_ERROR", "message": message},
    }


def test_a_page_of_more_than_a_hundred_ledgers_is_one_of_twenty(api: Client) -> None:
    Ledger.objects.bulk_create(Ledger(name=f"L{number}") for number in range(30))
    assert len(api.get("/ledgers").body) == 10
    assert len(api.get("/ledgers?limit=101").body) == 20
    assert len(api.get("/ledgers?limit=100").body) == 31


def test_a_filter_is_refused_where_a_list_has_none_rather_than_ignored(api: Client) -> None:
    answer = api.get("/sweeps?actor_eq=alice")
    assert (answer.status, answer.body["error"]) == (400, "this list has no filter actor_eq")
    assert api.get("/balances?sort_by=currency&instance_id=7").status == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "currency: cannot be blank; ledger_id: cannot be blank."),
        (
            {"ledger_id": "l", "currency": "USD", "track_fund_lineage": True},
            "identity_id: identity_id is required when track_fund_lineage is enabled.",
        ),
        (
            {"ledger_id": "l", "currency": "USD", "allocation_strategy": "best"},
            "allocation_strategy: allocation_strategy must be one of: FIFO, LIFO, PROPORTIONAL.",
        ),
        (
            {"ledger_id": "l", "currency": "USD", "indicator": "@cash"},
            "indicator: indicator is only allowed for General Ledger balances (ledger_id = general_ledger_id).",
        ),
        (
            {"ledger_id": GENERAL_LEDGER_ID, "currency": "USD", "indicator": "@ca sh"},
            "indicator: indicator must start with '@' and contain no whitespace (e.g. '@cash').",
        ),
    ],
)
def test_broken_rules_of_balances_are_answered_in_the_contracts_words(api: Client, body: Any, message: str) -> None:
    answer = api.post("/balances", body)
    assert (answer.status, answer.body["errors"]) == (400, message)
    assert answer.body["error_detail"] == {"code": "GEN_VALIDATION_ERROR", "message": message}
    assert not Balance.objects.exists()


def test_balances_of_nowhere_and_taken_indicators_are_refused(api: Client) -> None:
    nowhere = api.post("/balances", {"ledger_id": "ldg_x", "currency": "USD"})
    assert (nowhere.status, nowhere.body["error"]) == (400, "Invalid ledger ID")
    assert nowhere.body["error_detail"]["code"] == "GEN_BAD_REQUEST"
    assert api.post("/balances", b"").body["error"] == "EOF"
    cash = {"ledger_id": GENERAL_LEDGER_ID, "currency": "USD", "indicator": "@cash"}
    assert api.post("/balances", cash | {"indicator": " @cash "}).status == 400
    assert api.post("/balances", cash).body["indicator"] == "@cash"
    taken = api.post("/balances", cash)
    assert (taken.status, taken.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
    assert taken.body["error"] == "Balance already exists for indicator '@cash' and 'USD'"
    assert api.post("/balances", cash | {"currency": "EUR"}).status == 201


def test_a_balance_starts_at_zero_whatever_the_body_says(api: Client) -> None:
    created = api.post(
        "/balances",
        {
            "ledger_id": GENERAL_LEDGER_ID,
            "currency": "KES",
            "balance": 5,
            "precision": 100,
            "allocation_strategy": " lifo ",
        },
    )
    assert created.status == 201
    assert list(created.body) == BALANCE_KEYS
    assert created.text.startswith('{"balance":0,"version":0,"inflight_balance":0,')
    assert created.body["allocation_strategy"] == "LIFO"
    assert created.body["meta_data"] is None
    read = api.get(f"/balances/{created.body['balance_id']}")
    assert read.body == created.body | {"version": 1}
    assert api.get("/balances").body == [read.body]


def test_no_balances_at_all_are_null(api: Client) -> None:
    assert api.get("/balances").text == "null"


def test_an_unknown_balance_is_named(api: Client) -> None:
    answer = api.get("/balances/bln_x")
    assert answer.status == 404
    assert answer.body == {
        "error": "Balance with ID 'bln_x' not found",
        "error_detail": {"code": "BAL_NOT_FOUND", "details": {}, "message": "Balance with ID 'bln_x' not found"},
    }
    missing = api.get("/balances/indicator/@nobody/currency/USD")
    assert missing.body == {
        "error": "balance with indicator '@nobody' not found",
        "error_detail": {"code": "BAL_NOT_FOUND", "message": "balance with indicator '@nobody' not found"},
    }


def test_a_balance_is_found_by_indicator_and_can_include_its_ledger(api: Client) -> None:
    alice = world.balance()
    world.post("@world", alice, 300)
    found = api.get("/balances/indicator/%40world/currency/USD")
    assert (found.status, found.body["indicator"], found.body["balance"]) == (200, "@world", -300)
    included = api.get(f"/balances/{alice.pk}?include=ledger&include=identity").body
    assert included["ledger"]["ledger_id"] == alice.ledger_id
    assert "identity" not in included
    assert "ledger" not in api.get(f"/balances/{alice.pk}?include=identity,ledger").body


def test_queued_amounts_count_only_while_nothing_came_of_them(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    world.row("QUEUED", 100, alice, bob)
    done = world.row("QUEUED", 1000, alice, bob)
    world.row("APPLIED", 1000, alice, bob, parent_transaction=done.pk, reference=f"{done.reference}_q")
    world.row("QUEUED", 7, bob, alice)
    world.row("SCHEDULED", 5000, alice, bob)

    body = api.get(f"/balances/{alice.pk}?with_queued=true").body
    assert (body["queued_debit_balance"], body["queued_credit_balance"]) == (100, 7)
    assert "queued_debit_balance" not in api.get(f"/balances/{alice.pk}?with_queued=1").body


def test_totals_from_source_are_summed_and_nothing_is_written(api: Client) -> None:
    alice = world.balance()
    world.post("@world", alice, 300)
    world.drift(alice, credit=5, debit=2)
    stored = api.get(f"/balances/{alice.pk}").body
    source = api.get(f"/balances/{alice.pk}?from_source=true").body
    assert list(source) == list(stored)
    assert [source[total] for total in ("credit_balance", "debit_balance", "balance")] == [300, 0, 300]
    assert api.get(f"/balances/{alice.pk}").body == stored
