"""Atomic blocks in a pipeline: one transaction without a BEGIN, which becomes a block where something else is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.backends.base import base
from psycopg.pq import PipelineStatus, TransactionStatus

from balances.ground.statements import Statement, pipelined
from balances.models import Ledger

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def write(tmp_path: Path) -> Statement:
    """Return a hot statement that writes a ledger."""
    path = tmp_path / "write.sql"
    path.write_text("INSERT INTO ledgers (ledger_id, name, created_at, meta_data) VALUES (%(id)s, 'n', now(), '{}')")
    return Statement(path, hot=True)


@pytest.fixture
def others_see(db: None) -> Any:
    params = connection.get_connection_params()
    wanted = {name: params[name] for name in ("dbname", "host", "port", "user", "password") if params.get(name)}
    with psycopg.connect(**wanted, autocommit=True) as other:
        yield lambda: {row[0] for row in other.execute("SELECT ledger_id FROM ledgers WHERE ledger_id ~ '^ldg_t'")}


@pytest.mark.parametrize("asks_more", [False, True])
def test_what_is_written_is_there_after_the_block_and_hooks_run_after_that(
    write: Statement, others_see: Any, asks_more: bool
) -> None:
    seen = []
    with pipelined():
        assert connection.in_atomic_block
        transaction.on_commit(lambda: seen.append(others_see()))
        write.execute(id="ldg_t1")
        if asks_more:
            assert Ledger.objects.filter(pk="ldg_t1").exists()
        assert (others_see(), seen) == (set(), [])
    assert seen == [{"ldg_t1"}]
    assert connection.get_autocommit()


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("asks_more", [False, True])
def test_the_first_block_of_a_new_connection_is_committed_at_its_end_and_so_is_the_next(
    write: Statement, others_see: Any, asks_more: bool, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "RAN_DB_VERSION_CHECK", set())  # the first of a process asks for the version
    vars(connection).pop("pg_version", None)
    if lost:
        connection.ensure_connection()
        connection.connection.close()
    else:
        connection.close()
    for seen in ({"ldg_t1"}, {"ldg_t1", "ldg_t2"}):
        with pipelined():
            write.execute(id=max(seen))
            if asks_more:
                Ledger.objects.count()
        assert others_see() == seen
        raw = connection.connection
        assert (raw.info.transaction_status, raw.info.pipeline_status) == (TransactionStatus.IDLE, PipelineStatus.OFF)


@pytest.mark.parametrize("asks_more", [False, True])
def test_an_exception_undoes_what_was_written_before_and_after_another_statement(
    write: Statement, others_see: Any, asks_more: bool
) -> None:
    connection.ensure_connection()
    raw = connection.connection
    with pytest.raises(ZeroDivisionError), pipelined():
        write.execute(id="ldg_t1")
        if asks_more:
            Ledger.objects.count()
        write.execute(id="ldg_t2")
        raise ZeroDivisionError
    assert others_see() == set()
    assert connection.connection is raw
    assert Ledger.objects.filter(pk="ldg_t1").count() == 0


def test_what_the_database_refuses_at_the_end_is_raised_undone_and_hooks_do_not_run(
    write: Statement, others_see: Any
) -> None:
    ran: list[int] = []
    with pytest.raises(IntegrityError), pipelined():
        transaction.on_commit(lambda: ran.append(1))
        write.execute(id="ldg_t1")
        write.execute(id="ldg_t1")
    assert (others_see(), ran) == (set(), [])
    with pipelined():
        write.execute(id="ldg_t3")
    assert others_see() == {"ldg_t3"}


def test_a_refused_statement_ends_the_block_wherever_it_is_noticed(write: Statement, others_see: Any) -> None:
    with pytest.raises(DatabaseError), pipelined():
        write.execute(id="ldg_t1")
        write.execute(id="ldg_t1")
        with pytest.raises(IntegrityError):
            Ledger.objects.count()
        Ledger.objects.count()
    assert others_see() == set()


def test_inside_another_block_it_is_a_savepoint_of_that(write: Statement, others_see: Any) -> None:
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), pipelined():
            write.execute(id="ldg_t1")
            raise ZeroDivisionError
        with pipelined():
            write.execute(id="ldg_t2")
        assert others_see() == set()
    assert others_see() == {"ldg_t2"}
