"""A read that takes too long ends, wherever it reads, and takes nothing else with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client as DjangoClient

from balances.ground.deadlines import ReadTimedOut, deadline
from balances.ground.lanes import is_costly, is_read
from balances.models import Ledger
from tests import world
from tests.client import Client

WHOLE_TABLES = (
    "/ledgers", "/ledgers?name_ilike=%25a%25", "/balances?limit=10000", "/transactions?limit=10000&offset=1000000000",
    "/identities", "/accounts", "/balance-monitors", "/balance-monitors/balances/{id}", "/api-keys?owner=o", "/hooks",
    "/balances/{id}?from_source=true", "/balances/{id}?from%5Fsource=true", "/balances/{id}?with_queued=true",
    "/balances/{id}/at", "/balances/{id}/lineage", "/balances/{id}/explanation", "/balances/{id}/reconstructions",
    "/transactions/{id}/lineage", "/sweeps", "/sweeps/{id}", "/sweeps/{id}/findings", "/incidents", "/incidents/{id}",
    "/plans", "/plans/{id}", "/plans/{id}/items", "/reconstructions/{id}", "/alerts", "/schedules", "/metrics",
)  # fmt: skip
FILTERED = ("ledgers", "balances", "transactions", "identities", "accounts")

FREE = {"django_session", "auth_user", "ledgerproj_signin", "ledgerproj_givenpassword"}
"""Tables that signing in reads and writes, which no limit ends."""


@pytest.fixture
def locked_tables() -> Iterator[None]:
    """Let every read wait: another session holds the tables."""
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if "procrastinate" not in name]
        held = ", ".join(f'"{name}"' for name in tables if name not in FREE)
    parameters: Any = connection.get_connection_params()
    with psycopg.connect(**parameters | {"cursor_factory": psycopg.Cursor}) as other:
        other.execute(f"LOCK TABLE {held} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


@pytest.mark.django_db(transaction=True)
def test_every_read_of_many_rows_ends_in_time_and_says_so(settings: Any, locked_tables: None) -> None:
    settings.LEDGER_READ_TIMEOUT = 0.05
    settings.BLNK_METRICS_BEARER_TOKEN = "token"
    bodies = [("GET", path.format(id="bln_1"), b"") for path in WHOLE_TABLES]
    bodies += [("POST", f"/{kind}/filter", b'{"include_count": true}') for kind in FILTERED]
    for method, path, body in bodies:
        answer = Client().send(method, path, body, Authorization="Bearer token")
        assert (answer.status, answer.body["error_detail"]["code"]) == (503, "GEN_UNAVAILABLE"), path
        assert answer.body["error"].startswith("This read took longer than 0.05 seconds and was ended."), path
        assert answer.headers["Retry-After"] == "5", path


@pytest.fixture
def root(transactional_db: None) -> User:
    return User.objects.create_superuser("root", password="a long password")


@pytest.mark.django_db(transaction=True)
def test_a_page_of_the_admin_ends_in_time_and_says_so(settings: Any, root: User, locked_tables: None) -> None:
    settings.LEDGER_READ_TIMEOUT = 0.05
    django = DjangoClient(raise_request_exception=False)
    django.force_login(root)
    for page in ("", "balances/transaction/?q=a", "reconciliation/finding/", "balances/balance/x/change/"):
        answer = django.get(f"/admin/{page}")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), page
        assert "<h1>This took too long</h1>" in answer.content.decode(), page


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/transactions"), ("POST", "/transactions/bulk"), ("PUT", "/transactions/inflight/txn_1")),
        *(("POST", "/refund-transaction/txn_1"), ("POST", "/balances"), ("POST", "/bln_1/metadata")),
        *(("GET", "/balances/bln_1"), ("GET", "/balances/indicator/@a/currency/USD"), ("GET", "/transactions/txn_1")),
        *(("GET", "/transactions/reference/r"), ("GET", "/ledgers/ldg_1"), ("GET", "/health"), ("GET", "/")),
        *(("DELETE", "/identities/idt_1"), ("PUT", "/identities/idt_1"), ("GET", "/identities/idt_1")),
    ],
)
def test_postings_and_single_rows_are_no_costly_reads(method: str, path: str) -> None:
    assert not is_costly(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/sweeps"), ("POST", "/plans"), ("POST", "/plans/p/apply"), ("POST", "/reconstructions/r/undo")),
        *(("POST", "/balances/bln_1/reconstructions"), ("POST", "/admin/balances/balance/")),
    ],
)
def test_work_of_the_back_office_is_costly_but_has_all_the_time_it_needs(method: str, path: str) -> None:
    assert is_costly(method, path)
    assert not is_read(method, path)


@pytest.mark.django_db(transaction=True)
def test_the_time_is_that_of_the_whole_request() -> None:
    started = time.monotonic()
    with deadline(0.4, "test"), pytest.raises(ReadTimedOut):
        for _ in range(100):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.1)")
    assert time.monotonic() - started < 5
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.01), current_setting('statement_timeout')")
        assert cursor.fetchone()[1] == "0"


@pytest.mark.django_db(transaction=True)
def test_a_failed_part_of_a_transaction_is_undone_under_a_deadline_too() -> None:
    with deadline(60, "test"), transaction.atomic():
        with pytest.raises(Exception, match="duplicate key"), transaction.atomic():
            Ledger.objects.create(ledger_id="general_ledger_id", name="again")
        assert Ledger.objects.get().name == "General Ledger"


@pytest.mark.django_db(transaction=True)
def test_a_statement_ends_when_its_client_has_gone_and_the_connection_goes_on() -> None:
    with deadline(60, "test") as given:
        gone = threading.Timer(0.2, given.end_now)
        gone.start()
        with pytest.raises(ReadTimedOut), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")
        gone.join()
        with pytest.raises(ReadTimedOut):
            Ledger.objects.count()
    assert Ledger.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_server_says_when_a_client_has_gone_and_its_read_ends(locked_tables: None, api: Client) -> None:
    told: list[Any] = []

    def when_gone(callback: Any) -> Any:
        gone = threading.Timer(0.2, callback)
        gone.start()
        told.append("asked")
        return lambda: told.append(gone.join())

    answer = api.django.get("/balances", headers=api.headers, **{"ledger.when_gone": when_gone})
    assert (answer.status_code, told) == (503, ["asked", None])


@pytest.mark.django_db
def test_what_is_read_under_a_deadline_is_what_is_read_without(api: Client) -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    page = api.get("/balances").body
    assert alice.pk in [balance["balance_id"] for balance in page]
    found = api.post("/balances/filter", {"include_count": True}).body
    assert (found["total_count"], found["data"]) == (2, page)
