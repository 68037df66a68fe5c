"""Amounts that wait in the queue, where the ledger is set up so that they count."""

from __future__ import annotations

from typing import Any

import pytest

from balances.books.posting_exceptions import InsufficientFunds
from balances.models import Transaction
from balances.posting import Posting
from balances.posting.enqueuing import enqueue
from balances.queueing import draining
from tests import world

pytestmark = pytest.mark.django_db


def waiting(source: Any, units: int, reference: str) -> None:
    enqueue(
        Posting(
            source=source.pk, destination="@shop", currency="USD", reference=reference, description="d",
            precise_amount=units, precision=100,
        )
    )  # fmt: skip


def test_what_waits_cannot_be_spent_at_once_only_where_the_ledger_says_so(settings: Any) -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    waiting(alice, 70, "waits")
    settings.BLNK_TRANSACTION_ENABLE_QUEUED_CHECKS = True
    with pytest.raises(InsufficientFunds):
        world.post(alice, "@shop", 31, allow_overdraft=False)
    assert world.post(alice, "@shop", 30, allow_overdraft=False).status == "APPLIED"
    settings.BLNK_TRANSACTION_ENABLE_QUEUED_CHECKS = False
    assert world.post(alice, "@shop", 31, allow_overdraft=False).status == "APPLIED"


def test_the_queue_decides_in_order_and_nothing_counts_against_itself(settings: Any) -> None:
    settings.BLNK_TRANSACTION_ENABLE_QUEUED_CHECKS = True
    alice = world.balance()
    world.post("@world", alice, 100)
    for reference, units in (("first", 60), ("second", 40), ("third", 1)):
        waiting(alice, units, reference)
    while draining.drain():
        pass
    outcomes = dict(Transaction.objects.filter(reference__endswith="_q").values_list("reference", "status"))
    assert outcomes == {"first_q": "APPLIED", "second_q": "APPLIED", "third_q": "REJECTED"}
