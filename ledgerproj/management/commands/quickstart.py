"""``manage.py quickstart``: from an empty machine to a rebuilt balance, and then a server to look at."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from balances.models import Ledger
from ledgerproj import demo_client, processes
from ledgerproj.embedded import locks
from ledgerproj.environment import kept_secret, known_secret, text
from ledgerproj.management.commands.serve import refuse_taken_port
from reconciliation.drill import demo
from reconciliation.measuring import Scope
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping import create_sweep, run_sweep

PASSWORD_FILE = "admin_password"  # noqa: S105 - the name of a file


class Command(BaseCommand):
    """Sets everything up, sweeps it, rebuilds one balance as a Blnk client would, then serves until Ctrl-C."""

    requires_system_checks = ()  # they take as long as the start itself; CI and manage.py check run them
    help = "Set everything up, sweep it, rebuild a demo balance through REST, and serve API and admin."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare where to serve, and whether to."""
        parser.add_argument("--port", type=int, help=f"port of API and admin ({settings.BLNK_SERVER_PORT})")
        parser.add_argument("--no-serve", action="store_true", help="end after the job")

    def handle(self, *, port: int | None, no_serve: bool, **_: Any) -> None:
        """Run the steps in order; each may be repeated without harm."""
        if not settings.EMBEDDED:
            raise CommandError(
                "quickstart fills a demo ledger and is for the embedded database only. With DATABASE_URL set, "
                "use: manage.py migrate, createsuperuser, serve and work."
            )
        self.console = Console(file=cast("Any", self.stdout), soft_wrap=True, highlight=False)
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            self.run(port or (processes.free_port() if no_serve else settings.BLNK_SERVER_PORT), not no_serve)
        except (processes.StartFailed, demo_client.UnexpectedAnswer) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.say("\nStopped.")

    def run(self, port: int, stay: bool) -> None:
        """Set everything up, sweep it, rebuild a balance, and serve if asked to stay."""
        refuse_taken_port("127.0.0.1", port)
        self.say("Starting the embedded PostgreSQL and bringing its tables up to date …")
        processes.hold_database()
        login, ledger = set_up()
        self.say(f"Demo ledger: {ledger.name} ({ledger.ledger_id}). {demo.state(ledger)}")
        self.sweep_once()
        with processes.command("serve", "--port", str(port), "--verbosity", "0") as server:
            base_url = f"http://127.0.0.1:{port}"
            processes.wait_until_healthy(base_url, server)
            self.rebuild_one(base_url, demo.wallet_to_rebuild(ledger).balance_id)
            if stay:
                self.serve(server, base_url, login)
        self.say_what_next(
            f"http://127.0.0.1:{settings.BLNK_SERVER_PORT}", login, "Serve it: uv run manage.py quickstart"
        )

    def say(self, sentence: str) -> None:
        """Print one line for people."""
        self.console.print(sentence, markup=False)

    def sweep_once(self) -> None:
        """Sweep everything unless that was done before, so that there is something to look at."""
        if Sweep.objects.exists():
            return
        queued = create_sweep(Scope(everything=True), actor="quickstart", origin=Origin.COMMAND, deep=True)
        sweep = run_sweep(queued.sweep_id)
        self.say(f"Swept {sweep.measured} balances: {sweep.drifted} of them drift. Findings say why and since when.")

    def rebuild_one(self, base_url: str, balance_id: str) -> None:
        """Let a client set the flag and read the balance, and print what it saw."""
        client = demo_client.DemoClient(base_url, settings.BLNK_SERVER_SECRET_KEY)
        result = client.result(balance_id)
        if result is None:
            self.say(f'\nPOST /{balance_id}/metadata  {{"meta_data": {{"BLNK_RUN_RECONCILIATION": "SOURCE"}}}}')
            client.reconstruct(balance_id)
            result = client.result(balance_id)
        else:
            self.say("\nThe demo balance was rebuilt by an earlier quickstart; this is what it left.")
        if result is None:
            raise demo_client.UnexpectedAnswer("The reconstruction left no result in the balance's metadata.")
        self.console.print(as_table(result))
        self.say(f"GET /balances/{balance_id}")
        self.say(client.body(balance_id))

    def say_what_next(self, base_url: str, login: str, first: str) -> None:
        """Print the next steps, the addresses, and last the login."""
        key = f' -H "X-Blnk-Key: {settings.BLNK_SERVER_SECRET_KEY}"' if settings.BLNK_SERVER_SECURE else ""
        self.say("\nWhat next")
        self.say(f"  {first}")
        self.say("  Ask why a wallet is wrong: uv run manage.py explain --indicator @demo-ben --currency DEM")
        self.say("  In the admin, open Findings, propose a plan, and let a second login (Users) approve it.")
        self.say("  LEDGER_FOUR_EYES_DIRECT=false lets one person reconstruct at once.")
        self.say(f"  Call the API, described at {base_url}/docs: curl{key} {base_url}/balances")
        self.say(f"\nAdmin  {base_url}/admin/   {login}")

    def serve(self, server: subprocess.Popen[bytes], base_url: str, login: str) -> None:
        """Wait until interrupted, with the background worker beside the server."""
        with processes.command("work", "--verbosity", "0") as worker:
            self.say_what_next(base_url, login, "Leave this running: it serves until Ctrl-C.")
            while server.poll() is None and worker.poll() is None:
                time.sleep(0.5)
            raise processes.StartFailed("The server or the background worker ended by itself; see its messages above.")


def set_up() -> tuple[str, Ledger]:
    """Bring tables, the first user and the demo up to date; return the login for people and the demo ledger."""
    # Two at once would both make what is missing, and one of them would fail on what the other has made.
    with locks.held(settings.LEDGER_DATA_DIR / "quickstart.lock"):
        call_command("migrate", verbosity=0)
        return ensure_staff_user(), demo.fill()


def ensure_staff_user() -> str:
    """Make the first superuser unless it is there; return its login for people to read."""
    name = text("DJANGO_SUPERUSER_USERNAME") or "admin"
    given = os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
    kept = settings.LEDGER_DATA_DIR / PASSWORD_FILE
    users = get_user_model().objects
    user = users.filter(username=name).first()
    if user is None:
        password = given or kept_secret(kept, size=10)
        user = users.create_superuser(name, "", password)
    else:
        password = given or known_secret(kept)
    if not (password and user.check_password(password)):
        return f"user {name}, whose password is not known here; manage.py changepassword {name} sets another"
    return f"user {name}, " + ("password as given in the environment" if given else f"password {password}")


def as_table(result: dict[str, str]) -> Table:
    """Return previous against recalculated, in minor units."""
    table = Table(title=f"Reconstruction of {result['executed_at']}", title_justify="left")
    for title in ("minor units", "previous", "recalculated", "difference"):
        table.add_column(title, justify="left" if title == "minor units" else "right")
    for total in ("credit", "debit", "balance"):
        previous, recalculated = result[f"previous_{total}"], result[f"recalculated_{total}"]
        table.add_row(total, previous, recalculated, str(int(recalculated) - int(previous)))
    return table


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
