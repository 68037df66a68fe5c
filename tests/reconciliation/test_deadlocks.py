"""Two who wait for each other: one is let go on, and no client sees the database's error."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from balances.models import GENERAL_LEDGER_ID, Balance, Transaction
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_posting_and_an_import_that_create_the_same_indicators_do_not_end_in_a_500() -> None:
    """The import holds ``@z``; the posting creates ``@a`` and waits for ``@z``; the import comes to ``@a``."""
    answers: list[Any] = []
    posting = world.POSTING | {"source": "@a", "destination": "@z"}

    def post() -> None:
        try:
            answers.append(Client().post("/transactions", posting).status)
        finally:
            connection.close()

    poster = threading.Thread(target=post)
    refused = False
    try:
        with transaction.atomic():
            Balance.objects.create(ledger_id=GENERAL_LEDGER_ID, indicator="@z", currency="USD")
            poster.start()
            wait_until_somebody_waits()
            Balance.objects.create(ledger_id=GENERAL_LEDGER_ID, indicator="@a", currency="USD")
    except Exception:
        refused = True  # the database may choose either of the two
    poster.join(20)
    assert answers == [201] or (answers == [423] and not refused)
    assert Transaction.objects.count() == answers.count(201)


def wait_until_somebody_waits() -> None:
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
        threading.Event().wait(0.02)
    raise AssertionError("nobody came to wait")
