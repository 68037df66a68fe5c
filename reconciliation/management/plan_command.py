"""What the commands about plans share: the reason, the report of the balances, and one line on the plan."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from reconciliation.correcting import Proposal
from reconciliation.management.ledger_command import LedgerCommand, operator
from reconciliation.management.plan_reports import ITEMS, as_row
from reconciliation.models import Origin, Plan


class PlanCommand(LedgerCommand):
    """An adapter that proposes or applies a plan and reports its balances."""

    def add_proposal_arguments(self, parser: CommandParser) -> None:
        """Declare why, and the report."""
        parser.add_argument("--reason", default="", help="why; required, and kept for ever")
        parser.add_argument("--ticket", default="", help="a reference to a ticket")
        self.add_report_arguments(parser)

    def proposal(self, options: dict[str, Any], **how: Any) -> Proposal:
        """Return the proposal of the operator. Raises what ``Proposal`` raises."""
        given = {name: options[name] for name in ("reason", "ticket")}
        return Proposal(actor=operator(), origin=Origin.COMMAND, **given, **how)

    def report_plan(self, options: dict[str, Any], plan: Plan) -> None:
        """Report the balances of a plan in key order."""
        items = plan.items.order_by("balance_id", "undoes").iterator(chunk_size=1_000)
        self.report(options, ITEMS, map(as_row, items))

    def say_what_next(self, plan: Plan) -> None:
        """Say which plan it is and what has to happen to it."""
        self.stderr.write(f"Plan {plan.plan_id} would correct {plan.balances:,} balances. {plan.policy}")
        if plan.state == Plan.State.APPROVED:
            self.stderr.write(f"Apply it with: manage.py apply {plan.plan_id}")
