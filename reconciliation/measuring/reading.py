"""Where and how much is read at once: on a replica, where one is named, and by so many as the settings allow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, transaction

from balances.ground import LedgerError, Replica, Statement, has_replica, on_replica

LOOK = Statement.beside(__file__, "replica.sql")
TAKE_TURN = Statement.beside(__file__, "take_turn.sql")
END_TURN = Statement.beside(__file__, "end_turn.sql")
LIMIT_PROCESSES = Statement.beside(__file__, "limit_processes.sql")
PATIENCE_SECONDS = 30.0
"""How long to wait for a turn."""


class ReplicaUnfit(LedgerError):
    """The replica that is named cannot be read, and nothing was read elsewhere in its place."""

    code = "GEN_CONFLICT"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The replica that LEDGER_REPLICA_URL names cannot be used: {' '.join(why.split())}. Nothing was measured "
            "on the primary in its place. Resume when it is back, or take the setting away."
        )


def replica() -> Replica | None:
    """Return what the replica says of itself, or ``None`` where none is named. Raises ``ReplicaUnfit``."""
    if not has_replica():
        return None
    primary = Replica(**LOOK.rows()[0])
    try:
        with on_replica():
            found = Replica(**LOOK.rows()[0])
    except Error as error:
        raise ReplicaUnfit(str(error)) from None  # no outage of the database, which a sweep waits for
    if not found.is_standby or found.system != primary.system:
        raise ReplicaUnfit("it is no standby of the server of DATABASE_URL")
    return found


@contextmanager
def long_reads(*, on_primary: bool = False) -> Iterator[tuple[str, Replica | None]]:
    """Send statements to the replica, where one is named; yield the alias and what it said of itself before.

    Not what must be ``on_primary``, such as what the live proof goes on from. Raises ``ReplicaUnfit``, also where
    the replica ends a statement for what it has to replay.
    """
    found = None if on_primary else replica()
    if found is None:
        yield DEFAULT_DB_ALIAS, None
        return
    try:
        with on_replica() as name:
            yield name, found
    except Error as error:
        raise ReplicaUnfit(str(error)) from None  # no outage of the database, which a sweep waits for


@contextmanager
def few_processes(using: str) -> Iterator[None]:
    """Open an atomic block in which the server spends no more processes on a statement than the settings allow."""
    with transaction.atomic(using=using):
        LIMIT_PROCESSES.rows(most=settings.LEDGER_MEASURE_PROCESSES)
        yield


@contextmanager
def turn() -> Iterator[bool]:
    """Yield whether there is room for one more that measures, after waiting a while for it."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (taken := TAKE_TURN.rows(most=settings.LEDGER_MEASURE_AT_ONCE)) and time.monotonic() < until:
        time.sleep(0.2)
    try:
        yield bool(taken)
    finally:
        for row in taken:
            END_TURN.rows(place=row["place"])
