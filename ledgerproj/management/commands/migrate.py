"""``manage.py migrate``: Django's own, but never on the tables of Blnk."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from ledgerproj.adopting import belongs_to_blnk


class Command(migrate.Command):
    """Adapter: refuses a database in which Blnk has its tables; ``adopt`` is for those."""

    stealth_options = ("adopting",)

    def handle(self, *args: Any, adopting: bool = False, **options: Any) -> None:
        """Make our tables, unless the database has Blnk's."""
        if not adopting and belongs_to_blnk():
            raise CommandError(
                "Blnk has its tables in this database, and this would put ours among them. Nothing was changed. Run "
                "“manage.py adopt” instead: it shows what it would do, and keeps to a schema of its own."
            )
        super().handle(*args, **options)
