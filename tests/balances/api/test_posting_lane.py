"""Requests that share a commit: each is decided as if it came alone, and none suffers from another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
import simplejson
from django.db import connection
from django.test.utils import CaptureQueriesContext

from balances.api import posting_lane
from balances.api.gate import ApiGate, Knock, gate_of
from balances.ground.exact_json import loads
from balances.models import Balance, Entry, Transaction
from balances.posting import direct, settling
from balances.recording import writing
from tests import wire
from tests.client import Client
from tests.world import MASTER_KEY

pytestmark = pytest.mark.django_db(transaction=True)

POISON = """
CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reference LIKE 'poison%' THEN RAISE EXCEPTION 'no poison here' USING ERRCODE = 'P0001'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_poison BEFORE INSERT ON transactions FOR EACH ROW EXECUTE FUNCTION refuse_poison();
"""


@pytest.fixture
def gate(api: Client) -> ApiGate:
    wire.wallets()
    return gate_of_client(api)


def gate_of_client(api: Client) -> ApiGate:
    if api.django.handler._middleware_chain is None:
        api.django.handler.load_middleware()
    return gate_of(api.django.handler)


def knock(body: dict[str, Any], path: str = "/transactions", method: str = "POST", **headers: str) -> Knock:
    meta = {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    made = Knock(method, path, meta | {"QUERY_STRING": "", "HTTP_X_BLNK_KEY": MASTER_KEY} | headers)
    made._body = simplejson.dumps(body).encode()
    return made


def answers(gate: ApiGate, *knocks: Knock) -> list[Any]:
    """Return the status of each answer with its body, or ``None`` where it is left to its view."""
    given = posting_lane.answer(gate, knocks)
    return [answer and (answer[0], loads(answer[2].decode())) for answer in given]


def statuses(gate: ApiGate, *knocks: Knock) -> list[int | None]:
    return [answer and answer[0] for answer in answers(gate, *knocks)]


def settlement(hold: str, **fields: Any) -> Knock:
    return knock({"status": "commit", "skip_queue": True} | fields, f"/transactions/inflight/{hold}", "PUT")


def test_what_the_book_refuses_takes_none_of_its_companions_with_it(gate: ApiGate) -> None:
    given = [
        knock(wire.body("first", 6000)),
        knock(wire.body("too much", 1_000_000)),
        knock({"nothing": "whole"}),
        knock(wire.body("second", 3000)),
        knock(wire.body("first", 6000)),
        knock(wire.body("other key"), HTTP_X_BLNK_KEY="wrong"),
    ]
    found = answers(gate, *given)
    assert [status for status, _ in found] == [201, 400, 400, 201, 409, 401]
    assert found[1][1]["error_detail"]["code"] == "TXN_INSUFFICIENT_FUNDS"
    details = found[4][1]["error_detail"]["details"]
    assert (details["same_payment"], details["transaction_id"]) == (True, found[0][1]["transaction_id"])
    wire.assert_no_drift()


def test_a_group_is_decided_in_order_against_what_those_before_it_left(gate: ApiGate) -> None:
    balance = int(Balance.objects.get(pk="bln_alice").balance)
    half = balance // 2 + 1
    assert statuses(gate, *(knock(wire.body(f"half-{number}", half)) for number in range(3))) == [201, 400, 400]
    wire.assert_no_drift()


def test_rows_of_a_group_are_dated_in_the_order_in_which_they_were_decided(gate: ApiGate) -> None:
    references = [f"r{number}" for number in range(10)]
    statuses(gate, *(knock(wire.body(reference, 1)) for reference in references))
    dated = Transaction.objects.filter(reference__in=references).order_by("created_at")
    assert [row.reference for row in dated] == references


def test_a_group_takes_the_statements_and_the_commit_of_one_however_many_it_has(gate: ApiGate) -> None:
    statuses(gate, knock(wire.body("before")))
    versions = Balance.objects.in_bulk(["bln_alice"])["bln_alice"].version
    with CaptureQueriesContext(connection) as captured:
        statuses(gate, knock(wire.body("alone")))
    alone = len(captured)
    with CaptureQueriesContext(connection) as captured:
        assert statuses(gate, *(knock(wire.body(f"r{number}", 1)) for number in range(20))) == [201] * 20
    assert len(captured) == alone <= 3
    assert Balance.objects.get(pk="bln_alice").version == versions + 2
    wire.assert_no_drift()


def test_what_the_database_refuses_leaves_all_of_a_group_to_their_views_with_nothing_written(gate: ApiGate) -> None:
    with connection.cursor() as cursor:
        cursor.execute(POISON)
    try:
        given = [knock(wire.body(reference)) for reference in ("good", "poison", "better")]
        assert statuses(gate, *given) == [None] * 3
        assert not Transaction.objects.filter(reference__in=("good", "poison", "better")).exists()
        assert [statuses(gate, each) for each in given] == [[201], [None], [201]]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse_poison ON transactions; DROP FUNCTION refuse_poison")


@contextmanager
def other_connection() -> Iterator[psycopg.Connection[Any]]:
    params = connection.get_connection_params()
    names = ("dbname", "host", "port", "user", "password", "options")
    with psycopg.connect(**{name: params[name] for name in names if params.get(name)}) as other:
        yield other


def test_none_waits_long_for_the_lock_of_another(gate: ApiGate) -> None:
    with other_connection() as other:
        other.execute("SELECT FROM balances WHERE balance_id = 'bln_bob' FOR UPDATE")
        began = time.monotonic()
        given = [knock(wire.body("locked")), knock(wire.body("free", destination="bln_carol"))]
        assert statuses(gate, *given) == [None, None]
        assert time.monotonic() - began < 2
        assert statuses(gate, given[1]) == [201]


def test_a_reference_that_another_writer_takes_meanwhile_is_refused_alone(
    gate: ApiGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writing.write

    def taken_before(*rows: Any) -> None:
        monkeypatch.setattr(writing, "write", real)
        with other_connection() as other:
            other.execute(
                "INSERT INTO transactions (transaction_id, reference, status, created_at)"
                " VALUES ('txn_other', 'taken', 'REJECTED', now())"
            )
        real(*rows)

    monkeypatch.setattr(writing, "write", taken_before)
    assert statuses(gate, knock(wire.body("mine")), knock(wire.body("taken")), knock(wire.body("too"))) == [
        201,
        409,
        201,
    ]


def test_when_the_connection_is_lost_at_the_commit_each_is_answered_that_its_outcome_is_unknown(
    gate: ApiGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writing.RECORD_MOVEMENTS.execute

    def cut(**parameters: Any) -> None:
        monkeypatch.setattr(writing.RECORD_MOVEMENTS, "execute", real)
        with other_connection() as other:
            pid = connection.connection.info.backend_pid
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        real(**parameters)

    monkeypatch.setattr(writing.RECORD_MOVEMENTS, "execute", cut)
    given = [knock(wire.body("one")), knock(wire.body("two"))]
    found = answers(gate, *given)
    assert [status for status, _ in found] == [503, 503]
    assert all("unknown" in body["error"] for _, body in found)
    assert statuses(gate, *given) == [201, 201]
    wire.assert_no_drift()


def test_after_the_commit_nothing_is_left_to_be_recorded_again(gate: ApiGate, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(posting_lane.Kind, "body", property(lambda _: broken), raising=False)
    assert statuses(gate, knock(wire.body("shown badly"))) == [500]
    assert Transaction.objects.filter(reference="shown badly").count() == 1


def test_where_the_reasons_of_refusals_cannot_be_read_only_those_refused_are_answered_so(
    gate: ApiGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(direct, "explain", broken)
    given = [knock(wire.body("fine")), knock(wire.body("poor", 1_000_000))]
    assert statuses(gate, *given) == [201, 500]


def test_direct_and_queued_ones_and_settlements_are_answered_together(gate: ApiGate) -> None:
    hold = answers(gate, knock(wire.body("hold", inflight=True)))[0][1]["transaction_id"]
    found = answers(gate, knock(wire.queued("later")), settlement(hold, precise_amount=300), knock(wire.body("now")))
    assert [(status, body["status"]) for status, body in found] == [(201, "QUEUED"), (200, "APPLIED"), (201, "APPLIED")]
    assert Entry.objects.count() == 1
    wire.drain()
    wire.assert_no_drift()


def test_a_hold_is_settled_once_however_many_of_a_group_ask_for_it(gate: ApiGate) -> None:
    hold = answers(gate, knock(wire.body("hold", 1000, inflight=True)))[0][1]["transaction_id"]
    given = [settlement(hold, precise_amount=600), settlement(hold, precise_amount=600), settlement(hold)]
    found = answers(gate, *given, settlement(hold, status="void"), settlement("txn_nowhere"))
    assert [status for status, _ in found] == [200, 400, 200, 409, 400]
    wire.assert_no_drift()


def test_what_has_many_legs_or_holds_is_left_to_its_view(gate: ApiGate, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [{"identifier": f"@leg{number}", "distribution": "1%"} for number in range(posting_lane.MOST_LEGS)]
    split = {name: value for name, value in wire.body("split").items() if name != "destination"}
    many = split | {"destinations": [*shares, {"identifier": "@rest", "distribution": "left"}]}
    assert statuses(gate, knock(many), knock(wire.body("one"))) == [None, 201]
    held = answers(gate, knock(wire.body("hold", inflight=True)))[0][1]["transaction_id"]
    few = replace(posting_lane.SETTLED, record=partial(settling.settle_together, most=0))
    monkeypatch.setattr(posting_lane, "SETTLED", few)
    assert statuses(gate, settlement(held)) == [None]


@pytest.mark.parametrize(
    ("method", "path", "query", "is_taken"),
    [
        ("POST", "/transactions", "", True),
        ("PUT", "/transactions/inflight/txn_1", "", True),
        ("POST", "/transactions", "a=b", False),
        ("POST", "/transactions/", "", False),
        ("PUT", "/transactions", "", False),
        ("GET", "/transactions", "", False),
        ("POST", "/transactions/bulk", "", False),
        ("PUT", "/transactions/inflight/", "", False),
        ("PUT", "/transactions/inflight/a/b", "", False),
        ("POST", "/transactions/inflight/txn_1", "", False),
    ],
)
def test_only_what_records_a_posting_or_settles_holds_is_taken(
    method: str, path: str, query: str, is_taken: bool
) -> None:
    assert posting_lane.is_for(method, path, query) is is_taken


def test_a_request_takes_one_token_whichever_way_it_goes(gate: ApiGate) -> None:
    given = knock(wire.body("tried", dry_run=True))
    assert statuses(gate, given) == [None]
    _, headers = gate.check(given)
    _, again = gate.check(knock(wire.body("tried", dry_run=True)))
    left = [int(dict(each)["RateLimit-Remaining"]) for each in (headers, again)]
    assert left[0] - left[1] in (0, 1)
    assert given.META["ledger.tokens_left"] == left[0]


def test_a_queued_posting_waits_no_longer_than_others_for_a_reference_or_a_balance(gate: ApiGate) -> None:
    with other_connection() as other:
        other.execute(
            "INSERT INTO transactions (transaction_id, reference, status, created_at)"
            " VALUES ('txn_open', 'open', 'REJECTED', now())"
        )
        other.execute("SELECT FROM balances WHERE balance_id = 'bln_dora' FOR UPDATE")
        began = time.monotonic()
        assert statuses(gate, knock(wire.queued("open")), knock(wire.queued("beside"))) == [None, None]
        assert statuses(gate, knock(wire.queued("locked", destination="bln_dora"))) == [None]
        assert time.monotonic() - began < 2.5
    assert statuses(gate, knock(wire.queued("open")), knock(wire.queued("beside"))) == [409, 201]


def test_what_the_database_refuses_at_the_commit_is_no_outage(gate: ApiGate) -> None:
    deferred = POISON.replace("CREATE TRIGGER refuse_poison BEFORE", "CREATE CONSTRAINT TRIGGER refuse_poison AFTER")
    with connection.cursor() as cursor:
        cursor.execute(deferred.replace("FOR EACH ROW", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"))
    try:
        given = [knock(wire.body("good")), knock(wire.body("poison")), knock(wire.queued("later"))]
        assert statuses(gate, *given) == [None, None, 201]
        assert statuses(gate, given[0]) == [201]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse_poison ON transactions; DROP FUNCTION refuse_poison")


def test_a_hold_that_still_waits_in_the_queue_is_left_to_its_view(gate: ApiGate) -> None:
    waiting = answers(gate, knock(wire.queued("hold", inflight=True)))[0][1]["transaction_id"]
    assert statuses(gate, settlement(waiting), knock(wire.body("beside"))) == [None, 201]


def test_an_indicator_that_another_opens_meanwhile_keeps_none_waiting(gate: ApiGate) -> None:
    with other_connection() as other:
        other.execute("CREATE TEMPORARY TABLE copied AS SELECT * FROM balances WHERE balance_id = 'bln_dora'")
        other.execute("UPDATE copied SET balance_id = 'bln_new', indicator = '@new'")
        other.execute("INSERT INTO balances SELECT * FROM copied")
        began = time.monotonic()
        given = [knock(wire.body("new", source="@new", allow_overdraft=True)), knock(wire.body("beside"))]
        assert statuses(gate, *given) == [None, None]
        assert time.monotonic() - began < 2
