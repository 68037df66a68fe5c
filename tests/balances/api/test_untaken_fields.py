"""Amounts and dates that a route does not take are refused by name, and so is any key where the default is *all*."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import simplejson

from balances.keys import keyring
from tests.client import Client
from tests.wire import NOW, body, create, drain, hold, settle, sums, under, wallets, written

pytestmark = pytest.mark.django_db

VALUES = {
    "amount": 1, "precise_amount": 100, "effective_date": "2026-01-01T00:00:00Z",
    "scheduled_for": "2030-01-01T00:00:00Z", "inflight": True,
}  # fmt: skip
MOVING = ["/transactions/inflight/<hold>", "/refund-transaction/<paid>", "<commit>", "<void>"]
"""Routes that settle and refund; the others below take none of the five."""
OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/ledgers", {"name": "n"}),
    ("PUT", "/ledgers/general_ledger_id", {"name": "n"}),
    ("POST", "/balances", {"ledger_id": "general_ledger_id", "currency": "USD"}),
    ("PUT", "/balances/bln_bob/identity", {"identity_id": "idt_x"}),
    ("POST", "/identities", {"first_name": "n"}),
    ("POST", "/accounts", {"bank_name": "b", "number": "1", "balance_id": "bln_bob"}),
    ("POST", "/bln_bob/metadata", {"meta_data": {"a": 1}}),
    ("POST", "/transactions/filter", {"filters": []}),
    ("POST", "/transactions/bulk", {"transactions": [body("b")], "skip_queue": True}),
    (
        "POST",
        "/balance-monitors",
        {"balance_id": "bln_bob", "condition": {"field": "balance", "operator": ">", "value": 1, "precision": 1}},
    ),
    ("POST", "/hooks", {"name": "n", "url": "https://example.com", "type": "POST_TRANSACTION"}),
    ("POST", "/api-keys", {"name": "n", "owner": "o", "scopes": [], "expires_at": "2030-01-01T00:00:00Z"}),
    ("POST", "/balances/bln_bob/reconstructions", {"dry_run": True}),
    ("POST", "/sweeps", {"everything": True}),
    ("POST", "/plans", {"balance_ids": ["bln_bob"], "reason": "r"}),
]


@pytest.fixture
def ids(api: Client) -> dict[str, str]:
    wallets()
    return {"hold": hold(api, "held"), "other": hold(api, "other"), "paid": create(api, body("paid"))}


def settling(path: str, ids: dict[str, str], **fields: Any) -> tuple[str, str, dict[str, Any]]:
    """Return method, path and body of a request that settles or refunds everything, and more fields."""
    if path == "<commit>":
        return (
            "POST",
            "/transactions/inflight/bulk/commit",
            {"transactions": [{"transaction_id": ids["hold"]}]} | fields,
        )
    if path == "<void>":
        return "POST", "/transactions/inflight/bulk/void", {"transaction_ids": [ids["hold"]]} | fields
    if "inflight" in path:
        return "PUT", path.replace("<hold>", ids["hold"]), {"status": "commit"} | fields
    return "POST", path.replace("<paid>", ids["paid"]), fields


def refused(api: Client, method: str, path: str, sent: Any) -> str:
    """Send what must be refused, and return the text."""
    before = written()
    answer = api.send(method, path, sent)
    detail = answer.body.get("error_detail", answer.body)
    assert (answer.status, detail["code"]) == (400, "GEN_VALIDATION_ERROR"), answer.text
    assert written() == before
    return str(detail["message"])


@pytest.mark.parametrize("name", VALUES)
def test_no_route_drops_an_amount_or_a_date(api: Client, ids: dict[str, str], name: str) -> None:
    for method, path, sent in OTHERS:
        if path == "/transactions/bulk" and name == "inflight":
            continue
        for spelled in (name, name.upper()):
            text = refused(api, method, path, sent | {spelled: VALUES[name]})
            assert text == f"{spelled} is not taken here; nothing was done"
        assert api.send(method, f"{path}?{name}=1", sent).status == 400
        assert api.send(method, path, sent | {name: None}).status != 400 or "/identity" in path, path


@pytest.mark.parametrize("path", MOVING)
def test_what_settles_and_refunds_takes_no_key_that_it_does_not_know(
    api: Client, ids: dict[str, str], path: str
) -> None:
    unknown: dict[str, Any] = {"amuont": 1, "precise-amount": 1, "amount ": 1, "note": None, "rate": 1.0, "": 0}
    unknown |= {name: VALUES[name] for name in ("effective_date", "scheduled_for", "inflight")}
    for name, value in unknown.items():
        for skip_queue in (True, False):
            text = refused(api, *settling(path, ids, **{name: value}, skip_queue=skip_queue))
            assert text.startswith(f"{name} is not taken here (known: ")
            assert "dry_run" in text
        assert refused(api, *settling(path, ids, **{name: value}, dry_run=True))
        method, route, sent = settling(path, ids)
        assert api.send(method, f"{route}?amount=1", sent).status == 400


def test_items_of_a_bulk_commit_are_as_strict_as_a_single_one(api: Client, ids: dict[str, str]) -> None:
    path = "/transactions/inflight/bulk/commit"
    items = [{"transaction_id": ids["other"]}, {"transaction_id": ids["hold"], "amuont": 1}]
    text = refused(api, "POST", path, {"transactions": items} | NOW)
    known = "transaction_id, amount, precise_amount, reference"
    assert text == f"transactions[1].amuont is not taken here (known: {known}); nothing was done"


@pytest.mark.parametrize(
    "doubled", ['"amount":0,"Amount":4', '"amount":4,"amount":0', '"precise_amount":4,"Precise_amount":null']
)
def test_a_key_that_is_there_twice_is_no_guess(api: Client, ids: dict[str, str], doubled: str) -> None:
    raw = f'{{"status":"commit","skip_queue":true,{doubled}}}'.encode()
    assert "mount " in refused(api, "PUT", f"/transactions/inflight/{ids['hold']}", raw)
    raw = f'{{"transactions":[{{"transaction_id":"{ids["hold"]}",{doubled}}}],"skip_queue":true}}'.encode()
    assert "mount " in refused(api, "POST", "/transactions/inflight/bulk/commit", raw)


def test_a_key_that_is_there_twice_is_refused_as_a_field_though_its_value_is_of_another_type(
    api: Client, ids: dict[str, str]
) -> None:
    """The original finds such a body malformed, which these routes say as plain text."""
    path = f"/transactions/inflight/{ids['hold']}"
    answers = [api.put(path, raw) for raw in (b'{"status":5,"status":"commit"}', b'{"status":5}')]
    assert [each.response.headers["Content-Type"].partition(";")[0] for each in answers] == [
        "application/json",
        "text/plain",
    ]
    assert [each.body["error_detail"]["code"] for each in answers] == ["GEN_VALIDATION_ERROR", "GEN_MALFORMED_REQUEST"]


def test_parts_of_a_split_take_no_amounts(api: Client, ids: dict[str, str]) -> None:
    parts = [{"identifier": "bln_bob", "amount": 5}, {"identifier": "bln_carol", "distribution": "left"}]
    sent = body("split", destination=None, destinations=parts)
    assert refused(api, "POST", "/transactions", sent) == "destinations[0].amount is not taken here; nothing was done"
    text = refused(api, "POST", "/transactions/bulk", {"transactions": [body("a"), sent]})
    assert text == "transactions[1].destinations[0].amount is not taken here; nothing was done"


@pytest.mark.parametrize("name", ["inflight", "dry_run"])
def test_an_item_of_a_batch_cannot_say_what_counts_for_the_batch(api: Client, ids: dict[str, str], name: str) -> None:
    before = written()
    sent = {"transactions": [body("a"), body("b", **{name: True})], "skip_queue": True}
    answer = api.post("/transactions/bulk", sent)
    detail = answer.body["error_detail"]
    assert (answer.status, detail["code"], detail["details"]) == (400, "TXN_VALIDATION_ERROR", {"index": 1})
    assert detail["message"].startswith(f"transactions[1]: {name}: ")
    assert written() == before
    assert api.post("/transactions/bulk", sent | {name: True}).status in (200, 201)


def test_a_void_takes_no_amount(api: Client, ids: dict[str, str]) -> None:
    path = f"/transactions/inflight/{ids['hold']}"
    for part, name in (
        ({"amount": 4}, "amount"),
        ({"precise_amount": 400}, "precise_amount"),
        ({"amount": -4}, "amount"),
    ):
        for mode in (NOW, {}, {"dry_run": True}):
            text = refused(api, "PUT", path, {"status": "void"} | part | mode)
            assert text == f"{name} is not taken here with void, which releases all that remains; nothing was done"
    # The Go SDK sends both with every call.
    assert settle(api, ids["hold"], "void", amount=0, precise_amount=None).status == 200


def test_an_amount_of_nothing_still_commits_all(api: Client, ids: dict[str, str]) -> None:
    for skip_queue, held in ((True, "hold"), (False, "other")):
        sent = {
            "status": "commit",
            "amount": 0,
            "precise_amount": None,
            "skip_queue": skip_queue,
            "meta_data": {"a": 1},
        }
        assert api.put(f"/transactions/inflight/{ids[held]}", sent).status == 200
        drain()
        assert under(ids[held]) == [("APPLIED", 1000)]
    assert sums("bln_bob") == (0, 3000, 0, 0)


def test_a_scoped_key_settles_and_refunds_though_it_is_named_in_what_it_posts(api: Client, ids: dict[str, str]) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=1)
    key = keyring.issue(name="k", owner_id="o", scopes=("transactions:write",), expires_at=expires_at)
    scoped = Client(key.plaintext)
    items = {"transactions": [{"transaction_id": ids["hold"]}]} | NOW
    assert scoped.post("/transactions/inflight/bulk/commit", items).body["succeeded"] == 1
    back = scoped.post(f"/refund-transaction/{ids['paid']}", {"META_DATA": {"why": "x"}, "precise_amount": 1} | NOW)
    assert (back.status, back.body["meta_data"]["why"]) == (201, "x")
    assert back.body["meta_data"]["BLNK_GENERATED_BY"] == key.pk


def test_keys_are_known_whatever_their_case(api: Client, ids: dict[str, str]) -> None:
    raw = simplejson.dumps({"STATUS": "commit", "Precise_Amount": 400, "Skip_Queue": True})
    assert api.put(f"/transactions/inflight/{ids['hold']}", raw.encode()).status == 200
    assert under(ids["hold"]) == [("APPLIED", 400)]
