"""Decides whether an error means that the database is away, was lost meanwhile, or cannot write.

Code that catches database errors checks here first, because an outage is no fault of the operation.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from balances.ground.exceptions import LedgerError

RETRY_AFTER_SECONDS = 5
"""When a client should retry: a restart of PostgreSQL takes about as long."""
AWAY = {"57P03", "53300"}
"""SQLSTATEs of a server that starts, stops, recovers or has no connection left, and has done nothing."""
LOST = {"57P01", "57P02", "57P05"}
"""SQLSTATEs with which the server ends a connection, besides the class of connection errors."""
CONNECTION_CLASS = "08"
CANCELLED = "57014"
"""SQLSTATE of a statement that an administrator or a time limit of the database ended; what it did is undone."""
UNWRITABLE = {"25006", "58030"}
"""SQLSTATEs of a read-only server, such as a standby, or one whose disk fails; besides the next class."""
RESOURCES_CLASS = "53"
"""Disk full, out of memory and their like."""


class Unreachable(psycopg.OperationalError):
    """No connection to the database can be made; the message has the reason."""


class DatabaseUnavailable(LedgerError):
    """No connection to the database, and nothing was done."""

    text = "The database cannot be reached at the moment; try again later"
    code = "GEN_UNAVAILABLE"
    title = "The database is not available"
    """What stands above the message on a page."""


class OutcomeUnknown(DatabaseUnavailable):
    """The connection was lost before the database answered."""

    def __init__(self) -> None:
        """Say that a client can safely send a transaction again."""
        super().__init__(
            "The database went away before it answered: whether this was carried out is unknown. "
            "A transaction can be sent again with the same reference, which is recorded only once."
        )


class DatabaseUnwritable(DatabaseUnavailable):
    """The database answers, but is read-only or has no room left."""

    text = "The database can record nothing at the moment; try again later"


class StatementCancelled(DatabaseUnavailable):
    """An administrator, or a time limit of the database, ended a statement, and with it its transaction."""

    text = "The database cancelled this before it was done; try again later"


def outage_of(error: BaseException) -> DatabaseUnavailable | None:
    """Return the refusal for an error that is, or was caused by, an outage of the database; else ``None``.

    A lost connection outweighs what failed afterwards, such as connecting again.
    """
    outages = [each for each in map(_judged, chain(error)) if each]
    return next((each for each in outages if isinstance(each, OutcomeUnknown)), outages[0] if outages else None)


def is_outage(error: BaseException) -> bool:
    """Return whether an error is, or was caused by, an outage of the database."""
    return outage_of(error) is not None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what it was raised from or while handling."""
    seen = set[int]()
    while error is not None and id(error) not in seen:  # one that was raised again in another place may follow itself
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _judged(error: BaseException) -> DatabaseUnavailable | None:
    if isinstance(error, DatabaseUnavailable):
        return error
    if not isinstance(error, psycopg.OperationalError | psycopg.InternalError):
        return None
    state = error.sqlstate or ""
    if state in AWAY or isinstance(error, Unreachable | PoolTimeout | PoolClosed | TooManyRequests):
        return DatabaseUnavailable()
    if state in LOST or state.startswith(CONNECTION_CLASS):
        return OutcomeUnknown()
    if state == CANCELLED:
        return StatementCancelled()
    if state in UNWRITABLE or state.startswith(RESOURCES_CLASS):
        return DatabaseUnwritable()
    # Errors of libpq itself have no SQLSTATE: the socket broke. An aborted pipeline only follows another error.
    return None if state or isinstance(error, pg.PipelineAborted) else OutcomeUnknown()
