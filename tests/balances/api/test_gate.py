"""What stands before every route: keys, redirects, plain 404s, headers, the body cap."""

from __future__ import annotations

import gc
import io
import weakref
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory

from balances.api import gate
from balances.api.errors import STATUSES
from balances.ground.exceptions import LedgerError
from balances.keys import keyring
from balances.models import GENERAL_LEDGER_ID
from ledgerproj.wsgi import application
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/ledgers", "/nowhere", "/ldg_1/metadata", "/balances/x/reconstructions"])
def test_without_a_key_nothing_answers_not_even_what_does_not_exist(path: str) -> None:
    for key, code, message in (
        (None, "AUTH_MISSING_API_KEY", "Authentication required. Use X-Blnk-Key header"),
        ("", "AUTH_MISSING_API_KEY", "Authentication required. Use X-Blnk-Key header"),
        ("wrong", "AUTH_INVALID_API_KEY", "Invalid API key"),
        ("schlüssel", "AUTH_INVALID_API_KEY", "Invalid API key"),
    ):
        answer = Client(key).get(path)
        assert answer.status == 401
        assert answer.body == {"error": message, "error_detail": {"code": code, "message": message}}


@pytest.mark.parametrize("path", ["/static/metadata", "/docs/metadata", "/schema/metadata", "/adminfoo/metadata"])
def test_a_path_that_looks_like_a_page_leads_to_no_route_of_the_api(path: str) -> None:
    answer = Client(None).post(path, {"meta_data": {}})
    assert answer.status in (401, 404)
    assert "META" not in answer.text


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/schema", "/docs"])
def test_no_page_is_reached_past_what_protects_pages(api: Client, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr("balances.api.gate.PAGES", set())
    assert (api.get(path).status, api.get(path).text) == (404, "404 page not found")


def test_no_master_key_configured_lets_nobody_in(settings: Any) -> None:
    settings.BLNK_SERVER_SECRET_KEY = ""
    assert Client("").get("/ledgers").status == 401
    assert Client("x").get("/ledgers").status == 401


def test_without_secure_mode_everybody_passes(settings: Any) -> None:
    settings.BLNK_SERVER_SECURE = False
    assert Client(None).get("/ledgers").status == 200


def test_root_and_health_need_no_key() -> None:
    assert Client(None).get("/").text == '"server running..."'
    assert Client(None).get("/health").status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("DELETE", "/ledgers"),
        ("POST", "/health"),
        ("HEAD", "/ledgers"),
        ("OPTIONS", "/ledgers"),
        ("PATCH", f"/ledgers/{GENERAL_LEDGER_ID}"),
        ("GET", "/Ledgers"),
        ("GET", "/nowhere/"),
    ],
)
def test_unknown_paths_and_wrong_methods_are_plain_404s(api: Client, method: str, path: str) -> None:
    answer = api.send(method, path)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain")
    assert answer.text == ("" if method == "HEAD" else "404 page not found")
    assert "Allow" not in answer.headers


@pytest.mark.parametrize("entity", ["ledgers", "balances", "transactions", "identities", "api-keys", "hooks", "sweeps"])
def test_every_first_segment_may_be_an_entity_with_metadata(api: Client, entity: str) -> None:
    answer = api.post(f"/{entity}/metadata", {"meta_data": {"a": 1}})
    message = f"invalid entity ID format: {entity}"
    assert answer.status == 400
    assert answer.body == {
        "error": message,
        "error_detail": {"code": "META_INVALID_ENTITY_ID", "message": message},
    }
    assert api.get(f"/{entity}/metadata").status == 404


@pytest.mark.parametrize("body", [b"null", b"{}"])
def test_a_body_of_null_is_an_empty_object_for_a_key_with_scopes_too(body: bytes) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=1)
    key = keyring.issue(name="k", owner_id="o", scopes=["ledgers:write"], expires_at=expires_at)
    ledger = world.ledger()
    answer = Client(key.plaintext).post(f"/{ledger.pk}/metadata", body)
    assert (answer.status, answer.body) == (200, {"meta_data": {"BLNK_GENERATED_BY": key.pk}})
    refused = Client(key.plaintext).post("/ledgers", body)
    assert (refused.status, refused.body["errors"]) == (400, "name: cannot be blank.")


def test_each_code_of_the_contract_has_the_status_that_the_contract_gives_it() -> None:
    by_status = {400: 32, 401: 6, 403: 7, 404: 14, 409: 8, 413: 1, 423: 1, 429: 1, 500: 7, 501: 1, 503: 2}
    assert Counter(STATUSES.values()) == by_status
    for code, status in {
        "TXN_BULK_LIMIT_EXCEEDED": 400,
        "SRCH_QUERY_INVALID": 400,
        "AUTH_INVALID_BEARER_TOKEN": 401,
        "AUTH_MASTER_KEY_REQUIRED": 403,
        "SRCH_REINDEX_NOT_STARTED": 404,
        "SRCH_REINDEX_IN_PROGRESS": 409,
        "GEN_PAYLOAD_TOO_LARGE": 413,
        "GEN_RESOURCE_LOCKED": 423,
        "GEN_RATE_LIMITED": 429,
        "ADMIN_BACKUP_FAILED": 500,
        "QUEUE_BACKPRESSURE": 503,
    }.items():
        assert STATUSES[code] == status


def test_every_refusal_has_a_code_with_a_status() -> None:
    refusals, found = [LedgerError], set()
    while refusals:
        refusal = refusals.pop()
        refusals += refusal.__subclasses__()
        found.add(refusal.code)
    assert found <= set(STATUSES)


def test_a_trailing_slash_is_redirected_before_any_check() -> None:
    nobody = Client(None)
    moved = nobody.get("/ledgers/?limit=2")
    assert (moved.status, moved.headers["Location"]) == (301, "/ledgers?limit=2")
    assert moved.text == '<a href="/ledgers?limit=2">Moved Permanently</a>.\n\n'
    assert moved.headers["Content-Type"] == "text/html; charset=utf-8"
    kept = nobody.post("/ledgers/", {"name": "a"})
    assert (kept.status, kept.headers["Location"], kept.text) == (307, "/ledgers", "")
    assert "Content-Type" not in kept.headers


def test_a_redirect_leads_to_the_path_as_it_was_sent() -> None:
    for sent, location in (("a%0D%0Ab", "a%0D%0Ab"), ("%C3%A9", "%C3%A9"), ("%40World", "@World"), ("a%3Fb", "a%3Fb")):
        moved = Client(None).get(f"/balances/{sent}/")
        assert (moved.status, moved.headers["Location"]) == (301, f"/balances/{location}")


def test_every_answer_bears_the_contracts_headers(api: Client) -> None:
    for answer in (api.get("/ledgers"), Client(None).get("/ledgers"), api.get("/nowhere")):
        assert {name: answer.headers[name] for name in ("X-Frame-Options", "Cache-Control")} == {
            "X-Frame-Options": "DENY",
            "Cache-Control": "no-store",
        }
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "Strict-Transport-Security" not in answer.headers
    assert api.get("/ledgers").headers["Content-Type"] == "application/json; charset=utf-8"
    secure = api.send("GET", "/ledgers", **{"X-Forwarded-Proto": "https"})
    assert secure.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_a_body_too_large_is_refused(api: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = api.post("/ledgers", {"name": "a" * 200})
    assert (answer.status, answer.body["errors"]) == (400, "http: request body too large")
    assert answer.body["error_detail"]["code"] == "GEN_MALFORMED_REQUEST"


def test_any_accept_header_gets_json(api: Client) -> None:
    assert api.send("GET", "/ledgers", Accept="application/xml").status == 200


def test_a_foreign_host_name_is_refused_in_the_contracts_shape(api: Client) -> None:
    answer = api.send("GET", "/ledgers", Host="evil.example")
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "GEN_BAD_REQUEST")


def test_a_surprise_is_logged_and_answered_without_its_text(
    api: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("balances.posting.open_ledger", broken)
    answer = api.post("/ledgers", {"name": "a"})
    assert (answer.status, answer.body["error"]) == (500, "internal server error")
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


def test_the_api_describes_itself_and_has_a_page_to_read_it() -> None:
    nobody = Client(None)
    paths = nobody.get("/schema").body["paths"]
    assert {"/ledgers", "/balances/{balance_id}/reconstructions", "/{entity_id}/metadata"} <= set(paths)
    page = nobody.get("/docs")
    assert page.status == 200
    assert "swagger-ui" in page.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/ledgers", 200), ("POST", "/ledgers", 400), ("GET", "/ledgers/none", 404), ("PUT", "/ledgers/none", 400)],
)
def test_an_answer_and_its_body_are_forgotten_at_once_without_looking_for_rings(
    method: str, path: str, status: int
) -> None:
    body, said = io.BytesIO(b"{}"), list[str]()
    environ = RequestFactory().generic(method, path, headers={"X-Blnk-Key": world.MASTER_KEY}).environ
    environ |= {"wsgi.input": body, "CONTENT_LENGTH": "2"}
    ended = (request_started, request_finished)
    for signal in ended:
        signal.disconnect(close_old_connections)  # the connection is the test's
    gc.disable()
    try:
        answer: Any = application(environ, lambda line, *_: said.append(line))
        assert said[0].startswith(str(status))
        answer.close()
        left = [weakref.ref(answer), weakref.ref(body)]
        del answer, body, environ
        assert [each() for each in left] == [None, None]
    finally:
        gc.enable()
        for signal in ended:
            signal.connect(close_old_connections)


def test_hosts_that_were_allowed_are_kept_in_bounds_and_only_as_long_as_they_are_allowed(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    for number in range(gate.MOST_HOSTS + 20):
        assert Client().send("GET", "/balances/none", Host=f"host-{number}").status == 404
    assert len(gate._allowed) <= gate.MOST_HOSTS
    settings.ALLOWED_HOSTS = ["host-1"]
    last = f"host-{gate.MOST_HOSTS + 19}"
    assert Client().send("GET", "/balances/none", Host=last).body["error_detail"]["code"] == "GEN_BAD_REQUEST"
