"""``manage.py reconstruct``: rebuild balances from their transactions, or only look."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from balances.exceptions import LedgerError
from reconciliation.models import Origin
from reconciliation.reports import WRITERS
from reconciliation.runs import Finding, Request, reconstruct_many
from reconciliation.scope import Scope

DRIFT_LEFT = 3
"""Exit status when balances are left with drift, so that cron can tell."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class Command(BaseCommand):
    """Adapter: words in, one service call, a report and one summary line out."""

    requires_system_checks = ()  # cron starts this often; they would take longer than most runs
    help = "Rebuild balances from their transactions. Exit status 3: drift was found (--check) or had to be left."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare scope, mode and report."""
        parser.add_argument("balance_ids", nargs="*", metavar="BALANCE_ID")
        parser.add_argument("--indicator", help="an @indicator; needs --currency")
        parser.add_argument("--currency", help="the currency of --indicator")
        parser.add_argument("--ledger", metavar="NAME_OR_ID", help="every balance of a ledger")
        parser.add_argument("--all", action="store_true", help="every balance")
        parser.add_argument("--dry-run", action="store_true", help="measure and record, change nothing")
        parser.add_argument("--check", action="store_true", help="a dry run that exits 3 when there is drift")
        parser.add_argument("--reason", default="", help="why; kept in the records")
        parser.add_argument(
            "--allow-empty", action="store_true", help="set totals that no transaction backs to zero as well"
        )
        parser.add_argument("--format", choices=sorted(WRITERS), default="table")
        parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there, not to stdout")

    def handle(self, **options: Any) -> None:
        """Run, report, and say in one line what happened."""
        scope = Scope(
            balance_ids=tuple(options["balance_ids"]),
            indicator=options["indicator"],
            currency=options["currency"],
            ledger=options["ledger"],
            everything=options["all"],
        )
        request = Request(
            actor=_user(),
            origin=Origin.COMMAND,
            reason=options["reason"],
            dry_run=options["dry_run"] or options["check"],
            allow_empty=options["allow_empty"],
            record_each=scope.names_balances,
        )
        count = Count()
        started = time.monotonic()
        try:
            findings = count.watch(reconstruct_many(scope.ids(), request))
            with _open(options["output"], self.stdout) as out:
                WRITERS[options["format"]](findings, out)
        except LedgerError as error:
            raise CommandError(error.message) from error
        except UnicodeError as error:
            raise CommandError("An argument is not text in UTF-8.") from error
        except OSError as error:
            where = options["output"] or "the report"
            raise CommandError(f"Cannot write {where}: {error.strerror}. {count.so_far}") from error
        except KeyboardInterrupt:
            raise CommandError(f"Interrupted. {count.so_far}", returncode=INTERRUPTED) from None
        self.stderr.write(count.sentence(time.monotonic() - started, dry_run=request.dry_run))
        if count.refused:
            self.stderr.write(
                f"{count.refused:,} of them have totals but no transactions and were left as they are: "
                "reconstruction would set them to zero. Say --allow-empty if that is right."
            )
        if count.refused or (options["check"] and count.drifted):
            sys.exit(DRIFT_LEFT)


class Count:
    """Counts findings as they pass by."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.measured = self.drifted = self.refused = 0

    def watch(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Pass findings on, counted."""
        for finding in findings:
            self.measured += 1
            self.drifted += finding.measurement.has_drift
            self.refused += finding.refused
            yield finding

    @property
    def so_far(self) -> str:
        """Return how far an interrupted run came."""
        return f"{self.measured:,} balances are done, each completely; run again for the others."

    def sentence(self, seconds: float, *, dry_run: bool) -> str:
        """Return what happened, for people."""
        done = "nothing changed (dry run)" if dry_run else f"{self.drifted - self.refused:,} corrected"
        return f"{self.measured:,} balances measured, {self.drifted:,} with drift, {done}, in {seconds:.1f} s."


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return f"uid {os.getuid()}"


def _open(path: Path | None, stdout: Any) -> AbstractContextManager[TextIO]:
    return nullcontext(stdout) if path is None else path.open("w", encoding="utf-8", newline="")
