"""Whether a background worker lives, as /health, the metrics and the pages say it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from django.db import connection

from balances.models.queue import Entry
from balances.queueing import pulse
from tests.client import Client
from tests.people import VIEW, signed_in

UP, WORKER_DOWN = '{"status":"UP"}', '{"status":"UP","worker":"DOWN"}'
QUEUE, JOBS = "/admin/queueing/entry/", "/admin/procrastinate/procrastinatejob/"
MISSING = "No background worker is running."
LATE = "the oldest entry has been due for 3 minutes"


def beaten(*ages: str) -> None:
    """Leave heartbeats of such ages, and none else."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
        for age in ages:
            cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s::interval)", [age])


def waiting(age: str) -> None:
    """Have one entry that has been due for so long."""
    Entry.objects.create(action="commit", transaction_id="txn_x")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE queueing_entry SET due_at = now() - %s::interval", [age])


def health() -> tuple[int, str]:
    answer = Client(None).get("/health")
    return answer.status, answer.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ages", "said"),
    [
        ((), WORKER_DOWN),  # none was ever started, or all have ended in order
        (("31 s",), WORKER_DOWN),  # killed
        (("40 d", "2 h"), WORKER_DOWN),
        (("29 s",), UP),
        (("40 d", "1 s"), UP),  # one of several is dead
        (("0 s", "0 s", "0 s"), UP),
        (("-10 s",), UP),  # the database's clock was set back a little
        (("-1 h",), WORKER_DOWN),  # a killed one's, from before the clock was set back
    ],
)
def test_health_says_that_a_worker_is_missing_and_is_the_contracts_while_one_lives(
    ages: tuple[str, ...], said: str
) -> None:
    beaten(*ages)
    assert health() == (200, said)


@pytest.mark.django_db(transaction=True)
def test_health_of_a_database_without_the_tables_says_that_no_worker_runs() -> None:
    beaten("0 s")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE procrastinate_workers RENAME TO elsewhere")
        try:
            assert health() == (200, WORKER_DOWN)
        finally:
            cursor.execute("ALTER TABLE elsewhere RENAME TO procrastinate_workers")
    assert health() == (200, UP)


@contextmanager
def locked_workers() -> Iterator[None]:
    """Have another connection keep the table for itself, as a migration does."""
    with closing(psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor})) as other:
        other.execute("LOCK TABLE procrastinate_workers")
        yield


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_locks_the_table_of_workers_takes_no_server_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.1)
    beaten("0 s")
    with locked_workers():
        assert health() == (200, WORKER_DOWN)
    assert health() == (200, UP)


@pytest.mark.django_db
def test_health_asks_one_statement() -> None:
    with pytest.MonkeyPatch.context() as patch:
        asked: list[str] = []
        patch.setattr(pulse.LIVING_WORKERS, "rows", lambda: asked.append("living") or [{"living": 1}])
        patch.setattr(pulse.OLDEST_DUE, "rows", lambda: pytest.fail("the queue was read"))
        assert health() == (200, UP)
    assert asked == ["living"]


@pytest.mark.django_db
@pytest.mark.parametrize("page", [QUEUE, JOBS])
@pytest.mark.parametrize(
    ("ages", "due", "said"),
    [
        ((), "0 s", MISSING),
        (("2 min",), "200 s", MISSING),
        (("1 s",), "200 s", LATE),
        (("1 s", "2 min"), "20 s", None),
        (("1 s",), "-200 s", None),  # due later
        (("1 s",), None, None),
    ],
)
def test_the_pages_of_what_waits_say_that_no_worker_runs_or_keeps_up_and_what_to_do(
    page: str, ages: tuple[str, ...], due: str | None, said: str | None
) -> None:
    beaten(*ages)
    if due:
        waiting(due)
    shown = signed_in(*VIEW, "view_entry", "view_procrastinatejob").get(page).content.decode()
    assert [each for each in (MISSING, LATE) if each in shown] == ([said] if said else [])
    assert ("manage.py work" in shown) == bool(said)
