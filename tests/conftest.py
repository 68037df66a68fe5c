"""What every test gets: the real PostgreSQL, and guards that let Django empty its test tables again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase
from procrastinate.contrib.django import app

from tests.client import Client
from tests.world import MASTER_KEY

RECORDS = ("reconstruction", "step", "refusal", "disclosure", "seal", "balanceedit", "transactionedit", "alertdelivery")
GUARDED = ("balances", "transactions", "balance_snapshots", *(f"reconciliation_{name}" for name in RECORDS))


@pytest.fixture(autouse=True)
def _known_settings(settings: Any) -> None:
    settings.BLNK_SERVER_SECURE = True
    settings.BLNK_SERVER_SECRET_KEY = MASTER_KEY
    settings.BLNK_WEBHOOK_URL = ""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True, scope="session")
def _flush_past_the_guards() -> Iterator[None]:
    """Append-only tables refuse TRUNCATE; the flush between transactional tests must get past that."""
    flush = TransactionTestCase._fixture_teardown
    always = "SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgenabled = 'A'"

    def without_guards(case: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute(always)
            journals = cursor.fetchall()
            for table in GUARDED:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            try:
                flush(case)
            finally:
                for table in GUARDED:
                    cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
                for table, trigger in journals:
                    cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
            cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_periodic_defers, procrastinate_events CASCADE")

    TransactionTestCase._fixture_teardown = without_guards  # type: ignore[method-assign]
    yield
    TransactionTestCase._fixture_teardown = flush  # type: ignore[method-assign]


@pytest.fixture
def api() -> Client:
    """Return a client that holds the master key."""
    return Client()


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker start nothing by the clock: the watchdog would look at what a test makes up in mid-air."""
    monkeypatch.setattr(app.periodic_registry, "periodic_tasks", {})
