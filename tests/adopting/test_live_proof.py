"""Live proof beside a running Blnk: nothing is set up without a yes, every generation is read, all is taken back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connections

from reconciliation.models import Break
from reconciliation.proving import following, look, remove, standing, watch
from tests.adopting.blnk_database import GENERATIONS
from tests.adopting.conftest import Adopt
from tests.adopting.test_adopting import said, schema
from tests.reconciliation.test_live_proof import until

pytestmark = pytest.mark.xdist_group("live proof")
Kind = Break.Kind
POST = """
WITH ends AS (
    SELECT min(balance_id) AS source, max(balance_id) AS destination FROM blnk.balances
), row AS (
    INSERT INTO blnk.transactions (transaction_id, source, destination, reference, amount, precise_amount, precision,
                                   currency, description, status, created_at, hash, meta_data)
    SELECT 'txn_live', source, destination, 'live', 1, 100, 100, 'USD', 'live', 'APPLIED', now(), 'h', '{}' FROM ends
)
UPDATE blnk.balances AS b
SET debit_balance = debit_balance + CASE WHEN b.balance_id = ends.source THEN 100 ELSE 0 END,
    credit_balance = credit_balance + CASE WHEN b.balance_id = ends.destination THEN 100 ELSE 0 END,
    balance = balance + CASE WHEN b.balance_id = ends.destination THEN 100 ELSE -100 END
FROM ends WHERE b.balance_id IN (ends.source, ends.destination)
"""


@contextmanager
def watched() -> Iterator[None]:
    stop, failed = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            watch(stop)
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        assert failed == []


@pytest.fixture(autouse=True)
def _quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LEDGER_SWEEP_PACE = 100
    for name in ("CONFIRM_SECONDS", "LOOK_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(following, name, 0.05)


def identities(server: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    return server.execute(
        "SELECT relname, relreplident::text FROM pg_class WHERE relnamespace = 'blnk'::regnamespace "
        "AND relname IN ('balances', 'transactions') ORDER BY 1"
    ).fetchall()


def test_nothing_is_set_up_on_a_server_of_others_without_a_yes(
    blnk: Adopt, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server = blnk("0.15")
    settings.EMBEDDED = False
    before = identities(server)

    call_command("watch")
    said = capsys.readouterr().out
    call_command("watch", "--remove")

    assert "ALTER TABLE blnk.balances REPLICA IDENTITY FULL" in said
    assert "Nothing was changed. To do this and watch, run it again with --yes." in said
    assert identities(server) == before
    assert server.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def test_a_role_that_owns_nothing_of_blnk_s_is_refused(blnk: Adopt, monkeypatch: pytest.MonkeyPatch) -> None:
    blnk("0.15")
    found = look().found
    tables = {name: table | {"is_ours": False} for name, table in look().tables.items()}
    kept = found | {"tables": json.dumps(tables), "role": "backoffice"}
    monkeypatch.setattr("reconciliation.proving.ground.LOOK", type("", (), {"rows": lambda self, **_: [kept]})())

    with pytest.raises(CommandError, match="Role backoffice does not own balances"):
        call_command("watch")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_each_generation_is_proved_as_blnk_posts_and_all_is_taken_back(blnk: Adopt, generation: str) -> None:
    server = blnk(generation)
    before = identities(server)
    assert django_settings.EMBEDDED
    with watched():
        until(lambda: standing().state in ("proved", "drifting"))
        server.execute(POST)
        server.execute("UPDATE blnk.transactions SET meta_data = '{\"a\": 1}' WHERE transaction_id = 'txn_live'")
        until(lambda: standing().commits >= 2)
        assert not Break.objects.exists()

        server.execute(
            "UPDATE blnk.balances SET credit_balance = credit_balance + 9 WHERE balance_id = "
            "(SELECT min(balance_id) FROM blnk.balances)"
        )
        server.execute("ALTER TABLE blnk.transactions DISABLE TRIGGER USER")
        server.execute("DELETE FROM blnk.transactions WHERE transaction_id = 'txn_live'")
        until(lambda: Break.objects.count() == 3)

    kinds = sorted(Break.objects.values_list("kind", "credit_balance", "debit_balance"))
    assert kinds == [(Kind.ROW_DELETED, 0, 100), (Kind.ROW_DELETED, 100, 0), (Kind.TOTAL_CHANGED, 9, 0)]
    remove("a test")
    assert identities(server) == before
    assert server.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def left_behind(server: psycopg.Connection[Any]) -> list[Any]:
    slots = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    return server.execute(f"SELECT pubname FROM pg_publication UNION ALL {slots}").fetchall()


def test_leaving_takes_the_live_proof_back_and_waits_while_a_process_watches(
    blnk: Adopt, capsys: pytest.CaptureFixture[str]
) -> None:
    server = blnk("0.15")
    before = schema(server), identities(server)
    with watched():
        until(lambda: standing().state in ("proved", "drifting"))
        assert "It takes the live proof back first" in said("--remove")
        with pytest.raises(
            CommandError, match="could not be taken back, and schema backoffice is as it was: A process"
        ):
            said("--remove", "--yes")
        assert standing().state in ("proved", "drifting")

    found = said("--remove", "--yes")

    assert "The replica identity of transactions is DEFAULT again." in found
    assert "Removed." in found
    assert (schema(server), identities(server)) == before
    assert left_behind(server) == []


def test_an_adoption_that_was_cut_short_is_left_without_a_word_about_a_live_proof(blnk: Adopt) -> None:
    server = blnk("0.15")
    server.execute("DROP TABLE backoffice.reconciliation_proof CASCADE")
    assert "live proof" not in said("--remove", "--yes")
    assert left_behind(server) == []
