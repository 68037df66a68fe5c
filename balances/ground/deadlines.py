"""Limits the database time of one request, whatever the number of its statements.

The database itself ends a statement that takes longer, even when this process is gone. The limit travels in the same
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

from balances.ground.outages import DatabaseUnavailable

logger = logging.getLogger(__name__)

TRANSACTION_CONTROL = re.compile(r"\s*(SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)
"""Statements that must work in a failed transaction, where nothing can be set."""
LIMITS = "SET LOCAL statement_timeout = %d; SET LOCAL max_parallel_workers_per_gather = 0; "
"""Milliseconds; and one processor for each reader, which leaves the others to postings."""
CANCEL_SECONDS = 2.0
"""How long to wait for the database to accept a cancellation."""


class ReadTimedOut(DatabaseUnavailable):
    """A read exceeded its time limit."""

    title = "This took too long"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"This read took longer than {seconds:g} seconds and was ended. Ask for less, or by an indexed field: "
            "an id, a reference, a balance or a time."
        )


class Deadline:
    """The remaining database time of one request, as a wrapper around its statements; pauses between them are free."""

    def __init__(self, seconds: float, what: str) -> None:
        """Start with ``seconds``; ``what`` names the request in the log."""
        self.seconds, self.what = seconds, what
        self._left = seconds
        self._gone = False
        self._lock = threading.Lock()
        self._running: psycopg.Connection[Any] | None = None

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Run a statement within the remaining time. Raises ``ReadTimedOut``."""
        cursor = context["cursor"]
        if many or not isinstance(cursor.cursor, psycopg.ClientCursor) or TRANSACTION_CONTROL.match(sql):
            return execute(sql, params, many, context)
        left = int(self._left * 1000)
        if left <= 0:
            raise self._over()
        began = time.monotonic()
        try:
            with self._cancellable():
                done = execute(f"{LIMITS % left}{sql}", params, many, context)
        except OperationalError as error:
            if isinstance(error.__cause__, pg.QueryCanceled):
                raise self._over() from error
            raise
        finally:
            self._left -= time.monotonic() - began
        for _ in range(LIMITS.count(";")):
            cursor.nextset()  # each SET has a result as well
        return done

    def end_now(self) -> None:
        """End the running statement, from another thread, because the client has gone."""
        with self._lock:  # so that the connection does not go to another request before the cancellation is through
            self._gone = True
            if self._running is not None:
                self._running.cancel_safe(timeout=CANCEL_SECONDS)

    def _over(self) -> ReadTimedOut:
        if not self._gone:
            logger.warning("%r was ended: it took longer than %g s", self.what, self.seconds)
        return ReadTimedOut(self.seconds)

    @contextmanager
    def _cancellable(self) -> Iterator[None]:
        connection.ensure_connection()
        with self._lock:
            if self._gone:
                raise self._over()
            self._running = connection.connection
        try:
            yield
        finally:
            with self._lock:
                self._running = None


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[Deadline]:
    """Limit the statements of this thread in the block to ``seconds`` in total; ``what`` is for the log."""
    given = Deadline(seconds, what)
    with connection.execute_wrapper(given):
        yield given
