"""What every test gets: the real PostgreSQL, and guards that let Django empty its test tables again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.servers.basehttp import WSGIRequestHandler
from django.db import connection
from django.test import TransactionTestCase
from procrastinate.contrib.django import app
from pytest_django.plugin import DjangoDbBlocker

from balances.apps import ensure_general_ledger
from balances.ground import adoption
from reconciliation.watching.schedules import ensure_schedules
from tests.adopting import blnk_database, places, wire
from tests.client import Client
from tests.world import MASTER_KEY, unguarded

RECORDS = (
    "archive",
    "auditentry",
    "reconstruction",
    "step",
    "refusal",
    "disclosure",
    "seal",
    "balanceedit",
    "transactionedit",
    "alertdelivery",
    "acceptance",
    "export",
    "assignment",
    "note",
)
GUARDED = ("balances", "transactions", "balance_snapshots", *(f"reconciliation_{name}" for name in RECORDS))

WSGIRequestHandler.disable_nagle_algorithm = True
"""The live server sends its headers in several writes, each of which would wait 40 ms for an acknowledgement."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--adopted", action="store_true", help="run the tests of the wire, on an adopted Blnk")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have tests of the wire run on an adopted database as well, or with ``--adopted`` there alone."""
    path = metafunc.definition.path.relative_to(metafunc.config.rootpath).as_posix()
    if where := wire.runs_adopted(path, wanted=metafunc.config.getoption("--adopted")):
        marks = {"own": (), "adopted": (pytest.mark.xdist_group("adopted"),)}
        if metafunc.config.getoption("--adopted"):
            marks["adopted"] = ()
        metafunc.parametrize(
            "tables", [pytest.param(each, marks=marks[each]) for each in where], indirect=True, scope="session"
        )


@pytest.fixture(autouse=True, scope="session")
def tables(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let connections go to our own tables, or to those of an adopted Blnk."""
    if getattr(request, "param", "own") == "own":
        yield
        return
    name, blocker = request.getfixturevalue("adopted_database"), request.getfixturevalue("django_db_blocker")
    with blocker.unblock(), places.pointed_to(name):
        blocker.restore()
        yield
        blocker.unblock()


@pytest.fixture(scope="session")
def adopted_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Return the name of a database of Blnk 0.15 without rows, adopted in mode serve."""
    name = places.new_name()
    with django_db_blocker.unblock():
        places.run("CREATE DATABASE {} TEMPLATE template0", name)
        places.run("ALTER DATABASE {} SET synchronous_commit = off", name)
        with places.server(name) as server:
            blnk_database.make(server, "0.15", rows=False)
            server.execute(blnk_database.GENERAL_LEDGER)
        with places.pointed_to(name):
            call_command("adopt", "--yes", "--mode", "serve", verbosity=0)
    yield name
    with django_db_blocker.unblock():
        places.run("DROP DATABASE {} WITH (FORCE)", name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the groups that must run in one process: at the end the other processes would wait for them."""
    for item in items:
        if "adopted" in item.nodeid.partition("[")[2] and (why := wire.why_not(item.nodeid)):
            item.add_marker(pytest.mark.skip(reason=why))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.fixture(autouse=True)
def _known_settings(settings: Any) -> None:
    settings.BLNK_SERVER_SECURE = True
    settings.BLNK_SERVER_SECRET_KEY = MASTER_KEY
    settings.BLNK_WEBHOOK_URL = ""
    settings.WHITENOISE_AUTOREFRESH = True  # else every client lists all static files anew
    settings.LEDGER_READ_TIMEOUT = 60  # a machine under load
    settings.LEDGER_WATCH = False  # a slot would keep the test database from being dropped
    settings.LEDGER_SECOND_FACTOR = "off"  # whatever the environment of the tests says
    settings.AXES_ENABLED = False  # signing in without a request is a matter of tests alone
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let commits in the test database not wait for the disk: no test crashes the server that it is in."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {connection.settings_dict['NAME']} SET synchronous_commit = off")
        connection.close()
        connection.close_pool()


SEEDED = {"django_migrations", "django_content_type", "auth_permission"}
"""Tables that no test changes."""
JOBS = ("procrastinate_periodic_defers", "procrastinate_events", "procrastinate_jobs")
JOURNALS = ("reconciliation_balanceedit", "reconciliation_transactionedit")
"""Deleting totals and rows leaves entries there."""
SMALL_BYTES = 200_000
USED = """
    SELECT relname, pg_relation_size(oid) > %s FROM pg_class
    WHERE relname = ANY(%s) AND relnamespace = current_schema()::regnamespace AND pg_relation_size(oid) > 0
"""


@pytest.fixture(autouse=True, scope="session")
def _flush_past_the_guards() -> Iterator[None]:
    """Append-only tables refuse to be emptied; the flush between transactional tests must get past that.

    Few rows are deleted, from the tables that have any: emptying all of them takes longer than most tests do.
    """
    flush = TransactionTestCase._fixture_teardown

    def empty(case: TransactionTestCase) -> None:
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        with connection.cursor() as cursor:
            cursor.execute(USED, [SMALL_BYTES, sorted({*tables, *JOBS} - SEEDED)])
            used = dict(cursor.fetchall())
        if any(used.values()) and adoption() is None:
            _without_guards(lambda: flush(case))
            return
        if adoption() is not None:
            with places.server() as server:
                server.execute("SET session_replication_role = replica")
                server.execute("; ".join(f"DELETE FROM blnk.{name}" for name in wire.EMPTIED).encode())
                server.execute(blnk_database.GENERAL_LEDGER)
        order = [*(name for name in used if name not in JOURNALS), *JOURNALS]
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("; ".join(f'DELETE FROM "{name}"' for name in order))
            cursor.execute("RESET session_replication_role")
        ensure_general_ledger(using="default")
        ensure_schedules(using="default")

    TransactionTestCase._fixture_teardown = empty  # type: ignore[method-assign]
    yield
    TransactionTestCase._fixture_teardown = flush  # type: ignore[method-assign]


def _without_guards(work: Callable[[], None]) -> None:
    with unguarded(*GUARDED):
        work()
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(JOBS)} CASCADE")


@pytest.fixture
def api() -> Client:
    """Return a client that holds the master key."""
    return Client()


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker start nothing by the clock: the watchdog would look at what a test makes up in mid-air."""
    monkeypatch.setattr(app.periodic_registry, "periodic_tasks", {})
