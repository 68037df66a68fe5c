"""``manage.py serve``: API and admin over HTTP, by granian."""

from __future__ import annotations

import resource
import socket
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from ledgerproj import processes
from ledgerproj.beginning import require_tables
from ledgerproj.environment import is_loopback, text, weakness

MOST_FILES = 65_536
OTHER_FILES = 256
"""Open files that are no connections of clients: the database's, logs, static files."""


class Command(BaseCommand):
    """Adapter: refuses what would be unsafe, then hands over to granian."""

    requires_system_checks = ()  # they take as long as the start itself; CI and manage.py check run them
    help = "Serve API and admin. Needs DJANGO_SECRET_KEY and BLNK_SERVER_SECRET_KEY outside of this machine."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare address and number of processes."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=settings.BLNK_SERVER_PORT)
        parser.add_argument("--workers", type=int, default=1, help="processes (1)")

    def handle(self, *, host: str, port: int, workers: int, verbosity: int, **_: Any) -> None:
        """Serve until interrupted."""
        if not (settings.EMBEDDED and is_loopback(host)):
            refuse_weak_secrets()
        refuse_taken_port(host, port)
        require_tables("serve")
        processes.end_on_sigterm()
        processes.hold_database()
        if not (settings.BLNK_SERVER_SECURE or is_loopback(host)):
            self.stderr.write(
                f"WARNING: BLNK_SERVER_SECURE=false: anyone who can reach {host}:{port} may read and change everything."
            )
        if verbosity:
            self.stdout.write(f"Serving API and admin on http://{host}:{port} until interrupted.")
            self.stdout.flush()
        Granian(
            "ledgerproj.front.entry:application",
            address=host,
            port=port,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,  # what proxies and SDKs speak; HTTP/2 in the clear would only be more to attack
            http1_settings=HTTP1Settings(header_read_timeout=settings.LEDGER_REQUEST_TIMEOUT * 1000),
            workers=workers,
            backpressure=most_connections(),
            websockets=False,
            log_level=LogLevels.error,
            respawn_failed_workers=True,
        ).serve()


def most_connections() -> int:
    """Return how many connections a process keeps, idle ones included, having raised the limit of open files for them.

    Further ones wait until others close, which idle ones must after ``LEDGER_REQUEST_TIMEOUT``.
    """
    files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    with suppress(ValueError):  # a system may allow fewer than it says (macOS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        files = most
    return max(files - OTHER_FILES, files // 2)


def refuse_weak_secrets() -> None:
    """Raise ``CommandError`` unless the secrets are given, long, and neither is a well-known default."""
    names = ["DJANGO_SECRET_KEY"] + ["BLNK_SERVER_SECRET_KEY"] * settings.BLNK_SERVER_SECURE
    for name in names:
        if not text(name):
            raise CommandError(f"{name} is not set. Give it a long random value; the server does not start without.")
        if wrong := weakness(text(name)):
            raise CommandError(f"{name} {wrong}. Give it a long random value.")


def refuse_taken_port(host: str, port: int) -> None:
    """Raise ``CommandError`` where nothing can listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(f"Cannot listen on {host}:{port} ({error}). Choose another with --port.") from error
