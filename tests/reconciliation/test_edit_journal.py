"""The edit journal: what moves totals or rows behind the ledger's back leaves an entry, and nothing else does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from balances.books.book import Standing
from balances.models import TOTALS, Balance, Transaction
from balances.posting import Correction, restate_balances
from balances.posting.restating import RESTATE
from balances.recording.writing import READ_BALANCES, RECORD_MOVEMENTS, recording
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.models import BalanceEdit, TransactionEdit
from reconciliation.records.refusals import refused_changes
from tests import world
from tests.balances.api.test_statements import explain
from tests.balances.test_importing import Files

NOTHING = dict.fromkeys(TOTALS, 0)


def sql(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@contextmanager
def psql(**options: Any) -> Iterator[psycopg.Connection[Any]]:
    """Connect as a person with psql does: past Django, under psql's name."""
    given: dict[str, Any] = connection.get_connection_params()
    for key in ("cursor_factory", "context", "prepare_threshold"):
        given.pop(key, None)
    with psycopg.connect(**given | {"application_name": "psql"} | options) as opened:
        yield opened


@contextmanager
def replica() -> Iterator[None]:
    """Let nothing but ENABLE ALWAYS triggers run, as restores and replication do."""
    sql("SET session_replication_role = replica")
    try:
        yield
    finally:
        sql("SET session_replication_role = DEFAULT")


@pytest.mark.django_db
def test_posting_and_restating_leave_no_entry_and_an_edit_between_them_does() -> None:
    alice, bob = world.balance(), world.balance()
    for _ in range(3):
        world.post(alice, bob, 100)
    world.drift(alice, credit=7)
    world.post(alice, bob, 100)
    sql("UPDATE balances SET debit_balance = debit_balance + 1, balance = balance - 1 WHERE balance_id = %s", bob.pk)
    restate_balances([Correction(balance_id=alice.pk, credit_balance=-7, balance=-7, result={})])
    world.post(bob, alice, 5)
    first, second = BalanceEdit.objects.order_by("pk")
    assert (first.balance_id, second.balance_id) == (alice.pk, bob.pk)
    assert first.old == NOTHING | {"debit_balance": 300, "balance": -300}
    assert first.new == NOTHING | {"credit_balance": 7, "debit_balance": 300, "balance": -293}
    assert second.new == NOTHING | {"credit_balance": 400, "debit_balance": 1, "balance": 399}


@pytest.mark.django_db(transaction=True)
def test_a_reconstruction_and_new_metadata_leave_no_entry() -> None:
    alice = world.balance()
    world.row("APPLIED", 250, world.balance(), alice)
    reconstruct(alice.pk, world.request())
    Balance.objects.update(meta_data={"note": "no total"}, version=F("version") + 1)
    assert world.totals(alice)["credit_balance"] == 250
    assert not BalanceEdit.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("total", TOTALS)
def test_an_edit_of_any_total_leaves_an_entry(total: str) -> None:
    alice = world.balance()
    partner = {"credit_balance": "balance", "balance": "credit_balance"}
    partner |= {"inflight_credit_balance": "inflight_balance", "inflight_balance": "inflight_credit_balance"}
    moved = {total: 9} | {partner.get(total, total.replace("debit_", "")): 9 if total in partner else -9}
    Balance.objects.filter(pk=alice.pk).update(**moved)
    edit = BalanceEdit.objects.get()
    assert (edit.operation, edit.old, edit.new) == ("UPDATE", NOTHING, NOTHING | moved)


@pytest.mark.django_db
def test_totals_that_are_born_or_deleted_leave_an_entry_and_empty_balances_none() -> None:
    owner = world.ledger()
    born = Balance.objects.create(ledger=owner, currency="USD", credit_balance=10**30, balance=10**30)
    empty = world.balance(owner)
    assert BalanceEdit.objects.get().new == NOTHING | {"credit_balance": 10**30, "balance": 10**30}
    Balance.objects.filter(pk__in=[born.pk, empty.pk]).delete()
    insert, delete = BalanceEdit.objects.order_by("pk")
    assert (insert.operation, insert.old, delete.operation, delete.new) == ("INSERT", None, "DELETE", None)
    assert delete.old == insert.new


@pytest.mark.django_db(transaction=True)
def test_the_entry_names_who_edited_and_from_which_program() -> None:
    alice = world.balance()
    world.drift(alice, credit=1)
    with psql() as session:
        session.execute("UPDATE balances SET credit_balance = 5, balance = 5 WHERE balance_id = %s", [alice.pk])
        pid = session.info.backend_pid
    ours, theirs = BalanceEdit.objects.order_by("pk")
    assert ours.application_name == "ledger-backoffice"
    assert (theirs.application_name, theirs.backend_pid) == ("psql", pid)
    assert theirs.database_user == connection.get_connection_params()["user"]
    assert ours.edited_at < theirs.edited_at


@pytest.mark.django_db(transaction=True)
def test_neither_a_poor_role_nor_a_table_of_the_same_name_keeps_the_journal_from_its_entry() -> None:
    alice = world.balance()
    sql("CREATE ROLE poor LOGIN")
    try:
        sql("GRANT SELECT, UPDATE ON balances TO poor")
        with psql() as session:
            session.execute("SET ROLE poor")
            session.execute("CREATE TEMP TABLE reconciliation_balanceedit (balance_id text)")
            session.execute("UPDATE balances SET credit_balance = 5, balance = 5 WHERE balance_id = %s", [alice.pk])
    finally:
        sql("DROP OWNED BY poor")
        sql("DROP ROLE poor")
    assert BalanceEdit.objects.get().new["credit_balance"] == 5


@pytest.mark.django_db(transaction=True)
def test_an_edit_in_the_transaction_of_a_posting_is_not_taken_for_one() -> None:
    alice, bob = world.balance(), world.balance()
    with transaction.atomic():
        world.post(alice, bob, 100)
        world.drift(bob, credit=3)
        world.post(alice, bob, 100)
        world.drift(alice, debit=4)
    assert set(BalanceEdit.objects.values_list("balance_id", flat=True)) == {alice.pk, bob.pk}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("writer", ["posting", "restating"])
def test_the_mark_is_there_also_where_the_row_was_changed_while_the_statement_waited(
    writer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = world.balance(), world.balance()
    monkeypatch.setattr("balances.recording.writing.LOCK_BALANCES", Unlocked())  # so that the UPDATE itself has to wait

    def write() -> None:
        if writer == "posting":
            world.post(alice, bob, 100)
        else:
            correction = {
                "balance_ids": [alice.pk],
                "results": ["{}"],
                "credits": [100],
                "debits": [0],
                "balances": [100],
            }
            RESTATE.rows(**correction, inflight_credits=[0], inflight_debits=[0], inflight_balances=[0])

    with psql(autocommit=False) as session:
        session.execute("UPDATE balances SET credit_balance = 5, balance = 5 WHERE balance_id = %s", [alice.pk])
        waiting = in_thread(write)
        wait_for_a_lock()
        session.commit()
    waiting.join(60)
    assert BalanceEdit.objects.get().application_name == "psql"
    assert world.totals(alice)["credit_balance"] + world.totals(alice)["debit_balance"] == 105


class Unlocked:
    """Stands for the statement that locks the balances of a posting, and does not."""

    def rows(self, **wanted: Any) -> list[dict[str, Any]]:
        return READ_BALANCES.rows(**wanted)


def in_thread(work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_for_a_lock() -> None:
    with connection.cursor() as cursor:
        for _ in range(500):
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            if cursor.fetchone() != (0,):
                return
            threading.Event().wait(0.02)
    raise AssertionError("nobody waits for a lock")


@pytest.mark.django_db
def test_the_mark_is_set_where_rows_are_read_which_is_before_they_change() -> None:
    posting = recording([Transaction()], [Standing("a", "USD", 0, 0, 0, 0, 0)])
    names = ("credits", "debits", "balances", "inflight_credits", "inflight_debits", "inflight_balances")
    correction: dict[str, Any] = {"balance_ids": ["a"], "results": ["{}"]} | {name: [1] for name in names}
    for statement, parameters in ((RECORD_MOVEMENTS, posting), (RESTATE, correction)):
        plan = [next(iter(line.values())) for line in explain(statement, parameters)]
        update = next(number for number, line in enumerate(plan) if "Update on balances" in line)
        mark = next(number for number, line in enumerate(plan) if "set_config('ledger.writer'" in line)
        assert mark > update, plan
        assert "One-Time" not in plan[mark]


@pytest.mark.django_db(transaction=True)
def test_a_forced_change_of_a_transaction_leaves_an_entry_with_the_whole_row() -> None:
    alice, bob = world.balance(), world.balance()
    edited, deleted, kept = (world.post(alice, bob, units) for units in (100, 200, 300))
    with replica():
        sql("UPDATE transactions SET precise_amount = 999 WHERE transaction_id = %s", edited.pk)
        sql("DELETE FROM transactions WHERE transaction_id = %s", deleted.pk)
        sql("UPDATE transactions SET meta_data = '{}' WHERE transaction_id = %s", kept.pk)
    update, delete = TransactionEdit.objects.order_by("pk")
    assert (update.operation, update.transaction_id, update.source) == ("UPDATE", edited.pk, alice.pk)
    assert (update.old["precise_amount"], update.new["precise_amount"]) == (100, 999)
    assert (delete.operation, delete.transaction_id, delete.destination) == ("DELETE", deleted.pk, bob.pk)
    assert (delete.old["precise_amount"], delete.new) == (200, None)


@pytest.mark.django_db(transaction=True)
def test_an_edit_of_a_total_is_journaled_under_the_role_of_a_replica_as_well() -> None:
    alice = world.balance()
    with replica():
        world.drift(alice, credit=3)
    assert BalanceEdit.objects.get().new["credit_balance"] == 3


@pytest.mark.django_db(transaction=True)
def test_a_forced_truncation_leaves_an_entry_for_each_row() -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100)
    with pytest.raises(IntegrityError, match="append-only: TRUNCATE refused"):
        sql("TRUNCATE balances CASCADE")
    with replica():
        sql("TRUNCATE balances, transactions, balance_snapshots, accounts, balance_monitors, lineage_mappings")
    assert TransactionEdit.objects.get().old["precise_amount"] == 100
    lost = BalanceEdit.objects.filter(operation="DELETE").values_list("balance_id", flat=True)
    assert set(lost) == {alice.pk, bob.pk}


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["UPDATE transactions SET precise_amount = 1", "DELETE FROM transactions"])
def test_a_refused_change_is_counted_although_it_is_rolled_back(statement: str) -> None:
    world.post("@world", world.balance(), 100)
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("UPDATE transactions SET meta_data = '{}'")
    before = refused_changes()
    for attempt in (1, 2):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            sql(statement)
        assert refused_changes() == before + attempt
    assert not TransactionEdit.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_databases_log_names_who_tried_to_change_a_transaction() -> None:
    posted = world.post("@world", world.balance(), 100)
    logged: list[str] = []
    with psql() as session:
        session.add_notice_handler(lambda notice: logged.append(str(notice.message_primary)))
        session.execute("SET client_min_messages = log")  # what the server logs is sent here as well
        with pytest.raises(psycopg.errors.CheckViolation):
            session.execute("DELETE FROM transactions")
        who = session.info.user, session.info.backend_pid
        session.rollback()
        where = session.execute("SELECT coalesce(host(inet_client_addr()), 'this machine')").fetchone()
    assert where is not None
    assert logged == [
        f"Transactions are append-only: DELETE refused on {posted.pk} to user {who[0]} "
        f'from {where[0]} by "psql", process {who[1]}'
    ]


@pytest.mark.django_db
def test_an_import_leaves_one_entry_for_each_balance_that_came_with_totals(tmp_path: Path) -> None:
    Files(tmp_path).load()
    entries = {edit.balance_id: edit for edit in BalanceEdit.objects.all()}
    with_totals = Balance.objects.filter(ledger__name="Shop")
    assert set(entries) == set(with_totals.values_list("pk", flat=True))
    for balance in with_totals:
        assert entries[balance.pk].new == world.totals(balance)
        assert (entries[balance.pk].operation, entries[balance.pk].old) == ("INSERT", None)
