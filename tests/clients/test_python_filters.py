"""The filter methods of Blnk's official Python SDK, unchanged, against a live server in secure mode."""

from __future__ import annotations

from typing import Any

import pytest
from blnk_sdk import BlnkClientOptions, blnk_init

from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def blnk(live_server: Any) -> Any:
    return blnk_init(world.MASTER_KEY, BlnkClientOptions(base_url=live_server.url))


def condition(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "values" if isinstance(value, list) else "value": value}


def test_a_refusal_reaches_the_caller(blnk: Any) -> None:
    answer = blnk.search.filter({"filters": [condition("nothing", "eq", 1)]}, "ledgers")
    assert answer.status == 400
    assert "invalid field 'nothing' for table 'ledgers'" in str(answer.__dict__)


def test_the_sdk_filters_ledgers_balances_and_transactions(blnk: Any) -> None:
    owner = world.ledger("SDK wallets")
    alice, bob = (world.balance(owner, "ETH") for _ in range(2))
    huge = 2**80
    world.post("@mint", alice, huge, currency="ETH", precision=10**18)
    tea = world.post(alice, bob, 5, currency="ETH", precision=10**18, reference="tea", meta_data={"kind": "drink"})

    found = blnk.search.filter({"filters": [condition("name", "ilike", "sdk%")]}, "ledgers")
    assert (found.status, [row["ledger_id"] for row in found.data]) == (200, [owner.pk])

    rich = {"filters": [condition("balance", "gte", huge - 5)], "include_count": True, "limit": 1}
    counted = blnk.search.filter(rich, "balances").data
    assert (counted["total_count"], counted["data"][0]["balance"]) == (1, huge - 5)

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
