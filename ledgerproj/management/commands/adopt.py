"""``manage.py adopt``: look at a database of Blnk's, and adopt it as it is."""

from __future__ import annotations

import getpass
from io import StringIO
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from balances.ground import SCHEMA, Mode, adoption
from ledgerproj.adopting import (
    Found,
    adopt,
    drop_indexes,
    grants,
    helpers,
    look,
    make_indexes,
    remove,
    what_it_creates,
    what_waits,
    why_not_served,
)
from reconciliation import proving
from reconciliation.measuring import replica
from reconciliation.proving import CannotReplicate, CannotWatch, watches


class Command(BaseCommand):
    """Adapter: shows what is there and what would be made; makes it, or takes it away, with ``--yes`` alone."""

    requires_system_checks = ()
    help = (
        "Adopt the database of a running Blnk: look at it, and with --yes make a schema of ours beside Blnk's. "
        "Nothing of Blnk's is changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare that nothing happens without a yes, and how to leave."""
        parser.add_argument("--yes", action="store_true", help="do it; without this it is only shown")
        parser.add_argument(
            "--mode",
            choices=[str(mode) for mode in Mode],
            help="what may be done to Blnk's tables: observe, repair totals too, or serve postings as well (observe, "
            "or what it is already)",
        )
        parser.add_argument(
            "--indexes", action="store_true", help="also make indexes on Blnk's transactions that make measuring faster"
        )
        parser.add_argument(
            "--remove", action="store_true", help=f"take everything of ours out again: drop schema {SCHEMA}"
        )
        parser.add_argument(
            "--leave-waiting",
            action="store_true",
            help="with --remove, or for a mode other than serve: give up what our queue has not applied yet",
        )

    def handle(self, *, yes: bool, verbosity: int, **options: Any) -> None:
        """Show, and do it if that is wanted."""
        if not verbosity:
            self.stdout = OutputWrapper(StringIO())
        if options["remove"]:
            self._leave(yes=yes, leave_waiting=options["leave_waiting"])
            return
        found = look()
        standing = adoption()
        mode = Mode(options["mode"] or (standing.mode if standing else Mode.OBSERVE))
        self._show(found, mode)
        self._show_helpers(found, wanted=options["indexes"])
        if not yes:
            self.stdout.write("Nothing was changed. To do this, run it again with --yes.")
            return
        if standing and not mode.allows(standing.mode):
            self._require_nothing_waits(leave_waiting=options["leave_waiting"])
        is_new = adopt(found, mode, getpass.getuser())
        done = "Adopted" if is_new else "Brought up to date"
        if options["indexes"]:
            made = make_indexes(found, lambda name, percent: self.stdout.write(f"{name}: {percent} %"))
            self.stdout.write(f"Indexes made: {', '.join(made) or 'none, all were there'}.")
        if standing and standing.mode != mode:
            self.stdout.write(f"The mode is {mode} from now on. Restart serve and work, which know the one before.")
        self.stdout.write(self.style.SUCCESS(f"{done}. Next: manage.py sweep --all, and manage.py createsuperuser."))

    def _show(self, found: Found, mode: Mode) -> None:
        say = self.stdout.write
        say(f"Database {found.database}, schema {found.schema}: Blnk {found.generation} by its columns.")
        if found.is_newer:
            say(
                self.style.WARNING(
                    f"Blnk has migrated it to {found.newest_migration}, which is newer than this program knows. "
                    "What it does not know it does not read."
                )
            )
        say(f"About {found.rows:,} transactions and {found.balances:,} balances, as the planner estimates.")
        say(f"Mode {mode}: {mode.in_words}.")
        say(f"Role {found.role}: {self._rights(found, mode)}")
        if standby := replica():
            say(f"Sweeps measure on {standby}.")
        if mode is Mode.SERVE:
            self._show_serving(found)
        say("It creates:" if not adoption() else "It was adopted already. It brings up to date:")
        for line in what_it_creates(found):
            say(f"  - {line}")
        if found.hours_ahead:
            off = f"{abs(found.hours_ahead):g} hours {'ahead of' if found.hours_ahead > 0 else 'behind'}"
            say(
                self.style.WARNING(
                    f"Blnk's clock is {off} that of the database: its process runs in another time zone. Its instants "
                    "are read as UTC, so they are shown as much off, and compared with snapshots as if they were right."
                )
            )
        if found.rates_gone_at:
            say(
                "Its transactions no longer have their exchange rates: balances that received from another currency "
                "before Blnk 0.15 are called not proved."
            )

    def _show_serving(self, found: Found) -> None:
        """Show what is in the way of postings: what the database lacks, and what the role does, as SQL to run."""
        for reason in why_not_served(found):
            self.stdout.write(self.style.WARNING(f"Mode serve is not for this database. {reason}"))
        if lacking := grants(found):
            self.stdout.write("It may NOT post yet. Let the owner of the tables run:")
            for each in lacking:
                self.stdout.write(f"  {each}")

    def _show_helpers(self, found: Found, *, wanted: bool) -> None:
        offered = helpers(found)
        if not offered.missing:
            return
        price = (
            f"{len(offered.missing)} indexes on {found.schema}.transactions, about {offered.megabytes:,} MB, which "
            "each insert of Blnk's keeps up to date; made CONCURRENTLY, so that Blnk goes on posting"
        )
        if wanted and not offered.may_make:
            raise CommandError(
                f"Role {found.role} cannot index {found.schema}.transactions: it must own that table, and have "
                f"CREATE on schema {found.schema}."
            )
        self.stdout.write(f"It also makes {price}." if wanted else f"Offered with --indexes: {price}.")

    def _rights(self, found: Found, mode: Mode) -> str:
        read = f"may read schema {found.schema}" if found.may_read else f"may NOT read schema {found.schema}"
        make = f"may make schema {SCHEMA}" if found.may_create else f"may NOT make schema {SCHEMA}"
        if mode is Mode.REPAIR:
            return f"{read}; may {'' if found.may_repair else 'NOT '}correct totals of its balances; {make}."
        if mode is Mode.SERVE:
            return f"{read}; {make}."
        if not found.may_write:
            return f"{read}; may not write to it; {make}."
        return f"{read}; {make}; may also write to Blnk's tables, which is more than is needed: see docs/adopt.md."

    def _require_nothing_waits(self, *, leave_waiting: bool) -> None:
        waiting = what_waits()
        if waiting and not leave_waiting:
            raise CommandError(f"{waiting} Nothing was changed.")
        if waiting:
            self.stdout.write(self.style.WARNING(waiting))

    def _leave(self, *, yes: bool, leave_waiting: bool) -> None:
        standing = adoption()
        if standing is None:
            raise CommandError("There is nothing to remove: this database was not adopted, or was left already.")
        self.stdout.write(
            f"This drops schema {SCHEMA} with all findings, plans, records and users in it. Schema {standing.schema} "
            "stays as it is."
        )
        if watches():
            self.stdout.write("It takes the live proof back first: its slot, its publications, and replica identities.")
        self._require_nothing_waits(leave_waiting=leave_waiting)
        if not yes:
            self.stdout.write("Nothing was changed. To do this, run it again with --remove --yes.")
            return
        self._end_live_proof()
        if indexes := drop_indexes(look()):
            self.stdout.write(f"Indexes dropped: {', '.join(indexes)}.")
        remove()
        self.stdout.write(self.style.SUCCESS("Removed."))

    def _end_live_proof(self) -> None:
        """Take back what the live proof set on Blnk's tables, while it is known how they were."""
        if not watches():
            return
        try:
            done = proving.remove(getpass.getuser())
        except (CannotWatch, CannotReplicate) as error:
            raise CommandError(
                f"The live proof could not be taken back, and schema {SCHEMA} is as it was: {error} Where another role "
                "set it up, let that one run manage.py watch --remove --yes first."
            ) from error
        for sentence in done:
            self.stdout.write(sentence)
