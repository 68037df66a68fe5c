"""No reader asks for more than the database and the memory of one request can give."""

from __future__ import annotations

from typing import Any

import pytest

from balances.api import listing
from balances.models.monitors import BalanceMonitor
from balances.people.identities import register
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db

KINDS = ("ledgers", "balances", "transactions", "identities", "accounts")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("logic", ["and", "or"])
def test_a_filter_takes_64_conditions_and_no_more(api: Client, kind: str, logic: str) -> None:
    condition = {"field": "created_at", "operator": "isnotnull"}
    answers = [
        api.post(f"/{kind}/filter", {"filters": [condition] * count, "logical_operator": logic})
        for count in (64, 65, 20_000)
    ]
    assert [answer.status for answer in answers] == [200, 400, 400]
    for refused in answers[1:]:
        words = "exceeded maximum number of filters (64)"
        assert refused.body == {"error": words, "error_detail": {"code": "GEN_VALIDATION_ERROR", "message": words}}


@pytest.mark.parametrize("path", ["/balances", "/transactions"])
@pytest.mark.parametrize("limit", ["10001", "1000000000", str(2**63 - 1)])
def test_a_list_without_a_cap_in_the_contract_refuses_a_limit_above_10_000(api: Client, path: str, limit: str) -> None:
    answer = api.get(f"{path}?limit={limit}")
    assert (answer.status, answer.body["error"]) == (400, "limit cannot be more than 10,000")
    assert answer.body["error_detail"]["code"] == "GEN_VALIDATION_ERROR"
    assert api.get(f"{path}?limit=10000").status == 200
    assert api.get(f"{path}?limit={limit}&currency_eq=USD").status == 200  # the contract cuts this one to 1,000


@pytest.mark.parametrize("path", ["/identities", "/accounts", "/balance-monitors", "/api-keys?owner=o", "/hooks"])
def test_a_list_that_is_always_whole_is_refused_when_it_is_too_long(
    api: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_ROWS", 2)
    alice, holder = world.balance(), register(first_name="Ann").pk if path == "/accounts" else ""
    expiry = "2031-01-01T00:00:00Z"
    bodies: dict[str, Any] = {
        "/identities": {"first_name": "Ann"},
        "/accounts": {"balance_id": alice.pk, "identity_id": holder, "bank_name": "b"},
        "/api-keys?owner=o": {"name": "k", "owner": "o", "scopes": [], "expires_at": expiry},
        "/hooks": {"url": "https://example.com/", "type": "PRE_TRANSACTION"},
    }
    statuses = []
    for _ in range(3):
        bodies["/accounts"]["number"] = str(len(statuses))
        if path == "/balance-monitors":
            world.monitor(alice)
        else:
            assert api.post(path.partition("?")[0], bodies[path]).status == 201
        statuses.append(api.get(path).status)
    assert statuses == [200, 200, 400]
    assert api.get(path).body["error_detail"]["message"].startswith("this list has more than 2 rows; ")
    if path == "/balance-monitors":
        BalanceMonitor.objects.all().delete()
        assert api.get(path).body is None
