"""Filters of identities and accounts: their fields, their paging, their empty answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from balances.people import accounts, identities, tokenizing
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db
NAMES = ("Alice", "Bob", "Carol")


@pytest.fixture
def people() -> list[str]:
    return [
        identities.register(
            first_name=name,
            country="CZ" if name == "Bob" else "KE",
            dob=datetime(1990 + number, 5, 6, 23, tzinfo=UTC),
            meta_data={"tier": number},
        ).pk
        for number, name in enumerate(NAMES)
    ]


def condition(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "values" if isinstance(value, list) else "value": value}


# --- refused


@pytest.mark.parametrize(
    ("path", "table", "rows"), [("identities", "identity", "identities"), ("accounts", "accounts", "accounts")]
)
def test_a_field_that_is_none_and_a_value_that_cannot_be_compared_are_refused(
    api: Client, path: str, table: str, rows: str
) -> None:
    for answer in (
        api.get(f"/{path}?nothing_eq=1"),
        api.post(f"/{path}/filter", {"filters": [condition("nothing", "eq", 1)]}),
    ):
        message = f"Invalid filter: invalid field 'nothing' for table '{table}'"
        assert (answer.status, answer.body["error"]) == (400, message)
        assert answer.body["error_detail"]["code"] == "GEN_BAD_REQUEST"
    failed = api.post(f"/{path}/filter", {"filters": [condition("created_at", "gt", "soon")]})
    assert (failed.status, failed.body["error"]) == (400, f"Failed to retrieve {rows}")


@pytest.mark.parametrize("path", ["identities", "accounts"])
def test_parameters_that_are_wrong_are_named(api: Client, path: str) -> None:
    answer = api.get(f"/{path}?name_eq=a&logical_operator=xor")
    wrong = [{"Param": "logical_operator", "Message": "invalid logical_operator: must be 'and' or 'or'"}]
    assert (answer.status, answer.body["errors"]) == (400, wrong)


# --- granted


@pytest.mark.parametrize(
    ("query", "body", "found"),
    [
        ("first_name_eq=Bob", condition("first_name", "eq", "Bob"), ["Bob"]),
        ("first_name_ilike=%25o%25", condition("first_name", "ilike", "%O%"), ["Carol", "Bob"]),
        ("country_ne=CZ", condition("country", "ne", "CZ"), ["Carol", "Alice"]),
        ("country_in=CZ,XX", condition("country", "in", ["CZ", "XX"]), ["Bob"]),
        ("dob_eq=1991-05-06", condition("dob", "eq", "1991-05-06"), ["Bob"]),
        ("dob_gte=1991-05-06", condition("dob", "gte", "1991-05-06"), ["Carol", "Bob"]),
        ("meta_data.tier_lt=1", condition("meta_data.tier", "lt", 1), ["Alice"]),
        ("identity_type_isnull=1", {"field": "identity_type", "operator": "isnull"}, []),
    ],
)
@pytest.mark.usefixtures("people")
def test_identities_are_filtered_by_query_and_by_body_alike(
    api: Client, query: str, body: dict[str, Any], found: list[str]
) -> None:
    for answer in (api.get(f"/identities?{query}"), api.post("/identities/filter", {"filters": [body]})):
        assert answer.status == 200, answer.text
        assert [row["first_name"] for row in answer.body or []] == found
        assert found or answer.text == "null"


def test_identities_are_sorted_counted_and_paged_in_one_statement(api: Client, people: list[str]) -> None:
    asked = {"sort_by": "first_name", "sort_order": "asc", "limit": 2, "offset": 1, "include_count": True}
    with CaptureQueriesContext(connection) as queries:
        answer = api.post("/identities/filter", asked)
    assert len(queries) == 1
    assert answer.body["total_count"] == 3
    assert [row["identity_id"] for row in answer.body["data"]] == people[1:]
    assert api.post("/identities/filter", asked | {"offset": 9}).text == '{"data":null}'


def test_limit_and_offset_count_only_where_something_is_filtered(api: Client) -> None:
    for _ in range(21):
        identities.register(country="KE")
    assert len(api.get("/identities?limit=1&offset=5").body) == 21
    assert len(api.get("/identities?country_eq=KE&limit=1").body) == 1
    assert len(api.get("/identities?country_eq=KE&limit=x").body) == 20
    assert len(api.get("/identities?country_eq=KE&limit=101").body) == 20
    assert len(api.get("/identities?country_eq=KE&limit=100&offset=20").body) == 1


def test_accounts_are_filtered_with_all_that_is_known(api: Client, people: list[str]) -> None:
    held = [world.balance(identity_id=person) for person in people]
    opened = [accounts.open_account(balance_id=each.pk, number=f"000{number}") for number, each in enumerate(held)]
    shown = api.get(f"/accounts/{opened[1].pk}").body
    for query, body in (
        ("number_eq=0001", condition("number", "eq", "0001")),
        (f"balance_id_eq={held[1].pk}", condition("balance_id", "eq", held[1].pk)),
        (f"identity_id_in={people[1]}", condition("identity_id", "in", [people[1]])),
        (f"ledger_id_eq={held[1].ledger_id}", condition("ledger_id", "eq", held[1].ledger_id)),
    ):
        found = api.post("/accounts/filter", {"filters": [body]})
        assert (found.status, found.body) == (200, [shown])
        if query != "number_eq=0001":  # in a query 0001 is the number 1, as in the original
            assert api.get(f"/accounts?{query}").body == [shown]
    assert api.post("/accounts/filter", {"filters": [condition("number", "eq", "x")]}).text == "null"


def test_tokens_are_what_a_filter_finds_and_shows(api: Client, people: list[str], settings: Any) -> None:
    settings.BLNK_TOKENIZATION_SECRET = b"0123456789abcdef0123456789abcdef"
    tokenizing.tokenize(people[0], ["FirstName"])
    assert api.get("/identities?first_name_eq=Alice").text == "null"
    found = api.post("/identities/filter", {"filters": [condition("first_name", "like", "FPT:%")]})
    assert [row["identity_id"] for row in found.body] == [people[0]]
    assert "Alice" not in found.text


def test_filter_is_an_id_to_every_other_method(api: Client) -> None:
    for path, code in (("identities", "IDT_NOT_FOUND"), ("accounts", "ACC_NOT_FOUND")):
        answer = api.get(f"/{path}/filter")
        assert (answer.status, answer.body["error_detail"]["code"]) == (404, code)
