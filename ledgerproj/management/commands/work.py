"""``manage.py work``: the background worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from typing import Any

from asgiref.sync import sync_to_async
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections
from procrastinate.contrib.django import app

from ledgerproj import processes


class Command(BaseCommand):
    """Adapter: runs jobs from the database until interrupted; any number may run, on any number of machines."""

    help = "Run background jobs and schedules until interrupted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare how many jobs run at once."""
        parser.add_argument("--concurrency", type=int, default=4, help="jobs at once (4)")
        parser.add_argument("--once", action="store_true", help="end when no job is waiting")

    def handle(self, *, concurrency: int, once: bool, verbosity: int, **_: Any) -> None:
        """Work until a signal stops it; running jobs are finished first."""
        processes.end_on_sigterm()
        processes.hold_database()
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        if verbosity and not once:
            self.stdout.write("Working on background jobs until interrupted.")
            self.stdout.flush()
        told = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: told.set())  # an exception would fall anywhere in the event loop
        asyncio.run(_work(told, concurrency=concurrency, wait=not once))


async def _work(told: threading.Event, **options: Any) -> None:
    """Run the worker, which looks after signals once it runs; one that comes earlier is obeyed as soon as it can be.

    Cut short, the opening of the connection pool would leave tasks behind that never end.
    """
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    connector: Any = app.connector
    async with app.with_connector(connector.get_worker_connector()).open_async() as opened:
        worker = asyncio.ensure_future(opened.run_worker_async(**options))
        loop.add_signal_handler(signal.SIGTERM, worker.cancel)
        if told.is_set():
            worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        await sync_to_async(connections.close_all)()  # schedules are kept through Django's connection in that thread
