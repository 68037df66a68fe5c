"""What listeners are told of postings: once each, in the commit that makes it true."""

from __future__ import annotations

from typing import Any

import pytest
import simplejson
from django.db import connection, transaction

from balances.hooks.models import Hook
from balances.models import Balance, Transaction
from balances.monitoring import watch
from balances.posting import Posting
from balances.posting.batches import Batch, new_batch_id, post_batch, post_batch_in_background
from balances.posting.holds import Part, Settlement
from balances.posting.refunding import Refund, refund
from balances.posting.settling import settle
from balances.queueing import draining
from balances.queueing.enqueuing import enqueue
from reconciliation.runs import reconstruct
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def webhook(settings: Any) -> None:
    settings.BLNK_WEBHOOK_URL = "https://listener.example/blnk"


def told() -> list[tuple[str, dict[str, Any]]]:
    """Return the events that are to be delivered, in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT args->>'body' FROM procrastinate_jobs WHERE queue_name = 'webhooks' ORDER BY id")
        bodies = [simplejson.loads(body) for (body,) in cursor.fetchall()]
    return [(body.get("event") or body["hook_type"], body["data"]) for body in bodies]


def events() -> list[str]:
    return [name for name, _ in told()]


def posting(reference: str, **fields: Any) -> Posting:
    given: dict[str, Any] = {
        "source": "@world",
        "destination": "@shop",
        "currency": "USD",
        "reference": reference,
        "description": "test",
        "precise_amount": 500,
        "precision": 100,
        "allow_overdraft": True,
    }
    return Posting(**given | fields)


def test_nothing_is_deferred_where_nobody_listens() -> None:
    world.post("@world", "@shop", 5)
    enqueue(posting("queued"))
    draining.drain()
    assert told() == []


@pytest.mark.usefixtures("webhook")
def test_a_posting_that_was_rolled_back_is_told_to_nobody() -> None:
    alice = world.balance()
    before = events()
    with pytest.raises(RuntimeError), transaction.atomic():
        world.post("@world", alice, 5)
        raise RuntimeError
    assert events() == before


@pytest.mark.usefixtures("webhook")
def test_first_use_of_indicators_a_movement_a_hold_its_settlements_and_a_refund_are_told_once_each() -> None:
    world.post("@world", "@shop", 5)
    hold = enqueue(posting("hold", inflight=True)).rows[0]
    assert events() == ["balance.created", "balance.created", "transaction.applied"]
    draining.drain()
    row = settle(Settlement(transaction_id=hold.pk, action="commit", part=Part(precise_amount=200)))
    settle(Settlement(transaction_id=hold.pk, action="void"))
    refund(Refund(transaction_id=row.pk, queued=False))
    assert events()[3:] == ["transaction.inflight", "transaction.applied", "transaction.void", "transaction.applied"]
    inflight = told()[3][1]
    assert inflight["meta_data"]["inflight"] is True
    assert inflight["reference"] == "hold_q"


@pytest.mark.usefixtures("webhook")
def test_a_refusal_of_the_queue_is_told_once_with_its_reason() -> None:
    enqueue(posting("poor", source="@poor", allow_overdraft=False))
    draining.drain()
    ((_, row),) = [each for each in told() if each[0] == "transaction.rejected"]
    assert "insufficient funds" in row["meta_data"]["blnk_rejection_reason"]


@pytest.mark.usefixtures("webhook")
def test_an_atomic_batch_that_the_queue_refuses_is_told_as_a_whole() -> None:
    batch_id = new_batch_id()
    items = [posting("rich"), posting("poor", source="@poor", allow_overdraft=False)]
    post_batch(Batch(batch_id=batch_id, postings=items, atomic=True))
    draining.drain()
    failed = next(data for name, data in told() if name == "bulk_transaction.failed")
    assert failed["batch_id"] == batch_id
    assert events().count("transaction.rejected") == 2


@pytest.mark.usefixtures("webhook")
def test_a_batch_in_the_background_is_told_when_it_is_done_and_not_again_when_its_job_runs_twice() -> None:
    batch = Batch(batch_id=new_batch_id(), postings=[posting("one"), posting("two")], skip_queue=True)
    post_batch_in_background(batch)
    post_batch_in_background(batch)
    done = [data for name, data in told() if name == "bulk_transaction.applied"]
    assert [(each["batch_id"], each["transaction_count"]) for each in done] == [(batch.batch_id, 2)]
    assert Transaction.objects.count() == 2


@pytest.mark.usefixtures("webhook")
def test_monitors_speak_after_a_movement_after_the_queue_and_after_a_reconstruction() -> None:
    alice = world.balance()
    watch(balance_id=alice.pk, field="credit_balance", operator=">=", value=10, precision=1)  # type: ignore[arg-type]
    world.post("@world", alice, 9)
    assert "balance.monitor" not in events()
    world.post("@world", alice, 1)
    assert events().count("balance.monitor") == 1
    enqueue(posting("queued", destination=alice.pk))
    draining.drain()
    assert events().count("balance.monitor") == 2
    world.drift(alice, credit=7)
    reconstruct(alice.pk, world.request())
    assert events().count("balance.monitor") == 3


def test_a_hook_hears_of_movements_without_a_webhook_and_of_refusals_never() -> None:
    Hook.objects.create(hook_id="hook_1", name="risk", url="https://risk.example", type="POST_TRANSACTION", active=True)
    world.post("@world", "@shop", 5)
    enqueue(posting("queued"))
    enqueue(posting("poor", source="@poor", allow_overdraft=False))
    draining.drain()
    assert events() == ["POST_TRANSACTION", "POST_TRANSACTION"]
    assert Balance.objects.count() == 3
