"""Import a ledger from files; the rules are in ``balances.importing``."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from balances.ground import amounts
from balances.importing import FORMATS, Imported, ImportRefused, ImportRequest, Source, Style, import_ledger
from balances.importing import Progress as ShowProgress

BALANCES_HELP = (
    "columns: indicator or balance_id, currency, credit_balance, debit_balance, balance, created_at; "
    "optional: inflight_credit_balance, inflight_debit_balance, inflight_balance, precision, meta_data"
)
TRANSACTIONS_HELP = (
    "columns: reference, source, destination, precise_amount (minor units) or amount (major units), precision, "
    "currency, effective_date; optional: description, status, parent (its reference), entry (the same for rows that "
    "belong together), created_at, meta_data"
)
ASSERTIONS_HELP = (
    "columns: indicator or balance_id, currency, balance; optional: at (a day counts to its end), credit_balance, "
    "debit_balance, tolerance, subaccounts (yes: with all indicators that go on with a colon), precision"
)
ASSERTION_FAILS = 3
"""Exit status when the files are imported, but a balance that they state differs from the rows."""
SHOWN_ASSERTIONS = 200


class Command(BaseCommand):
    """Reads the arguments, calls the service, and prints a report."""

    help = (
        "Import a ledger from a file of balances and a file of transactions (CSV, plain or gzip), all or nothing. "
        "Stored totals come in as the file says them, even when they are wrong. docs/importing.md has examples."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the name, the files, and how they are written."""
        parser.add_argument("--ledger", required=True, metavar="NAME", help="name of the new ledger")
        parser.add_argument(
            "files",
            nargs="*",
            type=Path,
            metavar="FILE",
            help="bank statements or journals, in the order of their days",
        )
        parser.add_argument(
            "--format", default="", choices=tuple(FORMATS), help="what those are; else it is recognised"
        )
        parser.add_argument("--balances", type=Path, metavar="FILE", help=BALANCES_HELP)
        parser.add_argument("--transactions", type=Path, metavar="FILE", help=TRANSACTIONS_HELP)
        parser.add_argument("--assertions", type=Path, metavar="FILE", help=ASSERTIONS_HELP)
        parser.add_argument(
            "--totals",
            default="stated",
            choices=("stated", "from-rows"),
            help="store totals as the file states them, or let them follow from the rows and check what it states",
        )
        parser.add_argument("--append", action="store_true", help="add to a ledger; rows that are in are skipped")
        parser.add_argument("--opening-from", default="", metavar="@INDICATOR", help="where opening balances come from")
        parser.add_argument(
            "--counterpart",
            default="",
            metavar="@INDICATOR",
            help="the other side of bank entries, or of conversions between currencies in a journal",
        )
        parser.add_argument(
            "--account",
            action="append",
            type=_pair,
            default=[],
            metavar="NUMBER=@INDICATOR",
            help="what a bank account is called here; otherwise after its number",
        )
        parser.add_argument(
            "--references",
            default="bank",
            choices=("bank", "digest"),
            help="the bank's ids where it gives some, or digests of what entries say",
        )
        parser.add_argument("--strict", action="store_true", help="refuse where an assertion fails")
        parser.add_argument("--dry-run", action="store_true", help="do all of it, report, and take it back")
        add_style_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Import the files and print a report. Raises ``CommandError`` with one sentence."""
        started = time.monotonic()
        try:
            with self._bar() as show:
                result = import_ledger(request_of(options), progress=show)
        except ImportRefused as refusal:
            raise CommandError(f"{refusal}; nothing was imported.") from refusal
        for line in report(result, time.monotonic() - started):
            self.stdout.write(line)
        if result.failing:
            rest = "nothing was imported" if result.dry_run else "the rows are in"
            sentence = f"{len(result.failing):,} of {len(result.assertions):,} assertions fail; {rest}."
            raise CommandError(sentence, returncode=ASSERTION_FAILS)

    @contextmanager
    def _bar(self) -> Iterator[ShowProgress]:
        """Show a bar for each file on a terminal, and nothing elsewhere."""
        terminal = self.stderr.isatty()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        console = Console(stderr=True, force_terminal=terminal)
        with Progress(*columns, console=console, disable=not terminal, transient=True) as bar:
            tasks: dict[Path, Any] = {}

            def show(file: Source) -> None:
                if file.path not in tasks:
                    tasks[file.path] = bar.add_task(file.path.name, total=file.size)
                bar.update(tasks[file.path], completed=file.position)

            yield show


def request_of(options: dict[str, Any]) -> ImportRequest:
    """Return the import that the arguments request. Raises ``ImportRefused``."""
    return ImportRequest(
        name=options["ledger"],
        balances=options.get("balances"),
        transactions=options.get("transactions"),
        assertions=options.get("assertions"),
        statements=tuple(options.get("files") or ()),
        format=options.get("format") or "",
        counterpart=options.get("counterpart") or "",
        accounts={"".join(number.split()): name for number, name in options.get("account") or ()},
        digests=options.get("references") == "digest",
        style=style_of(options),
        from_rows=options.get("totals") == "from-rows",
        append=bool(options.get("append")),
        opening_from=options.get("opening_from") or "",
        refuse_failing=bool(options.get("strict")),
        dry_run=bool(options.get("dry_run")),
    )


def add_style_arguments(parser: ArgumentParser) -> None:
    """Declare how the CSV files are written."""
    style = parser.add_argument_group("how the CSV files are written")
    style.add_argument("--delimiter", default=",", metavar="CHARACTER", help="between cells; 'tab' for a tab")
    style.add_argument("--encoding", default="utf-8", help="such as utf-16 or cp1252; UTF-8 otherwise")
    style.add_argument("--skip-lines", type=int, default=0, metavar="N", help="lines before the header")
    style.add_argument("--decimal", default="", choices=(".", ","), help="what stands before decimals")
    style.add_argument("--thousands", default="", metavar="CHARACTER", help="what stands between groups of digits")
    style.add_argument(
        "--units",
        default="minor",
        choices=("minor", "major"),
        help="what totals are; with major, so is the column amount, and both are converted exactly",
    )
    style.add_argument("--time-zone", default="", metavar="ZONE", help="of times without one, such as Europe/Prague")
    style.add_argument("--date-format", default="", metavar="FORMAT", help="such as %%d.%%m.%%Y; ISO 8601 otherwise")
    style.add_argument(
        "--precision",
        action="append",
        type=_precision,
        default=[],
        metavar="[CURRENCY=]N",
        help="minor units in a major one where no row says it, of one currency or of all others",
    )
    style.add_argument("--currency", default="", metavar="CODE", help="of rows in a file without that column")
    style.add_argument(
        "--map",
        action="append",
        type=_pair,
        default=[],
        metavar="OURS=THEIRS",
        help="read our column OURS from the file's column THEIRS",
    )
    style.add_argument("--ignore", action="append", default=[], metavar="COLUMN", help="leave out; '*' for all others")


def style_of(options: dict[str, Any]) -> Style:
    """Return how the files are written. Raises ``ImportRefused``."""
    delimiter = options.get("delimiter", ",")
    return Style(
        delimiter="\t" if delimiter in ("tab", r"\t") else delimiter,
        encoding=options.get("encoding", "utf-8"),
        skip_lines=options.get("skip_lines", 0),
        decimal=options.get("decimal", ""),
        thousands=options.get("thousands", ""),
        major=options.get("units") == "major",
        zone=options.get("time_zone", ""),
        date_format=options.get("date_format", ""),
        precisions=dict(options.get("precision", ())),
        currency=options.get("currency", ""),
        columns=dict(options.get("map", ())),
        ignored=frozenset(options.get("ignore", ())),
    )


def _pair(argument: str) -> tuple[str, str]:
    ours, equals, theirs = argument.partition("=")
    if not (ours and equals and theirs):
        raise ArgumentTypeError(f"{argument!r} is not of the form NAME=NAME")
    return ours, theirs


def _precision(argument: str) -> tuple[str, int]:
    currency, _, number = argument.rpartition("=")
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 10**18:
        raise ArgumentTypeError(f"{argument!r} is not a count of minor units in a major one, such as 100 or JPY=1")
    return currency, int(number)


def report(result: Imported, seconds: float) -> Iterator[str]:
    """Yield the lines of a report."""
    rows = f"{result.balances:,} balances and {result.transactions:,} transactions"
    into = f"ledger {result.name} ({result.ledger_id})"
    skipped = f"; {result.skipped:,} transactions were in already" if result.skipped else ""
    if result.already:
        yield f"These files are in already, {rows} in {into}: nothing changed."
    elif result.dry_run:
        yield f"Dry run: {rows} would come into ledger {result.name}{skipped}; nothing was imported."
        yield from _details(result)
    else:
        yield f"Imported {rows} into {into} in {seconds:.1f} s{skipped}."
    yield from result.notes
    yield from _assertions(result)


def _details(result: Imported) -> Iterator[str]:
    if result.opened:
        rest = result.balances - len(result.opened)
        yield f"  new balances: {', '.join(result.opened)}{f' and {rest:,} more' if rest > 0 else ''}"
    for (currency, precision), moved in sorted(result.tally.moved.items()):
        total = amounts.plain(amounts.major_units(moved.units, precision))
        yield f"  {moved.rows:,} transactions move {total} {currency} ({precision} minor units each)"
    for row in result.tally.first:
        words = f"{row.source} → {row.destination}, {row.amount} {row.currency}, {row.effective_date}"
        description = " ".join(row.description.split())
        yield f"  line {row.line}: {row.reference}: {words}{f', {description}' if description else ''}"


def _assertions(result: Imported) -> Iterator[str]:
    """Yield the assertions, failing ones first, and the number of those beyond the limit."""
    if not result.assertions:
        return
    yield f"{len(result.assertions) - len(result.failing):,} of {len(result.assertions):,} assertions hold:"
    listed = sorted(result.assertions, key=lambda each: each.holds)
    for each in listed[:SHOWN_ASSERTIONS]:
        yield f"  {each}"
    if len(listed) > SHOWN_ASSERTIONS:
        yield f"  and {len(listed) - SHOWN_ASSERTIONS:,} more"
