"""``manage.py apply``: apply an approved plan, or go on with one that was cut short."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconciliation.correcting import apply, find_plan, outcomes
from reconciliation.management.ledger_command import operator
from reconciliation.management.plan_command import PlanCommand
from reconciliation.models import Origin, Plan

DRIFT_LEFT = 3
"""Exit status when balances of the plan were not corrected, or another process still works on some."""


class Command(PlanCommand):
    """Adapter: applies in the foreground, with a bar on a terminal, and reports how each balance ended."""

    help = "Apply an approved plan, or go on with one that was cut short. Exit status 3: something is left to look at."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the plan and the report."""
        parser.add_argument("plan_id", metavar="PLAN_ID")
        self.add_report_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Apply, report, and say in one line how it ended."""
        started = time.monotonic()
        self.plan_id = options["plan_id"]
        with self.refusals_for_people(options):
            plan = self._apply()
            self.report_plan(options, plan)
        counted = outcomes(plan)
        ended = ", ".join(f"{count:,} {outcome}" for outcome, count in counted.items() if count)
        self.stderr.write(f"Plan {plan.plan_id}: {ended}, in {time.monotonic() - started:.1f} s.")
        if counted["waiting"] or counted["stale"] or counted["refused"]:
            sys.exit(DRIFT_LEFT)

    def _apply(self) -> Plan:
        waiting = find_plan(self.plan_id).items.filter(outcome=None).count()
        console = Console(stderr=True)
        columns = (TextColumn("applying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("applying", total=waiting)
            return apply(self.plan_id, operator(), Origin.COMMAND, lambda settled: bar.advance(task, settled))

    def so_far(self) -> str:
        """Say how to go on."""
        return f"What is done is done completely; go on with: manage.py apply {self.plan_id}"
