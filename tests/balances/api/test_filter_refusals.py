"""What a filter may not say, in the contract's words: status, code and text to the byte."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection

from balances.api.filtering import unanswerable
from balances.models import ApiKey
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db

TABLES = ("ledgers", "balances", "transactions", "identities", "accounts")
OPERATORS = "eq, ne, gt, gte, lt, lte, in, between, like, ilike, isnull, isnotnull"
STRUCT = "json: cannot unmarshal {} into Go struct field FilterRequest.{} of type {}"
ELEMENT = "json: cannot unmarshal {} into Go struct field QueryFilter.filters.{} of type {}"
BAD_LOGIC = "invalid logical_operator: must be 'and' or 'or'"


def error(code: str, message: str, details: Any = None) -> dict[str, Any]:
    detail = {"code": code, "message": message}
    return {"error": message, "error_detail": detail if details is None else detail | {"details": details}}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "EOF"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b'{"limit":5', "unexpected EOF"),
        (b"[]", "json: cannot unmarshal array into Go value of type api.FilterRequest"),
        (b'{"limit":"x"}', STRUCT.format("string", "limit", "int")),
        (b'{"limit":1.5}', STRUCT.format("number 1.5", "limit", "int")),
        (b'{"limit":1e2}', STRUCT.format("number 1e2", "limit", "int")),
        (b'{"limit":true}', STRUCT.format("bool", "limit", "int")),
        (
            b'{"offset":99999999999999999999}',
            STRUCT.format("number 99999999999999999999", "offset", "int"),
        ),
        (b'{"include_count":1}', STRUCT.format("number", "include_count", "bool")),
        (b'{"sort_by":5,"limit":"y"}', STRUCT.format("number", "sort_by", "string")),
        (b'{"sort_order":[]}', STRUCT.format("array", "sort_order", "string")),
        (b'{"filters":{}}', STRUCT.format("object", "filters", "[]filter.QueryFilter")),
        (b'{"filters":[5],"limit":"x"}', STRUCT.format("number", "filters", "filter.QueryFilter")),
        (b'{"filters":[{"field":5}]}', ELEMENT.format("number", "field", "string")),
        (b'{"filters":[{"operator":5}]}', ELEMENT.format("number", "operator", "filter.Operator")),
        (b'{"filters":[{"values":5}]}', ELEMENT.format("number", "values", "[]interface {}")),
        (b'{"logical_operator":5}', STRUCT.format("number", "logical_operator", "string")),
        (b'{"logical_operator":"xor"}', BAD_LOGIC),
        (b'{"logical_operator":"xor","filters":[{"field":"nothing","operator":"no"}]}', BAD_LOGIC),
    ],
)
def test_a_body_that_is_not_a_filter_request_is_a_400(api: Client, table: str, body: bytes, message: str) -> None:
    answer = api.post(f"/{table}/filter", body)
    assert (answer.status, answer.body) == (400, error("GEN_VALIDATION_ERROR", message))


@pytest.mark.parametrize(
    ("table", "condition", "words"),
    [
        ("ledgers", {"field": "name", "operator": "EQ", "value": 1}, "operator 'EQ'"),
        ("ledgers", {"field": "name", "operator": "neq", "value": 1}, "operator 'neq'"),
        ("ledgers", {"field": "nothing", "operator": "no"}, "operator 'no'"),
        ("ledgers", {}, "operator ''"),
        ("ledgers", None, "operator ''"),
    ],
)
def test_an_operator_that_is_none_of_the_twelve_is_a_400(
    api: Client, table: str, condition: dict[str, Any] | None, words: str
) -> None:
    answer = api.post(f"/{table}/filter", {"filters": [condition]})
    field = (condition or {}).get("field", "")
    message = f"Invalid filter: invalid {words} for field '{field}': must be one of {OPERATORS}"
    assert (answer.status, answer.body) == (400, error("GEN_BAD_REQUEST", message, {}))


@pytest.mark.parametrize(
    ("table", "condition", "words"),
    [
        (
            "ledgers",
            {"field": "name", "operator": "in"},
            "operator 'in' for field 'name' requires at least one value in",
        ),
        (
            "ledgers",
            {"field": "x", "operator": "in", "values": []},
            "operator 'in' for field 'x' requires at least one",
        ),
        (
            "balances",
            {"field": "balance", "operator": "between", "values": [1]},
            "operator 'between' for field 'balance' requires exactly two values in 'values', got 1",
        ),
        (
            "balances",
            {"field": "balance_id", "operator": "between", "value": 3},
            "operator 'between' for field 'balance_id' requires exactly two values in 'values', got 0",
        ),
        *(
            (
                "transactions",
                {"field": "balance_id", "operator": operator, "value": "b", "values": ["b", "c"]},
                f"operator '{operator}' is not supported for field 'balance_id' on transactions: "
                "must be one of eq, ne, in, isnull, isnotnull",
            )
            for operator in ("gt", "gte", "lt", "lte", "between", "like", "ilike")
        ),
        *(
            (
                "ledgers",
                {"field": f"meta_data.{key}", "operator": "eq", "value": 1},
                f"invalid JSON key '{key}' in field 'meta_data.{key}': must match pattern ^[a-zA-Z][a-zA-Z0-9_]*$",
            )
            for key in ("", "a.b", "a-b", "1a", "_a", "a b", "ä", "a'b", "a\n", '"', "a'); DROP TABLE ledgers; --")
        ),
        *(
            (table, {"field": field, "operator": "eq", "value": 1}, f"invalid field '{field}' for table '{table}'")
            for table, field in (
                ("ledgers", "nothing"),
                ("ledgers", ""),
                ("ledgers", "Name"),
                ("ledgers", " name"),
                ("ledgers", "meta_datax.y"),
                ("ledgers", "meta.y"),
                ("ledgers", "name.x"),
                ("ledgers", "balances"),
                ("ledgers", "pk"),
                ("ledgers", "name__contains"),
                ("ledgers", "name) OR (1=1"),
                ("balances", "version"),
                ("balances", "track_fund_lineage"),
                ("balances", "allocation_strategy"),
                ("balances", "ledger"),
                ("balances", "ledger__name"),
                ("transactions", "precise_amount"),
                ("transactions", "hash"),
                ("transactions", "scheduled_for"),
                ("transactions", "source_id"),
                ("transactions", "source__currency"),
            )
        ),
    ],
)
def test_a_condition_that_the_table_does_not_know_is_a_400(
    api: Client, table: str, condition: dict[str, Any], words: str
) -> None:
    answer = api.post(f"/{table}/filter", {"filters": [condition]})
    assert answer.status == 400
    message = answer.body["error"]
    assert message.startswith(f"Invalid filter: {words}")
    assert answer.body == error("GEN_BAD_REQUEST", message, {})


def test_the_first_filter_that_is_wrong_is_the_one_that_is_told(api: Client) -> None:
    good, bad = {"field": "name", "operator": "eq", "value": 1}, {"field": "meta_data.a.b", "operator": "eq"}
    answer = api.post("/ledgers/filter", {"filters": [good, bad, {"field": "nothing", "operator": "eq"}]})
    assert answer.body["error"].startswith("Invalid filter: invalid JSON key 'a.b'")


def parameters(*errors: tuple[str, str]) -> dict[str, Any]:
    listed = [{"Param": name, "Message": message} for name, message in errors]
    detail = {"code": "GEN_VALIDATION_ERROR", "message": "invalid filter parameters", "details": listed}
    return {"error_detail": detail, "errors": listed}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("logical_operator=xor", [("logical_operator", BAD_LOGIC)]),
        (
            "created_at_between=5&logical_operator=xor",
            [
                ("logical_operator", BAD_LOGIC),
                (
                    "created_at_between",
                    "between operator requires exactly 2 pipe-separated values (value1|value2)",
                ),
            ],
        ),
        (
            "created_at_BETWEEN=a|b|c",
            [("created_at_BETWEEN", "between operator requires exactly 2 pipe-separated values (value1|value2)")],
        ),
        ("name_in=" + "a," * 100, [("name_in", "IN operator exceeds maximum values (100)")]),
        ("name_eq=" + "a" * 1001, [("name_eq", "value exceeds maximum length (1000 chars)")]),
        ("name_eq=" + "%C3%A4" * 501, [("name_eq", "value exceeds maximum length (1000 chars)")]),
        (
            "&".join(f"meta_data.k{number}_eq=1" for number in range(22)),
            [(f"meta_data.k{number}_eq", "exceeded maximum number of filters (20)") for number in (20, 21)],
        ),
    ],
)
def test_a_query_that_cannot_be_parsed_names_every_parameter_that_is_wrong(
    api: Client, table: str, query: str, errors: list[tuple[str, str]]
) -> None:
    answer = api.get(f"/{table}?{query}")
    assert (answer.status, answer.body) == (400, parameters(*errors))
    assert list(answer.body) == ["error_detail", "errors"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("opt_in=true", "invalid field 'opt' for table 'balances'"),
        ("_eq=5", "invalid field '' for table 'balances'"),
        ("Currency_eq=USD", "invalid field 'Currency' for table 'balances'"),
        ("name_eq=USD", "invalid field 'name' for table 'balances'"),
        (
            "meta_data.a.b_eq=5",
            "invalid JSON key 'a.b' in field 'meta_data.a.b': must match pattern ^[a-zA-Z][a-zA-Z0-9_]*$",
        ),
    ],
)
def test_a_query_on_an_unknown_field_is_a_400(api: Client, query: str, words: str) -> None:
    answer = api.get(f"/balances?{query}")
    assert (answer.status, answer.body) == (400, error("GEN_BAD_REQUEST", f"Invalid filter: {words}", {}))


def test_a_bad_limit_is_told_before_a_bad_filter(api: Client) -> None:
    assert api.get("/balances?limit=x&balance_gt=abc&foo_eq=1").body["error"] == "invalid limit value"
    assert api.get("/ledgers?offset=-1&foo_eq=1").body["error"] == "Invalid offset value"


@pytest.mark.parametrize(
    ("table", "condition", "sqlstate", "words"),
    [
        ("balances", ("balance", "gt", "abc"), "22P02", 'invalid input syntax for type numeric: "abc"'),
        ("balances", ("balance", "eq", True), "22P02", 'invalid input syntax for type numeric: "true"'),
        ("balances", ("balance", "eq", ""), "22P02", 'invalid input syntax for type numeric: ""'),
        ("balances", ("balance", "in", [5, "x"]), "22P02", 'invalid input syntax for type numeric: "x"'),
        ("balances", ("balance", "like", "1%"), "42883", "operator does not exist: numeric ~~ unknown"),
        (
            "ledgers",
            ("created_at", "ilike", "2026%"),
            "42883",
            "operator does not exist: timestamp with time zone ~~* unknown",
        ),
        ("ledgers", ("meta_data", "like", "%"), "42883", "operator does not exist: jsonb ~~ unknown"),
        ("ledgers", ("created_at", "gt", 5), "22007", "invalid input syntax for type timestamp with time zone"),
        ("ledgers", ("created_at", "gt", "2026-13-45"), "22008", "date/time field value out of range"),
        ("ledgers", ("meta_data", "eq", "{"), "22P02", "invalid input syntax for type json"),
        ("ledgers", ("meta_data.n", "gt", "abc"), "22P02", 'invalid input syntax for type numeric: "abc"'),
        ("ledgers", ("meta_data.n", "between", [1, True]), "22P02", 'invalid input syntax for type numeric: "true"'),
        ("ledgers", ("name", "like", "\\"), "22025", "LIKE pattern must not end with escape character"),
        ("transactions", ("precision", "eq", "1.5"), "22P02", 'invalid input syntax for type bigint: "1.5"'),
        ("transactions", ("precision", "eq", 2**63), "22003", 'value "9223372036854775808" is out of range'),
        ("transactions", ("amount", "gt", "1,5"), "22P02", 'invalid input syntax for type numeric: "1,5"'),
    ],
)
def test_a_value_that_the_database_cannot_compare_is_refused_in_the_contracts_words(
    api: Client, table: str, condition: tuple[str, str, Any], sqlstate: str, words: str
) -> None:
    world.post("@world", world.balance(world.ledger("7"), meta_data={"n": 5}), 100)
    field, operator, value = condition
    key = "values" if isinstance(value, list) else "value"
    answer = api.post(f"/{table}/filter", {"filters": [{"field": field, "operator": operator, key: value}]})
    assert answer.status == 400
    detail = answer.body["error_detail"]
    assert (answer.body["error"], detail["code"]) == (f"Failed to retrieve {table}", "GEN_BAD_REQUEST")
    assert detail["message"] == answer.body["error"]
    assert tuple(detail["details"]) == unanswerable.DATABASE_ERROR_KEYS
    assert (detail["details"]["Severity"], detail["details"]["Code"]) == ("ERROR", sqlstate)
    assert detail["details"]["Message"].startswith(words)


def test_the_same_is_so_for_a_list(api: Client) -> None:
    world.balance()
    answer = api.get("/balances?balance_gt=abc")
    assert (answer.status, answer.body["error"]) == (400, "Failed to retrieve balances")


@pytest.mark.parametrize("value", [{"a": 1}, ["USD"], {}, []])
@pytest.mark.parametrize(
    "condition", [("currency", "eq"), ("balance", "gt"), ("meta_data", "eq"), ("meta_data.k", "ne")]
)
def test_an_object_or_an_array_is_compared_by_containment_only(
    api: Client, condition: tuple[str, str], value: Any
) -> None:
    field, operator = condition
    one = {"field": field, "operator": operator, "value": value}
    many = {"field": field, "operator": "in", "values": ["x", value]}
    for asked in (one, many):
        answer = api.post("/balances/filter", {"filters": [asked]})
        assert (answer.status, answer.body) == (400, error("GEN_BAD_REQUEST", "Failed to retrieve balances", {}))


@pytest.mark.parametrize("name", ["balance_id", "indicator"])
def test_a_virtual_field_cannot_be_sorted_by(api: Client, name: str) -> None:
    answer = api.post("/transactions/filter", {"sort_by": name})
    assert (answer.status, answer.body["error"]) == (400, "Failed to retrieve transactions")
    assert answer.body["error_detail"]["details"]["Message"] == f'column "{name}" does not exist'


def test_a_failure_that_is_not_the_values_fault_shows_nothing_of_the_database(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(connection, "cursor", unreachable)
    answer = api.get("/balances?balance_gt=5")
    monkeypatch.undo()
    assert (answer.status, answer.body) == (500, error("GEN_INTERNAL", "internal server error"))


def test_filtering_by_post_needs_the_write_action_and_by_get_the_read_action(api: Client) -> None:
    for scope, posted, read in (("ledgers:read", 403, 200), ("ledgers:write", 200, 403)):
        key = api.post(
            "/api-keys",
            {"name": scope, "owner": "o", "scopes": [scope], "expires_at": "2099-01-01T00:00:00Z"},
        ).body["key"]
        scoped = Client(key)
        assert scoped.post("/ledgers/filter", {}).status == posted
        assert scoped.get("/ledgers?name_eq=x").status == read
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/ledgers/filter", "Ledger not found"),
        ("PUT", "/ledgers/filter", "Ledger not found"),
        ("GET", "/balances/filter", "Balance with ID 'filter' not found"),
        ("GET", "/transactions/filter", "Transaction with ID 'filter' not found"),
    ],
)
def test_to_other_methods_the_path_is_that_of_a_row(api: Client, method: str, path: str, words: str) -> None:
    answer = api.send(method, path, {"name": "x"})
    assert (answer.status, answer.body["error"]) == (404, words)
    assert api.send("DELETE", path).text == "404 page not found"
