"""Generate a ledger of any size; the rules are in ``balances.importing.generating``."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from balances.ground import LedgerError
from balances.importing import Wish, generate_ledger


class Command(BaseCommand):
    """Reads the arguments, calls the service, and prints one summary line."""

    help = "Fill an empty database with a generated ledger, inside the server: for measuring and trying out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the numbers of rows."""
        parser.add_argument("--balances", type=int, default=100_000, metavar="N", help="balances (100,000)")
        parser.add_argument(
            "--transactions", type=int, default=10_000_000, metavar="N", help="transactions (10,000,000)"
        )
        parser.add_argument(
            "--holds", type=int, default=0, metavar="N", help="how many of them are holds; two in three are settled"
        )
        parser.add_argument("--drift", type=int, default=0, metavar="N", help="balances whose totals are then moved")
        parser.add_argument("--seed", type=int, default=0, help="draws other balances and amounts (0)")

    def handle(self, **options: Any) -> None:
        """Generate the ledger and print a summary. Raises ``CommandError`` with one sentence."""
        started = time.monotonic()
        terminal = self.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True, force_terminal=terminal)
        with Progress(*columns, console=console, disable=not terminal, transient=True) as bar:
            task = bar.add_task("transactions", total=options["transactions"])
            try:
                wish = Wish(**{name: options[name] for name in ("balances", "transactions", "holds", "drift", "seed")})
                made = generate_ledger(wish, progress=lambda count: bar.update(task, completed=count))
            except LedgerError as refusal:
                raise CommandError(f"{refusal}; nothing was generated.") from refusal
        self.stdout.write(
            f"Generated {made.balances:,} balances and {made.transactions:,} transactions in ledger {made.ledger_id}, "
            f"{made.drifted:,} with drift, in {time.monotonic() - started:.1f} s."
        )
