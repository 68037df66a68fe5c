"""What our commands share: refusals in one sentence, reports in three formats, and the actor of records."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from balances.ground import LedgerError, outage_of
from reconciliation.measuring import Scope
from reconciliation.records import FORMATS, Report, Row, opened

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class LedgerCommand(BaseCommand):
    """A command that reads its arguments, calls one service and writes a report."""

    requires_system_checks = ()  # cron starts these often; checks would take longer than most runs

    def add_report_arguments(self, parser: CommandParser) -> None:
        """Declare the form of the report and where it goes."""
        parser.add_argument("--format", choices=FORMATS, default="table")
        parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there, not to stdout")

    def add_scope_arguments(self, parser: CommandParser) -> None:
        """Declare which balances are meant."""
        parser.add_argument("balance_ids", nargs="*", metavar="BALANCE_ID")
        parser.add_argument("--indicator", help="an @indicator; needs --currency")
        parser.add_argument("--currency", help="the currency of --indicator, or every balance in it")
        parser.add_argument("--ledger", metavar="NAME_OR_ID", help="every balance of a ledger")
        parser.add_argument("--indicator-prefix", metavar="@X", help="every balance whose indicator begins so")
        parser.add_argument("--created-from", metavar="TIME", help="every balance created then or later (RFC 3339)")
        parser.add_argument("--created-until", metavar="TIME", help="every balance created before then (RFC 3339)")
        parser.add_argument("--all", action="store_true", help="every balance")

    def scope(self, options: dict[str, Any]) -> Scope:
        """Return what the scope arguments say. Raises ``ScopeRefused``."""
        names = ("indicator", "currency", "ledger", "indicator_prefix", "created_from", "created_until")
        return Scope(
            balance_ids=tuple(options["balance_ids"]),
            everything=options["all"],
            **{name: options[name] for name in names},
        )

    def report(self, options: dict[str, Any], report: Report, rows: Iterable[Row]) -> None:
        """Write a report as the arguments say."""
        with opened(options["output"], self.stdout) as out:
            report.write(options["format"], rows, out)

    @contextmanager
    def refusals_for_people(self, options: dict[str, Any]) -> Iterator[None]:
        """End with one sentence instead of a traceback where the ledger refused or the report cannot be written."""
        try:
            yield
        except LedgerError as error:
            raise CommandError(error.message) from error
        except UnicodeError as error:
            raise CommandError("An argument is not text in UTF-8.") from error
        except OSError as error:
            where = options.get("output") or "the report"
            raise CommandError(f"Cannot write {where}: {error.strerror}. {self.so_far()}".strip()) from error
        except DatabaseError as error:
            if (outage := outage_of(error)) is None:
                raise
            raise CommandError(f"{outage.message}. {self.so_far()}".strip()) from error
        except KeyboardInterrupt:
            raise CommandError(f"Interrupted. {self.so_far()}".strip(), returncode=INTERRUPTED) from None

    def so_far(self) -> str:
        """Return how far an interrupted run came, in a sentence, or nothing."""
        return ""


def operator() -> str:
    """Return the name of the account that runs the command, for the records; the environment cannot change it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name, as in some containers
        return f"uid {os.getuid()}"
