"""Run the workers of all lanes, and start new ones whenever the database was lost.

Workers that lose it are stopped, and others take their place once it is back, without waiting for jobs that still run:
no receiver of a webhook holds up a posting. Interrupted jobs are run again when the last of those workers has ended.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from procrastinate import App
from procrastinate.contrib.django import app

from balances.ground import DatabaseUnavailable, defer_once, is_outage
from balances.recording import LINEAGE, POSTINGS
from ledgerproj.lane_worker import LaneConnector, LaneWorker
from ledgerproj.lanes import Lane, give_threads, open_lanes
from ledgerproj.tasks import take_up_lost_jobs

logger = logging.getLogger(__name__)

SHORTEST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Seconds between two attempts to begin, each twice the last, until workers have worked for a second."""


class EndedByItself(Exception):
    """A worker ended without being stopped."""


class Shift:
    """The workers of all lanes from one beginning to the next loss of the database."""

    def __init__(self, lanes: Sequence[Lane], stop: asyncio.Event, *, once: bool) -> None:
        self.lanes, self.stop, self.once = lanes, stop, once
        self.lost = asyncio.Event()
        self.workers: list[LaneWorker] = []
        self.tasks: list[asyncio.Future[None]] = []
        """What each of the workers does, in the same order."""

    async def run(self) -> int:
        """Work until stopped, until nothing waits, or until the database is lost; return how many jobs ran.

        Returns when the last job has ended. Where one worker ends too soon, all do. Raises ``EndedByItself``.
        """
        connector = await sync_to_async(LaneConnector)(self.lost.set)
        async with app.with_connector(connector).open_async() as opened:
            self.workers = [self._worker(opened, lane) for lane in self.lanes]
            self.tasks = [asyncio.ensure_future(worker.run()) for worker in self.workers]  # type: ignore[no-untyped-call]
            when = asyncio.ALL_COMPLETED if self.once else asyncio.FIRST_COMPLETED
            await first_of(asyncio.wait(self.tasks, return_when=when), self.stop.wait(), self.lost.wait())
            for task in self.tasks:
                task.cancel()
            for each in await asyncio.gather(*self.tasks, return_exceptions=True):
                if isinstance(each, Exception) and not is_outage(each):
                    raise each
        if not (self.once or self.stop.is_set() or self.lost.is_set()):
            raise EndedByItself
        return sum(worker.ran for worker in self.workers)

    def _worker(self, opened: App, lane: Lane) -> LaneWorker:
        options = {**opened.worker_defaults, **lane.options, "wait": not self.once, "install_signal_handlers": False}
        return LaneWorker(self.lost.set, app=opened, **options)


class Working:
    """Shifts, one after the other until stopped; while one finishes, the next one already works."""

    def __init__(self, lanes: Sequence[Lane], stop: asyncio.Event) -> None:
        self.lanes, self.stop = lanes, stop
        self.leaving = set[asyncio.Task[None]]()
        self.interrupted = False
        """Whether there are jobs of workers that are gone."""
        self.gone: list[int] = []
        """Ids of such workers that the database takes for alive still."""
        self.handing_over = asyncio.Lock()
        self.waiting_since: float | None = None

    async def once(self) -> None:
        """Work until nothing waits. Raises ``DatabaseUnavailable`` where the database is lost."""
        await self._begin()
        while True:
            shift = Shift(self.lanes, self.stop, once=True)
            ran = await shift.run()
            if shift.lost.is_set():
                raise DatabaseUnavailable
            if not ran or self.stop.is_set():
                return  # else what ran may have caused more, for a lane that had ended by then

    async def forever(self) -> None:
        """Work until stopped, however often the database goes away. Raises ``EndedByItself``."""
        pause = SHORTEST_PAUSE
        while not self.stop.is_set():
            began = math.inf
            try:
                await self._begin()
                began = time.monotonic()
                await self._work()
            except Exception as error:
                if not is_outage(error):
                    raise
            if self.stop.is_set():
                break
            if self.waiting_since is None:
                self.waiting_since = time.monotonic()
                logger.warning("The worker has lost the database and will continue when it is back.")
            if time.monotonic() - began > 1:
                pause = SHORTEST_PAUSE
            await first_of(self.stop.wait(), asyncio.sleep(pause))
            pause = min(2 * pause, LONGEST_PAUSE)
        if self.leaving:
            await asyncio.wait(self.leaving)

    async def _begin(self) -> None:
        """Call for what was left in the queues, which does not wait for the next minute. Raises errors of outages.

        Raises ``UnknownQueue`` where the database is another's, and no lane may be served.
        """
        await sync_to_async(connections.close_all)()  # where schedules are kept, too
        await sync_to_async(POSTINGS.call)()
        await sync_to_async(LINEAGE.call)()
        self.lanes = await sync_to_async(open_lanes)(self.lanes)
        await self._hand_over()
        if self.waiting_since is not None:
            logger.warning("The worker is running again after %.1f s.", time.monotonic() - self.waiting_since)
            self.waiting_since = None

    async def _work(self) -> None:
        shift = Shift(self.lanes, self.stop, once=False)
        running = asyncio.ensure_future(shift.run())
        await first_of(asyncio.wait([running]), shift.lost.wait())
        if running.done() and not shift.lost.is_set():
            running.result()
            return
        leaving = asyncio.ensure_future(self._leave(shift, running))
        self.leaving.add(leaving)
        leaving.add_done_callback(self.leaving.discard)

    async def _leave(self, shift: Shift, running: asyncio.Future[int]) -> None:
        """Wait until the last job of a shift has ended; what was interrupted in a lane may run again when that has."""
        await asyncio.gather(*(self._let_go(*pair) for pair in zip(shift.workers, shift.tasks, strict=True)))
        try:
            await running
        except Exception as error:
            if not is_outage(error):
                logger.exception("A worker that had lost the database ended with an error")

    async def _let_go(self, worker: LaneWorker, task: asyncio.Future[None]) -> None:
        await asyncio.wait([task])
        self.interrupted = True
        if worker.worker_id is not None:  # it could not unregister by itself
            self.gone.append(worker.worker_id)
        try:
            await self._hand_over()
        except Exception as error:  # then the next beginning does it
            if not is_outage(error):
                raise

    async def _hand_over(self) -> None:
        """Let the database know which workers are gone, and have their jobs taken up."""
        async with self.handing_over:
            while self.gone:
                await app.job_manager.unregister_worker(self.gone[-1])
                self.gone.pop()
            if self.interrupted:
                self.interrupted = False
                try:
                    await sync_to_async(defer_once)(take_up_lost_jobs, timestamp=0)
                except Exception:
                    self.interrupted = True
                    raise


async def work(lanes: Sequence[Lane], stop: asyncio.Event, *, once: bool) -> None:
    """Run the workers of lanes until stopped, or once until nothing waits.

    Raises ``EndedByItself``, and once also ``DatabaseUnavailable``.
    """
    give_threads(lanes)
    working = Working(lanes, stop)
    try:
        await (working.once() if once else working.forever())
    finally:
        await sync_to_async(connections.close_all)()  # schedules are kept through Django's connection there


async def first_of(*awaited: Coroutine[Any, Any, Any]) -> None:
    """Wait until one has ended, and cancel the others."""
    tasks = [asyncio.ensure_future(each) for each in awaited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
