"""``manage.py reconstruct``: rebuild balances from their transactions, or only look."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import CommandParser

from reconciliation.correcting import Rebuilt, Request, reconstruct_many
from reconciliation.management.ledger_command import LedgerCommand, operator
from reconciliation.management.rebuilt_reports import MEASURED, as_row
from reconciliation.models import Origin, Reconstruction

DRIFT_LEFT = 3
"""Exit status when balances are left with drift, for cron."""


class Command(LedgerCommand):
    """Adapter: reads the arguments, calls the service, writes the report and one line of summary."""

    help = "Rebuild balances from their transactions. Exit status 3: drift was found (--check) or had to be left."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare scope, mode and report."""
        self.add_scope_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="measure and record, change nothing")
        parser.add_argument("--check", action="store_true", help="a dry run that exits 3 when there is drift")
        parser.add_argument("--reason", default="", help="why; kept in the records")
        parser.add_argument(
            "--allow-empty", action="store_true", help="set totals that no transaction backs to zero as well"
        )
        parser.add_argument(
            "--allow-incomplete",
            action="store_true",
            help="follow transactions that are known to be incomplete or damaged as well",
        )
        self.add_report_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Run, report, and say in one line what happened."""
        self.count = count = Count()
        started = time.monotonic()
        with self.refusals_for_people(options):
            scope = self.scope(options)
            request = Request(
                actor=operator(),
                origin=Origin.COMMAND,
                reason=options["reason"],
                dry_run=options["dry_run"] or options["check"],
                allow_empty=options["allow_empty"],
                allow_incomplete=options["allow_incomplete"],
                record_each=scope.names_balances,
            )
            results = count.watch(reconstruct_many(scope.ids(), request))
            self.report(options, MEASURED, map(as_row, results))
        self.stderr.write(count.sentence(time.monotonic() - started, dry_run=request.dry_run))
        if count.refused:
            self.stderr.write(
                f"{count.refused:,} of them were left as they are; the report says why. Use --allow-empty to set "
                "totals without transactions to zero, and --allow-incomplete to follow transactions that are known to "
                "be incomplete or damaged."
            )
        if count.refused or (options["check"] and count.drifted):
            sys.exit(DRIFT_LEFT)

    def so_far(self) -> str:
        """Return how far an interrupted run came."""
        return f"{self.count.measured:,} balances are done, each completely; run again for the others."


class Count:
    """Counts results as they pass by."""

    def __init__(self) -> None:
        self.measured = self.drifted = self.corrected = self.refused = 0

    def watch(self, results: Iterable[Rebuilt]) -> Iterator[Rebuilt]:
        """Yield the results, counting them."""
        for result in results:
            self.measured += 1
            self.drifted += result.measurement.has_drift
            self.corrected += result.outcome == Reconstruction.Outcome.CORRECTED
            self.refused += result.refused
            yield result

    def sentence(self, seconds: float, *, dry_run: bool) -> str:
        """Return what happened, for people."""
        done = "nothing changed (dry run)" if dry_run else f"{self.corrected:,} corrected"
        return f"{self.measured:,} balances measured, {self.drifted:,} with drift, {done}, in {seconds:.1f} s."
