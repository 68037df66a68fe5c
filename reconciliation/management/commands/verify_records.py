"""``manage.py verify_records``: prove that no record was changed, removed or slipped in."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from reconciliation.management.ledger_command import LedgerCommand
from reconciliation.records import Report, Verification

BREACHES = Report(
    fields=("what", "kind", "record_id", "sequence", "detail"),
    columns={"What": "what", "Kind": "kind", "Record": "record_id", "Seal": "sequence", "Detail": "detail"},
    numbers=frozenset({"Seal"}),
)


class Command(LedgerCommand):
    """Adapter: walks along the chain, reports each breach, and prints the head for people to keep."""

    help = "Prove the chain over all records. Exit status 1: a record was changed, is missing or is not sealed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the head that was kept, and the report."""
        parser.add_argument(
            "--head", default="", metavar="HASH", help="a head printed earlier, which must still be there"
        )
        self.add_report_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Report each breach and exit 1 where there is one."""
        with self.refusals_for_people(options):
            self.verification = verification = Verification(options["head"])
            self.report(options, BREACHES, map(asdict, verification))
        if verification.breaches:
            self.stderr.write(
                f"The chain is broken: {verification.breaches:,} breaches, {verification.sealed:,} seals."
            )
            sys.exit(1)
        self.stderr.write(
            f"{verification.sealed:,} records are as they were sealed. Keep this head where no one here can change "
            f"it, and give it to --head next time:\n{verification.head}"
        )

    def so_far(self) -> str:
        """Return how far an interrupted walk came."""
        return f"{self.verification.sealed:,} seals were verified; nothing is proved before the end."
