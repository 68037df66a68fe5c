"""What a body may hold is bounded before it costs much, on every route."""

from __future__ import annotations

import pytest

from balances.ground.exact_json import dumps
from balances.models import Transaction
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_split_has_at_most_10_000_legs(api: Client, side: str, dry_run: bool) -> None:
    legs = [{"identifier": f"@leg-{n}", "precise_distribution": "1"} for n in range(10_001)]
    body = {name: value for name, value in world.POSTING.items() if name != side} | {f"{side}s": legs}
    answer = api.post("/transactions", body | {"dry_run": dry_run})
    assert (answer.status, answer.body["errors"]) == (400, f"{side}s: cannot be more than 10000.")
    assert not Transaction.objects.exists()


MANY = 110_000
WIDE = {
    "numbers": "[" + ",".join(["1"] * MANY) + "]",
    "decimals": "[" + ",".join(["1e300"] * MANY) + "]",
    "objects": "[" + ",".join(["{}"] * MANY) + "]",
    "arrays": "[" + "[]," * MANY + "1]",
    "keys": "{" + ",".join(f'"{n}":0' for n in range(MANY)) + "}",
    "texts": "[" + ",".join(['"\\u0041"'] * MANY) + "]",
}
ROUTES = {
    "/ledgers": '{"name":"n","meta_data":{"wide":%s}}',
    "/balances": '{"ledger_id":"general_ledger_id","currency":"USD","meta_data":{"wide":%s}}',
    "/bln_1/metadata": '{"meta_data":{"wide":%s}}',
    "/transactions": '{"meta_data":{"wide":%s}}',
    "/transactions/bulk": '{"transactions":[{"meta_data":{"wide":%s}}]}',
    "/transactions/inflight/bulk/void": '{"transaction_ids":%s}',
    "/transactions/inflight/bulk/commit": '{"transactions":%s}',
    "/refund-transaction/txn_1": '{"meta_data":{"wide":%s}}',
    "/identities": '{"meta_data":{"wide":%s}}',
    "/identities/idt_1/tokenize": '{"fields":%s}',
    "/accounts": '{"meta_data":{"wide":%s}}',
    "/balance-monitors": '{"condition":%s}',
    "/api-keys": '{"scopes":%s}',
    "/hooks": '{"url":%s}',
    "/transactions/filter": '{"filters":[{"field":"reference","operator":"in","values":%s}]}',
    "/sweeps": '{"balance_ids":%s}',
    "/plans": '{"finding_ids":%s}',
    "/search/ledgers": "%s",
}


@pytest.mark.parametrize("path", ROUTES)
def test_a_body_of_more_than_100_000_values_is_refused_before_it_is_read(api: Client, path: str) -> None:
    for kind, wide in WIDE.items():
        answer = api.post(path, (ROUTES[path] % wide).encode())
        assert answer.status == 400, kind
        assert "json: more than 100,0" in answer.text or path in ("/transactions", "/hooks"), kind


def test_a_long_text_is_not_taken_for_many_values(api: Client) -> None:
    text = '{"' + "[,{" * 400_000 + '\\"'
    answer = api.post("/ledgers", {"name": "n", "meta_data": {"long": text, "list": [1] * 90_000}})
    assert (answer.status, answer.body["meta_data"]["long"]) == (201, text)


@pytest.mark.parametrize(
    "text", ['"' * 1_000_000, '\\"' * 500_000, "\\" * 1_000_000, '"' + "\\\n" * 500_000, "[" * 10**6]
)
def test_what_is_no_json_is_looked_at_once(api: Client, text: str) -> None:
    assert api.post("/ledgers", f'{{"name":"{text}'.encode() + b"," * 200_000).status == 400


def test_a_bulk_may_hold_50_values_more_for_each_transaction(api: Client) -> None:
    def body(count: int, values: int) -> bytes:
        posting = dumps(world.POSTING)
        items = (f'{posting[:-1]},"reference":"r-{n}","meta_data":{{"l":[{"1," * values}1]}}}}' for n in range(count))
        return f'{{"dry_run":true,"transactions":[{",".join(items)}]}}'.encode()

    assert api.post("/transactions/bulk", body(5_000, 40)).status == 200
    for count, values in ((5_000, 100), (100, 1_100), (1, 110_000)):
        answer = api.post("/transactions/bulk", body(count, values))
        assert answer.status == 400
        assert answer.body["error"].startswith("Invalid request body: json: more than ")
