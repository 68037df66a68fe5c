"""Bounded waiting for locks: a waiting request holds a connection and, in a server, a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, transaction
from procrastinate.exceptions import ConnectorException
from psycopg import errors as pg

from balances.ground.exceptions import BalanceLocked, Deadlocked
from balances.ground.outages import chain
from balances.ground.statements import Statement

LIMIT_LOCK_WAIT = Statement.beside(__file__, "limit_lock_wait.sql")
LOCK_WAIT = "3s"
"""How long a request waits for a lock, as in the original."""


@contextmanager
def refused_when_locked() -> Iterator[None]:
    """Raise ``BalanceLocked`` where the database gave up waiting, ``Deadlocked`` where it ended a deadlock."""
    try:
        yield
    except (OperationalError, ConnectorException) as error:  # the second one is that of a call for a worker
        causes = list(chain(error))
        if any(isinstance(cause, pg.LockNotAvailable) for cause in causes):
            raise BalanceLocked from error
        if any(isinstance(cause, pg.DeadlockDetected) for cause in causes):
            raise Deadlocked from error
        raise


@contextmanager
def atomic_with_lock_limit(limit: str = LOCK_WAIT, *, durable: bool = False) -> Iterator[None]:
    """Open an atomic block that waits for each lock at most ``limit`` (a PostgreSQL interval).

    Raises ``BalanceLocked``, with nothing written.
    """
    with refused_when_locked(), transaction.atomic(durable=durable):
        LIMIT_LOCK_WAIT.rows(lock_wait=limit)
        yield
