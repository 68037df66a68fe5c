"""``manage.py import_blnk``: copy a database of Blnk's into our own; docs/import.md says how."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledgerproj.moving import WAITING, Compared, Moved, MoveRefused, Preview, Progress, Wish, move, preview

DIFFERENT = 4
"""Exit status when source and copy are not alike."""
SECONDS_BETWEEN = 2.0
"""Between two lines about how far it is."""


class Command(BaseCommand):
    """Adapter: shows what would come over; copies it, with ``--yes`` alone, and prints how both sides compare."""

    help = (
        "Copy a database of Blnk's into this one, which must be empty: look at it, and with --yes copy it, compare "
        "both sides and report drift. The source is only read. A copy that was cut short goes on. "
        "Exit status 4: not alike."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the source, and what becomes of what Blnk has not finished."""
        parser.add_argument("source", metavar="URL", help="Blnk's database, as postgresql://user@host/blnk")
        parser.add_argument("--yes", action="store_true", help="do it; without this it is only shown")
        parser.add_argument(
            "--waiting",
            choices=list(WAITING),
            default="",
            help="; ".join(f"{name}: {what}" for name, what in WAITING.items()) + "; otherwise such rows are refused",
        )
        parser.add_argument(
            "--rename-duplicates",
            action="store_true",
            help="of balances that share indicator and currency, only the oldest keeps its name; otherwise refused",
        )
        parser.add_argument("--rows-per-commit", type=int, default=Wish.portion, metavar="N", help="of one table")

    def handle(
        self, *, source: str, yes: bool, waiting: str, rows_per_commit: int, rename_duplicates: bool, **_: Any
    ) -> None:
        """Show, and do it if that is wanted. Raises ``CommandError``."""
        if rows_per_commit < 1:
            raise CommandError("--rows-per-commit must be at least 1.")
        wish = Wish(source, getpass.getuser(), waiting, rename_duplicates, rows_per_commit)
        try:
            if not yes:
                self._show(preview(wish), waiting)
                return
            self._said_at = 0.0
            moved = move(wish, self._progress)
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            raise MoveRefused(f"The database cannot be read: {str(error).strip()}") from error
        self._conclude(moved)

    def _show(self, found: Preview, waiting: str) -> None:
        say = self.stdout.write
        say(f"{found.name}, schema {found.found.schema}: Blnk {found.found.generation} by its columns.")
        if found.standing:
            state = "finished" if found.standing.finished_at else "begun and not finished; --yes goes on with it"
            say(f"An import of {found.standing.source} was {state}.")
        say("It copies, in one snapshot:")
        for table, rows in found.rows.items():
            say(f"  {table:<32}{rows:>14,}")
        say("It leaves: " + ", ".join(f"{table} ({rows:,} rows)" for table, rows in found.left.items()) + ".")
        if found.left_columns:
            say(f"Of tables that it copies it leaves: {', '.join(found.left_columns)}.")
        for note in found.notes:
            say(f"  - {note}")
        for refusal in found.refusals(waiting):
            say(self.style.WARNING(f"Refused: {refusal}."))
        say("Nothing was changed. To do this, run it again with --yes.")

    def _progress(self, at: Progress) -> None:
        if time.monotonic() - self._said_at < SECONDS_BETWEEN and at.done < at.total:
            return
        self._said_at = time.monotonic()
        share = 100 * at.done // at.total if at.total else 100
        self.stdout.write(
            f"{at.table}: {at.done:,} of {at.total:,} rows ({share} %), {at.rows_per_second:,.0f} rows/s, "
            f"{at.seconds_left:,.0f} s left"
        )

    def _conclude(self, moved: Moved) -> None:
        for line in report(moved.compared):
            self.stdout.write(line)
        if not moved.agrees or moved.sweep is None:
            tables = ", ".join(each.table for each in moved.compared if not each.agrees)
            raise CommandError(
                f"Source and copy are not alike: {tables}. The import is not finished.", returncode=DIFFERENT
            )
        if moved.enqueued:
            self.stdout.write(f"{moved.enqueued:,} queued rows are posted by “manage.py work”, each when it is due.")
        self.stdout.write(
            f"Of {moved.sweep.measured:,} balances {moved.sweep.drifted:,} drift, as they did in the source, and "
            f"{moved.sweep.not_proved:,} could not be judged: sweep {moved.sweep.sweep_id} has them. "
            "Nothing was corrected."
        )
        self.stdout.write(
            self.style.SUCCESS("Imported. Start serve and work again, which know the rows as ours alone.")
        )


def report(compared: list[Compared]) -> Iterator[str]:
    """Yield the comparison of both sides as lines of a table, with rows that differ."""
    yield f"{'Table':<32}{'source':>14}{'here':>14}  {'digest of source':<18}{'digest here':<18}"
    for each in compared:
        verdict = "alike" if each.agrees else "DIFFERENT"
        theirs, ours = each.digests
        yield f"{each.table:<32}{each.rows[0]:>14,}{each.rows[1]:>14,}  {theirs:<18}{ours:<18}{verdict}"
        for by, what, there, here in each.sums:
            mark = "" if there == here else "  DIFFERENT"
            yield f"  {f'{by} {what}':<44}{there:>28f}{here:>28f}{mark}"
        for key in each.differing:
            yield f"  differs: {key}"
