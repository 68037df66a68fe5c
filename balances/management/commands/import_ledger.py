"""Import a ledger from two CSV files; the rules are in ``balances.importing``."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from balances.importing import ImportRefused, import_ledger
from balances.importing.files import CsvFile


class Command(BaseCommand):
    """Arguments in, one service call, one summary line out."""

    help = (
        "Import a ledger from a file of balances and a file of transactions (CSV in UTF-8, plain or gzip), "
        "all or nothing. Stored totals come in as the file says them, even when they are wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the name and the two files."""
        parser.add_argument("--ledger", required=True, metavar="NAME", help="name of the new ledger")
        parser.add_argument(
            "--balances",
            required=True,
            type=Path,
            metavar="FILE",
            help="columns: indicator or balance_id, currency, credit_balance, debit_balance, balance, created_at; "
            "optional: inflight_credit_balance, inflight_debit_balance, inflight_balance, meta_data",
        )
        parser.add_argument(
            "--transactions",
            required=True,
            type=Path,
            metavar="FILE",
            help="columns: reference, source, destination, precise_amount (minor units) or amount (major units), "
            "precision, currency, effective_date, description; optional: status, parent (its reference), "
            "created_at, meta_data",
        )

    def handle(self, *, ledger: str, balances: Path, transactions: Path, **options: Any) -> None:
        """Import and say what came in, or that it had before. Raises ``CommandError`` with one sentence."""
        started = time.monotonic()
        terminal = self.stderr.isatty()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        console = Console(stderr=True, force_terminal=terminal)
        with Progress(*columns, console=console, disable=not terminal, transient=True) as bar:
            tasks: dict[Path, Any] = {}

            def show(file: CsvFile) -> None:
                if file.path not in tasks:
                    tasks[file.path] = bar.add_task(file.path.name, total=file.size)
                bar.update(tasks[file.path], completed=file.position)

            try:
                result = import_ledger(name=ledger, balances=balances, transactions=transactions, progress=show)
            except ImportRefused as refusal:
                raise CommandError(f"{refusal}; nothing was imported.") from refusal
        rows = f"{result.balances:,} balances and {result.transactions:,} transactions"
        into = f"ledger {result.name} ({result.ledger_id})"
        if result.already:
            self.stdout.write(f"These files are in already, {rows} in {into}: nothing changed.")
        else:
            self.stdout.write(f"Imported {rows} into {into} in {time.monotonic() - started:.1f} s.")
