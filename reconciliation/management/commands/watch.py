"""``manage.py watch``: prove every commit as it lands, until interrupted."""

from __future__ import annotations

import getpass
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from balances.ground import is_outage
from reconciliation.proving import CannotWatch, Ground, look, remove, watch

WAIT_SECONDS = 0.5


class Command(BaseCommand):
    """Adapter: shows what it would set up where the server is not ours; watches; takes everything back."""

    help = (
        "Prove every commit as it lands, from PostgreSQL's write-ahead log, until interrupted. Any number may run: one "
        "watches, and another takes over when it ends."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what is shown, done and taken back."""
        parser.add_argument("--look", action="store_true", help="show what is there and what would be set up; no more")
        parser.add_argument("--yes", action="store_true", help="set up what is missing, on a server that is not ours")
        parser.add_argument(
            "--remove", action="store_true", help="drop slot and publications, and give replica identities back"
        )

    def handle(self, *, verbosity: int, **options: Any) -> None:
        """Watch, or show, or take back."""
        if options["remove"]:
            self._remove(yes=options["yes"] or settings.EMBEDDED)
            return
        if options["look"]:
            self._show(look())
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        ground = self._looked(stop)
        if ground is None:
            return
        if ground.obstacles:
            raise CommandError(" ".join(ground.obstacles))
        if not (ground.is_set_up or options["yes"] or settings.EMBEDDED):
            self._show(ground)
            self.stdout.write("Nothing was changed. To do this and watch, run it again with --yes.")
            return
        watch(stop, self._say if verbosity else lambda sentence: None)

    def _looked(self, stop: threading.Event) -> Ground | None:
        """Look at the server, after waiting for it where it is away; return nothing where that was interrupted."""
        while not stop.is_set():
            try:
                return look()
            except Exception as error:
                if not is_outage(error):
                    raise
            stop.wait(WAIT_SECONDS)
        return None

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    def _show(self, ground: Ground) -> None:
        for sentence in ground.obstacles or ["The server allows a live proof."]:
            self.stdout.write(self.style.WARNING(sentence) if ground.obstacles else sentence)
        if ground.warning:
            self.stdout.write(self.style.WARNING(ground.warning))
        if ground.is_set_up:
            self.stdout.write("Everything is set up.")
            return
        self.stdout.write("It sets up:")
        for sentence in ground.changes:
            self.stdout.write(f"  - {sentence}")
        self.stdout.write("  --remove takes all of it back.")

    def _remove(self, *, yes: bool) -> None:
        if not yes:
            self.stdout.write("This drops the slot and the publications, and gives replica identities back.")
            self.stdout.write("Nothing was changed. To do this, run it again with --remove --yes.")
            return
        try:
            done = remove(getpass.getuser())
        except CannotWatch as error:
            raise CommandError(error.message) from error
        for sentence in done:
            self.stdout.write(sentence)
        self.stdout.write(self.style.SUCCESS("Live proof is off."))
