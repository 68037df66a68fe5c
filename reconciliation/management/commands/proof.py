"""``manage.py proof``: how the ledger stands now; ends with 3 where that is not green."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reconciliation.proving import standing

NOT_GREEN = 3
"""The exit status for cron."""


class Command(BaseCommand):
    """Adapter: prints the sentence of the live proof."""

    help = "Say up to which instant every commit is proved. Ends with status 3 unless that is now and nothing is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the shape of the answer."""
        parser.add_argument("--json", action="store_true", help="all figures, as JSON")

    def handle(self, **options: Any) -> None:
        """Print it."""
        found = standing()
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json(), indent=2))
        else:
            style = self.style.SUCCESS if found.is_green else self.style.WARNING
            self.stdout.write(style(found.sentence))
            if found.warning:
                self.stdout.write(found.warning)
        if not found.is_green:
            sys.exit(NOT_GREEN)
