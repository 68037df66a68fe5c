"""Background jobs: calls of which at most one has to wait, and backlogs that workers go through until none is left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from balances.ground.exceptions import BalanceLocked
from balances.ground.prepared import Question
from balances.ground.statements import Statement

logger = logging.getLogger(__name__)

ANNOUNCE = Statement.beside(__file__, "announce.sql", hot=True)
IS_CALLED = Statement.beside(__file__, "is_called.sql", hot=True)
CALL_ONCE = Statement.beside(__file__, "call_once.sql")
IS_QUIET = Statement.beside(__file__, "is_quiet.sql")
SECONDS_AT_A_TIME = 10
"""After this time a worker ends and calls another, because a stopping process waits for its jobs."""
PAUSE_SECONDS = 0.005
"""Pause between checks of a backlog that is empty while work is being added."""
MANY = 200
"""Work that costs little more than a part of it does: where there was less, the next is done a moment later."""
GATHER_SECONDS = 0.1
"""That moment, in which more may come. What comes to an idle worker does not wait."""


def defer_once(job: Any, **arguments: Any) -> None:
    """Defer a job that has a queueing lock, unless one already waits under that lock.

    The refusal is undone in a savepoint, so that the caller's transaction can go on.
    """
    with suppress(AlreadyEnqueued), transaction.atomic():
        job.defer(**arguments)


class Backlog:
    """Work of one kind that waits in a table, and the calls for workers to do it.

    A worker that finds none leaves. So that it never misses work that is being added, a transaction first announces
    its work with a shared lock until its end, and a worker leaves only while nothing is announced.
    """

    def __init__(self, task: str, *, queue: str, lock: str) -> None:
        self.task, self.queue, self.lock = task, queue, lock

    def announce(self) -> Callable[[], bool]:
        """Announce work that will be added, and return a function that says whether a worker was called already."""
        ANNOUNCE.execute(lock=self.lock)
        fetch = IS_CALLED.send(queueing_lock=self.task)
        return lambda: bool(fetch()[0]["called"])

    def announcement(self) -> list[Question]:
        """Return what announces work and calls a worker, to be asked in the transaction that adds the work."""
        return [
            ANNOUNCE.question(("lock",), [self.lock]),
            CALL_ONCE.question(("task", "queue"), [self.task, self.queue]),
        ]

    def is_quiet(self) -> bool:
        """Return whether no work is announced; if so, none can be until the block ends."""
        return bool(IS_QUIET.rows(lock=self.lock)[0]["quiet"])

    def call(self) -> None:
        """Call one more worker, unless a call already waits.

        Any number may work in parallel. There is no lock on the job, because a killed worker would hold it for a while.
        """
        if not IS_CALLED.rows(queueing_lock=self.task)[0]["called"]:
            defer_once(self._job(queueing_lock=self.task))

    def call_at(self, due: datetime) -> None:
        """Call a worker for an instant."""
        defer_once(self._job(queueing_lock=f"{self.task} {due.isoformat()}", schedule_at=due))

    def work(
        self, context: JobContext, once: Callable[[], int], is_finished: Callable[[], bool], *, crowd: float
    ) -> None:
        """Work until nothing is left and nothing is announced.

        ``once`` does some of it and returns how much; ``crowd`` or more calls another worker to help.
        """
        give_way_at = time.monotonic() + SECONDS_AT_A_TIME
        while not context.should_abort():
            try:
                done = once()
                ends = not done and is_finished()
            except BalanceLocked:
                logger.warning("A balance has been locked for longer than %s waits; trying again", self.task)
                continue
            gives_way = time.monotonic() > give_way_at
            if gives_way or done >= crowd:
                self.call()
            if gives_way or ends:
                return
            if done < MANY:
                time.sleep(GATHER_SECONDS if done else PAUSE_SECONDS)

    def _job(self, **options: Any) -> Any:
        return app.configure_task(self.task, allow_unknown=False, queue=self.queue, **options)
