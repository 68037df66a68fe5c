"""Background jobs of which one that waits is enough."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db import transaction
from procrastinate.exceptions import AlreadyEnqueued

from balances.ground.statements import Statement

IS_QUEUE_QUIET = Statement.beside(__file__, "is_queue_quiet.sql")


def defer_once(job: Any, **arguments: Any) -> None:
    """Defer a job that has a queueing lock; where one waits under it already, a worker will take that one.

    The refusal is undone by itself: a caller's transaction goes on.
    """
    with suppress(AlreadyEnqueued), transaction.atomic():
        job.defer(**arguments)


def is_quiet(lock: str) -> bool:
    """Tell whether no one is about to add work under a lock, and keep others from beginning to until the block ends."""
    return bool(IS_QUEUE_QUIET.rows(queue=lock)[0]["quiet"])
