"""Atomic blocks in a pipeline: one transaction without a BEGIN, which becomes a block where something else is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from balances.ground.statements import Statement, pipelined
from balances.models import Ledger
from tests.serving import environment

ROOT = Path(__file__).resolve().parent.parent.parent

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


FIRST = """
import pathlib, sys
import django
django.setup()
from django.db import connection
from balances.ground.statements import Statement, pipelined
write = Statement(pathlib.Path(sys.argv[1]), hot=True)
for number in (1, 2):
    with pipelined():
        write.execute(id=f"ldg_t{number}")
    print(connection.connection.info.transaction_status.name)
connection.connection.close()
"""


def test_the_first_blocks_of_a_process_are_committed_at_their_end(
    write: Statement, tmp_path: Path, others_see: Any
) -> None:
    words = [sys.executable, "-c", FIRST, str(tmp_path / "write.sql")]
    said = subprocess.run(words, cwd=ROOT, env=os.environ | environment(), capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["IDLE", "IDLE"]
    assert others_see() == {"ldg_t1", "ldg_t2"}


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
