"""Mode serve: our API posts to the tables of a Blnk 0.15 that goes on posting by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from procrastinate.exceptions import ConnectorException
from psycopg.errors import LockNotAvailable
from psycopg.rows import dict_row

from balances.ground import BalanceLocked, LeftToBlnk, Mode, adoption, refused_when_locked
from balances.lineage.tracing import trace
from balances.models import Balance, Transaction
from balances.queueing import recovery
from ledgerproj.adopting import AdoptionRefused
from ledgerproj.beginning import require_tables
from tests import world
from tests.adopting.conftest import Adopt
from tests.adopting.test_adopting import said, schema
from tests.adopting.test_observing import contents
from tests.client import Client
from tests.wire import drain
from tests.world import POSTING

READER = (
    "DROP ROLE IF EXISTS blnk_poster; CREATE ROLE blnk_poster; GRANT USAGE ON SCHEMA blnk TO blnk_poster; "
    "GRANT SELECT ON ALL TABLES IN SCHEMA blnk TO blnk_poster; CREATE SCHEMA backoffice AUTHORIZATION blnk_poster"
)
WAITING = POSTING | {"skip_queue": False}


@pytest.fixture
def served(blnk: Adopt) -> psycopg.Connection[Any]:
    return blnk("0.15", mode="serve")


def stored(server: psycopg.Connection[Any], reference: str) -> dict[str, Any]:
    """Return a row as it stands in Blnk's table."""
    with server.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute("SELECT * FROM blnk.transactions WHERE reference = %s", [reference]).fetchone()
    assert found is not None, reference
    return found


@pytest.mark.parametrize("generation", ["0.14.5", "0.10.1"])
def test_a_generation_in_which_it_cannot_be_right_is_refused_with_what_it_lacks(generation: str, blnk: Adopt) -> None:
    server = blnk(generation, adopt=False)
    before = schema(server)
    assert "Mode serve is not for this database." in said("--mode", "serve")
    with pytest.raises(AdoptionRefused, match="have exchange rates") as refused:
        said("--mode", "serve", "--yes")
    assert ("It has no balances.track_fund_lineage" in str(refused.value)) is (generation == "0.10.1")
    assert schema(server) == before
    assert server.execute("SELECT to_regnamespace('backoffice')").fetchone() == (None,)


def test_a_table_that_lets_references_be_used_twice_is_refused(blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    server.execute("DROP INDEX blnk.idx_transactions_reference_unique")
    with pytest.raises(AdoptionRefused, match="Nothing keeps reference of transactions unique"):
        said("--mode", "serve", "--yes")


def test_missing_rights_are_shown_as_statements_after_which_it_posts(blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    server.execute(READER)
    connection.settings_dict["OPTIONS"]["options"] = "-c role=blnk_poster"
    try:
        lines = [line.strip() for line in said("--mode", "serve").splitlines()]
        grants = [line for line in lines if line.startswith("GRANT ")]
        assert 'GRANT UPDATE ("meta_data") ON "blnk"."transactions" TO "blnk_poster";' in grants
        with pytest.raises(AdoptionRefused, match="may not post: let the owner of the tables run"):
            said("--mode", "serve", "--yes")
        server.execute("; ".join(grants).encode())
        assert "It may NOT post yet" not in said("--mode", "serve", "--yes")
        assert Client().post("/transactions", POSTING).status == 201
        server.execute("REVOKE INSERT ON blnk.transactions FROM blnk_poster")
        answer = Client().post("/transactions", POSTING | {"reference": "no right"})
        assert (answer.status, answer.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
        assert "permission denied for table transactions" in answer.body["error"]
        call_command("adopt", "--remove", "--yes", verbosity=0)
    finally:
        del connection.settings_dict["OPTIONS"]["options"]
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        server.execute("DROP OWNED BY blnk_poster CASCADE; DROP ROLE blnk_poster")


def test_what_is_posted_stays_and_the_schema_is_as_it_was(blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    before = schema(server)
    call_command("adopt", "--yes", "--mode", "serve", verbosity=0)
    assert Client().post("/transactions", POSTING).status == 201
    assert schema(server) == before
    call_command("adopt", "--remove", "--yes", verbosity=0)
    assert schema(server) == before
    assert stored(server, POSTING["reference"])["status"] == "APPLIED"


def test_a_row_is_written_as_blnk_writes_its_own(served: psycopg.Connection[Any]) -> None:
    """Blnk reads text and instants into what knows no NULL; its clock without a zone is UTC."""
    begun = datetime.now(UTC).replace(tzinfo=None)
    assert Client().post("/transactions", POSTING).status == 201
    row = stored(served, POSTING["reference"])
    missing = {name for name, value in row.items() if value is None}
    assert missing == {"chain_hash", "chain_seq", "chain_prev_hash"}
    assert row["scheduled_for"].year == 1
    assert timedelta() <= row["created_at"] - begun < timedelta(minutes=1)
    journaled = served.execute(
        "SELECT count(*) FROM blnk.transaction_journal WHERE transaction_id = %s", [row["transaction_id"]]
    ).fetchone()
    assert journaled == (1,)


def test_what_waits_is_kept_from_what_blnk_applies_together(served: psycopg.Connection[Any]) -> None:
    """Its worker applies all that waits on a pair of balances and has no date; dated rows it leaves."""
    api = Client()
    given = api.post("/transactions", WAITING).body
    waiting = stored(served, POSTING["reference"])
    assert (waiting["status"], waiting["scheduled_for"]) == ("QUEUED", waiting["created_at"])
    assert api.get(f"/transactions/{given['transaction_id']}").body["scheduled_for"] == "0001-01-01T00:00:00Z"
    drain()
    assert stored(served, f"{POSTING['reference']}_q")["status"] == "APPLIED"


def test_what_blnk_applied_of_our_queue_is_not_applied_again(served: psycopg.Connection[Any]) -> None:
    """Its recovery takes up rows that waited for two hours; the outcome has the reference of ours."""
    Client().post("/transactions", WAITING)
    waiting = stored(served, POSTING["reference"])
    served.execute(
        "INSERT INTO blnk.transactions (transaction_id, parent_transaction, source, destination, reference, amount, "
        "precise_amount, precision, currency, description, status, hash, scheduled_for, meta_data) "
        "SELECT 'txn_1', transaction_id, source, destination, reference || '_q', amount, precise_amount, precision, "
        "currency, description, 'APPLIED', hash, scheduled_for, meta_data FROM blnk.transactions WHERE reference = %s",
        [POSTING["reference"]],
    )
    before = Balance.objects.values_list("version", flat=True).get(pk=waiting["destination"])
    assert drain() == 1
    assert Balance.objects.values_list("version", flat=True).get(pk=waiting["destination"]) == before
    assert Transaction.objects.filter(parent_transaction=waiting["transaction_id"]).count() == 1
    assert drain() == 0


def test_their_queue_outbox_and_lost_rows_are_left_alone(served: psycopg.Connection[Any]) -> None:
    served.execute("UPDATE blnk.lineage_outbox SET status = 'pending', attempts = 0")
    assert Transaction.objects.filter(status="QUEUED").exists()
    before = contents(served)
    call_command("work", "--once", verbosity=0)
    assert recovery.recover(timedelta(minutes=2)) == 0
    assert Client().post("/transactions/recover", {}).body["recovered"] == 0
    with pytest.raises(LeftToBlnk):
        trace()
    with pytest.raises(CommandError, match="tables of our own alone"):
        require_tables("import_ledger")
    assert contents(served) == before


def test_leaving_names_what_waits_and_waits_for_a_decision(served: psycopg.Connection[Any]) -> None:
    Client().post("/transactions", WAITING)
    for leave in (["--remove"], ["--remove", "--yes"], ["--mode", "observe", "--yes"]):
        with pytest.raises(
            CommandError, match=f"1 entries of our queue are not applied yet: apply {POSTING['reference']}"
        ):
            said(*leave)
    found = adoption()
    assert found is not None
    assert found.mode is Mode.SERVE
    assert "own recovery applies QUEUED ones" in said("--remove", "--yes", "--leave-waiting")
    assert stored(served, POSTING["reference"])["status"] == "QUEUED"


def test_totals_that_are_no_numbers_and_too_much_metadata_are_refused_with_a_reason(
    served: psycopg.Connection[Any],
) -> None:
    api, balance = Client(), Balance.objects.filter(indicator=None)[0]
    to = POSTING | {"destination": balance.pk, "currency": balance.currency}
    served.execute("UPDATE blnk.balances SET debit_balance = 'NaN' WHERE balance_id = %s", [balance.pk])
    answer = api.post("/transactions", to)
    assert (answer.status, f"Balance {balance.pk} has a total that is no number" in answer.text) == (409, True)
    long = {"meta_data": {"a": "x" * 7_990}}
    for skip_queue in (True, False):
        answer = api.post("/transactions", POSTING | long | {"skip_queue": skip_queue})
        assert (answer.status, "which holds 8,000 bytes" in answer.text) == (409, True), answer.text
    assert not Transaction.objects.filter(reference=POSTING["reference"]).exists()


@pytest.mark.parametrize(("value", "precision"), [(0.29, 100), (2**63, 1), (2**62, 100)])
def test_a_monitor_that_their_columns_would_change_is_refused(
    value: float, precision: int, served: psycopg.Connection[Any]
) -> None:
    condition = {"field": "credit_balance", "operator": ">", "value": value, "precision": precision}
    body = {"balance_id": Balance.objects.all()[0].pk, "condition": condition}
    before = contents(served)
    answer = Client().post("/balance-monitors", body)
    assert (answer.status, "in whole major units" in answer.text) == (400, True), answer.text
    assert contents(served) == before


def test_the_command_says_what_it_would_do_and_does_nothing(blnk: Adopt) -> None:
    server = blnk("0.15", adopt=False)
    out = StringIO()
    call_command("adopt", "--mode", "serve", stdout=out)
    assert "Mode serve: transactions are posted here as well" in out.getvalue()
    assert server.execute("SELECT to_regnamespace('backoffice')").fetchone() == (None,)


@contextmanager
def beside(server: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """Open what Blnk has: a connection of its own, which soon finds out that it waits in a circle."""
    dsn = psycopg.conninfo.make_conninfo("", **server.info.get_parameters())
    with psycopg.connect(dsn, options="-c deadlock_timeout=400ms") as other:
        yield other


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start work on a connection of its own, and return the thread and what it will have returned or raised."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def test_blnk_which_locks_the_source_first_never_waits_in_a_circle_with_us(served: psycopg.Connection[Any]) -> None:
    first, second = sorted(Balance.objects.filter(currency="USD", indicator=None).values_list("pk", flat=True))[:2]
    move = "UPDATE blnk.balances SET version = version + 1 WHERE balance_id = %s"
    with beside(served) as other:
        other.execute(move, [second])
        ours, results = in_thread(lambda: world.post(first, second, 100, reference="ours"))
        time.sleep(0.1)  # it has the first one, or will be waiting for the second one again
        for _ in range(2):
            other.execute(move, [first])
        other.commit()
    ours.join(20)
    assert [str(each) for each in results] == ["ours"]
    assert stored(served, "ours")["precise_amount"] == 100


def test_a_posting_of_theirs_that_read_before_ours_fails_and_none_is_lost(served: psycopg.Connection[Any]) -> None:
    """They write absolute totals where the version is the one that they read."""
    first, second = sorted(Balance.objects.filter(currency="USD", indicator=None).values_list("pk", flat=True))[:2]
    read = "SELECT debit_balance, version FROM blnk.balances WHERE balance_id = %s"
    before = served.execute(read, [first]).fetchone()
    assert before is not None
    world.post(first, second, 100, reference="ours")
    stale = "UPDATE blnk.balances SET debit_balance = %s, version = version + 1 WHERE balance_id = %s AND version = %s"
    assert served.execute(stale, [before[0] + 7, first, before[1]]).rowcount == 0
    assert served.execute(read, [first]).fetchone() == (before[0] + 100, before[1] + 1)


def test_a_call_for_a_worker_that_waits_for_a_lock_is_no_error_of_the_server() -> None:
    with pytest.raises(BalanceLocked), refused_when_locked():
        raise ConnectorException from LockNotAvailable()
