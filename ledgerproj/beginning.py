"""What a command needs before it begins: a database that answers, with tables that are up to date."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any

from django.apps import apps
from django.core.management import ManagementUtility, get_commands
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from balances.ground import LedgerError, is_outage, require_own_tables

OURS = ("balances", "reconciliation", "ledgerproj")
MAKES_ITS_OWN = ("quickstart", "drill", "hammer", "adopt", "migrate")
"""Commands that bring their tables along."""
LOOKS_ITSELF = "serve"
"""It refuses first what would be unsafe whatever the database holds."""
WAITS = ("serve", "work", "watch")
"""Commands that may start before the database: they log that, and continue when it is there."""
ALSO = ("createsuperuser", "changepassword")
POSTS = ("import_ledger", "generate_ledger")
"""Commands that write transactions."""


class Manager(ManagementUtility):
    """Django's own, but a command that needs tables begins only with them, and an outage is one sentence."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Return the command, which looks for its tables before it begins."""
        command = super().fetch_command(subcommand)
        if subcommand not in WAITS:
            logging.getLogger("ledgerproj.postgresql.pools").setLevel(logging.CRITICAL)  # the command says it itself
        if needs_tables(subcommand):
            command.requires_migrations_checks = True
            command.check_migrations = lambda: require_tables(subcommand)  # type: ignore[method-assign]
        return command

    def execute(self) -> None:
        """Run the command; where the database is away, say so in one line and end with status 1."""
        try:
            super().execute()
        except Exception as error:
            if not is_outage(error):
                raise
            sys.stderr.write(f"{unreachable(error)}\n")
            sys.exit(1)


def needs_tables(name: str) -> bool:
    """Return whether a command works on the tables of the configured database."""
    of_app: Any = get_commands().get(name, "")
    return (of_app in OURS and name not in (*MAKES_ITS_OWN, LOOKS_ITSELF)) or name in ALSO


def require_tables(name: str) -> None:
    """Raise ``CommandError``, in one sentence, where tables are missing or behind, or no database answers."""
    try:
        missing = unapplied()
    except Exception as error:
        if is_outage(error) and name in WAITS:
            return
        raise
    finally:
        let_go()
    if missing:
        raise CommandError(_behind(missing))
    if name in POSTS:
        try:
            require_own_tables()
        except LedgerError as error:
            raise CommandError(error.message) from error


def _behind(missing: list[str]) -> str:
    """Return in a sentence that tables are missing or behind, and what makes them."""
    from ledgerproj.adopting import belongs_to_blnk  # seldom needed: commands start faster without

    how = "adopt --yes" if belongs_to_blnk() else "migrate"
    if len(missing) == len(on_disk()):
        return f"The database has no tables yet. Run “manage.py {how}” first."
    count = f"{len(missing)} migrations are" if len(missing) > 1 else "1 migration is"
    return f"The tables are behind: {count} not applied, {missing[0]} first. Run “manage.py {how}” first."


def unapplied() -> list[str]:
    """Return the migrations that the database does not have, as ``app.name``."""
    applied = {f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()}
    return [each for each in on_disk() if each not in applied]


def let_go() -> None:
    """Close the connection and its pool: processes that ``serve`` forks would share it, and lack the pool's threads."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # only the backend of PostgreSQL has pools


def on_disk() -> list[str]:
    """Return all migrations of the installed apps, found by their files: importing them would take longer."""
    return [
        f"{app.label}.{module.name}"
        for app in apps.get_app_configs()
        if (package := find_spec(f"{app.name}.migrations")) and package.submodule_search_locations
        for module in iter_modules(package.submodule_search_locations)
        if not module.ispkg and module.name[0] not in "_~"
    ]


def unreachable(error: Exception) -> str:
    """Return in one line that the database is away, and what it or its driver said."""
    said = " ".join(str(error).split())
    return f"The database cannot be used at the moment: {said}"
