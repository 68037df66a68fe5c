"""``manage.py snapshot_balances``: the snapshots of the day."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from balances.history import BATCH_SIZE, take_snapshots
from balances.models import now
from reconciliation.management.ledger_command import LedgerCommand
from reconciliation.records import Report

TAKEN = Report(
    fields=("day", "written", "seconds"),
    columns={"Day (UTC)": "day", "Snapshots written": "written", "Seconds": "seconds"},
    numbers=frozenset({"Snapshots written", "Seconds"}),
)


class Command(LedgerCommand):
    """Adapter: one service call and a report of one row."""

    help = "Write a snapshot of every balance that has none of this day (UTC) yet."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the batch and the report."""
        parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, metavar="N", help="balances in one commit")
        self.add_report_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Take the snapshots and say how many they were."""
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be at least 1.")
        day, started = now().date(), time.monotonic()
        with self.refusals_for_people(options):
            written = take_snapshots(options["batch_size"])
            seconds = round(time.monotonic() - started, 1)
            self.report(options, TAKEN, [{"day": day.isoformat(), "written": written, "seconds": str(seconds)}])

    def so_far(self) -> str:
        """Return what an interrupted run leaves."""
        return "What was written stays; run again for the other balances."
