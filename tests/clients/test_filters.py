"""Filters through Blnk's SDKs, unchanged, against a live server in secure mode."""

from __future__ import annotations

from typing import Any

import pytest

from tests import world
from tests.clients.cast import only_python
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)


def condition(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "values" if isinstance(value, list) else "value": value}


def test_a_refusal_reaches_the_caller(blnk: Client) -> None:
    answer = blnk.search.filter({"filters": [condition("nothing", "eq", 1)]}, "ledgers")
    assert answer.status == 400
    assert "invalid field 'nothing' for table 'ledgers'" in answer.message


def test_the_sdk_filters_ledgers_balances_and_transactions(blnk: Client) -> None:
    owner = world.ledger("SDK wallets")
    alice, bob = (world.balance(owner, "ETH") for _ in range(2))
    much = 2**53
    world.post("@mint", alice, much, currency="ETH", precision=10**18)
    tea = world.post(alice, bob, 5, currency="ETH", precision=10**18, reference="tea", meta_data={"kind": "drink"})

    found = blnk.search.filter({"filters": [condition("name", "ilike", "sdk%")]}, "ledgers")
    assert (found.status, [row["ledger_id"] for row in found.data]) == (200, [owner.pk])

    rich = {"filters": [condition("balance", "gte", much - 5)], "include_count": True, "limit": 1}
    counted = blnk.search.filter(rich, "balances").data
    assert (counted["total_count"], counted["data"][0]["balance"]) == (1, much - 5)

    body = {
        "filters": [
            condition("balance_id", "eq", bob.pk),
            condition("meta_data.kind", "in", ["drink", "food"]),
            condition("created_at", "between", ["2020-01-01", "2999-01-01"]),
        ],
        "logical_operator": "and",
        "sort_by": "amount",
        "sort_order": "asc",
        "limit": 5,
        "offset": 0,
    }
    rows = blnk.search.filter(body, "transactions")
    assert (rows.status, [row["transaction_id"] for row in rows.data]) == (200, [tea.pk])

    nobody = {"filters": [condition("currency", "eq", "XXX")]}
    assert blnk.search.filter(nobody, "transactions").data == []
    assert blnk.search.filter(nobody, "balances").data is None
    assert blnk.search.filter({"filters": []}, "ledgers").data[0]["name"] == "SDK wallets"


@only_python  # numbers of JavaScript end at 2**53
def test_amounts_of_any_size_are_found_to_the_last_unit(blnk: Client) -> None:
    alice = world.balance(currency="ETH")
    much = 2**80 + 1
    world.post("@mint", alice, much, currency="ETH", precision=10**18)
    for units, found in ((much, [much]), (much + 1, [])):
        rows = blnk.search.filter({"filters": [condition("balance", "gte", units)]}, "balances").data or []
        assert [row["balance"] for row in rows] == found
