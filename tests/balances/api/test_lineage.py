"""GET …/lineage and balances that track their funds: refusals first, then bodies to the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from balances.models import Balance, Transaction
from tests import world
from tests.balances.test_lineage import PROVIDER, came, hold, holder, kept, trace_all, tracks
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db
SHADOW_KEYS = [
    *("precise_amount", "amount", "precision", "overdraft_limit", "transaction_id", "parent_transaction", "source"),
    *("destination", "reference", "currency", "description", "status", "hash", "allow_overdraft", "inflight"),
    *("skip_queue", "atomic", "created_at", "scheduled_for", "inflight_expiry_date", "inflight_commit_date"),
    "meta_data",
]
NEVER = "0001-01-01T00:00:00Z"


def refused(answer: Answer, status: int, code: str, text: str, *, details: bool = False) -> None:
    detail: dict[str, Any] = {"code": code, "message": text} | ({"details": {}} if details else {})
    assert (answer.status, answer.body) == (status, {"error": text, "error_detail": detail})


def open_balance(api: Client, **fields: Any) -> Answer:
    given = {"ledger_id": world.ledger().pk, "currency": "USD", "track_fund_lineage": True}
    return api.post("/balances", given | fields)


def test_lineage_of_what_is_not_there_is_refused(api: Client) -> None:
    refused(api.get("/balances/bln_x/lineage"), 404, "BAL_NOT_FOUND", "Balance with ID 'bln_x' not found", details=True)
    text = "Transaction with ID 'txn_x' not found"
    refused(api.get("/transactions/txn_x/lineage"), 404, "TXN_NOT_FOUND", text, details=True)


def test_lineage_of_a_balance_that_does_not_track_is_refused(api: Client) -> None:
    alice = world.balance()
    text = f"balance {alice.pk} does not have fund lineage tracking enabled"
    refused(api.get(f"/balances/{alice.pk}/lineage"), 400, "GEN_BAD_REQUEST", text)


@pytest.mark.parametrize("path", ["/balances/bln_x/lineage/", "/transactions/txn_x/lineage/x", "/balances/lineage"])
def test_there_is_nothing_around_the_routes(api: Client, path: str) -> None:
    assert api.get(path).status in {301, 404}
    assert api.post("/transactions/txn_x/lineage").text == "404 page not found"


def test_a_key_needs_the_scope_of_what_it_reads(api: Client) -> None:
    alice = tracks()
    row = came(alice, 5)
    paths = {"balances": f"/balances/{alice.pk}/lineage", "transactions": f"/transactions/{row.pk}/lineage"}
    for resource in paths:
        body = {"name": "k", "owner": "o", "scopes": [f"{resource}:read"], "expires_at": "2099-01-01T00:00:00Z"}
        client = Client(api.post("/api-keys", body).body["key"])
        for other, path in paths.items():
            assert client.get(path).status == (200 if other == resource else 403), (resource, path)


def test_a_balance_that_tracks_needs_a_holder_who_exists(api: Client) -> None:
    text = "identity_id: identity_id is required when track_fund_lineage is enabled."
    answer = open_balance(api, identity_id="")
    assert (answer.status, answer.body["errors"]) == (400, text)
    refused(open_balance(api, identity_id="idt_x"), 400, "GEN_BAD_REQUEST", "Invalid identity ID", details=True)
    assert not Balance.objects.exists()


def test_a_balance_that_tracks_says_so(api: Client) -> None:
    jane = holder()
    answer = open_balance(api, identity_id=jane.pk, allocation_strategy=" lifo ")
    assert answer.status == 201
    shown = {"identity_id": jane.pk, "track_fund_lineage": True, "allocation_strategy": "LIFO"}
    assert answer.body | shown == answer.body
    balance_id = answer.body["balance_id"]
    assert api.get(f"/balances/{balance_id}").body | shown == api.get(f"/balances/{balance_id}").body
    assert api.get(f"/balances/{balance_id}/lineage").text == (
        f'{{"balance_id":"{balance_id}","total_with_lineage":0,"aggregate_balance_id":"","providers":[]}}'
    )


def test_the_lineage_of_a_balance_to_the_byte(api: Client) -> None:
    alice = tracks()
    came(alice, 9000, "acme")
    world.post(alice, "@shop", 1500)
    came(alice, 10**25, "b&nk")
    trace_all()
    jane = f"jane_doe_{str(alice.identity_id)[:8]}"
    ids = {each.indicator: each.pk for each in Balance.objects.exclude(indicator=None)}
    assert api.get(f"/balances/{alice.pk}/lineage").text == (
        f'{{"balance_id":"{alice.pk}","total_with_lineage":{10**25 + 7500},'
        f'"aggregate_balance_id":"{ids[f"@{jane}_lineage"]}","providers":['
        f'{{"provider":"acme","amount":9000,"available":7500,"spent":1500,'
        f'"shadow_balance_id":"{ids[f"@acme_{jane}_lineage"]}"}},'
        f'{{"provider":"b\\u0026nk","amount":{10**25},"available":{10**25},"spent":0,'
        f'"shadow_balance_id":"{ids[f"@b&nk_{jane}_lineage"]}"}}]}}'
    )


def test_the_lineage_of_a_transaction_key_by_key(api: Client) -> None:
    alice = tracks()
    body = {"source": "@world", "destination": alice.pk, "reference": "in", "meta_data": {PROVIDER: "stripe"}}
    row = api.post("/transactions", world.POSTING | body | {"precise_amount": 12550}).body
    assert api.get(f"/transactions/{row['transaction_id']}/lineage").text == (
        f'{{"transaction_id":"{row["transaction_id"]}","shadow_transactions":null}}'
    )
    trace_all()
    answer = api.get(f"/transactions/{row['transaction_id']}/lineage").body
    assert list(answer) == ["transaction_id", "shadow_transactions"]
    (shadow,) = answer["shadow_transactions"]
    assert list(shadow) == SHADOW_KEYS
    stored = Transaction.objects.get(reference="in_shadow_stripe")
    expected = {
        "precise_amount": 12550,
        "amount": 125.5,
        "precision": 100,
        "overdraft_limit": 0,
        "transaction_id": stored.pk,
        "parent_transaction": "",
        "source": stored.source_id,
        "destination": stored.destination_id,
        "currency": "USD",
        "description": "Shadow credit from stripe",
        "status": "APPLIED",
        "allow_overdraft": False,
        "inflight": False,
        "skip_queue": False,
        "scheduled_for": NEVER,
        "meta_data": {
            "_identity_id": alice.identity_id,
            "_lineage_type": "credit",
            "_main_balance": alice.pk,
            "_provider": "stripe",
            "_shadow_for": row["transaction_id"],
            "allow_overdraft": True,
        },
    }
    assert {key: shadow[key] for key in expected} == expected
    assert list(shadow["meta_data"]) == sorted(shadow["meta_data"])


def test_a_payment_says_what_it_was_paid_from_and_a_held_one_shows_its_shadows_as_they_are_stored(api: Client) -> None:
    alice = tracks("PROPORTIONAL")
    came(alice, 100, "a")
    came(alice, 100, "b")
    held = hold(alice, "@shop", 51)
    trace_all()
    answer = api.get(f"/transactions/{held.pk}/lineage").body
    assert list(answer) == ["transaction_id", "fund_allocation", "shadow_transactions"]
    assert answer["fund_allocation"] == [{"amount": 25, "provider": "a"}, {"amount": 26, "provider": "b"}]
    for shadow, provider in zip(answer["shadow_transactions"], "ab", strict=True):
        assert (shadow["status"], shadow["inflight"], shadow["meta_data"]["inflight"]) == ("INFLIGHT", False, True)
        assert shadow["description"] == f"Release {provider} funds"
        assert shadow["meta_data"]["_allocation"] == "PROPORTIONAL"
    # The rows themselves are shown as all rows are.
    assert api.get(f"/transactions/{shadow['transaction_id']}").body["inflight"] is True


def test_settlements_over_the_api_reach_the_shadows(api: Client) -> None:
    alice = tracks()
    came(alice, 100)
    held = hold(alice, "@shop", 60)
    settle = {"status": "commit", "precise_amount": 20, "skip_queue": True}
    assert api.put(f"/transactions/inflight/{held.pk}", settle).status == 200
    assert api.put(f"/transactions/inflight/{held.pk}", {"status": "void"}).status == 200
    assert kept(alice) == {"stripe": (100, 80, 20)}
    answer = api.get(f"/transactions/{held.pk}/lineage").body
    assert [(each["status"], each["precise_amount"], each["parent_transaction"]) for each in
            answer["shadow_transactions"]] == [("INFLIGHT", 60, ""), ("APPLIED", 20, ""), ("VOID", 40, "")]  # fmt: skip


@pytest.mark.parametrize("stored", ["text", {"provider": "a"}, [1, "two"], []])
def test_an_allocation_that_a_client_wrote_and_that_is_none_is_left_out(api: Client, stored: Any) -> None:
    row = world.post("@world", "@shop", 5, meta_data={"BLNK_FUND_ALLOCATION": stored})
    assert list(api.get(f"/transactions/{row.pk}/lineage").body) == ["transaction_id", "shadow_transactions"]


def test_reading_takes_a_fixed_number_of_statements(api: Client, django_assert_num_queries: Callable[..., Any]) -> None:
    alice = tracks()
    for provider in "abcdef":
        came(alice, 10, provider)
    paid = world.post(alice, "@shop", 60)
    trace_all()
    with django_assert_num_queries(2):
        assert len(api.get(f"/balances/{alice.pk}/lineage").body["providers"]) == 6
    with django_assert_num_queries(2):
        assert len(api.get(f"/transactions/{paid.pk}/lineage").body["shadow_transactions"]) == 6
