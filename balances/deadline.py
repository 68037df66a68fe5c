"""A reader's time: what one request may take of the database, however many statements it is made of.

The database itself ends a statement that takes longer, also when this process is gone. The limit travels in the same
message as the statement, so it costs no round trip, and it holds for that statement alone.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import OperationalError, connection
from psycopg import errors as pg

from balances.outages import DatabaseUnavailable

logger = logging.getLogger(__name__)

TRANSACTION_CONTROL = re.compile(r"\s*(SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)
"""Statements that must work where a transaction has failed; nothing can be set there."""
CANCEL_SECONDS = 2.0
"""How long to wait for the database to take a cancellation."""


class ReadTimedOut(DatabaseUnavailable):
    """A read took longer than it may."""

    title = "This took too long"

    def __init__(self, seconds: float) -> None:
        """Say how long it may take, and what to do."""
        super().__init__(
            f"This read took longer than {seconds:g} seconds and was ended. Ask for less, or by an indexed field: "
            "an id, a reference, a balance or a time."
        )


class Deadline:
    """The end of the time for one request, as a wrapper around its statements."""

    def __init__(self, seconds: float, what: str) -> None:
        """Start the time; ``what`` is what the log calls the request."""
        self.seconds, self.what = seconds, what
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._running: psycopg.Connection[Any] | None = None

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Run a statement in what is left of the time. Raises ``ReadTimedOut``."""
        cursor = context["cursor"]
        if many or not isinstance(cursor.cursor, psycopg.ClientCursor) or TRANSACTION_CONTROL.match(sql):
            return execute(sql, params, many, context)
        left = int((self._ends - time.monotonic()) * 1000)
        if left <= 0:
            raise self._over()
        try:
            with self._cancellable():
                done = execute(f"SET LOCAL statement_timeout = {left}; {sql}", params, many, context)
        except OperationalError as error:
            if isinstance(error.__cause__, pg.QueryCanceled):
                raise self._over() from error
            raise
        cursor.nextset()  # the first result is that of SET
        return done

    def end_now(self) -> None:
        """End the statement that runs, from another thread: whoever asked has gone."""
        self._ends = 0.0
        with self._lock:  # so that the connection does not go to another request before the cancellation is through
            if self._running is not None:
                self._running.cancel_safe(timeout=CANCEL_SECONDS)

    def _over(self) -> ReadTimedOut:
        if self._ends:
            logger.warning("%r was ended: it took longer than %g s", self.what, self.seconds)
        return ReadTimedOut(self.seconds)

    @contextmanager
    def _cancellable(self) -> Iterator[None]:
        connection.ensure_connection()
        with self._lock:
            self._running = connection.connection
        try:
            yield
        finally:
            with self._lock:
                self._running = None


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[Deadline]:
    """Give what this thread asks of the database in the block so many seconds in all; ``what`` is for the log."""
    given = Deadline(seconds, what)
    with connection.execute_wrapper(given):
        yield given
