"""A pool of processes that run one job each, at the same time, on the database of their command.

This module is imported before Django is set up in a child, so it imports no models.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier, Event

import django

START_LIMIT_SECONDS = 120
_stopped: Event
_ready: Barrier


@contextmanager
def crew(environment: dict[str, str], size: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of ``size`` processes for as many jobs; each job calls ``together`` first.

    At the end of the block ``rest`` returns ``False`` in every job, and all jobs are waited for.
    """
    context = multiprocessing.get_context("spawn")  # a fork would share connections and the locks of their pool
    stopped, ready = context.Event(), context.Barrier(size)
    with ProcessPoolExecutor(size, context, _enlist, (environment, stopped, ready)) as pool:
        try:
            yield pool
        finally:
            stopped.set()


def together() -> None:
    """Return in all jobs of the crew at once, when the last one is there."""
    _ready.wait(START_LIMIT_SECONDS)


def rest(seconds: float = 0.0) -> bool:
    """Wait, and return whether to go on with the job."""
    return not _stopped.wait(seconds)


def _enlist(environment: dict[str, str], stopped: Event, ready: Barrier) -> None:
    global _stopped, _ready
    _stopped, _ready = stopped, ready
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the command stops the crew
    os.environ.update(environment)
    django.setup()
