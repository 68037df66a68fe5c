"""``manage.py drill``: plant every known fault in a scratch database, sweep it, and count what was found and said."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError
from psycopg import errors as pg

from balances.ground import LedgerError
from ledgerproj.scratch import scratch_database
from reconciliation.drill import DrillResult, drill
from reconciliation.records import FORMATS, Report, opened

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
REPORT = Report(
    fields=("cause", "planted", "found", "right", "wrong", "unexplained", "false_alarms", "seconds"),
    columns={
        "Cause": "cause",
        "Planted": "planted",
        "Found": "found",
        "Explained right": "right",
        "Wrong": "wrong",
        "Unexplained": "unexplained",
        "False alarms": "false_alarms",
        "Seconds": "seconds",
    },
    numbers=frozenset({"Planted", "Found", "Explained right", "Wrong", "Unexplained", "False alarms", "Seconds"}),
)


class Command(BaseCommand):
    """Adapter: a scratch database, one service call, a table of causes, and one sentence on what was shown."""

    help = (
        "Build a scratch ledger, plant every known fault in it, sweep it, and show what was found and explained. "
        "Exit status 1: a fault was missed, there was a false alarm, or fewer than nine in ten were explained right."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the seed and the size."""
        parser.add_argument("--seed", type=int, default=0, help="draws other places and amounts (0)")
        parser.add_argument("--each", type=int, default=3, metavar="N", help="how often each fault is planted (3)")
        parser.add_argument("--wallets", type=int, default=800, metavar="N", help="balances of the ledger (800)")
        parser.add_argument("--postings", type=int, default=6_000, metavar="N", help="and its payments (6,000)")
        parser.add_argument("--format", choices=FORMATS, default="table")

    def handle(self, **options: Any) -> None:
        """Drill and report. Raises ``CommandError`` where the sweep did not do what it promises."""
        for name, least in {"each": 1, "wallets": 200, "postings": 1_000}.items():
            if options[name] < least:
                raise CommandError(f"--{name} must be at least {least:,}, not {options[name]:,}.")
        try:
            with scratch_database("drill"):
                result = drill(**{name: options[name] for name in ("seed", "each", "wallets", "postings")})
        except LedgerError as refusal:
            raise CommandError(f"{refusal}.") from refusal
        except ProgrammingError as error:
            if not isinstance(error.__cause__, pg.InsufficientPrivilege):
                raise
            raise CommandError(
                "The drill damages rows past the guards of the database, which only a superuser of it may do. "
                "Run it as one, or on the embedded database (without DATABASE_URL)."
            ) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted; the scratch database is dropped.", returncode=INTERRUPTED) from None
        with opened(None, self.stdout) as out:
            REPORT.write(options["format"], _rows(result), out)
        for sentence in result.wrong:
            self.stderr.write(sentence)
        if result.violations:
            raise CommandError(" ".join(result.violations))
        self.stderr.write(
            f"Seed {result.seed}: {result.total('planted')} faults planted, all found, no false alarm; "
            f"{result.right_share:.1%} of those that left evidence are explained right."
        )


def _rows(result: DrillResult) -> list[dict[str, Any]]:
    counts = ("planted", "found", "right", "wrong", "unexplained")
    rows: list[dict[str, Any]] = [
        {"cause": line.cause, "false_alarms": "", "seconds": ""} | {name: getattr(line, name) for name in counts}
        for line in result.lines.values()
    ]
    total = {"cause": "all", "false_alarms": len(result.false_alarms), "seconds": f"{result.sweep_seconds:.1f}"}
    return [*rows, total | {name: result.total(name) for name in counts}]
