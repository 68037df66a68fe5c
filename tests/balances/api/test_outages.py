"""What a request gets whose connection to the database is cut, and what is an outage at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from procrastinate.exceptions import AlreadyEnqueued
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from balances.ground.jobs import defer_once
from balances.ground.outages import (
    DatabaseUnavailable,
    DatabaseUnwritable,
    OutcomeUnknown,
    StatementCancelled,
    Unreachable,
    outage_of,
)
from balances.ground.statements import Statement
from balances.models import Ledger, Transaction
from balances.recording import entries, writing
from ledgerproj.postgresql.base import SavepointLost
from tests import wire
from tests.client import Client
from tests.people import signed_in

LOST, AWAY, UNWRITABLE = OutcomeUnknown, DatabaseUnavailable, DatabaseUnwritable
JUDGED: list[tuple[psycopg.Error, type[DatabaseUnavailable] | None]] = [
    (Unreachable("connection refused"), AWAY),
    (PoolTimeout("couldn't get a connection"), AWAY),
    (pg.CannotConnectNow(), AWAY),
    (pg.TooManyConnections(), AWAY),
    (pg.AdminShutdown(), LOST),
    (pg.CrashShutdown(), LOST),
    (pg.ConnectionFailure(), LOST),
    (psycopg.OperationalError("server closed the connection unexpectedly"), LOST),
    (pg.ReadOnlySqlTransaction(), UNWRITABLE),
    (pg.DiskFull(), UNWRITABLE),
    (pg.OutOfMemory(), UNWRITABLE),
    (pg.IoError(), UNWRITABLE),
    (pg.QueryCanceled(), StatementCancelled),
    (pg.LockNotAvailable(), None),
    (pg.DeadlockDetected(), None),
    (pg.PipelineAborted(), None),
    (pg.UniqueViolation(), None),
    (pg.UndefinedTable(), None),
    (psycopg.InterfaceError("the cursor is closed"), None),
]


@pytest.mark.parametrize(("error", "found"), JUDGED, ids=lambda value: getattr(value, "__name__", repr(value)))
def test_errors_of_the_database_are_judged_by_what_they_leave_open(
    error: psycopg.Error, found: type[DatabaseUnavailable] | None
) -> None:
    wrapped = OperationalError("as Django raises it")
    wrapped.__cause__ = error
    assert [type(outage_of(each)) for each in (error, wrapped)] == [found or type(None)] * 2


def test_a_connection_that_was_lost_outweighs_that_none_can_be_made_afterwards() -> None:
    later = Unreachable("connection refused")
    later.__context__ = pg.AdminShutdown()
    assert isinstance(outage_of(later), OutcomeUnknown)


def test_errors_that_follow_each_other_in_a_circle_are_judged_as_well() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert outage_of(first) is None


def cut() -> None:
    """End the connection of this thread as an administrator does, from another one."""
    connection.ensure_connection()
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])


@pytest.fixture
def cut_before(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """Return what has the connection cut just before something is called."""

    def arrange(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def called(*given: Any, **named: Any) -> Any:
            monkeypatch.setattr(owner, name, real)
            cut()
            return real(*given, **named)

        monkeypatch.setattr(owner, name, called)

    return arrange


class Waiting:
    """A job like which another one waits already."""

    def defer(self) -> None:
        raise AlreadyEnqueued


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["savepoint_rollback", "savepoint_commit"])
def test_no_block_ends_well_that_was_rolled_back_because_the_connection_was_cut_in_a_block_within(
    cut_before: Any, name: str
) -> None:
    cut_before(connection, name)
    with pytest.raises(SavepointLost) as raised, transaction.atomic():
        Ledger.objects.create(name="lost")
        defer_once(Waiting())
    assert isinstance(outage_of(raised.value), OutcomeUnknown)
    assert not Ledger.objects.filter(name="lost").exists()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_cut_while_idle_hurts_no_request(api: Client) -> None:
    wire.wallets()
    for method, path, body in (
        ("GET", "/health", b""),
        ("GET", "/balances/bln_alice", b""),
        ("POST", "/transactions", wire.body("r1")),
        ("POST", "/transactions", wire.queued("r2")),
    ):
        cut()
        connection.close()  # as every request does at its end: the pool has it back, and does not know yet
        assert api.send(method, path, body).status in {200, 201}


@pytest.fixture(params=["view", "lane"])
def one_way(api: Client, request: pytest.FixtureRequest) -> Client:
    """Return a client whose postings go one way only."""
    api.way = request.param
    return api


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("cut_at", "given", "recorded"),
    [
        ((writing.RECORD_MOVEMENTS, "execute"), wire.body("r1"), {"r1"}),
        ((writing.LOCK_BALANCES, "rows"), wire.body("r1"), {"r1"}),
        ((connection, "commit"), wire.body("r1", inflight=True, inflight_expiry_date="2099-01-01T00:00:00Z"), {"r1"}),
        ((connection, "commit"), wire.queued("r1"), {"r1"}),
    ],
    ids=["before it is written", "before it is decided", "before the commit", "queued"],
)
def test_a_posting_whose_connection_is_cut_is_503_says_unknown_and_can_be_sent_again(
    one_way: Client, cut_before: Any, cut_at: tuple[Any, str], given: dict[str, Any], recorded: set[str]
) -> None:
    api = one_way
    wire.wallets()
    cut_before(*cut_at)
    answer = api.post("/transactions", given)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.body["error_detail"] == {"code": "GEN_UNAVAILABLE", "message": OutcomeUnknown().message}
    assert answer.body["error"] == OutcomeUnknown().message
    assert api.post("/transactions", given).status == 201
    assert set(Transaction.objects.exclude(reference="funds").values_list("reference", flat=True)) == recorded


@pytest.fixture
def cut_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """Return what has the connection cut as soon as something was called."""

    def arrange(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def called(*given: Any, **named: Any) -> Any:
            monkeypatch.setattr(owner, name, real)
            result = real(*given, **named)
            cut()
            return result

        monkeypatch.setattr(owner, name, called)

    return arrange


UNHEARD, HEARD = wire.body("r1"), wire.body("r1", inflight=True, inflight_expiry_date="2099-01-01T00:00:00Z")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_worker_called", [True, False])
@pytest.mark.parametrize(
    ("last", "given"),
    [
        ((writing.LOCK_BALANCES, "rows"), UNHEARD),
        ((writing.RECORD_MOVEMENTS, "execute"), UNHEARD),
        ((writing.LOCK_BALANCES, "rows"), HEARD),
        ((writing.RECORD_MOVEMENTS, "execute"), HEARD),
        ((entries.ADD_ENTRIES, "rows"), HEARD),
        ((writing.READ_BALANCES, "rows"), wire.queued("r1")),
        ((writing.RECORD_MOVEMENTS, "execute"), wire.queued("r1")),
        ((entries.ADD_ENTRIES, "execute"), wire.queued("r1")),
        ((entries.ADD_ENTRIES, "rows"), wire.queued("r1")),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_what_is_acknowledged_is_recorded_wherever_the_connection_was_cut(
    one_way: Client, cut_after: Any, last: tuple[Any, str], given: dict[str, Any], is_worker_called: bool
) -> None:
    api = one_way
    wire.wallets()
    if is_worker_called:  # then a posting is one pipeline, else one that gives way to a block
        api.post("/transactions", wire.queued("r0"))
    cut_after(*last)
    answer = api.post("/transactions", given)
    written = Transaction.objects.filter(reference="r1").count()
    assert (answer.status, written) in {(201, 1), (503, 0)}, answer.text
    if answer.status == 503:
        assert answer.body["error"] == OutcomeUnknown().message
        assert api.post("/transactions", given).status == 201
    wire.drain()
    wire.assert_no_drift()
    outcomes = Transaction.objects.filter(reference__in=("r1", "r1_q")).exclude(status="QUEUED")
    assert outcomes.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_read_whose_connection_is_cut_is_503_without_an_outcome_to_be_unsure_of(api: Client, cut_before: Any) -> None:
    wire.wallets()
    cut_before(Statement, "rows")
    answer = api.get("/balances/bln_alice/at?timestamp=2030-01-01T00:00:00Z")
    assert (answer.status, answer.body["error"]) == (503, DatabaseUnavailable().message)


def unreachable(*_: Any, **__: Any) -> None:
    raise OperationalError from Unreachable("connection refused")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/ledgers"), ("POST", "/ledgers"), ("GET", "/hooks"), ("POST", "/balances/filter")]
)
def test_every_kind_of_route_answers_503_while_the_database_is_away(
    api: Client, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(connection, "cursor", unreachable)
    answer = api.send(method, path, {"name": "x", "filters": []})
    monkeypatch.undo()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.body["error_detail"]["code"] == "GEN_UNAVAILABLE"


@pytest.mark.django_db
def test_no_key_is_called_invalid_because_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "cursor", unreachable)
    answer = Client("A" * 43 + "=").get("/ledgers")
    monkeypatch.undo()
    assert (answer.status, answer.body["error_detail"]["code"]) == (503, "GEN_UNAVAILABLE")


@pytest.mark.django_db
def test_a_key_is_called_invalid_where_the_lookup_fails_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseError from pg.UndefinedTable('relation "api_keys" does not exist')

    monkeypatch.setattr(connection, "cursor", fail)
    answer = Client("A" * 43 + "=").get("/ledgers?offset=1")
    monkeypatch.undo()
    assert (answer.status, answer.body["error_detail"]["code"]) == (401, "AUTH_INVALID_API_KEY")


@pytest.mark.django_db
def test_people_get_a_page_that_says_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in("view_balance")
    client.raise_request_exception = False
    monkeypatch.setattr(connection, "cursor", unreachable)
    page = client.get("/admin/balances/balance/")
    monkeypatch.undo()
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert DatabaseUnavailable().message in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_posting_that_an_administrator_cancels_is_a_503_to_be_sent_again_and_leaves_nothing(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writing.RECORD_MOVEMENTS.send

    def cancelled(**parameters: Any) -> Any:
        monkeypatch.setattr(writing.RECORD_MOVEMENTS, "send", real)
        raise OperationalError("canceling statement due to user request") from pg.QueryCanceled()

    monkeypatch.setattr(writing.RECORD_MOVEMENTS, "send", cancelled)
    monkeypatch.setattr(writing.RECORD_MOVEMENTS, "execute", cancelled)
    body = {"currency": "USD", "reference": "again", "description": "d", "precise_amount": 5, "skip_queue": True}
    sides = {"source": "@world", "destination": "@shop", "allow_overdraft": True}
    answer = api.post("/transactions", body | sides)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "cancelled this before it was done" in answer.body["error"]
    assert not Transaction.objects.filter(reference="again").exists()
    monkeypatch.undo()
    assert api.post("/transactions", body | sides).status == 201
