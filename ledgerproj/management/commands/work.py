"""``manage.py work``: the background worker."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from procrastinate.contrib.django import app

from balances.ground import outage_of
from ledgerproj import processes, working
from ledgerproj.lanes import Lane, UnknownQueue, lanes
from ledgerproj.proof_lane import proof_lane


class Command(BaseCommand):
    """Adapter: runs jobs from the database until interrupted; any number may run, on any number of machines."""

    requires_system_checks = ()  # they take as long as the start itself; CI and manage.py check run them
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
        if not once:
            processes.collect_rarely()
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())  # an exception would fall anywhere in the event loop
        proving = settings.LEDGER_WATCH and not once and not options["queue"]
        try:
            with proof_lane() if proving else nullcontext():
                asyncio.run(_work(stopped, chosen, once=once))
        except UnknownQueue as error:
            raise CommandError(str(error)) from error
        except working.EndedByItself as error:
            raise CommandError("A worker ended by itself; the log says why.") from error
        except Exception as error:
            if outage := outage_of(error):
                raise CommandError(f"{outage.message}. The next worker resumes what was begun.") from error
            raise


async def _work(stopped: threading.Event, chosen: Sequence[Lane], *, once: bool) -> None:
    """Work until a signal asks to stop, also one that comes before the event loop handles signals.

    A second Ctrl-C ends at once.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    if stopped.is_set():
        stop.set()
    await working.work(chosen, stop, once=once)
