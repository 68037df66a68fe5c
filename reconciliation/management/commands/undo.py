"""``manage.py undo``: plan to take corrections back; change no balance."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from reconciliation.correcting import propose_undo
from reconciliation.management.plan_command import PlanCommand


class Command(PlanCommand):
    """Adapter: proposes a plan that takes corrections back, and reports its balances."""

    help = "Plan to take corrections back by difference, under the same policy as any plan. Changes no balance."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the records, and why."""
        parser.add_argument("records", nargs="+", metavar="RECORD_ID")
        self.add_proposal_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Propose, report, and say what has to happen next."""
        with self.refusals_for_people(options):
            plan = propose_undo(options["records"], self.proposal(options))
            self.report_plan(options, plan)
        self.say_what_next(plan)
