"""Hot reads down both ways: the lane before Django, and Django's own, give the same answers byte for byte.

Each test of the API compares the two as well, because its client sends hot reads down both (``tests.client``).
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread
from time import monotonic
from typing import Any
from urllib.parse import quote

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.test import override_settings
from django.urls import get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.api import hot_reads
from balances.api.filtering import columns
from balances.api.gate import gate_of
from balances.api.hot_reads import hot_read
from balances.ground import Line, Question, tables
from balances.ground.prepared import Prepared
from balances.keys import keyring
from balances.models import ApiKey, Balance, Ledger, Transaction
from balances.models.core import now
from ledgerproj.front import keeping, together
from ledgerproj.front import reads as front_reads
from ledgerproj.front.bodies import Body
from ledgerproj.front.exchanges import Exchange
from ledgerproj.front.reads import Reads
from ledgerproj.wsgi import application
from reconciliation.models import Refusal
from tests import wire, world
from tests.serving import request, serving
from tests.test_front import opened, until, waiting_for_locks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("front")]

Got = tuple[int, list[tuple[str, str]], bytes]


class Headers:
    """As granian has them: any number of values for a name."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = pairs

    def items(self) -> list[tuple[str, str]]:
        return list(self.pairs)


class Scope:
    server, client, http_version, scheme, query_string = "127.0.0.1:5001", "127.0.0.1:40000", "1.1", "http", ""

    def __init__(self, method: str, path: str, *headers: tuple[str, str], query: str = "") -> None:
        self.method, self.path, self.query_string = method, path, query
        self.headers = Headers(("host", "localhost"), *headers)


class Proto:
    got: Got

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.got = status, headers, body

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.got = status, headers, b""


MASTER = ("x-blnk-key", world.MASTER_KEY)


@pytest.fixture(autouse=True)
def _connections_kept() -> Iterator[None]:
    keeping.take_over()
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


class Lane:
    """Hot reads in an event loop of their own, as a server has it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever)
        self.thread.start()
        self.reads = self.run(self._begin())

    def run(self, doing: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(20)

    async def _begin(self) -> Reads:
        return Reads()

    async def ask(self, exchanges: list[Exchange]) -> None:
        """Ask all at once, once there is a line."""
        while self.reads._line is None:
            self.reads._connect_soon()
            await asyncio.sleep(0.01)
        await asyncio.gather(*[self.reads.ask(each) for each in exchanges])

    def end(self) -> None:
        self.run(self._drop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        for each in threading.enumerate():
            if each.name == "ending":
                each.join()

    async def _drop(self) -> None:
        self.reads._drop(math.inf)


@pytest.fixture(autouse=True, scope="module")
def lane(django_db_setup: None, django_db_blocker: Any) -> Iterator[Lane]:
    global shared
    with django_db_blocker.unblock():
        shared = Lane()
        yield shared
        shared.end()


shared: Lane


def answer(exchanges: list[Exchange]) -> None:
    """Answer by the lane, and what that leaves by Django, as a server does."""
    shared.run(shared.ask(exchanges))
    for each in exchanges:
        if not each.answered:
            each.answer()


def ask(way: bool, *of: Any, **more: Any) -> Got:
    """Ask by the lane, or by Django; the lane is for hot reads alone."""
    scope: Any = Scope(*of, **more)
    proto: Any = Proto()
    with override_settings(LEDGER_HOT_READS=way):
        exchange = Exchange(scope, proto)
        assert bool(exchange.hot) <= way
        if exchange.hot:
            answer([exchange])
            assert exchange.answered or MASTER not in of, of
        else:
            exchange.answer()
    got: Got = proto.got
    return got


def both(path: str, *headers: tuple[str, str], method: str = "GET", query: str = "") -> Got:
    """Return the answer that both ways give."""
    asked = (method, path, *(headers or (MASTER,)))
    slow, fast = ask(False, *asked, query=query), ask(True, *asked, query=query)
    assert fast == slow
    return fast


def paths() -> list[str]:
    """Return the path of every row that has a hot one."""
    found = [f"/ledgers/{each.pk}" for each in Ledger.objects.all()]
    for balance in Balance.objects.all():
        found.append(f"/balances/{balance.pk}")
        if balance.indicator:
            found.append(f"/balances/indicator/{balance.indicator}/currency/{balance.currency}")
    for row in Transaction.objects.all():
        found += [f"/transactions/{row.pk}", f"/transactions/reference/{row.reference}"]
    return found


@pytest.fixture
def world_of_all() -> None:
    """Make a row of every kind: held, committed, voided, refused, refunded, split, scheduled, old, deleted."""
    wire.wallets()
    api = wire.Client()
    held, voided = wire.hold(api, "held"), wire.hold(api, "voided")
    wire.settle(api, held, units=400)
    wire.settle(api, voided, "void")
    paid = wire.create(api, wire.body("paid", meta_data={"inflight": True, "ü": "<&>\u2028", "n": 10**40}))
    api.post(f"/refund-transaction/{paid}", {"skip_queue": True})
    wire.create(api, wire.queued("queued"))
    wire.create(api, wire.queued("scheduled", scheduled_for="2099-01-01T00:00:00.12Z"))
    alice = Balance.objects.get(pk="bln_alice")
    bob = Balance.objects.get(pk="bln_bob")
    world.row("APPLIED", None, alice, bob, amount=Decimal("1.50"), precision=None, effective_date=None, hash=None)
    world.row("APPLIED", 10**30, alice, bob, meta_data=None, description=None, parent_transaction=None)


def test_every_row_is_answered_alike_down_both_ways(world_of_all: None) -> None:
    asked = paths()
    assert len(asked) > 25
    for path in asked:
        assert both(path)[0] == 200, path
    Balance.objects.filter(pk="bln_dora").delete()
    for path in ("/balances/bln_dora", "/ledgers/none", "/transactions/a<b>", "/transactions/reference/ü\n"):
        assert both(path)[0] == 404, path
    assert both("/balances/indicator/@none/currency/USD")[0] == 404


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    | st.integers(-(10**60), 10**60)
    | st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**9), max_value=10**9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=3)
    ),
    max_leaves=8,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=20)


@given(meta_data=JSON, name=TEXTS, units=st.integers(1, 10**50), inflight=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_stored_is_answered_alike(meta_data: Any, name: str, units: int, inflight: bool) -> None:
    owner = Ledger.objects.create(name=name, meta_data=meta_data)
    balances = [
        Balance.objects.create(
            ledger=owner,
            currency="USD",
            meta_data=meta_data,
            indicator=f"{name}-{now().timestamp()}-{number}",
            credit_balance=units,
            balance=units,
            created_at=now().replace(microsecond=units % 10**6),
        )
        for number in range(2)
    ]
    row = world.row("INFLIGHT" if inflight else "APPLIED", units, *balances, meta_data=meta_data, description=name)
    for path in (
        f"/ledgers/{owner.pk}",
        f"/balances/{balances[0].pk}",
        f"/balances/indicator/{balances[0].indicator}/currency/USD",
        f"/transactions/{row.pk}",
        f"/transactions/reference/{row.reference}",
    ):
        assert both(path)[0] == 200


@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_for_is_answered_alike(name: str) -> None:
    for before in ("/balances/", "/ledgers/", "/transactions/", "/transactions/reference/", "/balances/indicator/x/"):
        both(f"{before}{name}")
    both(f"/balances/indicator/{name}/currency/{name}")


def issued(scopes: list[str], **fields: Any) -> tuple[str, str]:
    expires_at = datetime.now(UTC) + timedelta(days=1)
    key = keyring.issue(name="k", owner_id="o", scopes=scopes, expires_at=expires_at)
    if fields:
        ApiKey.objects.filter(pk=key.pk).update(**fields)
    return "x-blnk-key", key.plaintext


def test_keys_open_and_close_both_ways_alike(world_of_all: None) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    for key, status in (
        (issued(["balances:read"]), 200),
        (issued(["*:*"]), 200),
        (issued(["ledgers:read", "balances:write"]), 403),
        (issued([]), 403),
        (issued(["balances:read"], expires_at=past), 401),
        (issued(["balances:read"], is_revoked=True), 401),
        (("x-blnk-key", "wrong"), 401),
        (("x-blnk-key", ""), 401),
        (("x-other", "1"), 401),
        (("x_blnk_key", world.MASTER_KEY), 401),
    ):
        assert both("/balances/bln_alice", key)[0] == status, key
    assert both("/balances/bln_alice", MASTER, MASTER)[0] == 401
    with override_settings(BLNK_SERVER_SECURE=False):
        assert both("/balances/bln_alice", ("x-other", "1"))[0] == 200


def test_the_lane_records_refusals_and_the_use_of_keys(world_of_all: None) -> None:
    refused, used = issued(["ledgers:read"]), issued(["balances:read"])
    assert ask(True, "GET", "/balances/bln_alice", refused)[0] == 403
    assert Refusal.objects.get().what == "GET /balances/bln_alice"
    assert ask(True, "GET", "/balances/bln_alice", used)[0] == 200
    assert ApiKey.objects.filter(last_used_at__gt=datetime.now(UTC) - timedelta(minutes=1)).count() == 1


@pytest.mark.parametrize(
    "headers",
    [
        (MASTER, ("x-forwarded-proto", "https")),
        (MASTER, ("x-forwarded-for", "203.0.113.1, 203.0.113.2"), ("x-real-ip", "203.0.113.3")),
        (MASTER, ("accept", "text/html"), ("cookie", "a=b"), ("cookie", "c=d")),
        (MASTER, ("if-none-match", "*"), ("range", "bytes=0-1")),
        (MASTER, ("x_forwarded_proto", "https")),
    ],
)
def test_headers_mean_the_same_both_ways(world_of_all: None, headers: tuple[tuple[str, str], ...]) -> None:
    assert both("/balances/bln_alice", *headers)[0] == 200


def test_a_foreign_host_is_refused_both_ways(world_of_all: None, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["ledger.example"]
    assert both("/balances/bln_alice")[0] == 400


def test_what_only_looks_like_a_hot_read_is_for_django(world_of_all: None) -> None:
    for method, path, query in (
        ("HEAD", "/balances/bln_alice", ""),
        ("PUT", "/balances/bln_alice", ""),
        ("get", "/balances/bln_alice", ""),
        ("GET", "/balances/bln_alice/", ""),
        ("GET", "//balances/bln_alice", ""),
        ("GET", "/balances//bln_alice", ""),
        ("GET", "/balances/bln_alice", "from_source=true"),
        ("GET", "/balances/bln_alice", "x"),
        ("GET", "/balances/", ""),
        ("GET", "/balances/indicator/@x/currency/", ""),
        ("GET", "/Balances/bln_alice", ""),
    ):
        assert hot_read(method, path, query) is None
        both(path, method=method, query=query)


def test_no_route_of_another_view_is_taken_for_a_hot_read() -> None:
    literal = [
        f"/{route}"
        for pattern in get_resolver().url_patterns
        for each in getattr(pattern, "url_patterns", [])
        if "<" not in (route := str(each.pattern))
    ]
    assert "/balances/filter" in literal
    assert {path for path in literal if hot_read("GET", path, "")} == LISTS


LISTS = {"/ledgers", "/balances", "/transactions"}


def test_the_newest_rows_are_answered_alike_down_both_ways(world_of_all: None) -> None:
    for path in LISTS:
        for query in ("", "limit=1", "limit=3", "limit=100"):
            assert hot_read("GET", path, query)
            assert both(path, query=query)[0] == 200
        for query in (
            *("limit=0", "limit=101", "limit=-1", "limit=+5", "limit=05", "limit=%35", "limit=\u0663", "limit=x"),
            *("limit=", "limit", "limit=5&offset=1", "limit=5&limit=6", "offset=1", "status_eq=APPLIED", "x=1", "&"),
        ):
            assert hot_read("GET", path, query) is None
            both(path, query=query)


def test_a_row_that_changed_is_listed_as_it_is_now(world_of_all: None) -> None:
    assert b"changed" not in both("/transactions")[2]
    Transaction.objects.filter(status="APPLIED").update(meta_data={"changed": "\u2028"})
    Balance.objects.filter(pk="bln_alice").update(meta_data={"changed": 1})
    for path in ("/transactions", "/balances"):
        assert b"changed" in both(path)[2]
        assert both(path) == both(path)


def test_what_is_kept_of_shown_rows_is_bounded(world_of_all: None, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = hot_reads.TRANSACTIONS.table._shown
    kept.clear()
    rows = len(json.loads(both("/transactions")[2]))
    assert len(kept) == rows > 5
    monkeypatch.setattr(tables, "KEPT", 3)
    Transaction.objects.update(meta_data={"other": True})
    both("/transactions")
    assert len(kept) <= 3
    kept.clear()
    monkeypatch.setattr(tables, "LARGEST_KEPT", 10)
    both("/transactions")
    assert not kept


def test_lists_without_rows_are_answered_alike_down_both_ways() -> None:
    Ledger.objects.all().delete()
    assert [both(path)[2] for path in sorted(LISTS)] == [b"null", b"[]", b"[]"]


def test_both_ways_take_from_the_same_buckets(world_of_all: None) -> None:
    before = remaining(ask(True, "GET", "/ledgers/shared", MASTER))
    limiter = gate_limiter()
    limiter.rate, kept = 1e-9, limiter.rate
    try:
        given = [remaining(ask(way, "GET", "/ledgers/shared", MASTER)) for way in (True, False, True)]
    finally:
        limiter.rate = kept
    assert given == [before - 1, before - 2, before - 3]


def test_beyond_the_limit_both_ways_refuse_alike(world_of_all: None) -> None:
    limiter = gate_limiter()
    kept = limiter.rate, limiter.burst
    limiter.rate, limiter.burst = 1e-9, 1
    limiter._buckets.clear()
    try:
        assert ask(True, "GET", "/ledgers/few", MASTER)[0] == 404
        assert both("/ledgers/few")[0] == 429
    finally:
        limiter.rate, limiter.burst = kept
        limiter._buckets.clear()


def gate_limiter() -> Any:
    return gate_of(application).limiter


def remaining(got: Got) -> int:
    return int(dict(got[1])["RateLimit-Remaining"])


def test_paths_with_percent_signs_stay_what_they_are(world_of_all: None) -> None:
    assert both(f"/balances/{quote('bln_alice%')}")[0] == 404


def answers(*asked: tuple[Any, ...]) -> list[Got]:
    """Ask all at once down the lane."""
    with override_settings(LEDGER_HOT_READS=True):
        protos: list[Any] = [Proto() for _ in asked]
        scopes: list[Any] = [Scope("GET", *each) for each in asked]
        answer([Exchange(scope, proto) for scope, proto in zip(scopes, protos, strict=True)])
    return [proto.got for proto in protos]


def test_reads_that_are_fetched_together_are_answered_as_if_each_had_come_alone(world_of_all: None) -> None:
    asked: list[tuple[Any, ...]] = [
        (path, MASTER) for path in [*paths(), "/balances/none", "/transactions/reference/ü"]
    ]
    asked += [("/balances/bln_alice", ("x-blnk-key", "wrong")), ("/ledgers/a\0b", MASTER)]
    asked += [("/balances/bln_bob", issued(["balances:read"])), ("/balances/bln_bob", issued(["ledgers:read"]))]
    asked += [("/balances/" + "x" * 490, MASTER)] * 200
    assert answers(*asked) == [ask(False, "GET", *each) for each in asked]


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the questions of each trip."""
    counted: list[int] = []
    send = Line.send

    def count(line: Line, questions: Sequence[Question]) -> None:
        counted.append(len(questions))
        send(line, questions)

    monkeypatch.setattr(Line, "send", count)
    return counted


def test_reads_that_come_together_are_asked_for_in_one_trip_with_one_question_each(
    world_of_all: None, trips: list[int]
) -> None:
    asked = [(path, MASTER) for path in paths()[:16]]
    answers(*asked)
    assert trips == [16]


def test_a_key_that_was_verified_and_noted_goes_down_the_lane_until_it_is_revoked(
    world_of_all: None, trips: list[int]
) -> None:
    key = issued(["balances:read"])
    first = ask(True, "GET", "/balances/bln_alice", key)
    assert (first[0], trips) == (200, [1])
    assert ask(True, "GET", "/balances/bln_alice", key)[2] == first[2]
    assert trips == [1, 1, 1]
    assert ask(True, "GET", "/ledgers/shared", key)[0] == 403
    assert Refusal.objects.get().what == "GET /ledgers/shared"
    ApiKey.objects.update(is_revoked=True)
    assert ask(True, "GET", "/balances/bln_alice", key)[0] == 401


def test_a_key_beyond_its_limit_is_not_looked_up(world_of_all: None, trips: list[int]) -> None:
    key = issued(["ledgers:read"])
    limiter = gate_limiter()
    kept = limiter.rate, limiter.burst
    limiter.rate, limiter.burst = 1e-9, 1
    limiter._buckets.clear()
    try:
        assert ask(True, "GET", "/ledgers/few", key)[0] == 404
        del trips[:]
        assert (ask(True, "GET", "/ledgers/few", key)[0], trips) == (429, [])
    finally:
        limiter.rate, limiter.burst = kept
        limiter._buckets.clear()


def test_what_takes_long_to_write_out_is_for_its_view(world_of_all: None) -> None:
    Balance.objects.filter(pk="bln_alice").update(meta_data={"long": "x" * hot_reads.MOST_WRITTEN})
    scope: Any = Scope("GET", "/balances/bln_alice", MASTER)
    proto: Any = Proto()
    exchange = Exchange(scope, proto)
    answer([exchange])
    assert (exchange.answered, proto.got) == (False, ask(False, "GET", "/balances/bln_alice", MASTER))


def forget(lane: Lane) -> None:
    async def deallocate() -> None:
        assert lane.reads._line
        lane.reads._line.send([(Prepared("DEALLOCATE ALL"), ())])

    lane.run(deallocate())


def cut(lane: Lane) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [lane.reads._held.connection.info.backend_pid])


@pytest.mark.parametrize("harm", [forget, cut])
def test_what_the_server_forgot_or_cut_is_asked_for_again(
    world_of_all: None, lane: Lane, harm: Callable[[Lane], None]
) -> None:
    asked = [(path, MASTER) for path in paths()[:8]]
    expected = answers(*asked)
    harm(lane)
    assert [answers(*asked) for _ in range(3)] == [expected] * 3
    assert lane.reads._line


def test_a_lock_keeps_no_other_read_waiting(world_of_all: None, lane: Lane) -> None:
    locked = f"/ledgers/{Ledger.objects.earliest('pk').pk}"
    scopes: list[Any] = [Scope("GET", path, MASTER) for path in (locked, "/balances/bln_alice")]
    proto: Any = Proto()
    exchanges = [Exchange(scope, proto) for scope in scopes]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE ledgers IN ACCESS EXCLUSIVE MODE")
        lane.run(lane.ask(exchanges))
        assert [each.answered for each in exchanges] == [False, False]
        until(lambda: waiting_for_locks() == 0)
    assert ask(True, "GET", locked, MASTER)[0] == 200


def test_a_line_that_nobody_needs_is_given_back(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(True, "GET", "/ledgers/none", MASTER)
    monkeypatch.setattr(front_reads, "IDLE_SECONDS", 0.1)
    until(lambda: lane.reads._line is None)
    monkeypatch.undo()

    def is_answered() -> bool:
        with suppress(AssertionError):  # on a machine under load the line may take longer than a read waits for it
            return ask(True, "GET", "/ledgers/none", MASTER)[0] == 404
        return False

    until(is_answered)


def test_a_read_that_waits_too_long_is_refused_and_the_others_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, refused, answered = Event(), list[Exchange](), list[Exchange]()

    def answer(exchanges: Iterator[Exchange]) -> None:
        taken = [*exchanges]
        go_on.wait(20)
        answered.extend(taken)

    monkeypatch.setattr(together, "ROOM", 30)

    async def ask_many() -> None:
        given: Any = {"threads": 2, "most": 1, "patience": 0.3, "refuse": refused.append}
        lane = together.Together(answer=answer, **given)
        scope: Any = Scope("GET", "/balances/x")
        proto: Any = Proto()
        first = []
        for _ in range(2):
            first.append(lane.ask(Exchange(scope, proto)))
            while lane.waiting:
                await asyncio.sleep(0.01)
        late = [lane.ask(Exchange(scope, proto)) for _ in range(31)]
        assert late[-1].done()  # left to others
        await asyncio.wait_for(asyncio.gather(*late), 20)
        assert len(refused) == 30
        go_on.set()
        await asyncio.wait_for(asyncio.gather(*first), 20)

    asyncio.run(ask_many())
    assert len(answered) == 2


def test_a_server_answers_many_reads_at_once_as_each_alone(world_of_all: None) -> None:
    asked = paths()
    with serving() as server, serving(LEDGER_HOT_READS="false") as slow, ExitStack() as stack:
        expected = [slow.ask("GET", quote(path)) for path in asked]
        lines = [server.line() for _ in range(8)]
        for line in lines:
            stack.callback(line.close)
            line.send(b"".join(request("GET", quote(path)) for path in asked))
        for line in lines:
            got = [line.reply() for _ in asked]
            assert [(each and (each.status, each.body)) for each in got] == [(e.status, e.body) for e in expected]
            changing = {"date", "ratelimit-remaining"}
            for one, other in zip(got, expected, strict=True):
                assert one
                assert {k: v for k, v in one.headers.items() if k not in changing} == {
                    k: v for k, v in other.headers.items() if k not in changing
                }


def filtered(path: str, *conditions: tuple[str, str], **more: Any) -> Exchange:
    """Ask for a filter down the lane, and return the exchange, which may be left to its view."""
    filters = [{"field": field, "operator": "eq", "value": value} for field, value in conditions]
    content = json.dumps({"filters": filters} | more).encode()
    scope: Any = Scope("POST", path, MASTER)
    proto: Any = Proto()
    exchange = Exchange(scope, proto, Body(content, len(content)))
    shared.run(shared.ask([exchange]))
    return exchange


def test_filters_by_texts_go_down_the_lane_for_every_column(world_of_all: None) -> None:
    asked = 0
    for path, each in hot_reads.FILTERS.items():
        for name, column in each.rows.filters.base_filters.items():
            if isinstance(column, columns.Column) and column.sql_type == "text":
                asked += 1
                exchange = filtered(path, (name, "USD"), (name, "ü'%s\\"), logical_operator="or", limit=7)
                assert exchange.answered, (path, name)
    assert asked > 15
    rows: Any = filtered("/transactions/filter", ("balance_id", "bln_alice"), ("status", "APPLIED")).proto
    assert rows.got[0] == 200
    assert len(json.loads(rows.got[2])) > 1


def test_other_filters_are_for_their_view(world_of_all: None) -> None:
    for more in ({"offset": 1}, {"sort_by": "amount"}, {"sort_order": "asc"}, {"include_count": True}, {"limit": "x"}):
        assert not filtered("/balances/filter", ("currency", "USD"), **more).answered
    assert not filtered("/balances/filter", ("currency", "a\0")).answered
    assert not filtered("/balances/filter", ("currency", "")).answered
    assert not filtered("/balances/filter", ("nothing", "x")).answered
    assert not filtered("/balances/filter", ("balance", "5")).answered


def test_so_many_statements_are_prepared_and_no_more(world_of_all: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_PREPARED", len(hot_reads.LEDGERS.table._statements) + 1)
    assert filtered("/ledgers/filter", ("name", "x"), limit=91).answered
    assert not filtered("/ledgers/filter", ("name", "x"), limit=92).answered
    assert filtered("/ledgers/filter", ("name", "y"), limit=91).answered


def test_a_row_does_not_wait_for_a_page(world_of_all: None) -> None:
    with serving() as server, transaction.atomic(), connection.cursor() as cursor:
        until(lambda: server.ask("GET", "/balances/bln_alice").status == 200)
        cursor.execute("LOCK TABLE ledgers IN ACCESS EXCLUSIVE MODE")
        with ExitStack() as lines:
            opened(server, lines, request("GET", "/ledgers"))
            began = monotonic()
            assert server.ask("GET", "/balances/bln_alice").status == 200
            assert monotonic() - began < front_reads.BEAT_SECONDS
