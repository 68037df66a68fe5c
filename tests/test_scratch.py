"""Scratch databases: used as the default by every thread, dropped however the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from psycopg import sql

from balances.models import Ledger
from ledgerproj.scratch import LONGEST_NAME, ScratchRefused, scratch_database
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 60
STAY = """
import sys
import django
django.setup()
from ledgerproj.scratch import scratch_database
with scratch_database(sys.argv[1]) as scratch:
    print(scratch.name, flush=True)
    sys.stdin.read()
"""
COUNT = """
import django
django.setup()
from balances.models import Ledger
print(*Ledger.objects.filter(name="Wallets").values_list("name", flat=True))
"""


def home() -> dict[str, Any]:
    return connection.get_connection_params() | {"autocommit": True}


def databases(label: str) -> set[str]:
    """Return the scratch databases of this test process; others run beside it on the same server."""
    ours = os.environ.get("PYTEST_XDIST_WORKER", "")
    with psycopg.connect(**home()) as server:
        found = server.execute("SELECT datname FROM pg_database WHERE strpos(datname, %s) > 0", [f"_{label}_"])
        return {name for (name,) in found.fetchall() if ours in name}


def stay(label: str) -> tuple[subprocess.Popen[str], str]:
    """Start a process that keeps a scratch database until it is told to end, on the server and database of this one."""
    child = subprocess.Popen(
        [sys.executable, "-c", STAY, label],
        cwd=ROOT,
        env=os.environ | environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert name, child.communicate(timeout=LIMIT_SECONDS)
    return child, name


def environment(**changed: str) -> dict[str, str]:
    connection.ensure_connection()
    parameters = connection.connection.info.get_parameters() | changed
    return {
        "DJANGO_SETTINGS_MODULE": "ledgerproj.settings",
        "DATABASE_URL": psycopg.conninfo.make_conninfo("", **parameters),
        "DJANGO_SECRET_KEY": "s" * 50,
    }


def test_a_user_who_may_not_create_databases_is_told_so() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS clerk")
        cursor.execute("CREATE ROLE clerk LOGIN")
    child = subprocess.run(
        [sys.executable, "-c", STAY, "refused"],
        cwd=ROOT,
        env=os.environ | environment(user="clerk"),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE clerk")

    assert child.returncode == 1
    assert "may create none on this server" in child.stderr
    assert databases("refused") == set()


def test_a_name_that_the_server_refuses_is_said_in_one_sentence() -> None:
    with pytest.raises(ScratchRefused, match="The server makes no scratch database"), scratch_database("null\0"):
        pass


def test_inside_every_thread_works_on_an_empty_migrated_database_and_afterwards_on_its_own_again() -> None:
    world.ledger("Home")
    before = connections["default"].settings_dict["NAME"]
    seen: list[str] = []

    def look() -> None:
        seen.extend(Ledger.objects.filter(name="Wallets").values_list("name", flat=True))
        connection.close()

    with scratch_database("threads") as scratch:
        assert not Ledger.objects.filter(name="Home").exists()
        world.ledger("Wallets")
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert databases("threads") == {scratch.name}
        child = subprocess.run(
            [sys.executable, "-c", COUNT],
            cwd=ROOT,
            env=os.environ | scratch.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=True,
        )

    assert (seen, child.stdout) == (["Wallets"], "Wallets\n")
    assert connections["default"].settings_dict["NAME"] == before
    assert list(Ledger.objects.exclude(pk="general_ledger_id").values_list("name", flat=True)) == ["Home"]
    assert databases("threads") == set()


def test_an_exception_drops_it_and_goes_on() -> None:
    with pytest.raises(ZeroDivisionError), scratch_database("broken"):
        _ = 1 / 0
    assert databases("broken") == set()


def test_a_long_name_is_shortened_to_what_the_server_keeps() -> None:
    with scratch_database("x" * 40) as scratch:
        assert len(scratch.name.encode()) <= LONGEST_NAME
        assert f"_{'x' * 40}_" in scratch.name
        with psycopg.connect(**home()) as server:
            assert server.info.dbname == scratch.name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drops_it(number: signal.Signals) -> None:
    child, name = stay("told")
    with child:
        assert name in databases("told")
        child.send_signal(number)
        child.communicate(timeout=LIMIT_SECONDS)
    assert child.returncode != 0
    assert databases("told") == set()


def test_what_a_killed_run_left_is_dropped_by_the_next_one_but_not_what_is_in_use() -> None:
    killed, left_over = stay("killed")
    with killed:
        killed.kill()
        killed.communicate(timeout=LIMIT_SECONDS)
    with psycopg.connect(**home()) as server:  # the server may still be taking leave of the killed process
        server.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [left_over])
        bystander = left_over.rsplit("_", 1)[0] + "_of_mine"
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(bystander)))
    try:
        with scratch_database("killed") as first, scratch_database("killed") as second:
            assert databases("killed") == {bystander, first.name, second.name}
    finally:
        with psycopg.connect(**home()) as server:
            server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(bystander)))
