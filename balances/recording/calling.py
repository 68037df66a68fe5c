"""Calls a worker that traces, by the protocol of ``recording.entries``: none leaves while somebody is about to note."""

from __future__ import annotations

from datetime import datetime

from procrastinate.contrib.django import app

from balances.ground import Statement, defer_once, jobs

ANNOUNCE = Statement.beside(__file__, "announce_entries.sql", hot=True)
IS_WORKER_CALLED = Statement.beside(__file__, "is_worker_called.sql", hot=True)
QUEUE = "postings"
TASK = "trace_lineage"


def announce() -> bool:
    """Say that something is about to be noted, and tell whether a worker has been called already."""
    ANNOUNCE.execute(queue=TASK)
    return bool(IS_WORKER_CALLED.rows(lock=TASK)[0]["called"])


def is_quiet() -> bool:
    """Tell whether nobody is about to note anything, and keep others from beginning to until the block ends."""
    return jobs.is_quiet(TASK)


def call_worker() -> None:
    """Have a worker trace what is noted, unless one has been called that has not come yet."""
    defer_once(app.configure_task(TASK, allow_unknown=False, queue=QUEUE, queueing_lock=TASK))


def call_worker_at(due: datetime) -> None:
    """Have a worker look again at an instant."""
    name = f"{TASK} {due.isoformat()}"
    defer_once(app.configure_task(TASK, allow_unknown=False, queue=QUEUE, queueing_lock=name, schedule_at=due))
