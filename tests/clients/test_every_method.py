"""Every method of Blnk's SDKs: none without a key, none past its scopes, and a clear refusal of what is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.cast import posting
from tests.clients.sdks import Client, TypeScriptSdk

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Reconciliation.upload of the Python SDK leaves the file open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
IDENTITY = {"identity_type": "individual", "first_name": "Alice"}
MONITOR = {"balance_id": "bln_x", "condition": {"field": "balance", "operator": ">", "value": 1, "precision": 100}}
HOOK = {"name": "risk", "url": "https://risk.example/h", "type": "PRE_TRANSACTION", "active": True}
HOOK |= {"timeout": 30, "retry_count": 0}
RULE = {"name": "amounts", "description": "", "criteria": [{"field": "amount", "operator": "equals"}]}
STRANGERS = posting("bln_x", "bln_y", 1, skip_queue=True)
OUTSIDE = {"id": "1", "amount": 1, "reference": "r", "currency": "USD", "description": "", "date": "", "source": "bank"}
RUN = {"strategy": "one_to_one", "dry_run": True, "grouping_criteria": "amount", "matching_rule_ids": ["rule_x"]}
METHODS: dict[str, tuple[tuple[Any, ...], int, str | None]] = {
    "ledgers.create": (({"name": ""},), 400, "GEN_VALIDATION_ERROR"),
    "ledgers.get": (("ldg_x",), 404, "LGR_NOT_FOUND"),
    "ledgers.list": (({"limit": 1},), 200, None),
    "ledgers.update": (("ldg_x", {"name": "Wallets"}), 404, "LGR_NOT_FOUND"),
    "ledger_balances.create": (({"ledger_id": "ldg_x", "currency": "USD"},), 400, "GEN_BAD_REQUEST"),
    "ledger_balances.get": (("bln_x",), 404, "BAL_NOT_FOUND"),
    "ledger_balances.list": (({"limit": 1},), 200, None),
    "ledger_balances.get_by_indicator": (("@nobody", "XXX"), 404, "BAL_NOT_FOUND"),
    "ledger_balances.update_identity": (("bln_x", {"identity_id": "idt_x"}), 404, "BAL_NOT_FOUND"),
    "ledger_balances.create_snapshot": (({"batch_size": 10},), 200, None),
    "ledger_balances.get_at": (("bln_x", {"timestamp": "2026-03-04T12:00:00Z"}), 404, "BAL_NOT_FOUND"),
    "ledger_balances.get_lineage": (("bln_x",), 404, "BAL_NOT_FOUND"),
    "transactions.create": ((STRANGERS,), 404, "TXN_NOT_FOUND"),
    "transactions.create_bulk": (({"skip_queue": True, "transactions": [STRANGERS]},), 404, "TXN_NOT_FOUND"),
    "transactions.get": (("txn_x",), 404, "TXN_NOT_FOUND"),
    "transactions.get_by_reference": (("no such reference",), 404, "TXN_NOT_FOUND"),
    "transactions.get_lineage": (("txn_x",), 404, "TXN_NOT_FOUND"),
    "transactions.list": (({"limit": 1},), 200, None),
    "transactions.update_status": (("txn_x", {"status": "commit"}), 404, "TXN_NOT_FOUND"),
    "transactions.refund": (("txn_x",), 404, "TXN_NOT_FOUND"),
    "transactions.recover_queue": (({"threshold": "24h"},), 200, None),
    "transactions.bulk_commit_inflight": (({"transactions": [{"transaction_id": "txn_x"}]},), 200, None),
    "transactions.bulk_void_inflight": (({"transaction_ids": ["txn_x"]},), 200, None),
    "balance_monitor.create": ((MONITOR,), 400, "GEN_BAD_REQUEST"),
    "balance_monitor.get": (("mon_x",), 404, "BAL_MONITOR_NOT_FOUND"),
    "balance_monitor.list": ((), 200, None),
    "balance_monitor.list_by_balance_id": (("bln_x",), 200, None),
    "balance_monitor.update": (("mon_x", MONITOR), 404, "BAL_MONITOR_NOT_FOUND"),
    "balance_monitor.delete": (("mon_x",), 404, "BAL_MONITOR_NOT_FOUND"),
    "identity.create": ((IDENTITY,), 201, None),
    "identity.get": (("idt_x",), 404, "IDT_NOT_FOUND"),
    "identity.list": ((), 200, None),
    "identity.update": (("idt_x", IDENTITY), 404, "IDT_NOT_FOUND"),
    "identity.delete": (("idt_x",), 404, "IDT_NOT_FOUND"),
    "identity.get_tokenized_fields": (("idt_x",), 404, "IDT_NOT_FOUND"),
    "identity.tokenize_field": (("idt_x", "FirstName"), 404, "IDT_NOT_FOUND"),
    "identity.tokenize": (("idt_x", {"fields": ["FirstName"]}), 404, "IDT_NOT_FOUND"),
    "identity.detokenize_field": (("idt_x", "FirstName"), 404, "IDT_NOT_FOUND"),
    "identity.detokenize": (("idt_x", {"fields": []}), 404, "IDT_NOT_FOUND"),
    "metadata.update": (("ldg_x", {"meta_data": {"team": "ops"}}), 404, "META_ENTITY_NOT_FOUND"),
    "hooks.create": ((HOOK,), 201, None),
    "hooks.list": ((), 200, None),
    "hooks.get": (("hook_x",), 404, "HOOK_NOT_FOUND"),
    "hooks.update": (("hook_x", HOOK), 404, "HOOK_NOT_FOUND"),
    "hooks.delete": (("hook_x",), 404, "HOOK_NOT_FOUND"),
    "api_keys.create": (
        ({"name": "ci", "owner": "ops", "scopes": ["ledgers:read"], "expires_at": "2032-01-01T00:00:00Z"},),
        201,
        None,
    ),
    "api_keys.list": (({"owner": "ops"},), 200, None),
    "api_keys.delete": (("api_key_x", {"owner": "ops"}), 404, "APIKEY_NOT_FOUND"),
    "search.filter": (({"filters": []}, "ledgers"), 200, None),
    "search.search": (({"q": "*"}, "ledgers"), 501, "GEN_NOT_IMPLEMENTED"),
    "search.multi_search": (({"searches": [{"collection": "ledgers", "q": "*"}]},), 501, "GEN_NOT_IMPLEMENTED"),
    "search.start_reindex": (({"batch_size": 10},), 501, "GEN_NOT_IMPLEMENTED"),
    "search.get_reindex_status": ((), 501, "GEN_NOT_IMPLEMENTED"),
    "reconciliation.upload": ((__file__, "bank"), 501, "GEN_NOT_IMPLEMENTED"),
    "reconciliation.create_matching_rule": ((RULE,), 501, "GEN_NOT_IMPLEMENTED"),
    "reconciliation.update_matching_rule": (("rule_x", RULE), 501, "GEN_NOT_IMPLEMENTED"),
    "reconciliation.delete_matching_rule": (("rule_x",), 501, "GEN_NOT_IMPLEMENTED"),
    "reconciliation.run": ((RUN | {"upload_id": "upload_x"},), 501, "GEN_NOT_IMPLEMENTED"),
    "reconciliation.run_instant": ((RUN | {"external_transactions": [OUTSIDE]},), 501, "GEN_NOT_IMPLEMENTED"),
    "reconciliation.get": (("recon_x",), 501, "GEN_NOT_IMPLEMENTED"),
    "system.health": ((), 200, None),
}
"""Each method: arguments about what is not there, and what the master key is answered."""
OPEN = {"system.health"}
STREAMED = {"reconciliation.upload"}
"""What Node.js sends in chunks, which the test's server cannot read."""
OF_NO_RESOURCE = {"ledger_balances.create_snapshot"}
"""What only the master key may do, because its path belongs to no scope."""


@pytest.fixture(autouse=True)
def _tokens(settings: Any) -> None:
    settings.BLNK_TOKENIZATION_SECRET = b"0123456789abcdef0123456789abcdef"


def answers(client: Client) -> dict[str, tuple[int, str | None]]:
    """Call each method that the SDK has."""
    found = {}
    unreadable = STREAMED if isinstance(client.sdk, TypeScriptSdk) else set()
    for name in METHODS.keys() & client.sdk.methods() - unreadable:
        answer = client.sdk.call(*name.split("."), *METHODS[name][0])
        found[name] = (answer.status, answer.code)
    return found


def expected(answered: dict[str, Any], status: int, code: str) -> dict[str, tuple[int, str | None]]:
    return {name: (200, None) if name in OPEN else (status, code) for name in answered}


def test_the_table_misses_no_method(blnk: Client) -> None:
    assert blnk.sdk.methods() - METHODS.keys() == set()


@pytest.mark.parametrize(("key", "code"), [("wrong", "AUTH_INVALID_API_KEY"), ("", "AUTH_MISSING_API_KEY")])
def test_no_method_answers_a_stranger(connect: Callable[[str], Client], key: str, code: str) -> None:
    answered = answers(connect(key))
    assert answered == expected(answered, 401, code)


def test_no_method_answers_a_key_without_scopes(connect: Callable[[str], Client], blnk: Client) -> None:
    asked = {"name": "poor", "owner": "ops", "scopes": ["nothing:read"], "expires_at": "2032-01-01T00:00:00Z"}
    answered = answers(connect(blnk.api_keys.create(asked).data["key"]))
    refused = expected(answered, 403, "AUTH_INSUFFICIENT_PERMISSIONS")
    assert answered == refused | dict.fromkeys(OF_NO_RESOURCE, (403, "AUTH_UNKNOWN_RESOURCE"))


def test_what_is_not_there_is_refused_by_name(blnk: Client) -> None:
    answered = answers(blnk)
    assert answered == {name: METHODS[name][1:] for name in answered}
