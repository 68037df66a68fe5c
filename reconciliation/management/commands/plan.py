"""``manage.py plan``: propose corrections for approval; change no balance."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from reconciliation.correcting import Choice, ChoiceRefused, propose, propose_rebooking
from reconciliation.management.plan_command import PlanCommand


class Command(PlanCommand):
    """Adapter: proposes a plan and reports its balances."""

    help = "Plan corrections of balances, findings, a sweep or an incident, measured again. Changes no balance."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what to correct, and why."""
        parser.add_argument("--balance", action="append", default=[], metavar="BALANCE_ID", help="may be repeated")
        parser.add_argument("--finding", action="append", default=[], metavar="FINDING_ID", help="may be repeated")
        parser.add_argument("--sweep", default="", metavar="SWEEP_ID", help="all that drifts among its findings")
        parser.add_argument("--incident", default="", metavar="INCIDENT_ID", help="all that drifts among its findings")
        parser.add_argument("--cause", default="", help="only findings with this cause")
        parser.add_argument(
            "--allow-incomplete",
            action="store_true",
            help="correct also where transactions are known to be incomplete or damaged",
        )
        parser.add_argument(
            "--rebook",
            action="append",
            default=[],
            metavar="TRANSACTION_ID",
            help="book this deleted transaction again from the edit journal, without moving a total; may be repeated",
        )
        self.add_proposal_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Propose, report, and say what has to happen next."""
        with self.refusals_for_people(options):
            choice = Choice(
                balance_ids=tuple(options["balance"]),
                finding_ids=tuple(options["finding"]),
                sweep_id=options["sweep"],
                incident_id=options["incident"],
                cause=options["cause"],
            )
            proposal = self.proposal(options, allow_incomplete=options["allow_incomplete"])
            if options["rebook"] and choice != Choice():
                raise ChoiceRefused
            plan = propose_rebooking(options["rebook"], proposal) if options["rebook"] else propose(choice, proposal)
            self.report_plan(options, plan)
        self.say_what_next(plan)
