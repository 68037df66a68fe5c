"""Background jobs of which one that waits is enough."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db import transaction
from procrastinate.exceptions import AlreadyEnqueued


def defer_once(job: Any, **arguments: Any) -> None:
    """Defer a job that has a queueing lock; where one waits under it already, a worker will take that one.

    The refusal is undone by itself: a caller's transaction goes on.
    """
    with suppress(AlreadyEnqueued), transaction.atomic():
        job.defer(**arguments)
