"""Copying a database of Blnk's into our own: all of it or nothing, in one snapshot, and judged there as it was here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from balances.ground import adoption, provenance
from balances.models import Balance, BalanceSnapshot, BlnkImport, Entry, Ledger, Transaction
from balances.queueing import recovery
from ledgerproj.moving import MoveRefused, Wish, move, preview
from ledgerproj.postgresql import adopted
from reconciliation.correcting import sources
from reconciliation.measuring import Scope, measure
from reconciliation.models import BalanceEdit, Finding, Origin, TransactionEdit
from reconciliation.sweeping import create_sweep, run_sweep
from tests.adopting.blnk_database import GENERATIONS
from tests.adopting.conftest import Adopt, Own
from tests.adopting.test_observing import contents

DAMAGE = """
UPDATE blnk.balances SET credit_balance = credit_balance + 12345, balance = balance + 12345, meta_data = 'null'
WHERE balance_id = (SELECT min(balance_id) FROM blnk.balances WHERE credit_balance > 0);
DELETE FROM blnk.transactions WHERE id = (
    SELECT max(id) FROM blnk.transactions AS t WHERE status = 'APPLIED' AND precise_amount > 100
    AND NOT EXISTS (SELECT FROM blnk.transactions AS c WHERE c.parent_transaction = t.transaction_id));
UPDATE blnk.balances SET meta_data = '"words"' WHERE balance_id = (SELECT max(balance_id) FROM blnk.balances);
ALTER TABLE blnk.transactions DISABLE TRIGGER prevent_transaction_update_trigger;
UPDATE blnk.transactions SET description = 'other' WHERE id = (
    SELECT min(id) FROM blnk.transactions WHERE status = 'APPLIED');
ALTER TABLE blnk.transactions ENABLE TRIGGER prevent_transaction_update_trigger;
INSERT INTO blnk.balance_snapshots (balance_id, ledger_id, balance, credit_balance, debit_balance, inflight_balance,
    inflight_credit_balance, inflight_debit_balance, currency, snapshot_time, created_at)
SELECT balance_id, ledger_id, balance, credit_balance, debit_balance, inflight_balance, inflight_credit_balance,
    inflight_debit_balance, currency, date_trunc('day', now()) + n * interval '1 minute', now()
FROM (SELECT * FROM blnk.balances ORDER BY balance_id LIMIT 1) AS b, generate_series(1, 3) AS n
"""
"""What a database that grew over years holds: drift, a lost row, an edited one, odd metadata, snapshots of one day."""


def url(server: psycopg.Connection[Any]) -> str:
    return psycopg.conninfo.make_conninfo("", **server.info.get_parameters(), password=server.info.password or None)


def judged() -> dict[str, Any]:
    """Sweep everything deeply, and return what was found of each balance, without what names the database."""
    sweep = run_sweep(create_sweep(Scope(everything=True), actor="a", origin=Origin.COMMAND, deep=True).sweep_id)
    found = {
        each.balance_id: (
            each.difference,
            each.cause,
            {entry["check"]: entry["rows"] for entry in [*each.faults, *each.not_proved, *each.remarks]},
        )
        for each in Finding.objects.filter(sweep=sweep)
    }
    totals = ("measured", "drifted", "faulty", "not_proved", "trial_balance")
    return {**found, **{name: getattr(sweep, name) for name in totals}}


def measured() -> list[dict[str, Any]]:
    ids = list(Balance.objects.order_by("balance_id").values_list("balance_id", flat=True))
    return [
        {
            name: value
            for name, value in asdict(each).items()
            if not name.startswith(("executed", "indicator", "snapshot"))
        }
        for each in measure(ids)
    ]


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("import_blnk", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_copy_is_judged_as_the_adopted_one_balance_by_balance(generation: str, blnk: Adopt, own: Own) -> None:
    server = blnk(generation)
    server.execute(DAMAGE.encode())
    run_sweep(create_sweep(Scope(everything=True), actor="a", origin=Origin.COMMAND).sweep_id)  # as the import does
    theirs, totals = judged(), measured()
    before = contents(server)
    with own() as ours:
        text = said(url(server), "--yes", "--waiting", "keep", "--rename-duplicates")
        assert "alike" in text
        assert "DIFFERENT" not in text
        assert adoption() is None
        assert measured() == totals
        assert judged() == theirs
        assert ours.execute("SELECT count(*) FROM transactions WHERE number IS NULL").fetchone() == (0,)
        assert not BalanceEdit.objects.exists()
        assert TransactionEdit.objects.count() == 2
        assert BlnkImport.objects.get().finished_at is not None
    assert contents(server) == before


def test_where_rates_are_gone_the_copy_leaves_the_same_balances_unproved(blnk: Adopt, own: Own) -> None:
    server = blnk("0.14.5", adopt=False)
    server.execute("ALTER TABLE blnk.transactions DROP COLUMN rate")
    call_command("adopt", "--yes", verbosity=0)
    run_sweep(create_sweep(Scope(everything=True), actor="a", origin=Origin.COMMAND).sweep_id)
    theirs = judged()
    assert theirs["not_proved"] > 0
    with own():
        assert move(Wish(url(server), "alice", "keep")).agrees
        assert judged() == theirs
        drifted = [each for each in measure([*Balance.objects.values_list("pk", flat=True)]) if each.has_drift]
        assert all(source.gap for source in sources(drifted).values())


def test_it_looks_first_names_what_it_leaves_and_changes_nothing(blnk: Adopt, own: Own) -> None:
    server = blnk("0.15", adopt=False)
    with own():
        text = said(url(server), "--waiting", "keep")
        assert "Blnk 0.15 by its columns" in text
        assert "transactions                            13,343" in text
        assert "chain_state (1 rows)" in text
        assert "transactions.chain_hash" in text
        assert "Nothing was changed" in text
        assert not Balance.objects.exists()
        assert not BlnkImport.objects.exists()


def test_what_the_tables_cannot_hold_is_refused_by_name_before_anything_is_written(blnk: Adopt, own: Own) -> None:
    server = blnk("0.10.1", adopt=False)
    ids = [each for (each,) in server.execute("SELECT balance_id FROM blnk.balances ORDER BY 1 LIMIT 6").fetchall()]
    rows = [each for (each,) in server.execute("SELECT transaction_id FROM blnk.transactions ORDER BY id LIMIT 4")]
    server.execute("ALTER TABLE blnk.balances ALTER credit_balance DROP NOT NULL, ALTER ledger_id DROP NOT NULL")
    server.execute("ALTER TABLE blnk.transactions DROP CONSTRAINT transactions_source_fkey")
    server.execute("ALTER TABLE blnk.transactions DISABLE TRIGGER USER")
    for balance_id, change in zip(
        ids,
        (
            "credit_balance = NULL",
            "debit_balance = 'NaN'",
            "credit_balance = credit_balance + 0.5, balance = balance + 0.5",
            "balance = balance + 1",
            "indicator = '@twice', currency = 'USD'",
            "indicator = '@twice', currency = 'USD'",
        ),
        strict=True,
    ):
        server.execute(f"UPDATE blnk.balances SET {change} WHERE balance_id = %s".encode(), [balance_id])
    for row, change in zip(
        rows,
        ("reference = 'twice'", "reference = 'twice'", "source = 'bln_lost'", "precise_amount = 1.5"),
        strict=True,
    ):
        server.execute(f"UPDATE blnk.transactions SET {change} WHERE transaction_id = %s".encode(), [row])
    with own() as ours:
        with pytest.raises(MoveRefused) as refused:
            move(Wish(url(server), "alice", "keep"))
        text = str(refused.value)
        for line in (
            f"no credit_balance: {ids[0]}",
            "no whole number of minor units",
            "not its credits less its debits",
            "@twice in USD",
            "with --rename-duplicates",
            "reference used more than once: twice",
            f"a source that is no row: {rows[2]}",
            f"a precise amount that is no whole number of minor units: {rows[3]}",
        ):
            assert line in text
        assert all(each in text for each in ids[1:4])
        assert not BlnkImport.objects.exists()
        assert ours.execute("SELECT count(*) FROM ledgers").fetchone() == (1,)


def test_a_target_that_holds_other_data_is_refused(blnk: Adopt, own: Own) -> None:
    server = blnk("0.15", adopt=False)
    with own():
        Ledger.objects.create(name="Ours")
        with pytest.raises(MoveRefused, match="holds other data: ledgers"):
            preview(Wish(url(server), "alice"))


def test_a_database_of_blnks_is_no_target(blnk: Adopt) -> None:
    server = blnk("0.15")
    with pytest.raises(MoveRefused, match="DATABASE_URL names a database of Blnk's"):
        preview(Wish(url(server), "alice"))


def waiting(server: psycopg.Connection[Any]) -> str:
    row = server.execute(
        "INSERT INTO blnk.transactions (transaction_id, source, destination, reference, amount, precise_amount, "
        "precision, currency, status, parent_transaction, meta_data, created_at) "
        "SELECT 'txn_waits', s.balance_id, d.balance_id, 'waits', 1, 100, 100, s.currency, 'QUEUED', '', "
        "'{\"allow_overdraft\": true}', now() - interval '1 day' "
        "FROM blnk.balances AS s JOIN blnk.balances AS d USING (currency) WHERE s.id < d.id LIMIT 1 "
        "RETURNING transaction_id"
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_queued_rows_without_an_outcome_are_refused_until_that_is_decided(blnk: Adopt, own: Own) -> None:
    server = blnk("0.15", adopt=False)
    row = waiting(server)
    with own():
        with pytest.raises(MoveRefused, match="queued rows have no outcome yet"):
            move(Wish(url(server), "alice"))
        move(Wish(url(server), "alice", "keep"))
        assert Transaction.objects.filter(pk=row, status="QUEUED").exists()
        assert recovery.recover(timedelta(minutes=2)) == 0
        assert not Entry.objects.exists()
    with own():
        assert move(Wish(url(server), "alice", "enqueue")).enqueued >= 1
        call_command("work", "--once", verbosity=0)
        assert Transaction.objects.filter(parent_transaction=row, status="APPLIED").exists()


class Killed(Exception):
    """What stands for the end of the process."""


def begun(wish: Wish, monkeypatch: pytest.MonkeyPatch, portions: int) -> None:
    """Begin an import, and end it after some portions."""
    from ledgerproj.moving import service

    def ends(at: Any) -> None:
        nonlocal portions
        portions -= 1
        if not portions:
            raise Killed

    with pytest.raises(Killed):
        service.move(wish, ends)
    assert monkeypatch is not None


def test_an_import_that_was_cut_short_goes_on_where_the_source_is_the_same(
    blnk: Adopt, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = blnk("0.14.5", adopt=False)
    wish = Wish(url(server), "alice", "keep", portion=300)
    with own():
        begun(wish, monkeypatch, 8)
        rows = Transaction.objects.count()
        assert 0 < rows < 6_663
        assert move(wish).agrees
        assert Transaction.objects.count() == 6_663
        with pytest.raises(MoveRefused, match="was imported by"):
            move(wish)


@pytest.mark.parametrize("change", ["UPDATE blnk.balances SET version = version + 1", "DELETE FROM blnk.accounts"])
def test_going_on_with_another_snapshot_is_refused_where_rows_that_are_in_have_changed(
    change: str, blnk: Adopt, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = blnk("0.14.5", adopt=False)
    wish = Wish(url(server), "alice", "keep", portion=300)
    with own():
        begun(wish, monkeypatch, 30)
        server.execute(change.encode())
        with pytest.raises(MoveRefused, match="The source has changed since"):
            move(wish)


def test_a_copy_that_was_written_to_is_found_with_the_row_named(
    blnk: Adopt, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledgerproj.moving import service

    server = blnk("0.15", adopt=False)
    with own() as ours:
        compared = service.compare

        def meanwhile(*given: Any) -> Any:
            ours.execute("UPDATE ledgers SET name = 'Mine' WHERE ledger_id = 'general_ledger_id'")
            return compared(*given)

        monkeypatch.setattr(service, "compare", meanwhile)
        with pytest.raises(CommandError, match="not alike: ledgers") as failed:
            said(url(server), "--yes", "--waiting", "keep")
        assert failed.value.returncode == 4
        assert BlnkImport.objects.get().finished_at is None
        ledgers = move_again(url(server), monkeypatch, service, compared)
        assert ledgers == "The source has changed since"


def move_again(source: str, monkeypatch: pytest.MonkeyPatch, service: Any, compared: Any) -> str:
    monkeypatch.setattr(service, "compare", compared)
    with pytest.raises(MoveRefused) as refused:
        move(Wish(source, "alice", "keep"))
    return str(refused.value)[:28]


def test_nothing_is_lost_and_nothing_twice_when_it_is_killed_again_and_again(blnk: Adopt, own: Own) -> None:
    server = blnk("0.15", adopt=False)
    with own() as ours:
        environment = os.environ | {
            "DATABASE_URL": url(ours),
            "DJANGO_SECRET_KEY": "a" * 50,
            "BLNK_SERVER_SECRET_KEY": "b" * 32,
        }
        command = (sys.executable, "manage.py", "import_blnk", url(server), "--yes")
        arguments = ("--waiting", "keep", "--rows-per-commit", "10")
        kills = 0
        for patience in (0.05, 0.1, 0.2, 0.3):
            process = subprocess.Popen((*command, *arguments), env=environment, stdout=subprocess.PIPE, text=True)
            before = done(ours)
            until = time.monotonic() + 60
            while process.poll() is None and done(ours) == before and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(patience)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate()
        assert kills >= 3
        ended = subprocess.run((*command, *arguments), env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        adopted.forget()
        assert Transaction.objects.count() == 13_343
        assert "DIFFERENT" not in ended.stdout


def done(ours: psycopg.Connection[Any]) -> int:
    row = ours.execute("SELECT sum((value ->> 'rows')::int) FROM uploads_blnkimport, jsonb_each(tables)").fetchone()
    return int(row[0] or 0) if row else 0


def test_what_blnk_left_undone_is_as_blocked_in_the_copy_as_it_was(blnk: Adopt, own: Own) -> None:
    server = blnk("0.14.5", adopt=False)
    with own():
        moved = move(Wish(url(server), "alice", "keep"))
        assert moved.sweep is not None
        assert moved.sweep.drifted == 36
        known = provenance()
        assert known is not None
        assert known.has_rates
        drifted = [each for each in measure([*Balance.objects.values_list("pk", flat=True)]) if each.has_drift]
        assert all(source.gap for source in sources(drifted).values())
        assert BalanceSnapshot.objects.latest("id").pk < next_snapshot_id()


def next_snapshot_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('balance_snapshots', 'id'))")
        row = cursor.fetchone()
    return int(row[0])
