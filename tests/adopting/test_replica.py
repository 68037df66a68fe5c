"""Sweeps on a standby of an adopted database: read there, written on the primary, and refused where it is unfit."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as configured
from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.test import Client as DjangoClient
from django.urls import reverse

from balances.ground import ModeForbids
from balances.models import Balance
from ledgerproj.embedded import programs
from reconciliation.correcting import Request, reconstruct
from reconciliation.measuring import Scope, measure, reading, replica, turn
from reconciliation.models import Finding, Origin, Sweep
from reconciliation.sweeping import cancel_sweep, create_sweep, run_sweep
from tests.adopting import places
from tests.adopting.conftest import Adopt

END_SENDER = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s"
DROP_SLOT = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
PLANT = "UPDATE blnk.balances SET debit_balance = debit_balance + 7, balance = balance - 7"


def swept(*, deep: bool = False, actor: str = "a") -> Sweep:
    return run_sweep(create_sweep(Scope(everything=True), actor=actor, origin=Origin.COMMAND, deep=deep).sweep_id)


def waits_for(standby: psycopg.Connection[Any], primary: psycopg.Connection[Any]) -> None:
    """Wait until a standby has replayed what the primary has written."""
    at = primary.execute("SELECT pg_current_wal_lsn()").fetchone()
    until = time.monotonic() + 30
    while standby.execute("SELECT pg_last_wal_replay_lsn() >= %s", at).fetchone() != (True,):
        assert time.monotonic() < until
        time.sleep(0.05)


def back_up(data: Path, copy: Path, *words: str) -> None:
    """Copy a running server, again where other tests have dropped a database from under it."""
    for again in range(5):
        try:
            programs.run("pg_basebackup", "-D", str(copy), "-X", "stream", "-c", "fast", *words, cluster=data)
            return
        except subprocess.CalledProcessError as error:
            if "No such file or directory" not in error.stderr or again == 4:
                pytest.fail(error.stderr)
            shutil.rmtree(copy, ignore_errors=True)


@pytest.fixture
def standby(blnk: Adopt) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """Return a connection to an adopted database, and one to a real standby of it, which sweeps are pointed to."""
    if connection.settings_dict["ENGINE"] != "ledgerproj.embedded":
        pytest.skip("a standby is made of the embedded server alone")
    server = blnk("0.15")
    with places.server("postgres") as primary:
        (data,) = primary.execute("SHOW data_directory").fetchone() or ("",)
    slot = f"standby_{secrets.token_hex(4)}"
    root = Path(tempfile.mkdtemp(prefix="standby", dir="/tmp"))  # a socket's path is short
    copy, port = root / "data", str(20_000 + secrets.randbelow(20_000))
    params = server.info.get_parameters()
    try:
        root.chmod(0o755)
        owner = Path(data).stat()
        os.chown(root, owner.st_uid, owner.st_gid)
        source = f"host={params['host']} port={params.get('port', 5432)} user={params['user']}"
        with places.server("postgres") as primary:  # it keeps what was not read yet: other tests write much meanwhile
            primary.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot])
        back_up(Path(data), copy, "-d", source, "-S", slot, "-R")
        options = f"-p {port} -k {root} -c listen_addresses='' -c hot_standby=on -c max_standby_streaming_delay=0"
        programs.run("pg_ctl", "-w", "-D", str(copy), "-o", options, "-l", str(root / "log"), "start", cluster=copy)
        settings = connection.settings_dict | {
            "HOST": str(root),
            "PORT": port,
            "USER": params["user"],
            "ENGINE": "ledgerproj.postgresql",
        }
        settings["OPTIONS"] = {name: value for name, value in settings["OPTIONS"].items() if name != "pool"}
        configured.DATABASES["replica"] = connections.settings["replica"] = settings
        with psycopg.connect(host=str(root), port=port, dbname=server.info.dbname, user=params["user"]) as other:
            other.autocommit = True
            yield server, other
    finally:
        if "replica" in configured.DATABASES:
            connections["replica"].close()
            del configured.DATABASES["replica"], connections["replica"]
        with suppress(OSError, subprocess.CalledProcessError):  # a test has stopped it, or it never began
            programs.run("pg_ctl", "-D", str(copy), "-m", "immediate", "stop", cluster=copy)
        shutil.rmtree(root, ignore_errors=True)
        with places.server("postgres") as primary:
            primary.execute(END_SENDER, [slot])
            time.sleep(0.2)
            primary.execute(DROP_SLOT, [slot])


def test_a_sweep_measures_on_the_standby_and_a_correction_on_the_primary(
    standby: tuple[psycopg.Connection[Any], psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, other = standby
    found = replica()
    assert found is not None
    assert found.is_standby
    balance_id = Balance.objects.order_by("pk")[0].pk
    server.execute(f"{PLANT} WHERE balance_id = %s".encode(), [balance_id])
    waits_for(other, server)
    other.execute("SELECT pg_wal_replay_pause()")
    server.execute(f"{PLANT} WHERE balance_id = %s".encode(), [balance_id])  # which the standby does not see yet
    browser = DjangoClient()
    browser.force_login(get_user_model().objects.create_superuser("root"))
    asked = create_sweep(Scope(everything=True), actor="a", origin=Origin.COMMAND)
    for page in (
        reverse("admin:reconciliation_sweep_add"),
        reverse("admin:reconciliation_sweep_change", args=[asked.pk]),
    ):
        assert "Sweeps measure on the replica at " in browser.get(page).content.decode()
    cancel_sweep(asked.pk)
    sweep = swept(deep=True)
    assert (sweep.state, sweep.measured, sweep.drifted) == (Sweep.State.FINISHED, 692, 1)
    finding = Finding.objects.get(sweep=sweep, drifted=True)
    assert (finding.balance_id, finding.difference.debit_balance) == (balance_id, -7)
    assert measure([balance_id])[0].difference.debit_balance == -14
    proof = swept(actor=Sweep.OF_LIVE_PROOF)  # it goes on from snapshots, and those are the primary's
    assert Finding.objects.get(sweep=proof, drifted=True).difference.debit_balance == -14
    assert proof.chunks.exclude(snapshot="").exists()
    monkeypatch.setattr(reading, "on_replica", lambda: pytest.fail("a correction went to the replica"))
    with pytest.raises(ModeForbids):
        reconstruct(balance_id, Request(actor="alice", origin=Origin.COMMAND, reason="x"))


def test_where_the_standby_is_away_the_sweep_says_so_and_measures_nothing(
    standby: tuple[psycopg.Connection[Any], psycopg.Connection[Any]],
) -> None:
    _, other = standby
    (data,) = other.execute("SHOW data_directory").fetchone() or ("",)
    programs.run("pg_ctl", "-D", data, "-m", "immediate", "stop", cluster=Path(data))
    with pytest.raises(reading.ReplicaUnfit, match="Nothing was measured on the primary in its place"):
        swept()
    sweep = Sweep.objects.get()
    assert (sweep.state, sweep.measured) == (Sweep.State.FAILED, 0)
    assert "LEDGER_REPLICA_URL" in sweep.error


def test_a_statement_that_stands_in_the_way_of_replay_ends_the_sweep_with_that_reason(
    standby: tuple[psycopg.Connection[Any], psycopg.Connection[Any]],
) -> None:
    server, other = standby
    server.execute("CREATE TABLE backoffice.held AS SELECT 1 AS n")
    waits_for(other, server)
    with pytest.raises(reading.ReplicaUnfit, match="conflict with recovery"), reading.long_reads() as (name, _):
        cursor = connections[name].cursor()
        cursor.execute("BEGIN; SELECT * FROM backoffice.held")
        server.execute("DROP TABLE backoffice.held")
        cursor.execute("SELECT pg_sleep(20)")


def test_a_server_that_is_no_standby_of_this_one_is_refused(blnk: Adopt, monkeypatch: pytest.MonkeyPatch) -> None:
    blnk("0.15")
    monkeypatch.setitem(connections.settings, "replica", connection.settings_dict)
    monkeypatch.setitem(configured.DATABASES, "replica", connection.settings_dict)
    with pytest.raises(reading.ReplicaUnfit, match="no standby of the server"):
        replica()


def test_no_more_measure_at_once_than_the_setting_allows(
    blnk: Adopt, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = blnk("0.15")
    settings.LEDGER_MEASURE_AT_ONCE = 1
    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 0.1)
    server.execute("SELECT pg_advisory_lock(hashtext('measuring'), 1)")
    with turn() as is_ours:
        assert not is_ours
    server.execute("SELECT pg_advisory_unlock_all()")
    with turn() as is_ours:
        assert is_ours
    held = "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database WHERE locktype = 'advisory'"
    assert server.execute(f"{held} AND datname = current_database()".encode()).fetchone() == (0,)


def test_processes_of_the_server_are_limited_for_one_statement(blnk: Adopt, settings: Any) -> None:
    blnk("0.15")
    shown = "SELECT current_setting('max_parallel_workers_per_gather')"
    settings.LEDGER_MEASURE_PROCESSES = 0
    with connection.cursor() as cursor:
        with reading.few_processes("default"):
            cursor.execute(shown)
            assert cursor.fetchone() == ("0",)
        cursor.execute(shown)
        assert cursor.fetchone() != ("0",)
