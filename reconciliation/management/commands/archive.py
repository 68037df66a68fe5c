"""``manage.py archive``: write closed months to files; take nothing out of PostgreSQL."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from reconciliation.archiving import Month, archive
from reconciliation.management.ledger_command import LedgerCommand, operator
from reconciliation.models import Origin


class Command(LedgerCommand):
    """Adapter: archives months, and reports each."""

    help = (
        "Write closed months to Parquet files, seal their manifests, and read them back. No row is taken out of "
        "PostgreSQL: that does not exist yet."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the last month."""
        parser.add_argument("--until", required=True, metavar="YYYY-MM", help="the last month to archive, in UTC")

    def handle(self, **options: Any) -> None:
        """Archive, and write one line for each month."""
        self.done = 0
        with self.refusals_for_people(options | {"output": settings.LEDGER_ARCHIVE_DIR}):
            for record in archive(Month.read(options["until"]), actor=operator(), origin=Origin.COMMAND):
                self.done += 1
                self.stdout.write(f"{record.month}: {record.legs:,} legs in {record.files} files")
        self.stdout.write(
            f"{self.done} months archived into {settings.LEDGER_ARCHIVE_DIR}. Their rows are in PostgreSQL as before. "
            "Prove both: manage.py sweep --archive"
        )

    def so_far(self) -> str:
        """Say how to go on."""
        return f"{self.done} months are archived; the same command goes on from there."
