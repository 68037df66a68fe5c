"""API keys and hooks through Blnk's SDKs, unchanged, against a live server in secure mode."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.clients.cast import balance, done, name, posting, rows
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)
ZERO_TIME = "0001-01-01T00:00:00Z"
HOOK = {"name": "risk", "type": "PRE_TRANSACTION", "active": False, "timeout": 30, "retry_count": 2}


def key(owner: str, *scopes: str, until: str = "2032-01-01T00:00:00Z") -> dict[str, Any]:
    return {"name": "ci", "owner": owner, "scopes": list(scopes), "expires_at": until}


def test_a_key_grants_no_more_than_it_has(connect: Callable[[str], Client], blnk: Client) -> None:
    owner = name("owner")
    granted = done(blnk.api_keys.create(key(owner, "api-keys:write", "api-keys:read", "ledgers:read")))
    scoped = connect(granted["key"])
    wide = scoped.api_keys.create(key(owner, "ledgers:write"))
    assert (wide.status, wide.code) == (403, "AUTH_SCOPE_ESCALATION")
    foreign = scoped.api_keys.create(key(name("owner"), "ledgers:read"))
    assert (foreign.status, foreign.code) == (403, "AUTH_CROSS_OWNER_ACCESS")
    assert done(scoped.api_keys.create(key(owner, "ledgers:read")))["owner_id"] == owner
    assert len(done(scoped.api_keys.list(), 200)) == 2


def test_what_expired_or_was_revoked_opens_nothing(connect: Callable[[str], Client], blnk: Client) -> None:
    owner = name("owner")
    expired = done(blnk.api_keys.create(key(owner, "ledgers:read", until="2020-01-01T00:00:00Z")))
    revoked = done(blnk.api_keys.create(key(owner, "ledgers:read")))
    assert connect(revoked["key"]).ledgers.get("").status == 200
    deleted = blnk.api_keys.delete(revoked["api_key_id"], {"owner": owner})
    assert (deleted.status, deleted.data) == (204, None)
    for each in (expired, revoked):
        answer = connect(each["key"]).ledgers.get("")
        assert (answer.status, answer.code) == (401, "AUTH_EXPIRED_API_KEY")
    assert blnk.api_keys.delete(revoked["api_key_id"], {"owner": name("owner")}).status == 404
    missing = blnk.api_keys.list()
    assert (missing.status, missing.code) == (400, "APIKEY_OWNER_REQUIRED")


def test_a_key_is_created_listed_and_revoked(blnk: Client) -> None:
    owner = name("owner")
    created = done(blnk.api_keys.create(key(owner, "ledgers:read", "transactions:*")))
    assert created["api_key_id"].startswith("api_key_")
    assert created["key"]
    assert created | {"api_key_id": "", "key": "", "created_at": ""} == {
        "api_key_id": "",
        "key": "",
        "name": "ci",
        "owner_id": owner,
        "scopes": ["ledgers:read", "transactions:*"],
        "expires_at": "2032-01-01T00:00:00Z",
        "created_at": "",
        "last_used_at": ZERO_TIME,
        "is_revoked": False,
    }
    done(blnk.api_keys.delete(created["api_key_id"], {"owner": owner}), 204)
    (listed,) = done(blnk.api_keys.list({"owner": owner}), 200)
    assert (listed["api_key_id"], listed["is_revoked"]) == (created["api_key_id"], True)
    assert listed["revoked_at"] > listed["created_at"]
    assert listed.get("key") != created["key"]
    assert done(blnk.api_keys.list({"owner": name("owner")}), 200) is None


def test_what_a_key_creates_says_so(connect: Callable[[str], Client], blnk: Client) -> None:
    granted = done(blnk.api_keys.create(key(name("owner"), "ledgers:*", "transactions:*")))
    scoped = connect(granted["key"])
    made = {"BLNK_GENERATED_BY": granted["api_key_id"]}
    assert done(scoped.ledgers.create({"name": "Wallets", "meta_data": {"a": 1}}))["meta_data"] == {"a": 1} | made
    body = posting("@world", balance(blnk), 5, allow_overdraft=True, skip_queue=True)
    created = done(scoped.transactions.create(body))
    assert created["meta_data"] == {"allow_overdraft": True} | made
    assert rows(scoped, "reference", body["reference"])[0]["transaction_id"] == created["transaction_id"]
    refused = scoped.ledger_balances.get(created["destination"])
    assert (refused.status, refused.code) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")
    assert refused.message == "Insufficient permissions for balances:read"


def test_hooks_are_for_the_master_key_alone(connect: Callable[[str], Client], blnk: Client) -> None:
    granted = done(blnk.api_keys.create(key(name("owner"), "hooks:*")))
    answer = connect(granted["key"]).hooks.list()
    assert (answer.status, answer.code) == (403, "AUTH_MASTER_KEY_REQUIRED")
    assert answer.message == "hook management requires master key"


def test_hooks_are_kept_changed_and_deleted(blnk: Client) -> None:
    asked = HOOK | {"url": f"https://risk.example/{name('h')}"}
    created = done(blnk.hooks.create(asked))
    hook = created["id"]
    assert hook.startswith("hook_")
    moment = datetime.fromisoformat(created["created_at"][:19] + "Z")
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert created == asked | {
        "id": hook,
        "created_at": created["created_at"],
        "last_run": ZERO_TIME,
        "last_success": False,
    }
    read = done(blnk.hooks.get(hook), 200)
    assert read | {"created_at": ""} == created | {"created_at": ""}
    assert hook in [each["id"] for each in done(blnk.hooks.list({"type": "PRE_TRANSACTION"}), 200)]
    assert hook not in [each["id"] for each in done(blnk.hooks.list({"type": "POST_TRANSACTION"}), 200)]
    assert hook in [each["id"] for each in done(blnk.hooks.list(), 200)]
    changed = asked | {"type": "POST_TRANSACTION", "timeout": 5}
    assert changed.items() <= done(blnk.hooks.update(hook, changed), 200).items()
    assert hook in [each["id"] for each in done(blnk.hooks.list({"type": "POST_TRANSACTION"}), 200)]
    deleted = blnk.hooks.delete(hook)
    assert (deleted.status, deleted.data) == (200, {"message": "hook deleted successfully"})
    assert (blnk.hooks.get(hook).status, blnk.hooks.get(hook).message) == (404, "hook not found")
