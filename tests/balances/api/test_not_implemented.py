"""Routes that are left for later answer 501 in the contract's shape, and say what to use instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from balances.keys import keyring
from tests.client import Client

pytestmark = pytest.mark.django_db

SEARCH = "Full-text search is not served yet"
INDEX = "Search is not served yet, so there is no index to rebuild: POST …/filter reads the tables themselves."
MATCHING = "Matching transactions against external records is not served yet."


def key_with(*scopes: str) -> Client:
    expires_at = datetime.now(UTC) + timedelta(days=1)
    return Client(keyring.issue(name="k", owner_id="o", scopes=scopes, expires_at=expires_at).plaintext)


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("POST", "/search/balances", f"{SEARCH}: filter with POST /balances/filter."),
        ("POST", "/search/reconciliations", f"{SEARCH}."),
        ("POST", "/search/metadata", f"{SEARCH}."),
        ("POST", "/multi-search", f"{SEARCH}: filter each collection with POST …/filter."),
        ("POST", "/search/reindex", INDEX),
        ("GET", "/search/reindex", INDEX),
        ("GET", "/backup", "Backups are not made through the API yet: run pg_dump on the database."),
        (
            "GET",
            "/backup-s3",
            "Backups are not made through the API yet: run pg_dump on the database and copy its file to the bucket.",
        ),
        ("POST", "/reconciliation/upload", MATCHING),
        ("POST", "/reconciliation/start", MATCHING),
        ("POST", "/reconciliation/start-instant", MATCHING),
        ("POST", "/reconciliation/matching-rules", MATCHING),
        ("PUT", "/reconciliation/matching-rules/rule_1", MATCHING),
        ("DELETE", "/reconciliation/matching-rules/rule_1", MATCHING),
        ("GET", "/reconciliation/recon_1", MATCHING),
        ("GET", "/reconciliation/upload", MATCHING),
    ],
)
def test_what_is_left_for_later_says_so_and_what_to_use_instead(
    api: Client, method: str, path: str, message: str
) -> None:
    answer = api.send(method, path, b"{}")
    assert (answer.status, answer.headers["Content-Type"]) == (501, "application/json; charset=utf-8")
    assert answer.body == {"error": message, "error_detail": {"code": "GEN_NOT_IMPLEMENTED", "message": message}}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/search/balances"),
        ("GET", "/multi-search"),
        ("POST", "/backup"),
        ("DELETE", "/reconciliation/recon_1"),
        ("GET", "/reconciliation/matching-rules/rule_1"),
        ("PUT", "/reconciliation/upload"),
        ("GET", "/reconciliation"),
    ],
)
def test_other_methods_of_these_paths_do_not_exist(api: Client, method: str, path: str) -> None:
    assert (api.send(method, path).status, api.send(method, path).text) == (404, "404 page not found")


@pytest.mark.parametrize("path", ["/search/balances", "/multi-search"])
def test_a_malformed_search_is_refused_as_text(api: Client, path: str) -> None:
    for body, message in ((b"{", "unexpected EOF"), (b"", "EOF")):
        answer = api.post(path, body)
        assert (answer.status, answer.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
        assert answer.body == {"error": message, "error_detail": {"code": "GEN_MALFORMED_REQUEST", "message": message}}


def test_a_body_for_the_index_is_not_read(api: Client) -> None:
    assert api.post("/search/reindex", b"{").status == 501


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("search:read", "POST", "/search/balances", 403),
        ("search:read", "POST", "/multi-search", 403),
        ("search:write", "POST", "/multi-search", 501),
        ("search:read", "GET", "/search/reindex", 501),
        ("backup:read", "GET", "/backup", 501),
        ("*:*", "GET", "/backup-s3", 403),
        ("reconciliation:write", "POST", "/reconciliation/upload", 501),
        ("reconciliation:write", "DELETE", "/reconciliation/matching-rules/rule_1", 403),
        ("reconciliation:delete", "DELETE", "/reconciliation/matching-rules/rule_1", 501),
    ],
)
def test_scopes_count_although_nothing_is_served(scope: str, method: str, path: str, status: int) -> None:
    assert key_with(scope).send(method, path, b"{}").status == status
