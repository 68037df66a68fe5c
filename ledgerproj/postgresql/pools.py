"""Pools of connections that fail at once when the database is away, and recover as soon as it is back.

Those of psycopg wait for a connection, and retry with pauses that grow to minutes. Here every request that finds no
connection tries once; if that fails, all waiting requests fail.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from balances.ground import Unreachable

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a request waits for a connection that others use, or that is being made."""
OPTIONS: dict[str, Any] = {"timeout": PATIENCE_SECONDS, "reconnect_timeout": 0.0}


class Outages:
    """Logs the beginning and the end of an outage, once in each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self.why = ""

    @property
    def is_crowded(self) -> bool:
        """Return whether the server is there but has no connection left, by the text of an English server.

        A refused connection has no SQLSTATE. In another language it counts as any failure, which costs some waiting.
        """
        return "too many" in self.why or "connection slots" in self.why

    def failed(self, error: Exception) -> None:
        """Note that no connection can be made."""
        with self._lock:
            began, self.why = self._since is None, " ".join(str(error).split())
            if began:
                self._since = time.monotonic()
        if began:
            logger.error("The database cannot be reached: %s", self.why)

    def connected(self) -> None:
        """Note that a connection was made."""
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            logger.warning("The database is back after %.1f s", time.monotonic() - since)


outages = Outages()


class Pool(ConnectionPool[psycopg.Connection[Any]]):
    """The pool of a process, for threads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**OPTIONS | options)

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        """Return a connection that the server has not ended. Raises ``Unreachable`` or ``PoolTimeout``."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            connection = super().getconn(deadline - time.monotonic())
            if not is_cut(connection):
                return connection
            connection.close()
            self.putconn(connection)  # which makes another in its place

    def reconnect_failed(self) -> None:
        """Fail all waiting requests, unless they may get a connection in use: idle ones are dead as well."""
        with self._lock:
            waiting = [] if self._nconns and outages.is_crowded else [*self._waiting]
            for client in waiting:
                self._waiting.remove(client)
        for client in waiting:
            client.fail(Unreachable(outages.why))

    def _connect(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        try:
            made = super()._connect(timeout)
        except Exception as error:
            outages.failed(error)
            raise
        outages.connected()
        return made


class AsyncPool(AsyncConnectionPool[psycopg.AsyncConnection[Any]]):
    """The pool of a worker's event loop."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**OPTIONS | options)

    async def open(self, wait: bool = False, timeout: float = PATIENCE_SECONDS) -> None:
        """Connect. Raises ``PoolTimeout`` if ``wait`` is set and it takes too long."""
        await super().open(wait, timeout)

    async def reconnect_failed(self) -> None:
        """Fail all waiting requests, unless they may get a connection in use."""
        async with self._lock:
            waiting = [] if self._nconns and outages.is_crowded else [*self._waiting]
            for client in waiting:
                self._waiting.remove(client)
        for client in waiting:
            await client.fail(Unreachable(outages.why))

    async def _connect(self, timeout: float | None = None) -> psycopg.AsyncConnection[Any]:
        try:
            made = await super()._connect(timeout)
        except Exception as error:
            outages.failed(error)
            raise
        outages.connected()
        return made


def is_cut(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the server has sent something to an idle connection: nearly always, that it ends it.

    This costs no round trip. A connection that got something harmless is replaced as well.
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
