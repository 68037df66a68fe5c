"""Whether background workers are alive and keep up, from what they write to the database and by its clock.

A worker may serve some queues only (``manage.py work --queue``), and its heartbeat does not say which.
"""

from __future__ import annotations

from django.db import ProgrammingError

from balances.ground import ReadTimedOut, Statement, deadline

LIVING_WORKERS = Statement.beside(__file__, "living_workers.sql")
OLDEST_DUE = Statement.beside(__file__, "oldest_due.sql")
LATE_SECONDS = 120
"""From when on an entry that is due says that workers do not keep up."""
LOOK_SECONDS = 0.5
"""How long a health check may wait for a locked table."""


def living_workers() -> int:
    """Return the number of workers with a recent heartbeat; ``manage.py work`` has one for each of its lanes."""
    return int(LIVING_WORKERS.rows()[0]["living"])


def seconds_due() -> float:
    """Return the seconds since the oldest entry of the queue became due; 0 where none is due."""
    return float(OLDEST_DUE.rows()[0]["seconds"])


def is_worker_alive() -> bool:
    """Return in bounded time whether a worker is alive; false where tables are missing or locked, as none could work.

    Raises ``DatabaseError`` where the database does not answer.
    """
    try:
        with deadline(LOOK_SECONDS, "/health"):
            return living_workers() > 0
    except (ProgrammingError, ReadTimedOut):
        return False
