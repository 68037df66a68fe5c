"""The one judgement whether an error means that the database is away, was lost under way, or cannot write.

Whoever catches errors of the database asks here first: an outage says nothing against what was being done.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from balances.ground.exceptions import LedgerError

RETRY_AFTER_SECONDS = 5
"""When a client should ask again: a restart of PostgreSQL takes about as long."""
AWAY = {"57P03", "53300"}
"""SQLSTATEs of a server that starts, stops, recovers or has no connection left: it did nothing."""
LOST = {"57P01", "57P02", "57P05"}
"""SQLSTATEs with which the server ends a connection, besides the class of connection errors."""
CONNECTION_CLASS = "08"
UNWRITABLE = {"25006", "58030"}
"""SQLSTATEs of a server that only reads, such as a standby, or whose disk fails; besides the next class."""
RESOURCES_CLASS = "53"
"""Disk full, out of memory and their like."""


class Unreachable(psycopg.OperationalError):
    """No connection to the database can be made; why is in the message."""


class DatabaseUnavailable(LedgerError):
    """No connection to the database, and nothing was done."""

    text = "The database cannot be reached at the moment; try again later"
    code = "GEN_UNAVAILABLE"
    title = "The database is not available"
    """What stands above the message on a page."""


class OutcomeUnknown(DatabaseUnavailable):
    """The connection was lost before the database answered."""

    def __init__(self) -> None:
        """Say what a client can do."""
        super().__init__(
            "The database went away before it answered: whether this was carried out is unknown. "
            "A transaction can be sent again with the same reference, which is recorded only once."
        )


class DatabaseUnwritable(DatabaseUnavailable):
    """The database answers, but only reads or has no room left."""

    text = "The database can record nothing at the moment; try again later"


def outage_of(error: BaseException) -> DatabaseUnavailable | None:
    """Return what an error means for whoever asked, if it or what caused it is an outage of the database.

    A connection that was lost outweighs what failed afterwards, such as connecting again.
    """
    found = [each for each in map(_judged, _chain(error)) if each]
    return next((each for each in found if isinstance(each, OutcomeUnknown)), found[0] if found else None)


def is_outage(error: BaseException) -> bool:
    """Tell whether an error is an outage of the database."""
    return outage_of(error) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
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
    if state in UNWRITABLE or state.startswith(RESOURCES_CLASS):
        return DatabaseUnwritable()
    # What libpq itself reports has no SQLSTATE: the socket broke. An aborted pipeline only follows another error.
    return None if state or isinstance(error, pg.PipelineAborted) else OutcomeUnknown()
