"""What listeners are told of postings: once each, in the commit that makes it true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from django.db import connection, transaction

from balances.books.holds import Part, Settlement
from balances.models import Balance, Transaction
from balances.models.hooks import Hook
from balances.models.queue import Entry
from balances.monitors.monitoring import watch
from balances.posting import Posting, Share, post, post_transaction
from balances.posting.batches import Batch, new_batch_id, post_batch, post_batch_in_background
from balances.posting.enqueuing import enqueue
from balances.posting.refunding import Refund, refund
from balances.posting.settling import settle
from balances.queueing import draining
from reconciliation.correcting.rebuilding import reconstruct
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
def test_an_atomic_posting_that_the_queue_refuses_is_told_as_a_batch_of_one() -> None:
    item = enqueue(posting("poor", source="@poor", allow_overdraft=False, atomic=True))
    draining.drain()
    failed = next(data for name, data in told() if name == "bulk_transaction.failed")
    assert (failed["batch_id"], failed["status"]) == (item.rows[0].pk, "failed")


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


LATER = datetime(2030, 1, 1, tzinfo=UTC)
ON_THE_WIRE = "2030-01-01T00:00:00Z"
PLAIN = {"overdraft_limit": 0, "allow_overdraft": False, "inflight": False, "skip_queue": False, "atomic": False}
"""What Blnk sends of a settlement: it has no request of its own."""
ASKED: dict[str, Any] = {"overdraft_limit": 77.5, "allow_overdraft": True, "atomic": True}
GIVEN: dict[str, Any] = {"overdraft_limit": Decimal("77.5"), "atomic": True}
DATES: dict[str, Any] = {"inflight_expiry_date": LATER, "inflight_commit_date": LATER}
SPLIT: dict[str, Any] = {
    "destination": "",
    "destinations": (Share(identifier="@shop", distribution="60%"), Share(identifier="@hotel", distribution="left")),
}


def held() -> Transaction:
    return post_transaction(posting("held", inflight=True, **GIVEN, **DATES))


def batch_of(*postings: Posting, **options: Any) -> None:
    post_batch(Batch(batch_id=new_batch_id(), postings=postings, **options))


def settle_held(action: Any, units: int | None = None) -> Callable[[], Any]:
    part = Part(precise_amount=units)
    return lambda: settle(Settlement(transaction_id=held().pk, action=action, part=part))


def refund_held_and_voided() -> None:
    transaction_id = held().pk
    settle(Settlement(transaction_id=transaction_id, action="void"))
    refund(Refund(transaction_id=transaction_id, queued=False))


@pytest.mark.usefixtures("webhook")
@pytest.mark.parametrize(
    ("act", "before", "status", "expected"),
    [
        (lambda: post(posting("a", **GIVEN)), "QUEUED", "APPLIED", PLAIN | ASKED | {"skip_queue": True}),
        (
            lambda: post(posting("a", precise_amount=None, amount=Decimal("5.00"))),
            "QUEUED", "APPLIED", PLAIN | {"skip_queue": True, "allow_overdraft": True},
        ),
        (
            lambda: post(posting("a", scheduled_for=LATER)),
            "SCHEDULED", "APPLIED", {"skip_queue": True, "scheduled_for": ON_THE_WIRE},
        ),
        (
            held, "QUEUED", "INFLIGHT",
            PLAIN | ASKED | {"inflight": True, "skip_queue": True} | dict.fromkeys(DATES, ON_THE_WIRE),
        ),
        (lambda: enqueue(posting("a", **GIVEN)), "QUEUED", "APPLIED", PLAIN | ASKED),
        (
            lambda: enqueue(posting("a", inflight=True, **GIVEN, **DATES)),
            "QUEUED", "INFLIGHT", PLAIN | ASKED | {"inflight": True} | dict.fromkeys(DATES, ON_THE_WIRE),
        ),
        (lambda: enqueue(posting("a", scheduled_for=LATER)), "SCHEDULED", "APPLIED", {"scheduled_for": ON_THE_WIRE}),
        (
            lambda: enqueue(posting("a", source="@poor", overdraft_limit=Decimal(1), inflight=True, **DATES)),
            None, "REJECTED", PLAIN | {"overdraft_limit": 1, "allow_overdraft": True, "inflight": True},
        ),
        (settle_held("commit", 200), "COMMIT", "APPLIED", PLAIN | {"amount": 2, "amount_string": "2"}),
        (settle_held("commit"), "COMMIT", "APPLIED", PLAIN | {"amount": 5}),
        (settle_held("void"), "VOID", "VOID", PLAIN),
        (
            lambda: refund(Refund(transaction_id=world.post("@world", "@shop", 500).pk, queued=False)),
            "QUEUED", "APPLIED", PLAIN | {"allow_overdraft": True, "skip_queue": True},
        ),
        (
            lambda: refund(Refund(transaction_id=world.post("@world", "@shop", 500).pk)),
            "QUEUED", "APPLIED", PLAIN | {"allow_overdraft": True},
        ),
        (
            lambda: refund(Refund(transaction_id=post_transaction(posting("a", **GIVEN)).pk)),
            "QUEUED", "APPLIED", PLAIN | {"allow_overdraft": True},
        ),
        (
            refund_held_and_voided,
            "QUEUED", "INFLIGHT", PLAIN | {"allow_overdraft": True, "inflight": True, "skip_queue": True},
        ),
        (
            lambda: post(posting("a", **SPLIT, **GIVEN)),
            "QUEUED", "APPLIED", PLAIN | ASKED | {"skip_queue": True, "amount": 2, "amount_string": "2"},
        ),
        (
            lambda: enqueue(posting("a", inflight=True, **SPLIT, **GIVEN, **DATES)),
            "QUEUED", "INFLIGHT", PLAIN | ASKED | {"inflight": True} | dict.fromkeys(DATES, ON_THE_WIRE),
        ),
        (
            lambda: batch_of(posting("a"), skip_queue=True, atomic=True, inflight=True),
            "QUEUED", "INFLIGHT", PLAIN | {"allow_overdraft": True, "skip_queue": True, "inflight": True},
        ),
        (lambda: batch_of(posting("a", **GIVEN)), "QUEUED", "APPLIED", PLAIN | ASKED),
    ],
)  # fmt: skip
def test_listeners_are_sent_what_the_request_said_and_a_pre_hook_what_was_to_come(
    act: Callable[[], Any], before: str | None, status: str, expected: dict[str, Any]
) -> None:
    for kind in ("PRE_TRANSACTION", "POST_TRANSACTION"):
        Hook.objects.create(hook_id=kind, name=kind, url="https://risk.example", type=kind, active=True)
    act()
    Entry.objects.filter(is_timer=False).update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    draining.drain()
    newest = {name: data for name, data in told() if name.partition(".")[0] in ("transaction", *Hook.Type.values)}
    webhook = newest.pop(f"transaction.{status.lower()}")
    assert webhook["status"] == status
    assert webhook["amount_string"] == str(webhook["amount"])
    assert {name: webhook[name] for name in expected} == expected
    assert webhook["meta_data"].get("inflight", False) is webhook["inflight"]
    if before is None:
        return
    pre, hooked = newest["PRE_TRANSACTION"], newest["POST_TRANSACTION"]
    assert hooked == webhook
    assert pre.pop("status") == before
    changed = {name for name in pre if pre[name] != hooked[name]}
    assert changed == ({"meta_data"} if before in ("COMMIT", "VOID") else set())
    assert pre["meta_data"].get("inflight", False) is (before in ("COMMIT", "VOID") or webhook["inflight"])
