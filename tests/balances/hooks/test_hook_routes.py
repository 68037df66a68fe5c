"""The routes of hooks: who may use them, the shape of every refusal, and what is kept of what is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from balances.events import registry
from balances.keys import keyring
from balances.models import now
from balances.models.hooks import Hook
from reconciliation.models import Refusal
from tests.client import Client

pytestmark = pytest.mark.django_db
HOOK = {"name": "risk", "url": "https://risk.example/h", "type": "PRE_TRANSACTION", "active": True}
ZERO = "0001-01-01T00:00:00Z"
ROUTES = [("GET", "/hooks"), ("POST", "/hooks"), ("GET", "/hooks/h"), ("PUT", "/hooks/h"), ("DELETE", "/hooks/h")]


def refused(code: str, message: str, *, legacy: str = "INVALID_INPUT", details: str = "{}") -> str:
    """Return the body of a refusal, to the byte."""
    return (
        f'{{"code":"{legacy}","details":{details},'
        f'"error_detail":{{"code":"{code}","message":"{message}","details":{details}}},"message":"{message}"}}'
    )


# --- who


def stranger() -> Client:
    return Client(None)


def holder_of_every_scope() -> Client:
    expires = timezone.now() + timedelta(days=1)
    return Client(keyring.issue(name="all", owner_id="ops", scopes=["*:*"], expires_at=expires).plaintext)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_key_nobody_is_let_in(method: str, path: str) -> None:
    assert stranger().send(method, path).body["error_detail"]["code"] == "AUTH_MISSING_API_KEY"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_key_but_the_master_key_is_refused_whatever_it_sends(method: str, path: str) -> None:
    answer = holder_of_every_scope().send(method, path, b"{bad")
    message = "hook management requires master key"
    assert answer.status == 403
    assert answer.body == {
        "error": message,
        "error_detail": {"code": "AUTH_MASTER_KEY_REQUIRED", "message": message},
    }
    assert Refusal.objects.get().actor.startswith("key all")


def test_a_key_without_the_scope_is_stopped_by_the_gate() -> None:
    expires = timezone.now() + timedelta(days=1)
    key = keyring.issue(name="reader", owner_id="ops", scopes=["ledgers:read"], expires_at=expires).plaintext
    assert Client(key).get("/hooks").body["error_detail"]["code"] == "AUTH_INSUFFICIENT_PERMISSIONS"


@pytest.mark.parametrize("client", [stranger, Client])
def test_while_secure_mode_is_off_everybody_is_refused_and_nothing_is_recorded(settings: Any, client: Any) -> None:
    settings.BLNK_SERVER_SECURE = False
    for method, path in ROUTES:
        answer = client().send(method, path, HOOK)
        assert (answer.status, answer.body["error_detail"]["code"]) == (403, "AUTH_MASTER_KEY_REQUIRED")
    assert not Hook.objects.exists()
    assert not Refusal.objects.exists()  # whoever it is could fill the disk


# --- refusals


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"name":"a"',
        b"invalid json",
        '{"name":"ü",}'.encode(),
        b"[]",
        b'"hook"',
        b'{"name":5}',
        b'{"Url": {"a": 1}}',
        b' {"name":"\xc3\xbc", "active": "yes"}',
        b'{"timeout":1.5}',
        b'{"timeout":"30"}',
        b'{"retry_count":9223372036854775808}',
        b'{"last_run":"yesterday"}',
        b'{"name":"a\\u0000"}',
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/hooks"), ("PUT", "/hooks/nobody")])
def test_a_body_that_cannot_be_read_is_refused(api: Client, method: str, path: str, body: bytes) -> None:
    answer = api.send(method, path, body)
    assert (answer.status, answer.text) == (400, refused("HOOK_INVALID", "invalid hook data"))


def test_a_body_that_is_too_large_is_refused(api: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = settings.MAX_REQUEST_BODY_BYTES = 100
    answer = api.post("/hooks", {"name": "a" * 100})
    assert answer.text == refused("HOOK_INVALID", "invalid hook data")


@pytest.mark.parametrize(
    "change",
    [
        {"url": ""},
        {"url": None},
        {"type": ""},
        {"type": "pre_transaction"},
        {"type": None},
        {"id": "h" * 1001},
    ],
)
def test_a_hook_that_breaks_a_rule_is_refused_in_the_original_s_words(api: Client, change: dict[str, Any]) -> None:
    answer = api.post("/hooks", HOOK | change)
    assert (answer.status, answer.text) == (400, refused("HOOK_INVALID", "failed to register hook"))
    assert not Hook.objects.exists()


def test_a_body_of_null_is_an_empty_hook(api: Client) -> None:
    assert api.post("/hooks", b"null").text == refused("HOOK_INVALID", "failed to register hook")


@pytest.mark.parametrize(
    ("method", "message", "legacy"),
    [
        ("GET", "hook not found", "NOT_FOUND"),
        ("PUT", "failed to update hook", "INVALID_INPUT"),
        ("DELETE", "failed to delete hook", "INVALID_INPUT"),
    ],
)
def test_an_unknown_hook_is_refused_in_the_words_of_each_route(
    api: Client, method: str, message: str, legacy: str
) -> None:
    answer = api.send(method, "/hooks/hook_unknown", b"{}")
    assert (answer.status, answer.text) == (404, refused("HOOK_NOT_FOUND", message, legacy=legacy))


@pytest.mark.parametrize(
    ("function", "method", "path", "message"),
    [
        ("of_type", "GET", "/hooks", "failed to list hooks"),
        ("register", "POST", "/hooks", "failed to register hook"),
        ("replace", "PUT", "/hooks/h", "failed to update hook"),
        ("remove", "DELETE", "/hooks/h", "failed to delete hook"),
        ("find", "GET", "/hooks/h", "failed to read hook"),
    ],
)
def test_a_database_that_fails_is_told_apart_from_a_hook_that_is_not_there(
    api: Client, monkeypatch: pytest.MonkeyPatch, function: str, method: str, path: str, message: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseError("secret internals")

    monkeypatch.setattr(registry, function, fail)
    answer = api.send(method, path, HOOK)
    assert (answer.status, answer.text) == (500, refused("HOOK_OPERATION_FAILED", message))


# --- what is kept


def test_a_new_hook_is_answered_with_every_key_in_order(api: Client) -> None:
    before = now()
    answer = api.post("/hooks", HOOK)
    assert answer.status == 201
    assert list(answer.body) == [
        *("id", "name", "url", "type", "active", "timeout", "retry_count"),
        *("created_at", "last_run", "last_success"),
    ]
    said = answer.body
    assert said["id"].startswith("hook_")
    assert said["created_at"] >= before.isoformat()[:19]
    assert {name: said[name] for name in said if name not in ("id", "created_at")} == HOOK | {
        "timeout": 30,
        "retry_count": 0,
        "last_run": ZERO,
        "last_success": False,
    }
    assert api.get(f"/hooks/{said['id']}").text == answer.text
    assert api.get("/hooks").body == [said]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"timeout": 0}, {"timeout": 30}),
        ({"timeout": -1}, {"timeout": 30}),
        ({"timeout": 86400}, {"timeout": 86400}),
        ({"retry_count": -1}, {"retry_count": 3}),
        ({"retry_count": 10}, {"retry_count": 10}),
        ({"retry_count": 11}, {"retry_count": 10}),
        ({"active": None}, {"active": False}),
        ({"NAME": "other"}, {"name": "other"}),
        (
            {"last_run": "2026-01-05T12:00:00+02:00", "last_success": True},
            {"last_run": "2026-01-05T10:00:00Z", "last_success": True},
        ),
        ({"last_run": ZERO}, {"last_run": ZERO}),
        ({"created_at": "2020-01-01T00:00:00Z", "colour": "red"}, {"name": "risk"}),
        ({"url": "not an address"}, {"url": "not an address"}),
        ({"id": ""}, {"name": "risk"}),
    ],
)
def test_what_is_sent_is_kept_or_put_right(api: Client, sent: dict[str, Any], kept: dict[str, Any]) -> None:
    answer = api.post("/hooks", HOOK | sent)
    assert answer.status == 201
    said = api.get(f"/hooks/{answer.body['id']}").body
    assert said == answer.body
    assert {name: said[name] for name in kept} == kept
    assert not said["created_at"].startswith("2020")


def test_an_id_that_a_client_sends_overwrites_the_hook_that_has_it(api: Client) -> None:
    first = api.post("/hooks", HOOK | {"id": "mine", "last_success": True, "last_run": "2026-01-05T10:00:00Z"}).body
    second = api.post("/hooks", {"id": "mine", "url": "http://b", "type": "POST_TRANSACTION"}).body
    assert second["id"] == first["id"] == "mine"
    assert second["created_at"] > first["created_at"]
    assert (second["name"], second["last_run"], second["last_success"]) == ("", ZERO, False)
    assert api.get("/hooks?type=PRE_TRANSACTION").body == []  # the original would list and call it under both types
    assert api.get("/hooks?type=POST_TRANSACTION").body == [second]


def test_a_put_replaces_everything_unchecked_but_what_the_server_knows(api: Client) -> None:
    known = {"last_run": "2026-01-05T10:00:00Z", "last_success": True}
    first = api.post("/hooks", HOOK | known | {"timeout": 5, "retry_count": 7}).body
    answer = api.put(f"/hooks/{first['id']}", {"id": "other", "retry_count": 99, "last_success": False})
    assert answer.status == 200
    assert answer.body == {
        "id": first["id"],
        "name": "",
        "url": "",
        "type": "",
        "active": False,
        "timeout": 0,
        "retry_count": 99,
        "created_at": first["created_at"],
        **known,
    }
    assert api.get(f"/hooks/{first['id']}").text == answer.text


def test_the_list_tells_types_apart_and_hides_those_of_neither(api: Client) -> None:
    pre = api.post("/hooks", HOOK | {"id": "pre"}).body
    post = api.post("/hooks", HOOK | {"id": "post", "type": "POST_TRANSACTION"}).body
    api.post("/hooks", HOOK | {"id": "odd"})
    odd = api.put("/hooks/odd", {"type": "LATER"}).body
    assert api.get("/hooks").body == api.get("/hooks?type=").body == [pre, post]
    assert api.get("/hooks?type=PRE_TRANSACTION").body == [pre]
    assert api.get("/hooks?type=POST_TRANSACTION").body == [post]
    assert api.get("/hooks?type=whatever").body == [odd]


def test_a_deleted_hook_is_gone(api: Client) -> None:
    hook = api.post("/hooks", HOOK).body
    answer = api.send("DELETE", f"/hooks/{hook['id']}")
    assert (answer.status, answer.text) == (200, '{"message":"hook deleted successfully"}')
    assert api.get("/hooks").text == "[]"
    assert api.send("DELETE", f"/hooks/{hook['id']}").status == 404
