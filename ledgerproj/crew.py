"""Processes that do one job each, side by side, on a database that their command names.

This module is imported before Django is set up in a child, so it knows nothing of models.
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
_told: Event
_ready: Barrier


@contextmanager
def crew(environment: dict[str, str], size: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of ``size`` processes for as many jobs; each job calls ``together`` first.

    At the end of the block jobs that look at ``rest`` are told to stop, and all are waited for.
    """
    context = multiprocessing.get_context("spawn")  # a fork would share connections and the locks of their pool
    told, ready = context.Event(), context.Barrier(size)
    with ProcessPoolExecutor(size, context, _enlist, (environment, told, ready)) as pool:
        try:
            yield pool
        finally:
            told.set()


def together() -> None:
    """Return in all jobs of the crew at once, when the last one is there."""
    _ready.wait(START_LIMIT_SECONDS)


def rest(seconds: float = 0.0) -> bool:
    """Wait, and tell whether to go on with the job."""
    return not _told.wait(seconds)


def _enlist(environment: dict[str, str], told: Event, ready: Barrier) -> None:
    global _told, _ready
    _told, _ready = told, ready
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the command tells the crew
    os.environ.update(environment)
    django.setup()
