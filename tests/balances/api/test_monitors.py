"""Balance monitors over REST."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from balances.keys import keyring
from balances.models import Balance
from balances.models.monitors import BalanceMonitor
from tests import world
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db
CONDITION: dict[str, Any] = {"field": "debit_balance", "operator": ">", "value": 250, "precision": 100}
UPDATED = '{"message":"BalanceMonitor updated successfully"}'


@pytest.fixture
def alice() -> Balance:
    return world.balance()


@pytest.fixture
def monitor(alice: Balance) -> BalanceMonitor:
    return world.monitor(alice, call_back_url="https://example.com/told", description="spending")


def body(balance: Balance, *, precision: Any = 100, value: Any = 250, **fields: Any) -> dict[str, Any]:
    condition = CONDITION | {"precision": precision, "value": value}
    given = {name: fields.pop(name) for name in ("field", "operator") if name in fields}
    return {"balance_id": balance.pk, "condition": condition | given} | fields


def refused(answer: Answer, status: int, code: str, text: str, *, key: str = "error", details: bool = False) -> None:
    assert answer.status == status, answer.text
    detail: dict[str, Any] = {"code": code, "message": text} | ({"details": {}} if details else {})
    assert answer.body == {key: text, "error_detail": detail}


def stored(monitor: BalanceMonitor) -> dict[str, Any]:
    return BalanceMonitor.objects.filter(pk=monitor.pk).values().get()


# --- refused


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "EOF"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"[]", "json: cannot unmarshal array into Go value of type model.CreateBalanceMonitor"),
        (
            b'{"condition":{"value":"250"}}',
            "json: cannot unmarshal string into Go struct field MonitorCondition.condition.value of type float64",
        ),
        (
            b'{"condition":[]}',
            "json: cannot unmarshal array into Go struct field CreateBalanceMonitor.condition "
            "of type model.MonitorCondition",
        ),
    ],
)
def test_a_body_that_is_none_is_refused_in_the_words_of_the_decoder(api: Client, raw: bytes, text: str) -> None:
    refused(api.post("/balance-monitors", raw), 400, "GEN_MALFORMED_REQUEST", text)
    assert not BalanceMonitor.objects.exists()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {},
            "balance_id: cannot be blank; condition: (field: cannot be blank; operator: cannot be blank; "
            "precision: cannot be blank; value: cannot be blank.).",
        ),
        (
            {"condition": {"field": "credits", "operator": ">", "precision": -1, "value": 0}},
            "balance_id: cannot be blank; condition: (field: must be a valid value; "
            "precision: precision cannot be negative; value: cannot be blank.).",
        ),
        (
            {"balance_id": "bln_1", "condition": CONDITION | {"precision": 0}},
            "condition: (precision: cannot be blank.).",
        ),
        *(
            (
                {"balance_id": "bln_1", "condition": CONDITION | {"operator": operator}},
                "condition: (operator: must be a valid value.).",
            )
            for operator in ("==", "<>", "is", " >")
        ),
        ({"balance_id": "", "condition": CONDITION}, "balance_id: cannot be blank."),
    ],
)
def test_a_monitor_that_could_never_speak_is_refused(api: Client, fields: dict[str, Any], text: str) -> None:
    refused(api.post("/balance-monitors", fields), 400, "GEN_VALIDATION_ERROR", text, key="errors")
    assert not BalanceMonitor.objects.exists()


def test_a_monitor_of_no_balance_is_refused(api: Client) -> None:
    answer = api.post("/balance-monitors", {"balance_id": "bln_none", "condition": CONDITION})
    refused(answer, 400, "GEN_BAD_REQUEST", "Invalid balance ID", details=True)
    assert not BalanceMonitor.objects.exists()


@pytest.mark.parametrize("fields", [{}, {"balance_id": "bln_none"}, {"balance_id": "b", "condition": CONDITION}])
def test_a_monitor_that_is_not_there_is_not_found_whatever_is_asked_of_it(api: Client, fields: dict[str, Any]) -> None:
    text = "Monitor with ID 'mon_none' not found"
    refused(api.get("/balance-monitors/mon_none"), 404, "BAL_MONITOR_NOT_FOUND", text, details=True)
    refused(api.put("/balance-monitors/mon_none", fields), 404, "BAL_MONITOR_NOT_FOUND", text)
    refused(api.send("DELETE", "/balance-monitors/mon_none"), 404, "BAL_MONITOR_NOT_FOUND", text, details=True)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"balance_id": ""}, "balance_id: cannot be blank."),
        ({"condition": {}}, "condition: (field: cannot be blank; operator: cannot be blank.)."),
        ({"condition": CONDITION | {"operator": "=="}}, "condition: (operator: must be a valid value.)."),
        ({"condition": CONDITION | {"field": "total"}}, "condition: (field: must be a valid value.)."),
        ({"condition": CONDITION | {"precision": -100}}, "condition: (precision: precision cannot be negative.)."),
    ],
)
def test_a_change_that_is_refused_changes_nothing(
    api: Client, monitor: BalanceMonitor, alice: Balance, change: dict[str, Any], text: str
) -> None:
    before = stored(monitor)
    answer = api.put(f"/balance-monitors/{monitor.pk}", body(alice, value=9) | change)
    refused(answer, 400, "GEN_VALIDATION_ERROR", text, key="errors")
    assert stored(monitor) == before


def test_a_change_is_refused_for_no_balance_and_for_what_cannot_be_read(api: Client, monitor: BalanceMonitor) -> None:
    before, path = stored(monitor), f"/balance-monitors/{monitor.pk}"
    answer = api.put(path, {"balance_id": "bln_none", "condition": CONDITION})
    refused(answer, 400, "GEN_BAD_REQUEST", "Invalid balance ID", details=True)
    answer = api.put(path, {"condition": {"precise_value": "100"}})
    refused(answer, 400, "GEN_MALFORMED_REQUEST", r'math/big: cannot unmarshal "\"100\"" into a *big.Int')
    answer = api.put(path, {"created_at": "yesterday"})
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "GEN_MALFORMED_REQUEST")
    assert stored(monitor) == before


def test_a_key_that_may_read_monitors_may_not_write_or_delete_them(monitor: BalanceMonitor, alice: Balance) -> None:
    issued = keyring.issue(
        name="reader", owner_id="ops", scopes=["balance-monitors:read"], expires_at=datetime(2999, 1, 1, tzinfo=UTC)
    )
    reader, path = Client(issued.plaintext), f"/balance-monitors/{monitor.pk}"
    answers = [
        (reader.post("/balance-monitors", body(alice)), "write"),
        (reader.put(path, body(alice)), "write"),
        (reader.send("DELETE", path), "delete"),
    ]
    for answer, action in answers:
        text = f"Insufficient permissions for balance-monitors:{action}"
        refused(answer, 403, "AUTH_INSUFFICIENT_PERMISSIONS", text)
    assert reader.get(path).body["monitor_id"] == monitor.pk
    assert [each["monitor_id"] for each in reader.get("/balance-monitors").body] == [monitor.pk]


@pytest.mark.parametrize("change", [{"field": "total"}, {"operator": "=="}, {"precision": 0}, {"precision": -1}])
def test_the_database_refuses_what_no_monitor_can_be(monitor: BalanceMonitor, change: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="monitor_"), transaction.atomic():
        BalanceMonitor.objects.update(**change)


# --- served


def test_a_monitor_is_created_and_read_in_the_order_of_keys_of_the_contract(api: Client, alice: Balance) -> None:
    answer = api.post("/balance-monitors", body(alice, call_back_url="https://example.com", meta_data={"a": 1}))
    made = BalanceMonitor.objects.get()
    instant = answer.body["created_at"]
    assert answer.text == (
        f'{{"monitor_id":"{made.pk}","balance_id":"{alice.pk}","created_at":"{instant}",'
        '"condition":{"value":250,"precision":100,"precise_value":25000,'
        '"field":"debit_balance","operator":"\\u003e"}}'
    )
    assert answer.status == 201
    assert made.pk.startswith("mon_")
    assert api.get(f"/balance-monitors/{made.pk}").text == answer.text
    assert made.call_back_url == "https://example.com"


def test_the_description_is_stored_and_shown(api: Client, alice: Balance) -> None:
    answer = api.post("/balance-monitors", body(alice, description="tell finance"))
    assert list(answer.body) == ["monitor_id", "balance_id", "description", "created_at", "condition"]
    assert api.get(f"/balance-monitors/{answer.body['monitor_id']}").body["description"] == "tell finance"


@pytest.mark.parametrize(
    ("value", "precision", "threshold"),
    [
        ("0.29", "100", 29),
        ("-0.29", "100", -29),
        ("1.999", "100", 199),
        ("-1.999", "100", -199),
        ("0.001", "100", 0),
        ("1.1", "1.1", 1),
        ("250.0", "1e2", 25_000),
        (f"{2**127}.9", f"{10**18}", (2**127 * 10 + 9) * 10**17),
        ("9" * 60, "9" * 60, int("9" * 60) ** 2),
    ],
)
def test_the_threshold_is_exact_and_truncated_toward_zero(
    api: Client, alice: Balance, value: str, precision: str, threshold: int
) -> None:
    raw = (
        f'{{"balance_id":"{alice.pk}","condition":{{"field":"balance","operator":"=",'
        f'"value":{value},"precision":{precision}}}}}'
    )
    answer = api.post("/balance-monitors", raw.encode())
    assert f'"precise_value":{threshold},' in answer.text
    made = BalanceMonitor.objects.get()
    assert (made.value, made.precision, made.precise_value) == (Decimal(value), Decimal(precision), threshold)
    assert api.get(f"/balance-monitors/{made.pk}").text == answer.text


def test_lists_show_whole_conditions_newest_first_in_one_statement(
    api: Client, alice: Balance, django_assert_num_queries: Callable[..., Any]
) -> None:
    assert api.get("/balance-monitors").text == api.get(f"/balance-monitors/balances/{alice.pk}").text == "null"
    bob = world.balance()
    made = [api.post("/balance-monitors", body(each)).body for each in (alice, bob, alice)]
    with django_assert_num_queries(1):
        assert api.get("/balance-monitors").body == made[::-1]
    with django_assert_num_queries(1):
        assert api.get(f"/balance-monitors/balances/{alice.pk}").body == [made[2], made[0]]
    answer = api.get("/balance-monitors/balances/bln_none")
    assert (answer.status, answer.text) == (200, "null")


def test_a_change_computes_the_threshold_anew_and_keeps_the_call_back_address(
    api: Client, monitor: BalanceMonitor
) -> None:
    bob = world.balance()
    change = body(bob, field="inflight_balance", operator="<=", value=Decimal("0.29"), precision=1000)
    assert api.put(f"/balance-monitors/{monitor.pk}", change).text == UPDATED
    assert stored(monitor) == {
        "monitor_id": monitor.pk,
        "balance_id": bob.pk,
        "field": "inflight_balance",
        "operator": "<=",
        "value": Decimal("0.29"),
        "precision": 1000,
        "precise_value": 290,
        "description": "",
        "call_back_url": "https://example.com/told",
        "created_at": monitor.created_at,
    }


def test_what_was_read_can_be_sent_back_with_another_value(api: Client, monitor: BalanceMonitor) -> None:
    path = f"/balance-monitors/{monitor.pk}"
    read = api.get(path).body
    read["condition"]["value"] = 300
    assert api.put(path, read).text == UPDATED
    changed = api.get(path).body
    assert changed["condition"].pop("precise_value") == 30_000
    assert changed["condition"] == {name: read["condition"][name] for name in changed["condition"]}
    assert changed["description"] == "spending"


def test_a_change_keeps_the_precision_that_it_leaves_out_and_may_watch_for_zero(
    api: Client, monitor: BalanceMonitor, alice: Balance
) -> None:
    path, condition = f"/balance-monitors/{monitor.pk}", {"field": "balance", "operator": "<"}
    api.put(path, {"balance_id": alice.pk, "condition": condition | {"value": 7}})
    assert api.get(path).body["condition"] == condition | {"value": 7, "precision": 100, "precise_value": 700}
    api.put(path, {"balance_id": alice.pk, "condition": condition, "call_back_url": "https://example.com/new"})
    assert api.get(path).body["condition"] == condition | {"value": 0, "precision": 100, "precise_value": 0}
    assert stored(monitor)["call_back_url"] == "https://example.com/new"


def test_a_deleted_monitor_is_gone(api: Client, monitor: BalanceMonitor) -> None:
    answer = api.send("DELETE", f"/balance-monitors/{monitor.pk}")
    assert (answer.status, answer.text) == (200, '{"message":"BalanceMonitor deleted successfully"}')
    assert not BalanceMonitor.objects.exists()


def test_a_monitor_from_before_there_was_a_precision_counts_in_minor_units(
    api: Client, monitor: BalanceMonitor
) -> None:
    BalanceMonitor.objects.update(precision=None, precise_value=None, description=None)
    answer = api.get(f"/balance-monitors/{monitor.pk}").body
    assert answer["condition"] == CONDITION | {"precision": 1, "precise_value": 250}
    assert "description" not in answer
    assert api.put(f"/balance-monitors/{monitor.pk}", answer).text == UPDATED
    assert stored(monitor)["precise_value"] == 250


def test_a_monitor_is_read_and_changed_in_the_columns_of_a_blnk_database(
    api: Client, monitor: BalanceMonitor, alice: Balance
) -> None:
    BalanceMonitor.objects.update(value=3, precision=Decimal("0.1"), precise_value=0)
    connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE balance_monitors DROP CONSTRAINT monitor_precision_is_positive, ALTER value TYPE bigint, "
            "ALTER precision TYPE float8, ALTER precise_value TYPE bigint, ALTER created_at TYPE timestamp"
        )
    path = f"/balance-monitors/{monitor.pk}"
    assert api.get(path).body["condition"] == CONDITION | {"value": 3, "precision": 0.1, "precise_value": 0}
    api.put(path, body(alice, value=12, precision=Decimal("0.25")))
    assert api.get(path).body["condition"] == CONDITION | {"value": 12, "precision": 0.25, "precise_value": 3}
    assert api.get(path).body["created_at"].endswith("Z")
