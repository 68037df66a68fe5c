"""``manage.py hammer``: show on a scratch database that nothing is lost and no drift stays while money moves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from balances.ground import LedgerError
from balances.importing import Wish, generate_ledger
from ledgerproj.hammering import Rhythm, hammer
from ledgerproj.scratch import scratch_database
from reconciliation.records import FORMATS, Report, opened

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
REPORT = Report(
    fields=("figure", "value"), columns={"figure": "figure", "value": "value"}, numbers=frozenset({"value"})
)


class Command(BaseCommand):
    """Adapter: a scratch database, one service call, a table of figures, and one sentence on what was proved."""

    help = (
        "Post, reconstruct, sweep and move totals all at once in a scratch database, and count afterwards. "
        "Exit status 1: something was lost, or drift is left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare how hard and how long."""
        parser.add_argument("--seconds", type=float, default=30.0, metavar="N", help="how long (30)")
        parser.add_argument("--writers", type=int, default=4, metavar="W", help="processes that post (4)")
        parser.add_argument("--reconstructors", type=int, default=2, metavar="R", help="processes that correct (2)")
        parser.add_argument("--balances", type=int, default=2_000, metavar="N", help="balances to begin with (2,000)")
        parser.add_argument("--transactions", type=int, default=200_000, metavar="N", help="and rows (200,000)")
        parser.add_argument("--pairs", type=int, default=4, metavar="N", help="phases without and with a sweep (4)")
        pace = settings.LEDGER_SWEEP_PACE
        parser.add_argument(
            "--pace", type=int, default=pace, metavar="PERCENT", help=f"share of its time that a sweep works ({pace})"
        )
        parser.add_argument("--seed", type=int, default=0, help="draws other balances and amounts (0)")
        parser.add_argument("--format", choices=FORMATS, default="table")

    def handle(self, **options: Any) -> None:
        """Hammer and report. Raises ``CommandError`` where the ledger broke its promise."""
        for name, least in {"seconds": 0.1, "writers": 1, "reconstructors": 0, "pairs": 1, "pace": 1}.items():
            if options[name] < least:
                raise CommandError(f"--{name} must be at least {least}, not {options[name]}.")
        try:
            with scratch_database("hammer") as scratch:
                generate_ledger(
                    Wish(**{name: options[name] for name in ("balances", "transactions", "seed")}),
                )
                result = hammer(
                    scratch.environment,
                    Rhythm(seconds=options["seconds"], pairs=options["pairs"]),
                    **{name: options[name] for name in ("writers", "reconstructors", "pace", "seed")},
                )
        except LedgerError as refusal:
            raise CommandError(f"{refusal}.") from refusal
        except KeyboardInterrupt:
            raise CommandError("Interrupted; the scratch database is dropped.", returncode=INTERRUPTED) from None
        rows = ({"figure": name, "value": value} for name, value in result.figures.items())
        with opened(None, self.stdout) as out:
            REPORT.write(options["format"], rows, out)
        if result.violations:
            raise CommandError(" ".join(result.violations))
        self.stderr.write(
            "Every acknowledged posting is there once, every total is what its rows say; no drift is left."
        )
