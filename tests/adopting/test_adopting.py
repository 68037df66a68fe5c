"""Adopting a database of a running Blnk: looked at first, nothing of it changed, and left without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from balances.ground import Mode, adoption, dumps
from balances.models import Balance, Ledger, Transaction
from ledgerproj.adopting import AdoptionRefused, NothingToAdopt, look
from ledgerproj.beginning import require_tables
from reconciliation.measuring import Scope
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping import create_sweep, run_sweep
from tests.adopting.blnk_database import GENERATIONS
from tests.adopting.conftest import Adopt

COUNTS = {"0.10.1": (328, 4_328), "0.14.5": (352, 6_663), "0.15": (692, 13_343)}
KNOWN_AS = {"0.10.1": "0.10", "0.14.5": "0.14", "0.15": "0.15"}
OF_BLNK = """
SELECT c.relname, c.relkind::text, c.relacl::text, obj_description(c.oid), a.attname,
       format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull
FROM pg_class AS c LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'blnk'::regnamespace
UNION ALL
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL, NULL, NULL, NULL
FROM pg_constraint WHERE connamespace = 'blnk'::regnamespace
UNION ALL
SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled::text, NULL, NULL, NULL, NULL FROM pg_trigger
WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'blnk'::regnamespace)
UNION ALL
SELECT proname, prosrc, proacl::text, NULL, NULL, NULL, NULL, NULL FROM pg_proc
WHERE pronamespace = 'blnk'::regnamespace
ORDER BY 1, 2, 5
"""


def schema(server: psycopg.Connection[Any]) -> list[Any]:
    return server.execute(OF_BLNK).fetchall()


def schemas(server: psycopg.Connection[Any]) -> set[str]:
    rows = server.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|information_schema'").fetchall()
    return {name for (name,) in rows}


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("adopt", *arguments, stdout=out)
    return out.getvalue()


def swept() -> Sweep:
    return run_sweep(create_sweep(Scope(everything=True), actor="alice", origin=Origin.COMMAND).sweep_id)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_it_tells_the_generation_and_shows_what_it_would_create_and_does_nothing(generation: str, blnk: Adopt) -> None:
    server = blnk(generation, adopt=False)
    text = said()
    balances, rows = COUNTS[generation]
    assert f"Blnk {KNOWN_AS[generation]} by its columns" in text
    assert f"About {rows:,} transactions and {balances:,} balances" in text
    assert "may read schema blnk" in text
    assert "schema backoffice, and nothing outside of it" in text
    assert "Nothing was changed" in text
    assert schemas(server) == {"blnk", "public"}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_is_adopted_is_read_as_it_is_and_left_as_it_was(generation: str, blnk: Adopt) -> None:
    server = blnk(generation, adopt=False)
    before = schema(server)
    assert "Adopted" in said("--yes")
    assert schemas(server) == {"backoffice", "blnk", "public"}
    assert schema(server) == before
    assert (Balance.objects.count(), Transaction.objects.count()) == COUNTS[generation]
    found = adoption()
    assert found is not None
    assert (found.generation, found.mode) == (KNOWN_AS[generation], Mode.OBSERVE)
    assert "Removed" in said("--remove", "--yes")
    assert schemas(server) == {"blnk", "public"}
    assert schema(server) == before
    assert adoption() is None


def test_removing_shows_what_it_would_drop_and_waits_for_a_yes(blnk: Adopt) -> None:
    server = blnk("0.15")
    assert "Nothing was changed" in said("--remove")
    assert "backoffice" in schemas(server)


def test_times_without_a_zone_are_read_as_utc(blnk: Adopt) -> None:
    server = blnk("0.15")
    raw = server.execute("SELECT created_at FROM blnk.ledgers WHERE ledger_id = 'general_ledger_id'").fetchone()
    assert raw is not None
    read = Ledger.objects.get(pk="general_ledger_id").created_at
    assert read.tzinfo is not None
    assert read.replace(tzinfo=None) == raw[0]


def test_a_blnk_in_another_time_zone_is_named(blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    assert "clock" not in said()
    server.execute("TRUNCATE blnk.transaction_journal")
    server.execute(
        "INSERT INTO blnk.transaction_journal (transaction_id, action_type, new_data, succeeded) "
        "SELECT 'txn_' || n, 'INSERT', jsonb_build_object('created_at', now()::timestamp + interval '2 hours'), true "
        "FROM generate_series(1, 5) AS n"
    )
    assert "Blnk's clock is 2 hours ahead of that of the database" in said()


@pytest.mark.parametrize(("generation", "count"), [("0.14.5", 5), ("0.15", 4)])
def test_indexes_are_offered_with_their_price_and_made_only_when_asked(
    generation: str, count: int, blnk: Adopt
) -> None:
    server = blnk(generation, adopt=False)
    before = schema(server)
    offer = f"{count} indexes on blnk.transactions, about "
    assert f"Offered with --indexes: {offer}" in said("--yes")
    assert schema(server) == before
    text = said("--yes", "--indexes")
    assert f"It also makes {offer}" in text
    assert "backoffice_applied_debits: 100 %" in text
    server.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'blnk.backoffice_hold_debits'::regclass")
    assert "Indexes made: backoffice_hold_debits." in said("--yes", "--indexes")
    plan = "EXPLAIN SELECT sum(precise_amount) FROM backoffice.transactions WHERE status = 'APPLIED' AND source = 'x'"
    assert "backoffice_applied_debits" in str(server.execute(plan.encode()).fetchall())
    assert swept().state == Sweep.State.FINISHED
    assert "Indexes dropped: backoffice_applied_credits" in said("--remove", "--yes")
    assert schema(server) == before


def test_adopting_again_brings_up_to_date_and_keeps_what_is_there(blnk: Adopt) -> None:
    server = blnk("0.14.5")
    server.execute("ALTER TABLE blnk.balances ADD COLUMN hue text")
    swept()
    assert "Brought up to date" in said("--yes")
    assert server.execute("SELECT count(*) FROM backoffice.reconciliation_sweep").fetchone() == (1,)
    assert Balance.objects.count() == COUNTS["0.14.5"][0]


def test_an_upgraded_blnk_is_adopted_again_as_what_it_is_now(blnk: Adopt) -> None:
    """Blnk 0.15 drops the rates; a view that has them would stop it."""
    server = blnk("0.14.5")
    said("--remove", "--yes")
    server.execute("ALTER TABLE blnk.transactions DROP COLUMN rate")
    assert "no longer have their exchange rates" in said("--yes")
    found = adoption()
    assert found is not None
    assert not found.has_rates
    assert found.rates_gone_at is not None


def test_plain_migrate_refuses_a_database_of_blnks_and_names_adopt(blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    with pytest.raises(CommandError, match=r"manage\.py adopt"):
        call_command("migrate", verbosity=0)
    with pytest.raises(CommandError, match=r"no tables yet. Run “manage.py adopt --yes” first"):
        require_tables("sweep")
    assert schemas(server) == {"blnk", "public"}
    assert server.execute("SELECT to_regclass('public.django_migrations')").fetchone() == (None,)


@pytest.mark.django_db(transaction=True)
def test_a_database_of_our_own_is_nothing_to_adopt() -> None:
    with pytest.raises(NothingToAdopt, match="nothing to adopt"):
        look()
    with pytest.raises(CommandError, match="nothing to remove"):
        call_command("adopt", "--remove")
    assert adoption() is None


def test_a_schema_of_somebody_else_with_our_name_is_left_alone(blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    server.execute("CREATE SCHEMA backoffice; CREATE TABLE backoffice.theirs (id int)")
    with pytest.raises(AdoptionRefused, match="1 objects that this program has not made"):
        said("--yes")
    assert server.execute(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'backoffice'::regnamespace"
    ).fetchone() == (1,)


def test_a_database_older_than_any_known_is_refused(blnk: Adopt) -> None:
    server = blnk("0.10.1", adopt=False)
    server.execute("ALTER TABLE blnk.transactions DROP COLUMN effective_date")
    with pytest.raises(NothingToAdopt, match=r"older than Blnk 0.10.1.*transactions.effective_date"):
        said()


def test_a_role_that_may_not_read_is_refused_with_what_it_needs(blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    server.execute("DROP ROLE IF EXISTS blnk_stranger; CREATE ROLE blnk_stranger LOGIN PASSWORD 'x'")
    server.execute("GRANT USAGE ON SCHEMA blnk TO blnk_stranger; GRANT SELECT ON blnk.balances TO blnk_stranger")
    connection.settings_dict["OPTIONS"]["options"] = "-c role=blnk_stranger"
    try:
        text = said()
        assert "may NOT read schema blnk" in text
        with pytest.raises(AdoptionRefused, match="it needs USAGE on schema blnk and SELECT on its tables"):
            said("--yes")
    finally:
        del connection.settings_dict["OPTIONS"]["options"]
        server.execute("DROP OWNED BY blnk_stranger; DROP ROLE blnk_stranger")


KILLED = """
import os, sys, django
django.setup()
from django.db.migrations.executor import MigrationExecutor
from django.core.management import call_command
apply, left = MigrationExecutor.apply_migration, [int(sys.argv[1])]
def counted(*given, **named):
    left[0] -= 1
    if left[0] < 0:
        os._exit(9)
    return apply(*given, **named)
MigrationExecutor.apply_migration = counted
call_command("adopt", "--yes", verbosity=0)
"""


@pytest.mark.parametrize("migrations", [0, 30])
def test_one_that_is_killed_goes_on_or_goes_back(migrations: int, blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    before = schema(server)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "ledgerproj.settings",
        "DATABASE_URL": psycopg.conninfo.make_conninfo("", **server.info.get_parameters()),
        "DJANGO_SECRET_KEY": "s" * 50,
    }
    for _ in range(2):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(migrations)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == 9, killed.stderr
        assert "backoffice" in schemas(server)
        assert schema(server) == before
    with pytest.raises(CommandError, match="adopt --yes"):
        require_tables("sweep")
    if migrations:
        said("--yes")
        require_tables("sweep")
        swept()
    said("--remove", "--yes")
    assert schemas(server) == {"blnk", "public"}
    assert schema(server) == before


def test_all_that_migrations_make_besides_tables_and_guards_is_there(blnk: Adopt) -> None:
    """A function, view or sequence that a later migration of the core app adds must be made here as well."""
    import re
    from pathlib import Path

    import balances

    guards = {"refuse_transaction_change", "six_totals", "journal_moved_totals", "journal_whole_rows"}
    guards |= {"journal_forced_change", "journal_truncation", "refuse_snapshot_change"}
    guards |= {"legs"}  # an archive is written from it, which an adopted database has none of
    texts = [path.read_text() for path in (Path(balances.__file__).parent / "migrations").glob("*.sql")]
    found = {
        name for text in texts for name in re.findall(r"CREATE (?:OR REPLACE )?(?:FUNCTION|VIEW|SEQUENCE) (\w+)", text)
    }
    server = blnk("0.15")
    rows = server.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'backoffice'::regnamespace "
        "UNION SELECT proname FROM pg_proc WHERE pronamespace = 'backoffice'::regnamespace"
    ).fetchall()
    assert len(found) > 8
    assert found - guards <= {name for (name,) in rows}
    assert dumps(sorted(found & guards))  # these are for tables that are ours
