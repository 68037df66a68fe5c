"""Objects in objects are read as the original's decoder reads them; its words are checked against Go's own."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from django.test import RequestFactory
from rest_framework import serializers
from rest_framework.request import Request

from balances.api.caller import admit
from balances.api.go.body import MalformedBody, Strings, Structs, Unreadable, decode, read_fields
from balances.api.go.json_in import first_value
from balances.api.transaction_requests import Distribution, RecordTransaction
from balances.ground.principals import MASTER
from tests import world
from tests.client import Client


class BulkTransactions(serializers.Serializer[Any]):
    transactions = Structs(RecordTransaction, pointers=True)
    transaction_ids = Strings(required=False)
    atomic = serializers.BooleanField(required=False)

    class Meta:
        go_type = "model.BulkTransactionRequest"


class Condition(serializers.Serializer[Any]):
    value = serializers.DecimalField(None, None)

    class Meta:
        go_type = "model.MonitorCondition"


class Monitor(serializers.Serializer[Any]):
    condition = Condition()
    sides = Structs(Distribution, required=False)

    class Meta:
        go_type = "model.CreateBalanceMonitor"


def asked(body: bytes) -> Any:
    """Return what a view gets for a body."""
    request = RequestFactory().generic("POST", "/transactions/bulk", body)
    admit(request, MASTER)
    return Request(request)


def read(text: str, shape: Any = BulkTransactions) -> dict[str, Any]:
    return read_fields(first_value(text), shape)


FIELD = "json: cannot unmarshal {} into Go struct field {} of type {}"


@pytest.mark.parametrize(
    ("text", "what", "where", "go_type"),
    [
        ('{"transactions":[5]}', "number", "BulkTransactionRequest.transactions", "model.RecordTransaction"),
        ('{"transactions":[[]]}', "array", "BulkTransactionRequest.transactions", "model.RecordTransaction"),
        ('{"transactions":{}}', "object", "BulkTransactionRequest.transactions", "[]*model.RecordTransaction"),
        ('{"transactions":"x"}', "string", "BulkTransactionRequest.transactions", "[]*model.RecordTransaction"),
        ('{"transactions":[{"amount":"x"}]}', "string", "RecordTransaction.transactions.amount", "float64"),
        ('{"Transactions":[{"AMOUNT":true}]}', "bool", "RecordTransaction.transactions.amount", "float64"),
        (
            '{"transactions":[{"sources":5}]}',
            "number",
            "RecordTransaction.transactions.sources",
            "[]model.Distribution",
        ),
        (
            '{"transactions":[{"sources":[5]}]}',
            "number",
            "RecordTransaction.transactions.sources",
            "model.Distribution",
        ),
        (
            '{"transactions":[{},{"sources":[{"identifier":5}]}]}',
            "number",
            "Distribution.transactions.sources.identifier",
            "string",
        ),
        (
            '{"transactions":[{"meta_data":[]}]}',
            "array",
            "RecordTransaction.transactions.meta_data",
            "map[string]interface {}",
        ),
        ('{"transaction_ids":7}', "number", "BulkTransactionRequest.transaction_ids", "[]string"),
        ('{"transaction_ids":["a",{}]}', "object", "BulkTransactionRequest.transaction_ids", "string"),
        ('{"atomic":1,"transactions":[5]}', "number", "BulkTransactionRequest.atomic", "bool"),
    ],
)
def test_a_wrong_type_is_named_by_the_innermost_struct_and_the_whole_path(
    text: str, what: str, where: str, go_type: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read(text)
    assert str(refused.value) == FIELD.format(what, where, go_type)


def test_a_struct_in_a_struct_is_named_the_same_way() -> None:
    for text, what, where, go_type in (
        ('{"condition":[]}', "array", "CreateBalanceMonitor.condition", "model.MonitorCondition"),
        ('{"condition":{"value":"x"}}', "string", "MonitorCondition.condition.value", "float64"),
    ):
        with pytest.raises(Unreadable, match="cannot unmarshal") as refused:
            read(text, Monitor)
        assert str(refused.value) == FIELD.format(what, where, go_type)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ('{"precise_amount":1.5}', 'math/big: cannot unmarshal "1.5" into a *big.Int'),
        ('{"precise_amount":"5"}', 'math/big: cannot unmarshal "\\"5\\"" into a *big.Int'),
        (
            '{"effective_date":"x"}',
            'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
        ),
    ],
)
def test_big_integers_and_times_are_refused_without_a_path(item: str, message: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(f'{{"transactions":[{item}]}}')
    assert str(refused.value) == message


def test_the_answer_carries_key_prefix_and_content_type_that_a_route_asks_for() -> None:
    with pytest.raises(MalformedBody) as refused:
        decode(asked(b"{"), BulkTransactions, key="errors", prefix="Invalid request body: ", as_text=True)
    error = refused.value
    assert (error.message, error.key, error.as_text) == ("Invalid request body: unexpected EOF", "errors", True)


def test_items_are_read_each_by_the_serializer_of_the_list() -> None:
    body = (
        b'{"transactions":[null,{"Amount":0.1,"precise_amount":12345678901234567890123,"ignored":1,"sources":['
        b'null,{"identifier":"a","distribution":"10%","transaction_id":null}]}],"transaction_ids":["t",null]}'
    )
    assert decode(asked(body), BulkTransactions) == {
        "transactions": [
            None,
            {
                "amount": Decimal("0.1"),
                "precise_amount": 12345678901234567890123,
                "sources": [{}, {"identifier": "a", "distribution": "10%"}],
            },
        ],
        "transaction_ids": ["t", ""],
    }
    assert read('{"condition":{"VALUE":7},"sides":[null]}', Monitor) == {"condition": {"value": 7}, "sides": [{}]}
    assert read('{"condition":null}', Monitor) == {}


def test_empty_objects_of_a_list_are_not_the_same_object() -> None:
    first, second = read('{"sides":[null,null]}', Monitor)["sides"]
    first["identifier"] = "a"
    assert second == {}


def test_ten_thousand_items_are_read_in_a_moment() -> None:
    item = {name: value for name, value in world.POSTING.items() if name != "precise_amount"} | {"amount": 12.5}
    text = simplejson.dumps({"transactions": [item | {"reference": f"ref-{n}"} for n in range(10_000)]})
    taken = []
    for _ in range(3):
        began = time.process_time()
        decoded = read(text)
        taken.append(time.process_time() - began)
    assert len(decoded["transactions"]) == 10_000
    assert min(taken) < 0.5  # 0.08 s where it was written; ten thousand copies of a field would show


@pytest.mark.django_db
def test_a_split_that_is_no_list_of_objects_is_invalid_input(api: Client) -> None:
    for sources in (5, [5], [{"identifier": 5}]):
        answer = api.post("/transactions", world.POSTING | {"source": None, "sources": sources})
        assert (answer.status, answer.body["error"]) == (400, "Invalid input")
