"""Whether background workers live and keep up, by what they leave in the database and by its clock.

A worker may serve some queues only (``manage.py work --queue``), and its heartbeat does not say which.
"""

from __future__ import annotations

from django.db import ProgrammingError

from balances.ground import ReadTimedOut, Statement, deadline

LIVING_WORKERS = Statement.beside(__file__, "living_workers.sql")
OLDEST_DUE = Statement.beside(__file__, "oldest_due.sql")
LOOK_SECONDS = 0.5
"""What a question for the server's health may wait for a table that somebody has locked."""


def living_workers() -> int:
    """Return how many workers have a fresh heartbeat; one ``manage.py work`` has one for each of its lanes."""
    return int(LIVING_WORKERS.rows()[0]["living"])


def seconds_due() -> float:
    """Return for how many seconds the oldest entry of the queue has been due; 0 where none is."""
    return float(OLDEST_DUE.rows()[0]["seconds"])


def is_worker_alive() -> bool:
    """Tell in bounded time whether a worker lives; not where tables are missing or locked, for none could work then.

    Raises ``DatabaseError`` where the database does not answer.
    """
    try:
        with deadline(LOOK_SECONDS, "/health"):
            return living_workers() > 0
    except (ProgrammingError, ReadTimedOut):
        return False
