"""Readers at a real ``serve``: what they ask ends with them, and headers that only look like ours are none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from tests import wire
from tests.serving import AT_WORK, KEY, Server, request, serving
from tests.test_front import READS_AT_WORK, opened, until, waiting_for_locks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("front")]


@pytest.fixture(scope="module")
def _serving(django_db_setup: None, django_db_blocker: Any) -> Iterator[Server]:
    with django_db_blocker.unblock(), serving(LEDGER_READ_TIMEOUT="600") as server:
        yield server


@pytest.fixture
def server(_serving: Server, transactional_db: None) -> Server:
    wire.wallets()
    return _serving


@contextmanager
def identities_locked() -> Iterator[None]:
    """Let every list of identities take for ever."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE identity IN ACCESS EXCLUSIVE MODE")
        yield


def test_reads_of_clients_that_have_gone_end_at_once_and_postings_go_on(server: Server) -> None:
    filtering = {"filters": [{"field": "first_name", "operator": "ilike", "value": "%a%b%"}], "include_count": True}
    with identities_locked(), ExitStack() as lines:
        for _ in range(15):
            opened(server, lines, request("POST", "/identities/filter", filtering))
            opened(server, lines, request("GET", "/identities"))
        until(lambda: waiting_for_locks() == READS_AT_WORK < AT_WORK)
        assert server.ask("POST", "/transactions", wire.body("beside-reads")).status == 201
        lines.close()
        until(lambda: waiting_for_locks() == 0)
    assert server.ask("POST", "/identities/filter", filtering).status == 200
    assert [server.ask("GET", "/balances").status for _ in range(2 * AT_WORK)] == [200] * 2 * AT_WORK


@pytest.mark.parametrize("name", ["X_Blnk_Key", "x_blnk_key", "X-Blnk_Key", "X_Blnk-Key"])
def test_a_key_under_a_name_with_underscores_is_none(server: Server, name: str) -> None:
    plain = request("GET", "/balances")
    assert reply(server, plain).status == 200
    forged = plain.replace(b"X-Blnk-Key:", name.encode() + b":")
    assert reply(server, forged).json["error_detail"]["code"] == "AUTH_MISSING_API_KEY"
    both = plain.replace(b"\r\n\r\n", f"\r\n{name}: {KEY[::-1]}\r\n\r\n".encode())
    assert reply(server, both).status == 200


def test_what_proxies_say_counts_under_its_own_name_alone(server: Server) -> None:
    said = {"Forwarded-For": "203.0.113.9", "Real-IP": "203.0.113.9", "Forwarded-Proto": "https"}
    forged = "".join(f"X_{name.replace('-', '_')}: {value}\r\n" for name, value in said.items())
    answer = reply(server, request("GET", "/balances").replace(b"\r\n\r\n", f"\r\n{forged}\r\n".encode()))
    assert answer.status == 200
    assert not {"x-rate-limit-request-forwarded-for", "strict-transport-security"} & set(answer.headers)
    honest = reply(server, request("GET", "/balances", X_Forwarded_Proto="https", X_Forwarded_For="203.0.113.9"))
    assert honest.headers["x-rate-limit-request-forwarded-for"] == "203.0.113.9"
    assert "strict-transport-security" in honest.headers


def reply(server: Server, data: bytes) -> Any:
    line = server.line()
    try:
        return line.send(data).reply()
    finally:
        line.close()
