"""Waits for balances beside a Blnk that posts to them as well, in the database that was adopted.

Blnk locks the source of a movement before its destination, and we lock in the order of keys: each can come to wait for
the other. PostgreSQL ends that after ``deadlock_timeout``, a second, and may fail Blnk's client. So we wait for a lock
far shorter than that; then we let go of all that is held, and try again, for as long as the caller may wait.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from balances.ground import BalanceLocked

FIRST_SECONDS, MOST_SECONDS, PAUSE_SECONDS = 0.1, 0.4, 0.02
"""How long the first attempt waits for a lock and the longest one, and how long at most the next one is put off."""
UNITS = {"ms": 0.001, "s": 1.0}
Result = TypeVar("Result")


class _Limit(threading.local):
    lock_wait = ""


_limit = _Limit()


def limited(lock_wait: str) -> str:
    """Return how long the present attempt waits for each lock: what it may, unless a shorter limit is in force."""
    return _limit.lock_wait or lock_wait


def until_free(work: Callable[[], Result], lock_wait: str) -> Result:
    """Return what work returns that lets go of everything where it raises ``BalanceLocked``, and is then tried again.

    Raises ``BalanceLocked`` after ``lock_wait``, a PostgreSQL interval in seconds or milliseconds.
    """
    ends, patience = time.monotonic() + _seconds(lock_wait), FIRST_SECONDS
    while True:
        try:
            with _waiting_at_most(patience):
                return work()
        except BalanceLocked:
            if time.monotonic() >= ends:
                raise
        time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311  # two that gave way do not meet again
        patience = min(2 * patience, MOST_SECONDS)


def _seconds(lock_wait: str) -> float:
    number = lock_wait.rstrip("ms")
    return float(number) * UNITS[lock_wait[len(number) :]]


@contextmanager
def _waiting_at_most(seconds: float) -> Iterator[None]:
    _limit.lock_wait = f"{seconds * 1000:.0f}ms"
    try:
        yield
    finally:
        _limit.lock_wait = ""
