"""Which worker of a process runs which jobs: each lane is a worker of its own, so that no lane waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from procrastinate import App
from procrastinate.jobs import DeleteJobCondition

from balances.events import QUEUE as WEBHOOKS
from balances.ground import Mode, may

POSTINGS = "postings"
SPARE_THREADS = 4
"""For what the event loop itself has threads do, such as looking up names."""


class UnknownQueue(Exception):
    """No job ever waits in a queue of this name."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """The queues that one worker serves, and how many of their jobs it runs at once."""

    queues: list[str]
    concurrency: int

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of the worker. Delivered webhooks go at once: their log stays, their payload need not."""
        delete = DeleteJobCondition.SUCCESSFUL if self.queues == [WEBHOOKS] else DeleteJobCondition.NEVER
        return {"queues": self.queues, "concurrency": self.concurrency, "delete_jobs": delete}


def lanes(app: App, wanted: Sequence[str] | None, *, postings: int, webhooks: int, others: int) -> list[Lane]:
    """Return the lanes for the queues that are wanted, by default all: postings, webhooks, and everything else.

    A worker takes a list of queues to serve, not one of queues to leave, so the others are those that tasks name.
    Raises ``UnknownQueue``.
    """
    app.perform_import_paths()  # type: ignore[no-untyped-call]
    known = {task.queue for task in app.tasks.values()} | {POSTINGS, WEBHOOKS}
    if unknown := sorted(set(wanted or ()) - known):
        raise UnknownQueue(f"There is no queue {unknown[0]}; there are {', '.join(sorted(known))}.")
    served = known.intersection(wanted or known)
    shared = sorted(served - {POSTINGS, WEBHOOKS})
    all_lanes = (([POSTINGS], postings), ([WEBHOOKS], webhooks), (shared, others))
    return [Lane(queues=queues, concurrency=most) for queues, most in all_lanes if served.issuperset(queues) and queues]


def open_lanes(lanes: Sequence[Lane]) -> list[Lane]:
    """Return those of lanes that may be served; asks the database.

    Beside a Blnk that posts, the queue of postings is left alone, and so are its rows, holds and outbox. Raises
    ``UnknownQueue`` where nothing is left.
    """
    served = [lane for lane in lanes if may(Mode.SERVE) or lane.queues != [POSTINGS]]
    if not served:
        raise UnknownQueue(f"Queue {POSTINGS} is not served here: the mode of the adopted database forbids it.")
    return served


def give_threads(lanes: Sequence[Lane]) -> None:
    """Give the running loop a thread for every job that may run at once; with fewer, slow ones would hold up others.

    Twice, because jobs from before an outage of the database may run still while others have begun.
    """
    most = 2 * sum(lane.concurrency for lane in lanes) + SPARE_THREADS
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(most, "job"))
