"""Procrastinate's worker and connector, which leave what an outage of the database interrupts to be run again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from procrastinate import JobContext
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.worker import Worker

from balances.ground import is_outage
from ledgerproj.postgresql.pools import AsyncPool

Notice = Callable[[], None]
"""Called in the event loop when the database fails a worker."""


class LaneWorker(Worker):
    """A worker that counts its jobs, and leaves those *doing* that an outage ended: they are neither done nor at fault.

    They are its own until it is unregistered; then ``take_up_lost_jobs`` lets them run again.
    """

    def __init__(self, notice: Notice, **options: Any) -> None:
        super().__init__(**options, worker_middleware=[self._watch])
        self.ran = 0
        self._notice = notice
        self._interrupted: set[int | None] = set()

    async def _watch(self, job: Callable[[], Awaitable[Any]], context: JobContext, _: Worker) -> Any:
        self.ran += 1
        try:
            return await job()
        except Exception as error:
            if is_outage(error):
                self._interrupted.add(context.job.id)
                self._notice()
            raise

    async def _persist_job_status(self, job: Any, *given: Any, **named: Any) -> None:
        if job.id in self._interrupted:
            return
        try:
            await super()._persist_job_status(job, *given, **named)
        except ConnectorException as error:  # of which the connector has given notice
            if not is_outage(error):
                raise

    async def _periodic_deferrer(self) -> None:
        with noticed(self._notice):
            await super()._periodic_deferrer()  # type: ignore[no-untyped-call]  # through Django's own connection


class LaneConnector(PsycopgConnector):
    """The connections of workers."""

    def __init__(self, notice: Notice) -> None:
        super().__init__(kwargs=connector_params(), pool_factory=AsyncPool)
        self._notice = notice

    @asynccontextmanager
    async def _get_cursor(self, connection: Any = None) -> AsyncGenerator[Any]:
        with noticed(self._notice):
            async with super()._get_cursor(connection) as cursor:
                yield cursor

    async def listen_notify(self, *given: Any, **named: Any) -> None:
        """Hear of new jobs until it is cancelled."""
        with noticed(self._notice):
            await super().listen_notify(*given, **named)


@contextmanager
def noticed(notice: Notice) -> Iterator[None]:
    """Give notice where the block ends in an outage."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            notice()
        raise
