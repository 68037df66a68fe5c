"""Nothing that a client writes into a filter is ever SQL: not a field, not an operator, not a value, not an order."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.api.filtering import resources
from balances.api.filtering.grammar import ALIASES, OPERATORS
from balances.models import Balance, Ledger, Transaction
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = (
    "' OR '1'='1",
    "'; DROP TABLE transactions; --",
    "') UNION SELECT key FROM api_keys --",
    "\\'; SELECT pg_sleep(10); --",
    "$$; DELETE FROM balances; $$",
    "%s",
    "%(name)s",
    "%",
    "{}",
    "\x27\x22\x5c",
    "ʼ OR 1=1",
    "1::text); --",
    "E'\\x27'",
    '"balances"."balance"',
    "NULL)",
    "/*",
    "$1",
    "a\tb\nc\rd",
)
FILTERS = {
    "ledgers": resources.LedgerFilters,
    "balances": resources.BalanceFilters,
    "transactions": resources.TransactionFilters,
}
EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
KNOWN = {"GEN_BAD_REQUEST", "GEN_VALIDATION_ERROR"}
texts = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
)
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=18), texts
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=2)),
    max_leaves=5,
)


def in_order(answer: Any, table: str) -> None:
    """Check that an answer is the contract's: rows, or a refusal that says why; never a surprise."""
    if answer.status == 200:
        return
    detail = answer.body["error_detail"]
    assert answer.status == 400, answer.text
    assert detail["code"] in KNOWN, answer.text


def inhabited() -> None:
    alice = world.balance(world.ledger("' OR '1'='1"), meta_data={"k": "%s", "n": 5})
    world.post("@world", alice, 100)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_a_value_like_any_other(api: Client, text: str) -> None:
    world.ledger("x")
    named = Ledger.objects.create(name=text, meta_data={"k": text})
    for field in ("name", "meta_data.k"):
        for key, value in (("value", text), ("values", [text])):
            operator = "in" if key == "values" else "eq"
            body = {"filters": [{"field": field, "operator": operator, key: value}]}
            assert [row["ledger_id"] for row in api.post("/ledgers/filter", body).body] == [named.pk]
        assert [row["ledger_id"] for row in api.get(f"/ledgers?{field}_eq={quote(text)}").body] == [named.pk]
    assert [row["ledger_id"] for row in api.get("/ledgers?name_in=" + quote(f"{text},x")).body].count(named.pk) == 1


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("table", FILTERS)
def test_hostile_text_is_no_field_no_operator_and_no_order(api: Client, table: str, text: str) -> None:
    inhabited()
    for field in (text, f"meta_data.{text}", f"created_at{text}", f"created_at__{text}"):
        answer = api.post(f"/{table}/filter", {"filters": [{"field": field, "operator": "eq", "value": 1}]})
        assert (answer.status, answer.body["error_detail"]["code"]) == (400, "GEN_BAD_REQUEST")
    answer = api.post(f"/{table}/filter", {"filters": [{"field": "created_at", "operator": text, "value": 1}]})
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "GEN_BAD_REQUEST")
    plain = api.post(f"/{table}/filter", {}).text
    assert api.post(f"/{table}/filter", {"sort_by": text, "sort_order": text}).text == plain
    assert api.post(f"/{table}/filter", {"logical_operator": text}).status == 400


@EXAMPLES
@given(
    table=st.sampled_from(sorted(FILTERS)),
    data=st.data(),
    any_of=st.booleans(),
    counted=st.booleans(),
    ascending=st.booleans(),
)
def test_no_body_is_a_surprise(
    api: Client, table: str, data: Any, any_of: bool, counted: bool, ascending: bool
) -> None:
    fields = st.one_of(
        st.sampled_from([*FILTERS[table].base_filters, "meta_data.k", "meta_data.n"]),
        texts,
        texts.map("meta_data.{}".format),
    )
    conditions = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {"field": fields, "operator": st.one_of(st.sampled_from(OPERATORS), texts)},
                optional={"value": values, "values": st.lists(values, max_size=4)},
            ),
            max_size=4,
        )
    )
    if not Balance.objects.exists():
        inhabited()
    before = (Ledger.objects.count(), Balance.objects.count(), Transaction.objects.count())
    body = {
        "filters": conditions,
        "logical_operator": "or" if any_of else "and",
        "include_count": counted,
        "sort_by": data.draw(fields),
        "sort_order": "asc" if ascending else "desc",
        "limit": data.draw(st.integers(-(2**63), 2**63 - 1)),
        "offset": data.draw(st.one_of(st.just(0), st.integers(-(2**63), 2**63 - 1))),
    }
    in_order(api.post(f"/{table}/filter", body), table)
    assert before == (Ledger.objects.count(), Balance.objects.count(), Transaction.objects.count())


@EXAMPLES
@given(table=st.sampled_from(sorted(FILTERS)), data=st.data())
def test_no_query_is_a_surprise(api: Client, table: str, data: Any) -> None:
    fields = st.one_of(st.sampled_from([*FILTERS[table].base_filters, "meta_data.k", "meta_data.n"]), texts)
    scalars = st.one_of(
        texts, st.dates().map(str), st.datetimes().map(str), st.decimals().map(str), st.integers().map(str)
    )
    query = data.draw(
        st.lists(st.tuples(fields, st.one_of(st.sampled_from(sorted(ALIASES)), texts), scalars), max_size=4)
    )
    if not Balance.objects.exists():
        inhabited()
    path = "&".join(f"{quote(field)}_{quote(operator)}={quote(value)}" for field, operator, value in query)
    in_order(api.get(f"/{table}?{path}"), table)


@settings(EXAMPLES, max_examples=100)
@given(
    amounts=st.lists(st.integers(1, 10**40), min_size=1, max_size=5, unique=True),
    asked=st.integers(-(10**41), 10**41),
    operator=st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]),
)
def test_amounts_of_any_size_are_compared_to_the_last_digit(
    api: Client, amounts: list[int], asked: int, operator: str
) -> None:
    owner = Ledger.objects.create(name="sizes")
    Balance.objects.bulk_create(
        Balance(ledger=owner, currency="ETH", balance=amount, credit_balance=amount) for amount in amounts
    )
    compare = {
        "eq": int.__eq__,
        "ne": int.__ne__,
        "gt": int.__gt__,
        "gte": int.__ge__,
        "lt": int.__lt__,
        "lte": int.__le__,
    }[operator]
    for value in (asked, amounts[0], amounts[0] + 1):
        expected = sorted(amount for amount in amounts if compare(amount, value))
        here = {"field": "ledger_id", "operator": "eq", "value": owner.pk}
        for given_as in (value, str(value)):
            body = {"filters": [here, {"field": "balance", "operator": operator, "value": given_as}]}
            found = api.post("/balances/filter", body).body or []
            assert sorted(row["balance"] for row in found) == expected
        found = api.get(f"/balances?ledger_id_eq={owner.pk}&balance_{operator}={value}").body or []
        assert sorted(row["balance"] for row in found) == expected


def test_a_list_of_ninety_nine_thousand_values_is_one_parameter(api: Client) -> None:
    world.ledger("7")
    values_ = [str(number) for number in range(99_000)]
    answer = api.post("/ledgers/filter", {"filters": [{"field": "name", "operator": "in", "values": values_}]})
    assert [row["name"] for row in answer.body] == ["7"]


@pytest.mark.parametrize("logic", ["and", "or"])
def test_64_conditions_are_one_statement(api: Client, logic: str, django_assert_num_queries: Any) -> None:
    world.ledger("7")
    conditions = [{"field": "name", "operator": "ne", "value": f"x{number}"} for number in range(64)]
    with django_assert_num_queries(1):
        answer = api.post("/ledgers/filter", {"filters": conditions, "logical_operator": logic})
    assert len(answer.body) == 2


def test_a_json_value_too_deep_for_the_database_is_refused(api: Client) -> None:
    deep = "[" * 500_000
    answer = api.post("/ledgers/filter", {"filters": [{"field": "meta_data", "operator": "eq", "value": deep}]})
    in_order(answer, "ledgers")
    assert answer.status == 400
