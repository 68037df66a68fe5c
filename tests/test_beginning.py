"""What a command says where it cannot begin: one sentence, whichever command it is."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import get_commands
from django.core.management.base import BaseCommand
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder

from ledgerproj import beginning
from ledgerproj.beginning import MAKES_ITS_OWN, OURS, Manager, needs_tables, on_disk, unapplied
from ledgerproj.management.commands import serve

ROOT = Path(__file__).resolve().parent.parent
WORDS = {
    "apply": ["pln_x"],
    "archive": ["--until", "2026-01"],
    "import_blnk": ["postgresql://127.0.0.1:9/blnk"],
    "import_ledger": ["--ledger", "x", "--balances", "b.csv", "--transactions", "t.csv"],
    "plan": ["--balance", "bln_x", "--reason", "r"],
    "undo": ["rcn_x", "--reason", "r"],
}
"""What a command must be given before it looks at the database."""
NO_TABLES = "CommandError: The database has no tables yet. Run “manage.py migrate” first.\n"


def ours() -> list[str]:
    return sorted(name for name, app in get_commands().items() if str(app) in OURS and name not in MAKES_ITS_OWN)


def run(name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        Manager(["manage.py", name, *WORDS.get(name, [])]).execute()
    return int(ended.value.code or 0), capsys.readouterr().err


@pytest.fixture(autouse=True)
def _the_log_speaks_again() -> Iterator[None]:
    yield
    logging.getLogger("ledgerproj.postgresql.pools").setLevel(logging.NOTSET)


@pytest.fixture
def _does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no command do anything, should it get that far."""
    execute = BaseCommand.execute

    def only_begin(self: BaseCommand, *args: Any, **options: Any) -> Any:
        if not isinstance(self, serve.Command):  # which looks itself, after it has refused what is unsafe
            self.handle = lambda *_, **__: pytest.fail("the command has begun")  # type: ignore[method-assign]
        return execute(self, *args, **options)

    monkeypatch.setattr(BaseCommand, "execute", only_begin)
    monkeypatch.setattr(serve, "refuse_weak_secrets", lambda: None)
    monkeypatch.setattr(serve, "refuse_taken_port", lambda *_: None)
    monkeypatch.setattr(serve, "Granian", lambda *_, **__: pytest.fail("it serves"))


@pytest.mark.usefixtures("_does_nothing")
@pytest.mark.parametrize("name", [*ours(), "createsuperuser"])
def test_every_command_that_needs_tables_says_to_migrate_first(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "unapplied", on_disk)
    assert run(name, capsys) == (1, NO_TABLES)


def test_all_commands_are_looked_at_and_those_that_make_tables_are_left_alone() -> None:
    assert {"sweep", "explain", "reconstruct", "verify_records", "generate_ledger", "work", "serve"} <= set(ours())
    assert not [name for name in (*MAKES_ITS_OWN, "migrate", "check", "showmigrations", "help") if needs_tables(name)]


@pytest.mark.usefixtures("_does_nothing")
def test_tables_that_are_behind_are_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "unapplied", lambda: ["reconciliation.0007_x", "reconciliation.0008_y"])
    status, said = run("sweep", capsys)
    assert (status, said.count("\n")) == (1, 1)
    assert "The tables are behind: 2 migrations are not applied, reconciliation.0007_x first." in said


@pytest.mark.usefixtures("_does_nothing")
@pytest.mark.parametrize("name", ["sweep", "reconstruct", "createsuperuser"])
def test_a_database_that_cannot_be_reached_is_one_line(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> list[str]:
        raise OperationalError("connection failed:\n\tIs the server running?") from psycopg.OperationalError("refused")

    monkeypatch.setattr(beginning, "unapplied", refuse)
    said = "The database cannot be used at the moment: connection failed: Is the server running?\n"
    assert run(name, capsys) == (1, said)


def test_an_error_that_is_no_outage_stays_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(beginning, "unapplied", fail)
    with pytest.raises(ZeroDivisionError):
        Manager(["manage.py", "sweep", "--all"]).execute()


@pytest.mark.django_db
def test_what_is_applied_is_compared_with_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unapplied() == []
    assert {"auth.0001_initial", "balances.0001_ledger", "reconciliation.0001_reconstructions"} & set(on_disk())
    applied = MigrationRecorder.applied_migrations

    def without_one(self: MigrationRecorder) -> Any:
        return {key: row for key, row in applied(self).items() if key != ("reconciliation", "0002_append_only")}

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", without_one)
    assert unapplied() == ["reconciliation.0002_append_only"]


@pytest.mark.xdist_group("quickstart")
def test_a_fresh_data_folder_is_told_to_migrate(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "BLNK_", "DATABASE_"))}
    ended = subprocess.run(
        [sys.executable, "manage.py", "generate_ledger"],
        cwd=ROOT,
        env=kept | {"LEDGER_DATA_DIR": str(tmp_path)},
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", NO_TABLES)
