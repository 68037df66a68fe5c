"""``manage.py work``: the background worker."""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
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
        connector: Any = app.connector
        app.with_connector(connector.get_worker_connector()).run_worker(concurrency=concurrency, wait=not once)
