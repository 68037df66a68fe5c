"""Accounts over REST."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from balances.models import Balance
from balances.models.people import Account, Identity
from balances.people import identities
from tests import world
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db
KEYS = (
    *("account_id", "name", "number", "bank_name", "currency", "balance_id", "identity_id", "ledger_id"),
    *("ledger", "balance", "identity", "created_at", "meta_data"),
)
NEEDED = {
    "currency": "currency is required when Balance ID is not provided",
    "identity_id": "Identity ID is required when Balance ID is not provided",
    "ledger_id": "Ledger ID is required when Balance ID is not provided",
}


@pytest.fixture
def alice() -> Identity:
    return identities.register(identity_type="individual", first_name="Alice", last_name="Stone")


@pytest.fixture
def held(alice: Identity) -> Balance:
    return world.balance(identity_id=alice.pk)


def refused(answer: Answer, status: int, code: str, text: str, *, key: str = "error", details: bool = False) -> None:
    assert answer.status == status, answer.text
    detail: dict[str, Any] = {"code": code, "message": text} | ({"details": {}} if details else {})
    assert answer.body == {key: text, "error_detail": detail}
    assert not Account.objects.exists()


# --- refused


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "EOF"),
        (b"[]", "json: cannot unmarshal array into Go value of type model.CreateAccount"),
        (b'{"number":5}', "json: cannot unmarshal number into Go struct field CreateAccount.number of type string"),
        (
            b'{"meta_data":[]}',
            "json: cannot unmarshal array into Go struct field CreateAccount.meta_data of type map[string]interface {}",
        ),
    ],
)
def test_a_malformed_account_is_refused_in_the_decoders_words(api: Client, raw: bytes, text: str) -> None:
    refused(api.post("/accounts", raw), 400, "GEN_MALFORMED_REQUEST", text)


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({}, NEEDED),
        ({"bank_name": "Tiny Bank", "number": "0001"}, NEEDED),
        ({"ledger_id": "ldg_x"}, {name: NEEDED[name] for name in ("currency", "identity_id")}),
        (
            {"balance_id": "bln_x", "ledger_id": "ldg_x", "currency": "USD"},
            {
                "currency": "either Currency or BalanceId must be provided, not both",
                "ledger_id": "either LedgerId or BalanceId must be provided, not both",
            },
        ),
    ],
)
def test_an_account_names_a_balance_and_nothing_that_the_balance_says(
    api: Client, body: dict[str, str], reasons: dict[str, str]
) -> None:
    text = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) + "."
    refused(api.post("/accounts", body), 400, "GEN_VALIDATION_ERROR", text, key="errors")


@pytest.mark.parametrize(
    ("body", "balance_id"),
    [({"balance_id": "bln_x"}, "bln_x"), ({"ledger_id": "l", "identity_id": "i", "currency": "USD"}, "")],
)
def test_an_account_needs_a_balance_that_exists(api: Client, body: dict[str, str], balance_id: str) -> None:
    text = f"Balance with ID '{balance_id}' not found"
    refused(api.post("/accounts", body), 404, "GEN_NOT_FOUND", text, details=True)


@pytest.mark.parametrize("named", ["", "idt_x"])
def test_an_account_needs_an_identity_that_exists(api: Client, named: str) -> None:
    answer = api.post("/accounts", {"balance_id": world.balance().pk, "identity_id": named})
    refused(answer, 404, "GEN_NOT_FOUND", f"Identity with ID '{named}' not found", details=True)


def test_a_number_is_used_once(api: Client, held: Balance) -> None:
    assert api.post("/accounts", {"balance_id": held.pk, "number": "0001"}).status == 201
    again = api.post("/accounts", {"balance_id": held.pk, "number": "0001"})
    assert (again.status, again.body["error_detail"]["code"]) == (409, "ACC_DUPLICATE")
    assert again.body["error"] == "account with number '0001' already exists"
    assert Account.objects.count() == 1


def test_an_unknown_account_is_a_404(api: Client) -> None:
    refused(api.get("/accounts/acc_x"), 404, "ACC_NOT_FOUND", "account with ID 'acc_x' not found")


# --- granted


def test_an_account_takes_holder_ledger_and_currency_from_its_balance(
    api: Client, held: Balance, alice: Identity
) -> None:
    body = {"balance_id": held.pk, "identity_id": "idt_other", "name": "mine", "number": "0001", "bank_name": "Tiny"}
    answer = api.post("/accounts", body | {"meta_data": {"b": 1, "a": 10**30}})
    assert answer.status == 201, answer.text
    assert tuple(answer.body) == KEYS
    shown = answer.body | {"account_id": "", "created_at": ""}
    assert shown == dict.fromkeys(KEYS) | {
        "account_id": "",
        "created_at": "",
        "name": "Alice Stone",
        "number": "0001",
        "bank_name": "Tiny",
        "currency": "USD",
        "balance_id": held.pk,
        "identity_id": alice.pk,
        "ledger_id": held.ledger_id,
        "meta_data": {"a": 10**30, "b": 1},
    }
    assert answer.body["account_id"].startswith("acc_")
    assert api.get(f"/accounts/{answer.body['account_id']}").text == answer.text


def test_an_account_of_an_organization_bears_its_name(api: Client) -> None:
    mill = identities.register(identity_type="organization", organization_name="Tiny Mill", first_name="x")
    answer = api.post("/accounts", {"balance_id": world.balance().pk, "identity_id": mill.pk})
    assert (answer.status, answer.body["name"], answer.body["number"]) == (201, "Tiny Mill", "")


def test_there_may_be_many_accounts_without_a_number(api: Client, held: Balance) -> None:
    assert [api.post("/accounts", {"balance_id": held.pk}).status for _ in range(3)] == [201] * 3


def test_what_is_asked_for_is_included(api: Client, held: Balance, alice: Identity) -> None:
    account = api.post("/accounts", {"balance_id": held.pk, "meta_data": {}}).body
    path = f"/accounts/{account['account_id']}"
    assert api.get(f"{path}?include=balance,identity&include=x").body == account
    answer = api.get(f"{path}?include=balance&include=identity&include=ledger").body
    assert tuple(answer) == KEYS
    assert answer["balance"] == api.get(f"/balances/{held.pk}").body
    assert answer["identity"] == api.get(f"/identities/{alice.pk}").body
    assert answer["ledger"] == api.get(f"/ledgers/{held.ledger_id}").body


def test_all_accounts_are_listed_newest_first_with_all_that_is_known(api: Client, held: Balance) -> None:
    assert (api.get("/accounts").status, api.get("/accounts").text) == (200, "null")
    opened = [api.post("/accounts", {"balance_id": held.pk}).body for _ in range(3)]
    with CaptureQueriesContext(connection) as queries:
        assert api.get("/accounts?limit=1&offset=2").body == opened[::-1]
    assert len(queries) == 1


def test_metadata_of_accounts_has_no_route(api: Client, held: Balance) -> None:
    account_id = api.post("/accounts", {"balance_id": held.pk}).body["account_id"]
    answer = api.post(f"/{account_id}/metadata", {"meta_data": {}})
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "META_INVALID_ENTITY_ID")


def test_a_mocked_account_has_twelve_digits_and_is_stored_nowhere(api: Client) -> None:
    numbers = {api.get("/mocked-account").body["account_number"] for _ in range(20)}
    assert len(numbers) == 20
    assert all(len(number) == 12 and number.isdecimal() and number[0] != "0" for number in numbers)
    assert api.get("/mocked-account").body["bank_name"] == "Blnk Bank"
    assert not Account.objects.exists()


# --- numbers from elsewhere


class NumberService(HTTPServer):
    """Answers each request with the same thing, and keeps what it was asked."""

    answer: tuple[int, bytes] = (200, b"{}")

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, str | None]] = []
        super().__init__(("127.0.0.1", 0), _Asked)


class _Asked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        service: Any = self.server
        service.asked.append((self.path, self.headers["Authorization"], self.headers["Content-Type"]))
        status, body = service.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def numbers(settings: Any) -> Iterator[NumberService]:
    with NumberService() as service:
        settings.ACCOUNT_NUMBERS_URL = f"http://127.0.0.1:{service.server_port}/numbers"
        settings.ACCOUNT_NUMBERS_AUTHORIZATION = "Bearer secret-of-the-bank"
        serving = threading.Thread(target=service.serve_forever)
        serving.start()
        yield service
        service.shutdown()
        serving.join()


@pytest.mark.parametrize("answer", [(200, b"no JSON"), (200, b""), (200, b"[]"), (500, b"{}"), (404, b"not found")])
def test_without_an_answer_of_the_service_no_account_is_opened(
    api: Client, held: Balance, numbers: NumberService, answer: tuple[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    numbers.answer = answer
    refused(api.post("/accounts", {"balance_id": held.pk}), 500, "GEN_INTERNAL", "internal server error")
    assert "secret-of-the-bank" not in caplog.text


def test_a_service_that_is_not_there_is_an_error(api: Client, held: Balance, settings: Any) -> None:
    settings.ACCOUNT_NUMBERS_URL = "http://127.0.0.1:1/"
    settings.ACCOUNT_NUMBERS_AUTHORIZATION = ""
    refused(api.post("/accounts", {"balance_id": held.pk}), 500, "GEN_INTERNAL", "internal server error")


def test_the_service_is_not_asked_for_an_account_that_is_refused(api: Client, numbers: NumberService) -> None:
    assert api.post("/accounts", {"balance_id": "bln_x"}).status == 404
    assert numbers.asked == []


@pytest.mark.parametrize(
    ("said", "number", "bank_name"),
    [
        ({"account_number": "777", "bank_name": "Number Bank"}, "777", "Number Bank"),
        ({"account_number": "777"}, "0001", "Tiny"),
        ({"account_number": "777", "bank_name": ""}, "0001", "Tiny"),
        ({"account_number": 777, "bank_name": "Number Bank"}, "0001", "Tiny"),
    ],
)
def test_the_service_gives_number_and_bank_where_it_says_both(
    api: Client, held: Balance, numbers: NumberService, said: dict[str, Any], number: str, bank_name: str
) -> None:
    numbers.answer = (200, json.dumps(said).encode())
    opened = api.post("/accounts", {"balance_id": held.pk, "number": "0001", "bank_name": "Tiny"}).body
    assert (opened["number"], opened["bank_name"]) == (number, bank_name)
    assert numbers.asked == [("/numbers", "Bearer secret-of-the-bank", "application/json")]
