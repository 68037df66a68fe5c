"""Hooks, rows to tell of, and the worker."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from balances.books.movements import EFFECTS, Effect, Movement, Status
from balances.events import registry
from balances.events.tasks import take_up_waiting
from balances.models.hooks import Delivery, Hook
from tests import world

HUGE = 10**39 + 7
"""A 40-digit amount."""


def hook(url: str = "http://127.0.0.1:9/hook", **fields: Any) -> Hook:
    return registry.register(**({"type": "POST_TRANSACTION", "active": True, "url": url} | fields))


CAUSES = EFFECTS | {Status.VOID: Effect.VOID, Status.REJECTED: Effect.POST}


def moved(status: str = "APPLIED", count: int = 1, **fields: Any) -> list[Movement]:
    owner = world.ledger()
    alice, bob = world.balance(owner), world.balance(owner)
    written = [world.row(status, HUGE, alice, bob, **fields) for _ in range(count)]
    return [Movement(row, alice.pk, bob.pk, CAUSES[Status(status)]) for row in written]


def work() -> None:
    call_command("work", "--once", verbosity=0)


def work_through_the_pause() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
    take_up_waiting(timestamp=0)
    work()


def jobs(task: str = "") -> Any:
    waiting = ProcrastinateJob.objects.filter(queue_name__startswith="webhooks").order_by("id")
    return waiting.filter(task_name=task) if task else waiting


def outcomes() -> list[tuple[int, str, str]]:
    return list(Delivery.objects.order_by("pk").values_list("attempt", "outcome", "answer"))
