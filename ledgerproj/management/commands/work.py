"""``manage.py work``: the background worker."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from procrastinate import App, JobContext
from procrastinate.contrib.django import app
from procrastinate.worker import Worker

from balances.lineage import calling
from balances.queueing.entries import call_worker
from ledgerproj import processes
from ledgerproj.lanes import Lane, UnknownQueue, give_threads, lanes


class Command(BaseCommand):
    """Adapter: runs jobs from the database until interrupted; any number may run, on any number of machines."""

    help = "Run background jobs and schedules until interrupted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare which jobs run, and how many at once."""
        parser.add_argument("--concurrency", type=int, default=4, help="jobs at once, other than these two kinds (4)")
        parser.add_argument("--posting-concurrency", type=int, default=2, help="queued postings at once (2)")
        parser.add_argument("--webhook-concurrency", type=int, default=20, help="webhooks and hooks at once (20)")
        parser.add_argument("--queue", action="append", help="jobs of this queue only; may be given again (all queues)")
        parser.add_argument("--once", action="store_true", help="end when no job is waiting")

    def handle(self, *, once: bool, verbosity: int, **options: Any) -> None:
        """Work until a signal stops it; running jobs are finished first."""
        most = {
            "postings": options["posting_concurrency"],
            "webhooks": options["webhook_concurrency"],
            "others": options["concurrency"],
        }
        try:
            chosen = lanes(app, options["queue"], **most)
        except UnknownQueue as error:
            raise CommandError(str(error)) from error
        processes.end_on_sigterm()
        processes.hold_database()
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        if verbosity and not once:
            self.stdout.write("Working on background jobs until interrupted.")
            self.stdout.flush()
        call_worker()  # whatever a killed worker left in the queue does not wait for the next minute
        calling.call_worker()
        told = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: told.set())  # an exception would fall anywhere in the event loop
        asyncio.run(_work(told, chosen, once=once))
        if not (once or told.is_set()):
            raise CommandError("A worker ended by itself; the log says why.")


async def _work(told: threading.Event, chosen: Sequence[Lane], *, once: bool) -> None:
    """Run a worker for each lane. A signal that comes before they run is obeyed as soon as it can be.

    Cut short, the opening of the connection pool would leave tasks behind that never end.
    """
    give_threads(chosen)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    connector: Any = app.connector
    async with app.with_connector(connector.get_worker_connector()).open_async() as opened:
        try:
            while await _run_workers(opened, told, chosen, once=once) and once and not told.is_set():
                pass  # what ran may have caused more, for a lane that had ended by then
        finally:
            await sync_to_async(connections.close_all)()  # schedules are kept through Django's connection there


async def _run_workers(opened: App, told: threading.Event, chosen: Sequence[Lane], *, once: bool) -> int:
    """Run the workers until all have ended, and return how many jobs ran; where one ends too soon, all do."""
    loop = asyncio.get_running_loop()
    ran = 0

    async def count(job: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker) -> Any:
        nonlocal ran
        ran += 1
        return await job()

    shared: dict[str, Any] = {"wait": not once, "install_signal_handlers": False, "worker_middleware": [count]}
    workers = [asyncio.ensure_future(opened.run_worker_async(**lane.options | shared)) for lane in chosen]

    def stop() -> None:
        told.set()
        loop.remove_signal_handler(signal.SIGINT)  # who presses Ctrl-C twice does not want to wait
        for worker in workers:
            worker.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if told.is_set():
        stop()
    await asyncio.wait(workers, return_when=asyncio.ALL_COMPLETED if once else asyncio.FIRST_COMPLETED)
    for worker in workers:
        worker.cancel()
    ended = await asyncio.gather(*workers, return_exceptions=True)
    for each in ended:
        if isinstance(each, Exception):
            raise each
    return ran
