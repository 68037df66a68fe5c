"""The lane of ``work`` that reads the write-ahead log: a thread beside the workers, so that no job waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciliation.proving import watch

logger = logging.getLogger(__name__)
AGAIN_AFTER = 5.0
"""Seconds after an error that no one foresaw."""


@contextmanager
def proof_lane() -> Iterator[None]:
    """Prove commits in a thread as long as the block runs; any number of processes may do so, and one of them does."""
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(stop,), name="live proof")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _run(stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            watch(stop, logger.info)
        except Exception:
            logger.exception("The live proof was interrupted, and goes on in %.0f s", AGAIN_AFTER)
            stop.wait(AGAIN_AFTER)
