"""Which rows a filter finds, operator by operator, field by field, door by door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from balances.models import Balance, Ledger, Transaction
from balances.models.people import Identity
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db
HUGE = 2**63 * 10**20 + 7
"""Minor units of an asset with 18 decimals, far beyond 64 bits."""
NOON = datetime(2026, 2, 1, 12, 30, 15, 123456, tzinfo=UTC)


def ask(api: Client, table: str, *conditions: tuple[str, str, Any], **more: Any) -> Any:
    """Return the body of a filter; a list of values goes into ``values``."""
    filters = [
        {"field": field, "operator": operator, "values" if isinstance(value, list) else "value": value}
        for field, operator, value in conditions
    ]
    answer = api.post(f"/{table}/filter", {"filters": filters, "limit": 100} | more)
    assert answer.status == 200, answer.text
    return answer.body


def listed(api: Client, table: str, **query: str) -> Any:
    answer = api.get(f"/{table}?{urlencode({'limit': 100} | query)}")
    assert answer.status == 200, answer.text
    return answer.body


def names(rows: Any, key: str = "name") -> str:
    """Return what the rows are called, in one word per row, sorted."""
    return " ".join(sorted(str(row[key]).replace(" ", "_") for row in rows or ()))


def test_a_statement_that_was_compiled_for_some_texts_serves_others(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    for reference in ("one", "two", "\ue0000", "\ue0001", "2026-01-01"):
        world.post(alice, bob, 5, reference=reference)
        world.post(bob, alice, 5, reference=f"back-{reference}")
    for reference in ("one", "two", "\ue0001", "\ue0000", "2026-01-01", "none"):
        known = [] if reference == "none" else [reference]
        assert [row["reference"] for row in ask(api, "transactions", ("reference", "eq", reference))] == known
        for side, other in (("source", alice), ("destination", alice), ("balance_id", bob)):
            rows = ask(api, "transactions", (side, "eq", other.pk), ("reference", "eq", reference))
            assert [row["reference"] for row in rows] == ([] if side == "destination" else known)
            rows = ask(api, "transactions", ("reference", "eq", reference), (side, "eq", "bln_none"))
            assert rows == []
        both = [("reference", "eq", reference), ("reference", "eq", "back-one")]
        rows = ask(api, "transactions", *both, logical_operator="or")
        assert {row["reference"] for row in rows} == {"back-one", *known}


@pytest.fixture
def ledgers() -> None:
    """Make a, b, c, d on four days, besides the general ledger, which has no metadata."""
    Ledger.objects.filter(ledger_id="general_ledger_id").update(created_at=NOON - timedelta(days=900))
    for number, (name, meta_data) in enumerate(
        (
            ("a", {"n": 5, "s": "5", "b": True, "day": "2026-02-01", "o": {"x": 1, "y": [2]}, "z": None}),
            ("b", {"n": world.Decimal("12.50"), "s": "Tea 100%", "b": False, "day": "2026-02-01T23:59:59+02:00"}),
            ("c", {"n": HUGE, "s": "12.5", "b": "true", "day": "2026-02-01T12:30:15.123Z"}),
            ("d", {"n": "many", "s": "tea_", "day": "tomorrow"}),
        )
    ):
        Ledger.objects.create(name=name, meta_data=meta_data, created_at=NOON + timedelta(days=number))


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("eq", "b", "b"),
        ("eq", "B", ""),
        ("eq", None, ""),
        ("ne", "b", "General_Ledger a c d"),
        ("gt", "b", "c d"),
        ("gte", "b", "b c d"),
        ("lt", "b", "General_Ledger a"),
        ("lte", "b", "General_Ledger a b"),
        ("in", ["a", "d", "x"], "a d"),
        ("in", ["a", None, 5, True], "a"),
        ("in", [None], ""),
        ("between", ["b", "c"], "b c"),
        ("between", ["c", "b"], ""),
        ("between", [None, "c"], ""),
        ("like", "%edger", "General_Ledger"),
        ("like", "general%", ""),
        ("like", "_", "a b c d"),
        ("ilike", "general%", "General_Ledger"),
        ("isnull", None, ""),
        ("isnotnull", None, "General_Ledger a b c d"),
    ],
)
def test_every_operator_on_a_text_column(api: Client, operator: str, value: Any, found: str) -> None:
    assert names(ask(api, "ledgers", ("name", operator, value))) == found


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize(
    ("key", "operator", "value", "found"),
    [
        ("n", "eq", 5, "a"),
        ("n", "eq", "5", ""),
        ("s", "eq", 5, ""),
        ("s", "eq", "5", "a"),
        ("n", "eq", world.Decimal("12.5"), "b"),
        ("n", "eq", HUGE, "c"),
        ("n", "eq", HUGE + 1, ""),
        ("b", "eq", True, "a"),
        ("b", "eq", "true", "c"),
        ("z", "eq", None, "a"),
        ("s", "eq", None, ""),
        ("o", "eq", {"x": 1}, "a"),
        ("o", "eq", {"y": [2]}, "a"),
        ("o", "eq", {"x": 2}, ""),
        ("n", "ne", 5, "b c d"),
        ("n", "ne", world.Decimal("12.5"), "a c d"),
        ("n", "ne", HUGE, "a b d"),
        ("b", "ne", True, "b"),
        ("b", "ne", None, ""),
        ("n", "gt", 5, "b c"),
        ("n", "gte", 5, "a b c"),
        ("n", "gte", "5", "a b c"),
        ("n", "lt", HUGE, "a b"),
        ("n", "lte", HUGE, "a b c"),
        ("n", "gt", HUGE - 1, "c"),
        ("s", "gt", 5, "c"),
        ("n", "between", [5, 13], "a b"),
        ("n", "between", [None, 13], ""),
        ("n", "in", [5, HUGE], "a c"),
        ("n", "in", ["5"], "a"),
        ("n", "in", [world.Decimal("12.5")], "b"),
        ("s", "in", [5, "tea_"], "a d"),
        ("b", "in", [True], "a c"),
        ("s", "like", "%100%", "b"),
        ("s", "like", "tea%", "d"),
        ("s", "ilike", "tea%", "b d"),
        ("s", "like", "tea\\_", "d"),
        ("b", "like", True, "a c"),
        ("z", "isnull", None, "General_Ledger a b c d"),
        ("b", "isnull", None, "General_Ledger d"),
        ("b", "isnotnull", None, "a b c"),
        ("z", "isnotnull", None, ""),
    ],
)
def test_every_operator_on_a_key_of_metadata(api: Client, key: str, operator: str, value: Any, found: str) -> None:
    assert names(ask(api, "ledgers", (f"meta_data.{key}", operator, value))) == found


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("eq", "{}", "General_Ledger"),
        ("eq", " { } ", "General_Ledger"),
        ("ne", "{}", "a b c d"),
        ("gt", "{}", "a b c d"),
        ("in", ["{}", "5"], "General_Ledger"),
        ("between", ["{}", "{}"], "General_Ledger"),
        ("eq", 5, ""),
        ("isnull", None, ""),
    ],
)
def test_bare_metadata_is_compared_as_json(api: Client, operator: str, value: Any, found: str) -> None:
    assert names(ask(api, "ledgers", ("meta_data", operator, value))) == found


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("eq", "2026-02-01", ""),  # midnight exactly: a body is not a query
        ("eq", "2026-02-01T12:30:15.123456Z", "a"),
        ("eq", "2026-02-01T14:30:15.123456+02:00", "a"),  # the original drops the zone
        ("ne", "2026-02-01 12:30:15.123456", "General_Ledger b c d"),
        ("gt", "2026-02-02T12:30:15.123456Z", "c d"),
        ("gte", "2026-02-02T12:30:15.123456Z", "b c d"),
        ("lt", "2026-02-02", "General_Ledger a"),
        ("lte", "2026-02-02 12:30:15.123456", "General_Ledger a b"),
        ("between", ["2026-02-02", "2026-02-03"], "b"),
        ("in", ["2026-02-01T12:30:15.123456Z", "2026-02-02"], "a"),
        ("isnull", None, ""),
        ("isnotnull", None, "General_Ledger a b c d"),
        ("gt", "infinity", ""),
        ("gt", "yesterday", ""),
    ],
)
def test_every_operator_on_an_instant(api: Client, operator: str, value: Any, found: str) -> None:
    assert names(ask(api, "ledgers", ("created_at", operator, value))) == found


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name_eq": "b"}, "b"),
        ({"name_NEQ": "b"}, "General_Ledger a c d"),
        ({"name_gteq": "c", "name_lteq": "d"}, "c d"),
        ({"name_in": " a , d,x"}, "a d"),
        ({"name_between": "b|c"}, "b c"),
        ({"name_between": " b|c"}, "General_Ledger a b c"),  # not trimmed
        ({"name_isnull": "false"}, ""),
        ({"name_isnotnull": ""}, "General_Ledger a b c d"),
        ({"name_eq": ""}, ""),
        ({"name_eq": "a", "created_at_gt": "2030-01-01", "logical_operator": " OR "}, "a"),
        ({"name_eq": "a", "created_at_gt": "2030-01-01", "logical_operator": "AND"}, ""),
        ({"foo": "1", "sort_by": "name", "sort_order": "asc", "include_count": "true", "include": "x"}, "all"),
        ({"instance_id": "7", "ORG_ID": "8", "per_page": "1", "Order_By": "x", "PageSize": "3"}, "all"),
        ({"created_at_eq": "2026-02-01"}, "a"),
        ({"created_at_eq": "2026/02/01"}, "a"),
        ({"created_at_eq": "2026-02-01T12:30"}, "a"),
        ({"created_at_eq": "2026-02-01 12:30:15"}, "a"),
        ({"created_at_eq": "2026-02-01T12:30:15Z"}, "a"),
        ({"created_at_eq": "2026-02-01T14:30:15+02:00"}, "a"),
        ({"created_at_eq": "2026-02-01T12:30:15.123"}, "a"),
        ({"created_at_eq": "2026-02-01T12:30:15.12399"}, "a"),  # a millisecond wide, from its start
        ({"created_at_eq": "2026-02-01T12:30:15.123456Z"}, "a"),
        ({"created_at_eq": "2026-02-01T12:30:15.123457Z"}, ""),
        ({"created_at_eq": "2026-02-01T12:31"}, ""),
        ({"created_at_eq": "9999-12-31"}, ""),
        ({"created_at_between": "2026-02-01|2026-02-02"}, "a"),  # to midnight that begins the second day
        ({"created_at_gt": "2026-02-02T12:30:15.123456"}, "c d"),
        ({"created_at_gt": "20260203"}, "c d"),
        ({"meta_data.n_eq": "5"}, "a"),
        ({"meta_data.n_eq": "005"}, "a"),
        ({"meta_data.n_eq": "12.5"}, "b"),
        ({"meta_data.n_eq": "1.250e1"}, "b"),
        ({"meta_data.n_eq": str(HUGE)}, "c"),
        ({"meta_data.n_eq": str(HUGE + 1)}, ""),
        ({"meta_data.n_eq": "nan"}, ""),
        ({"meta_data.n_eq": "many"}, "d"),
        ({"meta_data.s_eq": "5"}, ""),
        ({"meta_data.s_in": "5,12.5"}, "a c"),
        ({"meta_data.n_in": "05,12.500"}, "a b"),
        ({"meta_data.n_ne": "5.0"}, "b c d"),
        ({"meta_data.b_eq": "true"}, "a"),
        ({"meta_data.b_in": "true"}, "a c"),
        ({"meta_data.n_gt": "5"}, "b c"),
        ({"meta_data.day_eq": "2026-02-01"}, "a b c"),  # "tomorrow" fails nobody's query
        ({"meta_data.day_eq": "2026-02-01T12:30"}, "c"),
        ({"meta_data.day_eq": "2026-02-01T21:59:59"}, "b"),
        ({"meta_data.day_in": "2026-02-01,tomorrow"}, "a d"),
        ({"meta_data.day_ne": "2026-02-01"}, "b c d"),
        ({"meta_data.day_like": "2026-02-01%"}, "a b c"),
        ({"meta_data_eq": "{}"}, "General_Ledger"),
    ],
)
def test_a_query_is_typed_value_by_value(api: Client, query: dict[str, str], found: str) -> None:
    everything = "General_Ledger a b c d"
    assert names(listed(api, "ledgers", **query)) == (everything if found == "all" else found)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("2024-02-29", True),
        ("2000-02-29T10:00Z", True),
        ("2024/12/31 23:59:59.123456789-14:00", True),
        ("2023-02-29", False),
        ("1900-02-29", False),
        ("2024-02-30", False),
        ("2024-04-31", False),
        ("2024-13-01", False),
        ("2024-00-10", False),
        ("0000-01-01", False),
        ("2024-01-01T24:00", False),
        ("2024-01-01T10:60", False),
        ("2024-01-01T10:00+15:00", False),
        ("2024-01-01\n", False),
        ("٢٠٢٤-01-01", False),
        ("infinity", False),
        ("", False),
    ],
)
def test_a_date_in_metadata_is_one_that_the_calendar_has(api: Client, text: str, counts: bool) -> None:
    Ledger.objects.create(name="day", meta_data={"d": text, "n": text})
    spans = {"2023-03-01", "1900-02-28", "2000-02-29", "2024-02-29", "2024-12-31", "2025-01-01", "2024-01-01"}
    found = [row for span in spans for row in listed(api, "ledgers", **{"meta_data.d_eq": span})]
    assert bool(found) is counts
    assert listed(api, "ledgers", **{"meta_data.n_gt": "0"}) == []


@pytest.mark.parametrize(
    ("stored", "counts"),
    [
        ("1.5", True),
        (" 15e-1 ", True),
        (".5e1", True),
        ("9" * 250, True),
        ("9" * 9000, False),
        ("1e9999", False),
        ("1e99999999", False),
        ("0x10", False),
        ("1_000", False),
        ("NaN", False),
        ("Infinity", False),
        ("1.5\n", False),
        ("\u00a01", False),
        ("١", False),
        (True, False),
        ([1], False),
        (int("9" * 1000), True),
        (world.Decimal("1.000000000000000001"), True),
    ],
)
def test_a_number_in_metadata_is_compared_and_anything_else_fails_nobody(
    api: Client, stored: Any, counts: bool
) -> None:
    Ledger.objects.create(name="number", meta_data={"n": stored})
    assert names(ask(api, "ledgers", ("meta_data.n", "gt", 1))) == ("number" if counts else "")


@pytest.mark.parametrize(
    "text", ["007", "1.50", "+5", "1e3", "inf", "NaN", "true", "2026-02-01", "2026-02-01T12:30:15Z", " x ", "a|b"]
)
def test_a_text_column_is_asked_for_the_very_text_that_was_written(api: Client, text: str) -> None:
    for name in (text, "7", "1.5", "5", "1000", "Infinity", "True", "x"):
        world.ledger(name)
    assert names(listed(api, "ledgers", name_eq=text)) == text.replace(" ", "_")
    assert names(listed(api, "ledgers", name_like=text)) == text.replace(" ", "_")
    assert text.replace(" ", "_") not in names(listed(api, "ledgers", name_ne=text)).split()
    assert names(ask(api, "ledgers", ("name", "eq", text))) == text.replace(" ", "_")


def test_of_a_repeated_parameter_the_first_counts(api: Client) -> None:
    world.ledger("a")
    world.ledger("b")
    assert names(api.get("/ledgers?name_eq=a&name_eq=b").body) == "a"


@pytest.fixture
def balances() -> dict[str, Balance]:
    """Make balances of 1.5, of a huge amount of an asset with 18 decimals, and of nothing."""
    owner = world.ledger("Wallets")
    cast = {name: world.balance(owner, currency) for name, currency in (("a", "USD"), ("b", "ETH"), ("c", "EUR"))}
    world.post("@world", cast["a"], 150)
    world.post("@mint", cast["b"], HUGE, currency="ETH", precision=10**18)
    Identity.objects.create(pk="idt_1")
    Balance.objects.filter(pk=cast["c"].pk).update(identity_id="idt_1")
    return cast


def of(cast: dict[str, Balance], rows: Any) -> str:
    called = {balance.pk: name for name, balance in cast.items()}
    return " ".join(sorted(called.get(row["balance_id"], row.get("indicator")) for row in rows or ()))


@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("balance", "eq", HUGE, "b"),
        ("balance", "eq", str(HUGE), "b"),
        ("balance", "eq", HUGE + 1, ""),
        ("balance", "ne", HUGE, "@mint @world a c"),
        ("balance", "gt", HUGE - 1, "b"),
        ("balance", "gte", HUGE, "b"),
        ("balance", "lt", -HUGE + 1, "@mint"),
        ("balance", "lte", -HUGE, "@mint"),
        ("balance", "between", [150, HUGE], "a b"),
        ("balance", "in", [150, str(HUGE)], "a b"),
        ("balance", "eq", world.Decimal("150.0"), "a"),
        ("balance", "gt", world.Decimal("149.999999999999999999"), "a b"),
        ("balance", "eq", "1.5e2", "a"),
        ("balance", "lt", "NaN", "@mint @world a b c"),
        ("balance", "gt", None, ""),
        ("credit_balance", "eq", HUGE, "b"),
        ("debit_balance", "eq", HUGE, "@mint"),
        ("inflight_balance", "ne", 0, ""),
        ("inflight_credit_balance", "eq", 0, "@mint @world a b c"),
        ("inflight_debit_balance", "isnotnull", None, "@mint @world a b c"),
        ("currency", "in", ["EUR", "ETH"], "@mint b c"),
        ("ledger_id", "eq", "general_ledger_id", "@mint @world"),
        ("identity_id", "isnull", None, "@mint @world a b"),
        ("identity_id", "isnotnull", None, "c"),
        ("identity_id", "eq", "idt_1", "c"),
        ("identity_id", "ne", "idt_2", "c"),
        ("indicator", "isnull", None, "a b c"),
        ("indicator", "like", "@%", "@mint @world"),
        ("indicator", "ne", "@mint", "@world"),
        ("created_at", "gt", "2020-01-01", "@mint @world a b c"),
        ("meta_data.x", "isnull", None, "@mint @world a b c"),
    ],
)
def test_balances_are_found_by_each_of_their_fields(
    api: Client, balances: dict[str, Balance], field: str, operator: str, value: Any, found: str
) -> None:
    assert of(balances, ask(api, "balances", (field, operator, value))) == found


def test_balances_are_found_by_their_id_and_by_amounts_in_a_query(api: Client, balances: dict[str, Balance]) -> None:
    ids = [balances[name].pk for name in "ab"]
    assert of(balances, ask(api, "balances", ("balance_id", "in", ids))) == "a b"
    assert of(balances, listed(api, "balances", balance_eq=str(HUGE))) == "b"
    assert of(balances, listed(api, "balances", balance_between=f"150|{HUGE}.000")) == "a b"
    assert of(balances, listed(api, "balances", balance_gt="1e2")) == "a b"
    assert ask(api, "balances", ("balance", "eq", HUGE))[0]["balance"] == HUGE


@pytest.fixture
def transactions(balances: dict[str, Balance]) -> dict[str, Balance]:
    """Add a movement from a to c, and rows with nothing but a status, on one side or on none."""
    world.post(
        balances["a"], balances["c"], 50, reference="00123", description="Tea 100%", meta_data={"channel": "card"}
    )
    first = Transaction.objects.get(reference="00123")
    Transaction.objects.filter(reference__startswith="ref-").exclude(reference="00123").update(status="APPLIED")
    world.row("VOID", 50, balances["a"], balances["c"], reference="child", parent_transaction=first.pk)
    Transaction.objects.create(reference="bare", status="REJECTED", meta_data=None)
    return balances


@pytest.mark.usefixtures("transactions")
@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("reference", "eq", "00123", "00123"),
        ("reference", "in", ["00123", "bare"], "00123 bare"),
        ("reference", "like", "ch%", "child"),
        ("status", "eq", "VOID", "child"),
        ("status", "in", ["VOID", "REJECTED"], "bare child"),
        ("status", "ne", "APPLIED", "bare child"),
        ("parent_transaction", "ne", "", "child"),
        ("parent_transaction", "gt", "", "child"),
        ("amount", "eq", world.Decimal("0.5"), "00123 child"),
        ("amount", "lt", "0.500000000000000001", "00123 child"),
        ("amount", "isnull", None, "bare"),
        ("precision", "eq", 100.0, "00123 child wealth"),
        ("precision", "gt", 10**17, "mint"),
        ("precision", "eq", 1, "bare"),
        ("currency", "eq", "ETH", "mint"),
        ("description", "like", "%100\\%", "00123"),
        ("description", "ilike", "tea%", "00123"),
        ("effective_date", "isnull", None, "bare"),
        ("effective_date", "gt", "2020-01-01", "00123 child mint wealth"),
        ("source", "isnull", None, "bare"),
        ("destination", "isnotnull", None, "00123 child mint wealth"),
        ("balance_id", "eq", "a", "00123 child wealth"),
        ("balance_id", "ne", "a", "mint"),
        ("balance_id", "in", ["b", "c"], "00123 child mint"),
        ("balance_id", "isnull", None, "bare"),
        ("balance_id", "isnotnull", None, "00123 child mint wealth"),
        ("balance_id", "eq", None, ""),
        ("indicator", "eq", "@mint", "mint"),
        ("indicator", "ne", "@mint", "wealth"),
        ("indicator", "in", ["@mint", "@world"], "mint wealth"),
        ("indicator", "gt", "@n", "wealth"),
        ("indicator", "gte", "@mint", "mint wealth"),
        ("indicator", "lt", "@n", "mint"),
        ("indicator", "lte", "@mint", "mint"),
        ("indicator", "between", ["@a", "@n"], "mint"),
        ("indicator", "like", "@W%", ""),
        ("indicator", "ilike", "@W%", "wealth"),
        ("indicator", "isnull", None, "00123 child mint wealth"),
        ("indicator", "isnotnull", None, "mint wealth"),
        ("meta_data.channel", "eq", "card", "00123"),
    ],
)
def test_transactions_are_found_by_each_of_their_fields(
    api: Client, transactions: dict[str, Balance], field: str, operator: str, value: Any, found: str
) -> None:
    if field == "balance_id":
        one = transactions.get(value, value) if isinstance(value, str) else value
        value = [transactions[name].pk for name in value] if isinstance(value, list) else getattr(one, "pk", one)
    called = {100: "wealth", 10**18: "mint"}
    rows = ask(api, "transactions", (field, operator, value))
    for row in rows:
        if row["reference"].startswith("ref-"):
            row["reference"] = called[row["precision"]]
    assert names(rows, "reference") == found


def test_two_indicators_in_one_request_are_two_conditions(api: Client, balances: dict[str, Balance]) -> None:
    world.post("@world", "@mint", 5, reference="both")
    both = (("indicator", "eq", "@world"), ("indicator", "eq", "@mint"))
    assert names(ask(api, "transactions", *both), "reference") == "both"
    assert len(ask(api, "transactions", *both, logical_operator="or")) == 3


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize(
    ("logic", "found"), [("and", ""), (" OR ", "a d"), ("Or", "a d"), ("", ""), ("  ", ""), (None, "")]
)
def test_conditions_hold_together_or_one_of_them(api: Client, logic: str | None, found: str) -> None:
    both = (("name", "eq", "a"), ("meta_data.n", "eq", "many"))
    assert names(ask(api, "ledgers", *both, logical_operator=logic)) == found


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize("body", [b"null", b"{}", b'{"filters":null}', b'{"filters":[]}', b'{"FILTERS":[],"x":1} {bad'])
def test_without_a_condition_every_row_is_found(api: Client, body: bytes) -> None:
    answer = api.post("/ledgers/filter", body)
    assert [row["name"] for row in answer.body] == ["d", "c", "b", "a", "General Ledger"]


def test_keys_of_a_body_are_read_in_any_case(api: Client) -> None:
    world.ledger("a")
    body = b'{"FILTERS":[{"Field":"name","OPERATOR":"eq","Value":"a"}],"Limit":1}'
    assert names(api.post("/ledgers/filter", body).body) == "a"


@pytest.mark.usefixtures("ledgers")
@pytest.mark.parametrize(
    ("sort_by", "order", "found"),
    [
        ("name", "asc", ["General Ledger", "a", "b", "c", "d"]),
        (" NAME ", " ASC ", ["General Ledger", "a", "b", "c", "d"]),
        ("name", "desc", ["d", "c", "b", "a", "General Ledger"]),
        ("name", "upwards", ["d", "c", "b", "a", "General Ledger"]),
        ("created_at", "asc", ["General Ledger", "a", "b", "c", "d"]),
        ("colour", "asc", ["General Ledger", "a", "b", "c", "d"]),
        ("name; DROP TABLE ledgers", "", ["d", "c", "b", "a", "General Ledger"]),
        ("meta_data.n", "", ["d", "c", "b", "a", "General Ledger"]),
        ("", "", ["d", "c", "b", "a", "General Ledger"]),
    ],
)
def test_rows_are_sorted_by_a_field_of_the_list(api: Client, sort_by: str, order: str, found: list[str]) -> None:
    rows = ask(api, "ledgers", sort_by=sort_by, sort_order=order)
    assert [row["name"] for row in rows] == found


@pytest.mark.parametrize("table", ["ledgers", "balances", "transactions"])
def test_every_field_of_a_column_can_be_sorted_by_both_ways(api: Client, table: str) -> None:
    from balances.api.filtering import resources

    world.post("@world", world.balance(), 5)
    filters = {
        "ledgers": resources.LedgerFilters,
        "balances": resources.BalanceFilters,
        "transactions": resources.TransactionFilters,
    }[table]
    for name, column in filters.base_filters.items():
        if column.sortable:
            for order in ("asc", "desc"):
                assert ask(api, table, sort_by=name, sort_order=order)


def test_absent_values_come_first_in_descending_order(api: Client) -> None:
    world.post("@world", world.balance(), 5)
    assert "indicator" not in ask(api, "balances", sort_by="indicator")[0]
    assert ask(api, "balances", sort_by="indicator", sort_order="asc")[0]["indicator"] == "@world"


def test_rows_of_one_instant_are_paged_without_gap_or_repetition(api: Client) -> None:
    Ledger.objects.bulk_create(Ledger(name="same", created_at=NOON) for _ in range(30))
    for order in ("asc", "desc"):
        seen = [
            row["ledger_id"]
            for offset in range(0, 30, 7)
            for row in ask(api, "ledgers", ("name", "eq", "same"), limit=7, offset=offset, sort_order=order)
        ]
        assert len(seen) == len(set(seen)) == 30


@pytest.mark.parametrize(
    ("limit", "rows"), [(None, 20), (0, 20), (-5, 20), (1, 1), (100, 100), (101, 20), (2**63 - 1, 20), (-(2**63), 20)]
)
def test_a_limit_out_of_bounds_is_twenty(api: Client, limit: int | None, rows: int) -> None:
    Ledger.objects.bulk_create(Ledger(name=f"L{number}") for number in range(110))
    assert len(ask(api, "ledgers", limit=limit)) == rows
    assert len(ask(api, "ledgers", limit=limit, offset=-3)) == rows
    assert ask(api, "ledgers", offset=2**63 - 1) == []


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("/balances?limit=1100", 1100),
        ("/balances?limit=1100&currency_eq=USD", 1000),
        ("/balances?currency_eq=USD", 10),
        ("/ledgers?limit=101&name_like=%25", 20),
        ("/ledgers?limit=101&logical_operator=or", 20),
    ],
)
def test_each_list_caps_what_is_filtered_in_its_own_way(api: Client, path: str, rows: int) -> None:
    owner = world.ledger()
    Balance.objects.bulk_create(Balance(ledger=owner, currency="USD") for _ in range(1100))
    Ledger.objects.bulk_create(Ledger(name=f"L{number}") for number in range(30))
    assert len(api.get(path).body) == rows


def test_a_list_of_transactions_forgives_a_bad_limit_and_caps_what_is_filtered(api: Client) -> None:
    alice, bob = world.balance(), world.balance()
    Transaction.objects.bulk_create(
        Transaction(status="APPLIED", source=alice, destination=bob, currency="USD", reference=f"r{n}", meta_data={})
        for n in range(1100)
    )
    for query, rows in (("limit=x&currency_eq=USD", 20), ("limit=1050&currency_eq=USD", 1000), ("limit=1050", 1050)):
        assert len(api.get(f"/transactions?{query}").body) == rows


@pytest.mark.parametrize(("table", "empty"), [("ledgers", "[]"), ("balances", "null"), ("transactions", "[]")])
def test_a_page_without_rows_has_the_original_s_shape(api: Client, table: str, empty: str) -> None:
    nobody = {"filters": [{"field": "created_at", "operator": "gt", "value": "2999-01-01"}]}
    assert api.get(f"/{table}?created_at_gt=2999-01-01").text == empty
    assert api.post(f"/{table}/filter", nobody).text == empty
    assert api.post(f"/{table}/filter", nobody | {"include_count": True}).text == f'{{"data":{empty}}}'
    assert api.post(f"/{table}/filter", {"offset": 99, "include_count": True}).text == f'{{"data":{empty}}}'


def test_a_count_is_of_all_matches_before_limit_and_offset(api: Client, django_assert_num_queries: Any) -> None:
    Ledger.objects.bulk_create(Ledger(name="same") for _ in range(30))
    body = {"filters": [{"field": "name", "operator": "eq", "value": "same"}], "include_count": True, "limit": 2}
    with django_assert_num_queries(1):
        answer = api.post("/ledgers/filter", body | {"offset": 5})
    assert (list(answer.body), len(answer.body["data"]), answer.body["total_count"]) == (["data", "total_count"], 2, 30)
    assert ask(api, "ledgers", ("name", "eq", "same"), include_count=True)["total_count"] == 30
    assert api.get("/ledgers?include_count=true").body[0]["name"] == "same"


def test_the_worked_example_of_the_contract(api: Client) -> None:
    alice, bob = world.balance(currency="EUR"), world.balance(currency="EUR")
    world.post("@world", alice, 5000, currency="EUR")
    tea = world.post(
        alice, bob, 1250, currency="EUR", reference="r-1", description="tea", meta_data={"channel": "card"}
    )
    body = {
        "filters": [
            {"field": "status", "operator": "in", "values": ["APPLIED", "INFLIGHT"]},
            {"field": "meta_data.channel", "operator": "eq", "value": "card"},
            {"field": "balance_id", "operator": "eq", "value": alice.pk},
        ],
        "logical_operator": "and",
        "sort_by": "amount",
        "sort_order": "asc",
        "include_count": True,
        "limit": 2,
    }
    answer = api.post("/transactions/filter", body)
    row = answer.body["data"][0]
    assert answer.body["total_count"] == len(answer.body["data"]) == 1
    assert ",".join(row) == (
        "precise_amount,amount,precision,overdraft_limit,transaction_id,parent_transaction,source,destination,"
        "reference,currency,description,status,hash,allow_overdraft,inflight,skip_queue,atomic,created_at,"
        "effective_date,scheduled_for,inflight_expiry_date,inflight_commit_date,meta_data"
    )
    assert (row["transaction_id"], row["precise_amount"], row["amount"]) == (tea.pk, 1250, world.Decimal("12.5"))
    assert (row["overdraft_limit"], row["allow_overdraft"], row["inflight"]) == (0, False, False)
    assert {row[name] for name in ("scheduled_for", "inflight_expiry_date", "inflight_commit_date")} == {
        "0001-01-01T00:00:00Z"
    }
    assert row["meta_data"]["channel"] == "card"


def test_the_key_that_a_scoped_key_puts_into_a_body_is_ignored(api: Client) -> None:
    expiry = "2099-01-01T00:00:00Z"
    key = api.post("/api-keys", {"name": "k", "owner": "o", "scopes": ["ledgers:write"], "expires_at": expiry}).body
    world.ledger("a")
    rows = Client(key["key"]).post("/ledgers/filter", {"filters": [{"field": "name", "operator": "eq", "value": "a"}]})
    assert names(rows.body) == "a"
