"""Scoped API keys: the gate, the scopes, the three routes, and that a key is stored nowhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import bcrypt
import pytest
from blnk_sdk import BlnkClientOptions, blnk_init
from django.core.cache import caches
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from balances.ground.signals import refused
from balances.keys import keyring
from balances.keys.permissions import RESOURCES, SEGMENTS, sufficient_permissions
from balances.models import GENERAL_LEDGER_ID, Balance, Ledger
from balances.models.keys import NEVER_USED, ApiKey, allows, covers
from reconciliation.models import Reconstruction
from tests import world
from tests.client import Answer, Client

pytestmark = pytest.mark.django_db
FUTURE = datetime(2032, 1, 1, tzinfo=UTC)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
BODY: dict[str, Any] = {
    "name": "tea-svc",
    "owner": "team-7",
    "scopes": ["ledgers:read", "transactions:*"],
    "expires_at": "2032-01-01T00:00:00Z",
}


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "HASH_COST", 4)


def issue(*scopes: str, owner_id: str = "team-7", expires_at: datetime = FUTURE, name: str = "tea-svc") -> ApiKey:
    return keyring.issue(name=name, owner_id=owner_id, scopes=scopes, expires_at=expires_at)


def holder(*scopes: str, **fields: Any) -> Client:
    return Client(issue(*scopes, **fields).plaintext)


def error(answer: Answer) -> tuple[int, str, str]:
    """Return status, code and message, having compared the whole body with the contract's envelope."""
    code, message = answer.body["error_detail"]["code"], answer.body["error_detail"]["message"]
    assert answer.body == {"error": message, "error_detail": {"code": code, "message": message}}
    return answer.status, code, message


def insufficient(permission: str) -> tuple[int, str, str]:
    return 403, "AUTH_INSUFFICIENT_PERMISSIONS", f"Insufficient permissions for {permission}"


INVALID = (401, "AUTH_INVALID_API_KEY", "Invalid API key")
EXPIRED = (401, "AUTH_EXPIRED_API_KEY", "API key is expired or revoked")
UNKNOWN_RESOURCE = (403, "AUTH_UNKNOWN_RESOURCE", "Unknown resource type")
NO_PRINCIPAL = (401, "AUTH_MISSING_PRINCIPAL", "authenticated API key principal missing")
OWNER_REQUIRED = (400, "APIKEY_OWNER_REQUIRED", "owner is required")
CROSS_OWNER = (403, "AUTH_CROSS_OWNER_ACCESS", "cannot manage API keys for another owner")
ESCALATION = (403, "AUTH_SCOPE_ESCALATION", "cannot grant scopes broader than caller")
KEY_NOT_FOUND = (404, "APIKEY_NOT_FOUND", "API key not found")


# --- the gate refuses


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda key: key[:-2] + ("A=" if key[-2] != "A" else "B="), id="one character off"),
        pytest.param(lambda key: key[:16], id="the prefix alone"),
        pytest.param(lambda key: key + "x", id="longer"),
        pytest.param(lambda key: key * 3, id="longer than bcrypt takes"),
        pytest.param(lambda key: key.swapcase(), id="other case"),
        pytest.param(lambda key: ApiKey.objects.get().key, id="the stored hash"),
        pytest.param(lambda key: "\0" * 44, id="what no column holds"),
    ],
)
def test_what_is_not_the_whole_key_is_a_stranger(wrong: Any) -> None:
    assert error(Client(wrong(issue("*:*").plaintext)).get("/ledgers")) == INVALID


def test_a_key_with_the_prefix_of_another_is_told_apart_from_it() -> None:
    first, second = issue("ledgers:read"), issue("ledgers:read")
    ApiKey.objects.filter(pk=first.pk).update(key_prefix=second.key_prefix)
    assert Client(second.plaintext).get("/ledgers").status == 200
    assert error(Client(first.plaintext).get("/ledgers")) == INVALID


def test_a_stored_text_that_is_no_hash_opens_nothing() -> None:
    key = issue("*:*")
    ApiKey.objects.filter(pk=key.pk).update(key=key.plaintext)
    assert error(Client(key.plaintext).get("/ledgers")) == INVALID


def test_a_lookup_that_fails_is_an_invalid_key_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: str) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(keyring, "find", broken)
    assert error(Client("A" * 43 + "=").get("/ledgers")) == INVALID
    assert "the database is away" in caplog.text


@pytest.mark.parametrize("path", ["/ledgers", "/nowhere", "/balances-snapshots"])
def test_an_expired_or_revoked_key_is_told_so_before_any_look_at_the_path(path: str) -> None:
    assert error(holder("*:*", expires_at=PAST).get(path)) == EXPIRED
    revoked = issue("*:*")
    keyring.revoke([revoked.pk])
    assert error(Client(revoked.plaintext).get(path)) == EXPIRED


def test_a_key_ends_with_the_instant_at_which_it_expires() -> None:
    key = issue("*:*")
    assert key.is_valid(FUTURE - timedelta(microseconds=1))
    assert not key.is_valid(FUTURE)


def test_a_key_found_right_a_moment_ago_is_still_refused_once_it_is_revoked_or_expired() -> None:
    for change in ({"is_revoked": True}, {"expires_at": PAST}):
        key = issue("*:*")
        assert Client(key.plaintext).get("/ledgers").status == 200
        ApiKey.objects.filter(pk=key.pk).update(**change)  # as another process does
        assert error(Client(key.plaintext).get("/ledgers")) == EXPIRED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/balances-snapshots"),
        ("GET", "/backup-s3"),
        ("GET", "/nowhere"),
        ("GET", "/bln_1/metadata"),
        ("POST", "/bln_1/metadata/x"),
        ("OPTIONS", "/nowhere"),
    ],
)
def test_what_has_no_resource_is_for_the_master_key_whatever_the_scopes(method: str, path: str) -> None:
    assert error(holder("*:*", "metadata:write").send(method, path)) == UNKNOWN_RESOURCE


@pytest.mark.parametrize(
    ("scopes", "method", "path", "permission"),
    [
        ((), "GET", "/ledgers", "ledgers:read"),
        (("ledgers:read",), "POST", "/ledgers", "ledgers:write"),
        (("ledgers:read",), "GET", "/balances", "balances:read"),
        (("ledgers:write",), "GET", "/ledgers", "ledgers:read"),
        (("ledgers:*",), "GET", "/balances/bln_1", "balances:read"),
        (("*:read",), "POST", "/balances/filter", "balances:write"),
        (("*:read",), "POST", "/search/ledgers", "search:write"),
        (("*:read",), "POST", "/multi-search", "search:write"),
        (("*:read",), "PUT", "/ledgers/x", "ledgers:write"),
        (("*:read",), "PATCH", "/ledgers/x", "ledgers:write"),
        (("*:read", "*:write"), "DELETE", "/api-keys/x", "api-keys:delete"),
        (("*:read",), "POST", "/refund-transaction/x", "transactions:write"),
        (("accounts:write",), "GET", "/mocked-account", "accounts:read"),
        (("*:*",), "OPTIONS", "/ledgers", "ledgers:"),
        (("*:*",), "TRACE", "/ledgers", "ledgers:"),
        (("*:*:*", "ledgers", "ledgers:read:", ":", "*", "*:", "Ledgers:read"), "GET", "/ledgers", "ledgers:read"),
        # Our own resources.
        (("balances:*",), "GET", "/sweeps", "reconstructions:read"),
        (("reconstructions:read",), "POST", "/sweeps", "reconstructions:write"),
        (("reconstructions:write",), "DELETE", "/sweeps/x", "reconstructions:delete"),
        (("reconstructions:write",), "POST", "/plans/x/approve", "reconstructions:approve"),
        (("reconstructions:write",), "POST", "/plans/x/reject", "reconstructions:approve"),
        (("reconstructions:approve",), "POST", "/plans/x/apply", "reconstructions:write"),
        (("balances:*",), "POST", "/balances/x/reconstructions", "reconstructions:write"),
        (("ledgers:read",), "GET", "/balances/x/explanation", "balances:read"),
        (("reconstructions:read",), "GET", "/balances/x", "balances:read"),
        # Metadata.
        (("balances:read",), "POST", "/bln_1/metadata", "metadata:write"),
        (("balances:write",), "POST", "/txn_1/metadata", "metadata:write"),
        (("ledgers:write",), "POST", "/bln_1/metadata", "metadata:write"),
        (("balances:write",), "POST", "/elsewhere/metadata", "metadata:write"),
        (("metadata:write",), "POST", "/ledgers/metadata", "ledgers:write"),
    ],
)
def test_a_key_is_refused_where_no_scope_allows_the_action(
    scopes: tuple[str, ...], method: str, path: str, permission: str
) -> None:
    before = ApiKey.objects.count()
    assert error(holder(*scopes).send(method, path)) == insufficient(permission)
    assert ApiKey.objects.count() == before + 1


def test_without_secure_mode_a_key_gives_no_identity(settings: Any) -> None:
    key = issue("*:*")
    settings.BLNK_SERVER_SECURE = False
    anybody = Client(key.plaintext)
    assert anybody.post("/ledgers", {"name": "a"}).body["meta_data"] is None
    assert error(anybody.get("/api-keys?owner=team-7")) == NO_PRINCIPAL
    assert error(anybody.send("DELETE", f"/api-keys/{key.pk}?owner=team-7")) == NO_PRINCIPAL
    assert error(anybody.post("/api-keys", BODY)) == NO_PRINCIPAL
    assert error(anybody.post("/api-keys", b"{"))[1] == "GEN_MALFORMED_REQUEST"  # reported first
    assert ApiKey.objects.filter(is_revoked=False).count() == 1


# --- the gate tells of refusals


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    def listen(**about: Any) -> None:
        heard.append({name: about[name] for name in ("actor", "door", "what", "why", "address")})

    refused.connect(listen)
    yield heard
    refused.disconnect(listen)


def test_strangers_are_not_told_of(told: list[dict[str, Any]]) -> None:
    key = issue("*:*").plaintext
    for client in (Client(None), Client("wrong"), Client(key[:-2] + "__"), Client(world.MASTER_KEY), Client(key)):
        client.get("/ledgers")
    assert told == []


@pytest.mark.parametrize(
    ("scopes", "expires_at", "path", "why"),
    [
        (("*:*",), PAST, "/ledgers", "AUTH_EXPIRED_API_KEY: API key is expired or revoked"),
        (("*:*",), FUTURE, "/nowhere", "AUTH_UNKNOWN_RESOURCE: Unknown resource type"),
        ((), FUTURE, "/ledgers", "AUTH_INSUFFICIENT_PERMISSIONS: Insufficient permissions for ledgers:write"),
    ],
)
def test_every_refusal_of_a_known_key_is_told_of(
    told: list[dict[str, Any]], scopes: tuple[str, ...], expires_at: datetime, path: str, why: str
) -> None:
    key = issue(*scopes, expires_at=expires_at)
    Client(key.plaintext).post(path, {"name": "a"})
    actor = f"key tea-svc ({key.pk})"
    assert told == [{"actor": actor, "door": "api", "what": f"POST {path}", "why": why, "address": "127.0.0.1"}]


def test_a_listener_that_fails_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("no room")

    refused.connect(broken)
    try:
        assert error(holder().get("/ledgers")) == insufficient("ledgers:read")
    finally:
        refused.disconnect(broken)
    assert "no room" in caplog.text


# --- issuing is refused


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": ""}, ["Name"]),
        ({"name": None}, ["Name"]),
        ({"owner": ""}, ["Owner"]),
        ({"scopes": None}, ["Scopes"]),
        ({"expires_at": None}, ["ExpiresAt"]),
        ({"expires_at": "0001-01-01T00:00:00Z"}, ["ExpiresAt"]),
        (
            {"name": None, "owner": None, "scopes": None, "expires_at": None},
            ["Name", "Scopes", "Owner", "ExpiresAt"],
        ),
    ],
)
def test_a_missing_field_is_named_as_the_original_names_it(
    api: Client, change: dict[str, Any], fields: list[str]
) -> None:
    message = "\n".join(
        f"Key: 'CreateAPIKeyRequest.{name}' Error:Field validation for '{name}' failed on the 'required' tag"
        for name in fields
    )
    for client in (api, holder("*:*")):
        assert error(client.post("/api-keys", BODY | change)) == (400, "GEN_MALFORMED_REQUEST", message)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "EOF"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"[]", "json: cannot unmarshal array into Go value of type model.CreateAPIKeyRequest"),
        (b'{"name":5}', "json: cannot unmarshal number into Go struct field CreateAPIKeyRequest.name of type string"),
        (
            b'{"scopes":"a:b"}',
            "json: cannot unmarshal string into Go struct field CreateAPIKeyRequest.scopes of type []string",
        ),
        (
            b'{"scopes":["a:b",7]}',
            "json: cannot unmarshal number into Go struct field CreateAPIKeyRequest.scopes of type string",
        ),
        (
            b'{"expires_at":"tomorrow"}',
            'parsing time "tomorrow" as "2006-01-02T15:04:05Z07:00": cannot parse "tomorrow" as "2006"',
        ),
        (b'{"name":"\\u0000"}', "a string contains the character \\u0000, which cannot be stored"),
    ],
)
def test_a_malformed_body_issues_nothing(api: Client, raw: bytes, message: str) -> None:
    assert error(api.post("/api-keys", raw)) == (400, "GEN_MALFORMED_REQUEST", message)
    assert not ApiKey.objects.exists()


def test_an_owner_longer_than_an_index_takes_is_refused(api: Client) -> None:
    answer = api.post("/api-keys", BODY | {"owner": "ö" * 501})
    assert (answer.status, answer.body["errors"]) == (400, "owner: cannot be longer than 1000 bytes.")


def test_a_scoped_key_issues_for_its_own_owner_alone() -> None:
    caller = holder("*:*")
    assert error(caller.post("/api-keys", BODY | {"owner": "team-8"})) == CROSS_OWNER
    assert error(caller.post("/api-keys", BODY | {"owner": "team-8", "scopes": ["a"]})) == CROSS_OWNER  # owner first
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (("api-keys:*",), "ledgers:read"),
        (("api-keys:*", "ledgers:read"), "ledgers:write"),
        (("api-keys:*", "ledgers:read"), "ledgers:*"),
        (("api-keys:*", "ledgers:*", "balances:*"), "*:read"),
        (("api-keys:*", "*:read"), "*:*"),
        (("api-keys:*", "*:read"), "*:write"),
        (("*:*",), "ledgers"),
        (("*:*",), "ledgers:read:write"),
        (("*:*",), ":read"),
        (("*:*",), "ledgers:"),
        (("*:*",), ""),
        (("api-keys:*", "reconstructions:write"), "reconstructions:approve"),
    ],
)
def test_no_key_grants_more_than_it_holds(held: tuple[str, ...], wanted: str) -> None:
    answer = holder(*held).post("/api-keys", BODY | {"scopes": ["api-keys:read", wanted]})
    assert error(answer) == ESCALATION
    assert ApiKey.objects.count() == 1


def test_an_empty_scope_by_null_is_never_covered() -> None:
    assert error(holder("*:*").post("/api-keys", BODY | {"scopes": [None]})) == ESCALATION


# --- listing and revoking are refused


def test_the_master_key_must_say_whose_keys(api: Client) -> None:
    key = issue()
    for query in ("", "?owner="):
        assert error(api.get(f"/api-keys{query}")) == OWNER_REQUIRED
        assert error(api.send("DELETE", f"/api-keys/{key.pk}{query}")) == OWNER_REQUIRED
    assert ApiKey.objects.filter(is_revoked=False).exists()


def test_a_scoped_key_manages_the_keys_of_its_own_owner_alone() -> None:
    caller, foreign = holder("*:*"), issue(owner_id="team-8")
    assert error(caller.get("/api-keys?owner=team-8")) == CROSS_OWNER
    assert error(caller.send("DELETE", f"/api-keys/{foreign.pk}?owner=team-8")) == CROSS_OWNER
    assert error(caller.send("DELETE", f"/api-keys/{foreign.pk}")) == KEY_NOT_FOUND
    assert not ApiKey.objects.filter(is_revoked=True).exists()


def test_a_key_that_is_not_there_cannot_be_revoked(api: Client) -> None:
    key = issue()
    for path in ("/api-keys/api_key_x?owner=team-7", f"/api-keys/{key.pk}?owner=team-8"):
        assert error(api.send("DELETE", path)) == KEY_NOT_FOUND
    assert not ApiKey.objects.filter(is_revoked=True).exists()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "GET"])
def test_other_methods_on_one_key_are_plain_404s(api: Client, method: str) -> None:
    answer = api.send(method, "/api-keys/api_key_x?owner=a")
    assert (answer.status, answer.text) == (404, "404 page not found")


def test_a_query_that_nothing_stored_can_match_is_refused(api: Client) -> None:
    answer = api.get("/api-keys?owner=a%00b")
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "GEN_BAD_REQUEST")
    assert Client(None).get("/api-keys?owner=a%00b").status == 401


# --- issuing, listing, revoking


def test_the_contracts_example_comes_out_to_the_letter(api: Client) -> None:
    answer = api.post("/api-keys", BODY)
    key = ApiKey.objects.get()
    assert answer.status == 201
    assert list(answer.body) == [
        *("api_key_id", "key", "name", "owner_id", "scopes", "expires_at", "created_at", "last_used_at", "is_revoked")
    ]
    assert answer.body.pop("created_at").endswith("Z")
    assert len(answer.body["key"]) == 44
    assert answer.body["key"].endswith("=")
    known = {"api_key_id": key.pk, "last_used_at": "0001-01-01T00:00:00Z", "is_revoked": False, "owner_id": "team-7"}
    echoed = {name: BODY[name] for name in ("name", "scopes", "expires_at")}
    assert {name: answer.body[name] for name in (known | echoed)} == known | echoed
    assert key.pk.startswith("api_key_")
    assert error(Client(answer.body["key"]).get("/balances")) == insufficient("balances:read")
    assert Client(answer.body["key"]).get("/ledgers").status == 200


def test_the_hash_is_bcrypt_of_cost_10_and_the_prefix_its_first_16_characters(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    plaintext = api.post("/api-keys", BODY).body["key"]
    key = ApiKey.objects.get()
    assert key.key.startswith("$2b$10$")
    assert bcrypt.checkpw(plaintext.encode(), key.key.encode())
    assert key.key_prefix == plaintext[:16]


def test_a_hash_made_by_the_original_opens_the_same(api: Client) -> None:
    key = issue("ledgers:read")
    hashed = bcrypt.hashpw(key.plaintext.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
    ApiKey.objects.filter(pk=key.pk).update(key=hashed)
    assert Client(key.plaintext).get("/ledgers").status == 200


@pytest.mark.parametrize("change", [{"scopes": []}, {"expires_at": "2020-01-01T00:00:00Z"}, {"scopes": ["?!", ""]}])
def test_the_master_key_issues_what_nothing_forbids(api: Client, change: dict[str, Any]) -> None:
    answer = api.post("/api-keys", BODY | change)
    assert answer.status == 201
    assert {name: answer.body[name] for name in change} == change


def test_the_offset_of_the_expiry_is_echoed_and_utc_is_read_back(api: Client) -> None:
    assert api.post("/api-keys", BODY | {"expires_at": "2032-01-01T02:00:00.5+02:00"}).body["expires_at"] == (
        "2032-01-01T02:00:00.5+02:00"
    )
    assert api.get("/api-keys?owner=team-7").body[0]["expires_at"] == "2032-01-01T00:00:00.5Z"


def test_a_scoped_key_grants_what_it_holds() -> None:
    caller = holder("api-keys:write", "ledgers:*", "*:read")
    answer = caller.post("/api-keys", BODY | {"scopes": ["ledgers:*", "ledgers:delete", "*:read", "search:read"]})
    assert (answer.status, answer.body["owner_id"]) == (201, "team-7")


def test_the_list_shows_all_keys_of_the_owner_newest_first_and_no_hash(api: Client) -> None:
    assert api.get("/api-keys?owner=team-7").text == "null"
    older, newer = issue("api-keys:read"), issue(name="newer")
    issue(owner_id="team-8")
    keyring.revoke([newer.pk])
    for answer in (
        api.get("/api-keys?owner=team-7"),
        *(Client(older.plaintext).get(f"/api-keys{q}") for q in ("", "?owner=team-7")),
    ):
        assert answer.status == 200
        assert [each["api_key_id"] for each in answer.body] == [newer.pk, older.pk]
        assert [each["is_revoked"] for each in answer.body] == [True, False]
        assert ["revoked_at" in each for each in answer.body] == [True, False]
        assert not any("key" in each for each in answer.body)
        assert "$2b$" not in answer.text


def test_revoking_answers_204_and_again_with_a_later_time(api: Client) -> None:
    key = issue("*:*")
    times = []
    for _ in range(2):
        answer = api.send("DELETE", f"/api-keys/{key.pk}?owner=team-7")
        assert (answer.status, answer.text) == (204, "")
        times.append(ApiKey.objects.get(is_revoked=True).revoked_at)
    assert times[0] < times[1]
    assert error(Client(key.plaintext).get("/ledgers")) == EXPIRED


def test_a_key_may_revoke_itself() -> None:
    key = issue("api-keys:delete")
    assert Client(key.plaintext).send("DELETE", f"/api-keys/{key.pk}").status == 204
    assert error(Client(key.plaintext).send("DELETE", f"/api-keys/{key.pk}")) == EXPIRED


def test_a_trailing_slash_is_redirected_for_the_methods_that_exist() -> None:
    nobody = Client(None)
    assert nobody.send("DELETE", "/api-keys/x/?owner=a").headers["Location"] == "/api-keys/x?owner=a"
    assert nobody.send("DELETE", "/ledgers/").status == 401
    assert nobody.get("/api-keys/").status == 301


def test_the_routes_stand_in_the_description_of_the_api() -> None:
    paths = Client(None).get("/schema").body["paths"]
    assert set(paths["/api-keys"]) == {"get", "post"}
    assert set(paths["/api-keys/{api_key_id}"]) == {"delete"}


# --- what a key opens


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("ledgers:read", "GET", "/ledgers"),
        ("*:read", "GET", "/ledgers"),
        ("ledgers:*", "GET", "/ledgers"),
        ("ledgers:read", "HEAD", "/ledgers"),
        ("accounts:read", "GET", "/mocked-account"),
        ("search:write", "POST", "/multi-search"),
        ("transactions:write", "POST", "/refund-transaction/x"),
        ("reconstructions:read", "GET", "/incidents"),
        ("reconstructions:write", "POST", "/reconstructions/x/undo"),
        ("reconstructions:delete", "DELETE", "/alerts/x"),
        ("reconstructions:approve", "POST", "/plans/x/approve"),
        ("reconstructions:*", "POST", "/plans/x/reject"),
        ("*:*", "POST", "/plans/x/approve"),
        ("reconstructions:write", "POST", "/balances/x/reconstructions"),
        ("reconstructions:read", "GET", "/balances/x/reconstructions"),
        ("balances:read", "GET", "/balances/x/reconstructions"),
        ("reconstructions:read", "GET", "/balances/x/explanation"),
        ("balances:read", "GET", "/balances/x/explanation"),
        ("metadata:write", "POST", "/bln_x/metadata"),
        ("balances:write", "POST", "/bln_x/metadata"),
        ("ledgers:write", "POST", "/ldg_x/metadata"),
        ("transactions:write", "POST", "/txn_x/metadata"),
        ("transactions:write", "POST", "/bulk_x/metadata"),
        ("identities:write", "POST", "/idt_x/metadata"),
    ],
)
def test_a_scope_that_allows_the_action_leads_past_the_gate(scope: str, method: str, path: str) -> None:
    answer = holder(scope).send(method, path)
    assert answer.status in {200, 400, 404, 405}
    assert "AUTH_" not in answer.text


def test_a_key_rebuilds_a_balance_through_metadata_and_the_record_names_it(
    django_capture_on_commit_callbacks: Any,
) -> None:
    key, balance = issue("balances:write"), world.balance()
    world.post("@a", balance, 700)
    world.drift(balance, credit=5)
    with django_capture_on_commit_callbacks(execute=True):
        answer = Client(key.plaintext).post(
            f"/{balance.pk}/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}}
        )
    assert answer.status == 200
    assert world.totals(balance)["credit_balance"] == 700
    assert Reconstruction.objects.get().actor == f"key tea-svc ({key.pk})"


def test_what_a_key_posts_bears_its_id_over_whatever_was_sent() -> None:
    key = issue("*:*")
    client = Client(key.plaintext)
    for meta_data in ({"BLNK_GENERATED_BY": "me"}, {}, None, [1], "text", 7):
        stored = client.post("/ledgers", {"name": "a", "meta_data": meta_data}).body["meta_data"]
        assert stored == {"BLNK_GENERATED_BY": key.pk}
    assert client.post("/ledgers", {"name": "a"}).body["meta_data"] == {"BLNK_GENERATED_BY": key.pk}
    kept = client.post("/ledgers", {"META_DATA": {"a": 1}, "name": "a"}).body["meta_data"]
    assert kept["BLNK_GENERATED_BY"] == key.pk
    assert Client().post("/ledgers", {"name": "a"}).body["meta_data"] is None


def test_only_posts_are_marked() -> None:
    client = holder("*:*")
    ledger = Client().post("/ledgers", {"name": "a", "meta_data": {"a": 1}}).body["ledger_id"]
    assert client.put(f"/ledgers/{ledger}", {"name": "b"}).body["meta_data"] == {"a": 1}


@pytest.mark.parametrize(("raw", "message"), [(b"", "EOF"), (b"{", "unexpected EOF"), (b"[1]", None), (b"null", None)])
def test_a_body_that_is_no_object_stays_what_it_is(raw: bytes, message: str | None) -> None:
    answers = [client.post("/ledgers", raw) for client in (Client(), holder("*:*"))]
    assert answers[0].text == answers[1].text
    assert answers[0].status == 400
    assert message is None or answers[0].body["errors"] == message


def test_no_digit_of_a_body_is_lost_when_a_key_posts() -> None:
    key = issue("*:*")
    large = 123456789012345678901234567890
    raw = (
        b'{"precise_amount":%d,"precision":100,"currency":"USD","reference":"r","description":"d","source":"@a",'
        b'"destination":"@b","allow_overdraft":true,"skip_queue":true,"meta_data":{"rate":0.1000000000000000000001,'
        b'"big":9007199254740993}}'
    )
    answer = Client(key.plaintext).post("/transactions", raw % large)
    assert answer.status == 201
    assert answer.body["precise_amount"] == large
    assert f'"precise_amount":{large},' in answer.text
    assert '"big":9007199254740993,"rate":0.1000000000000000000001' in answer.text
    assert Balance.objects.get(indicator="@b").credit_balance == large
    ledger = Client(key.plaintext).post("/ledgers", b'{"name":"x","meta_data":{"d":12345678901234567890.12}}')
    assert Ledger.objects.get(pk=ledger.body["ledger_id"]).meta_data["d"] == Decimal("12345678901234567890.12")


# --- the rules of scopes


HALVES = st.sampled_from(["*", "ledgers", "balances", "api-keys", "read", "write", "", " ", "*:"])
SCOPES = st.lists(
    st.builds("{}:{}".format, HALVES, HALVES) | st.sampled_from(["", "ledgers", "a:b:c", "*"]), max_size=4
)
RESOURCE = st.sampled_from(["ledgers", "balances", "api-keys"])
ACTION = st.sampled_from(["read", "write", "delete", "approve"])


@given(held=SCOPES, wanted=SCOPES, resource=RESOURCE, action=ACTION)
def test_granted_scopes_never_allow_what_their_grantor_may_not(
    held: list[str], wanted: list[str], resource: str, action: str
) -> None:
    granted = [scope for scope in wanted if covers(held, scope)]
    assert not allows(granted, resource, action) or allows(held, resource, action)


@given(held=SCOPES, resource=RESOURCE, action=ACTION)
def test_a_scope_that_is_allowed_can_be_granted(held: list[str], resource: str, action: str) -> None:
    assert covers(held, f"{resource}:{action}") == allows(held, resource, action)


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", ""]),
    path=st.lists(st.sampled_from([*SEGMENTS, "bln_1", "metadata", "approve", "reconstructions", "x", ""]), max_size=5),
)
def test_every_path_needs_a_known_resource_or_the_master_key(method: str, path: list[str]) -> None:
    for resource, action in sufficient_permissions(method, "/" + "/".join(path)):
        assert resource in RESOURCES
        assert action in {"read", "write", "delete", "approve", ""}
        assert method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} or action == ""


# --- what a request costs, and what stays behind


def test_a_key_costs_one_indexed_read_and_bcrypt_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    key = issue("ledgers:read")
    client = Client(key.plaintext)
    assert client.get(f"/ledgers/{GENERAL_LEDGER_ID}").status == 200
    computed: list[bytes] = []
    monkeypatch.setattr(bcrypt, "checkpw", lambda plain, hashed: computed.append(plain) or True)
    with CaptureQueriesContext(
        connection,
    ) as known:
        assert client.get(f"/ledgers/{GENERAL_LEDGER_ID}").status == 200
    assert computed == []
    assert [("api_keys" in query["sql"], "ledgers" in query["sql"]) for query in known] == [
        (True, False),
        (False, True),
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + known.captured_queries[0]["sql"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "api_keys_by_prefix" in plan
    caches[keyring.VERIFIED].clear()
    assert client.get(f"/ledgers/{GENERAL_LEDGER_ID}").status == 200
    assert len(computed) == 1


def test_a_wrong_key_is_not_remembered_as_right() -> None:
    key = issue("ledgers:read").plaintext
    wrong = key[:20] + key[20:43].swapcase() + "="
    for _ in range(2):
        assert error(Client(wrong).get("/ledgers")) == INVALID
        assert Client(key).get("/ledgers").status == 200


def test_the_last_use_is_noted_once_a_minute_and_only_after_success() -> None:
    key = issue("ledgers:read")
    client = Client(key.plaintext)
    assert client.get("/balances").status == 403
    assert ApiKey.objects.get(pk=key.pk).last_used_at == NEVER_USED
    client.get("/ledgers")
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    assert first > NEVER_USED
    client.get("/ledgers")
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first
    long_ago = first - timedelta(seconds=61)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=long_ago)
    client.get("/ledgers")
    assert ApiKey.objects.get(pk=key.pk).last_used_at > long_ago


def test_a_use_that_cannot_be_noted_is_logged_and_the_request_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = holder("ledgers:read")

    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("read-only")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", broken)
    assert client.get("/ledgers").status == 200
    assert "could not be noted" in caplog.text


def test_no_key_stands_in_the_database_or_the_logs(api: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    plaintext = api.post("/api-keys", BODY | {"scopes": ["*:*"]}).body["key"]
    client = Client(plaintext)
    assert client.post("/ledgers", {"name": "a"}).status == 201
    client.get("/nowhere")
    client.post("/transactions", world.POSTING)
    api.send("DELETE", f"/api-keys/{ApiKey.objects.get().pk}?owner=team-7")
    client.get("/ledgers")
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
        tables = [name for (name,) in cursor.fetchall()]
        assert "api_keys" in tables
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE %s', [f"%{plaintext[17:43]}%"])
            assert cursor.fetchone() == (0,), table
    assert plaintext not in caplog.text
    assert plaintext[17:43] not in repr(ApiKey.objects.get().__dict__)


# --- the official client


@pytest.mark.django_db(transaction=True)
def test_the_official_client_issues_lists_and_revokes_keys(live_server: Any) -> None:
    address = BlnkClientOptions(base_url=live_server.url)
    master: Any = blnk_init(world.MASTER_KEY, address)
    created = master.api_keys.create(BODY | {"scopes": ["ledgers:*", "api-keys:*"]})
    assert (created.status, created.data["is_revoked"]) == (201, False)
    assert created.data["api_key_id"].startswith("api_key_")
    assert (created.data["owner_id"], created.data["scopes"]) == ("team-7", ["ledgers:*", "api-keys:*"])

    scoped: Any = blnk_init(created.data["key"], address)
    ledger = scoped.ledgers.create({"name": "Wallets", "meta_data": {}})
    assert (ledger.status, ledger.data["meta_data"]) == (201, {"BLNK_GENERATED_BY": created.data["api_key_id"]})
    assert scoped.ledger_balances.get("bln_1").status == 403
    second = scoped.api_keys.create(BODY | {"name": "second", "scopes": ["ledgers:read"]})
    assert second.status == 201
    assert [key["name"] for key in scoped.api_keys.list().data] == ["second", "tea-svc"]

    assert scoped.api_keys.delete("api_key_unknown").status == 404
    assert master.api_keys.delete(second.data["api_key_id"]).status == 400
    assert master.api_keys.delete(second.data["api_key_id"], {"owner": "team-7"}).status == 204
    listed = master.api_keys.list({"owner": "team-7"})
    assert {key["name"]: key["is_revoked"] for key in listed.data} == {"second": True, "tea-svc": False}
    assert blnk_init(second.data["key"], address).ledgers.get("").status == 401
