"""Postings that only have to be stored, from an event loop as a server has it: answered after the commit or left."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from time import monotonic
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import simplejson
from django.db import connection
from django.test import override_settings
from procrastinate.contrib.django.models import ProcrastinateJob

from balances.ground.exact_json import loads
from balances.keys import keyring
from balances.models import ApiKey, Balance, Entry, Transaction
from balances.models.core import now
from ledgerproj.front import commits, postings
from ledgerproj.front.bodies import Body
from ledgerproj.front.commits import Commits, Committing
from ledgerproj.front.exchanges import Exchange
from reconciliation.models import Refusal
from tests import wire, world
from tests.balances.api.test_posting_lane import POISON, other_connection
from tests.client import masked
from tests.test_front import waiting_for_locks
from tests.test_hot_reads import MASTER, Got, Proto, Scope

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("front")]

SLEEPY = """
CREATE FUNCTION sleep_on_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reference LIKE 'sleepy%' THEN PERFORM pg_sleep(1.5); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sleep_on_it BEFORE INSERT ON transactions FOR EACH ROW EXECUTE FUNCTION sleep_on_it();
"""


class Loop:
    """An event loop that stores postings."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever)
        self.thread.start()
        self.commits = self.run(self._begin())
        """The first line of several."""

    def run(self, doing: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(20)

    async def _begin(self) -> Committing:
        return Committing()

    async def ask(self, exchanges: Sequence[Exchange]) -> None:
        """Ask all at once, once there is a line."""
        while self.commits._line is None:
            self.commits._connect_soon()
            await asyncio.sleep(0.01)
        await asyncio.gather(*[self.commits.ask(each) for each in exchanges])

    def end(self) -> None:
        self.run(self._drop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        for each in threading.enumerate():
            if each.name in ("ending", "connecting"):
                each.join()

    async def _drop(self) -> None:
        self.commits._drop(math.inf)


@pytest.fixture
def loop() -> Iterator[Loop]:
    wire.wallets()
    made = Loop()
    yield made
    made.end()


def exchange(body: Any, *headers: tuple[str, str]) -> Exchange:
    scope: Any = Scope("POST", "/transactions", *(headers or (MASTER,)))
    proto: Any = Proto()
    content = body if isinstance(body, bytes) else simplejson.dumps(body).encode()
    return Exchange(scope, proto, Body(content, len(content)))


def asked(loop: Loop, *exchanges: Exchange) -> list[Got | None]:
    """Ask all at once; return the answers, ``None`` for what is handed on."""
    loop.run(loop.ask(exchanges))
    return [got(each) if each.answered else None for each in exchanges]


def got(of: Exchange) -> Got:
    proto: Any = of.proto
    found: Got = proto.got
    return found


def statuses(loop: Loop, *exchanges: Exchange) -> list[int | None]:
    return [each and each[0] for each in asked(loop, *exchanges)]


@contextmanager
def trigger(text: str) -> Iterator[None]:
    name = text.split("CREATE FUNCTION ")[1].split("(")[0]
    with connection.cursor() as cursor:
        cursor.execute(text)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER {name} ON transactions; DROP FUNCTION {name}")


def test_what_comes_at_once_is_stored_in_one_commit_and_calls_a_worker(loop: Loop) -> None:
    references = [f"r{number}" for number in range(20)]
    assert statuses(loop, *(exchange(wire.queued(each)) for each in references)) == [201] * 20
    rows = Transaction.objects.filter(reference__in=references)
    assert {row.status for row in rows} == {"QUEUED"}
    assert set(Entry.objects.values_list("transaction_id", flat=True)) == {row.pk for row in rows}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM transactions WHERE reference LIKE 'r%'")
        assert cursor.fetchone() == (1,)
    assert statuses(loop, exchange(wire.queued("later"))) == [201]
    calls = ProcrastinateJob.objects.filter(task_name="drain").values_list("status", "queue_name", "queueing_lock")
    assert list(calls) == [("todo", "postings", "drain")]
    wire.drain()
    assert Transaction.objects.filter(status="APPLIED", parent_transaction__in=[row.pk for row in rows]).count() == 20
    wire.assert_no_drift()


ODD: dict[str, dict[str, Any]] = {
    "metadata": {"meta_data": {"ü": "<&>\u2028", "n": 10**40, "deep": [{"a": None}, "'\"\\", 1.50], "_q": ""}},
    "a huge number": {"precise_amount": 10**900},
    "major units": {"precise_amount": None, "amount": 12.5},
    "nulls": {"overdraft_limit": None, "meta_data": None, "effective_date": None},
    "unicode": {"description": "– ”{},\\\n\t🙂", "currency": "USD"},
    "a limit": {"overdraft_limit": 12.25},
    "a hold": {"inflight": True},
    "an atomic one": {"atomic": True, "allow_overdraft": True},
    "a date": {"effective_date": "1999-12-31T23:59:59.999999+11:30"},
    "an indicator": {"source": "@world", "allow_overdraft": True},
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_stored_is_what_the_other_way_stores_to_the_last_byte(loop: Loop, odd: str) -> None:
    api = wire.Client(way="view")
    slow = api.post("/transactions", wire.queued("odd-a", **ODD[odd]))
    [fast] = asked(loop, exchange(wire.queued("odd-b", **ODD[odd])))
    assert fast is not None
    assert [unnamed(part) for part in fast] == [unnamed(part) for part in slow.all]
    assert stored_as("odd-a") == stored_as("odd-b")
    assert api.get(f"/transactions/{loads(fast[2].decode())['transaction_id']}").status == 200


def unnamed(part: object) -> str:
    return masked(part).replace("odd-b", "odd-a")


def stored_as(reference: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return a row and its entry, but for ids and instants of the moment."""
    row = Transaction.objects.values().get(reference=reference)
    entry = Entry.objects.values().get(transaction_id=row["transaction_id"])
    if row["effective_date"] == row.pop("created_at"):
        del row["effective_date"]
    del entry["id"], entry["due_at"]
    return tuple({name: unnamed(value) for name, value in each.items()} for each in (row, entry))  # type: ignore[return-value]


UNUSUAL: dict[str, dict[str, Any]] = {
    "at once": {"skip_queue": True},
    "tried out": {"dry_run": True},
    "an unknown balance": {"source": "bln_nobody"},
    "an indicator for the first time": {"source": "@new", "allow_overdraft": True},
    "a used reference": {"reference": "funds"},
    "a date": {"scheduled_for": "2099-01-01T00:00:00Z"},
    "a hold that ends": {"inflight": True, "inflight_expiry_date": "2099-01-01T00:00:00Z"},
    "a split": {"destination": None, "destinations": [{"identifier": "bln_bob", "distribution": "left"}]},
    "nothing": {"precise_amount": 0},
    "the reference of an outcome": {"reference": "any_q"},
}


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_what_takes_more_is_handed_on_with_nothing_written(loop: Loop, unusual: str) -> None:
    before = wire.written()
    fields = {"reference": "unusual"} | UNUSUAL[unusual]
    assert statuses(loop, exchange(wire.queued(**fields))) == [None]
    assert wire.written() == before


def test_from_a_balance_to_itself_by_another_name_is_handed_on(loop: Loop) -> None:
    world = Balance.objects.get(indicator="@world").pk
    given = wire.queued("itself", source="@world", destination=world, allow_overdraft=True)
    assert statuses(loop, exchange(given)) == [None]


def test_totals_to_which_no_one_can_post_are_handed_on(loop: Loop) -> None:
    for total in ("NaN", "Infinity", "-Infinity"):
        with world.unguarded("balances"), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE balances SET credit_balance = %(total)s, debit_balance = 'NaN', balance = 'NaN'"
                " WHERE balance_id = 'bln_bob'",
                {"total": total},
            )
        assert statuses(loop, exchange(wire.queued(f"to {total}"))) == [None]


def test_of_two_with_one_reference_the_first_is_stored_and_the_second_handed_on(loop: Loop) -> None:
    given = [exchange(wire.queued(reference)) for reference in ("twice", "twice", "once")]
    assert statuses(loop, *given) == [201, None, 201]
    given[1].answer()
    assert got(given[1])[0] == 409
    assert Transaction.objects.filter(reference="twice").count() == 1


@pytest.mark.parametrize("when", ["at once", "at the commit"])
def test_where_the_database_refuses_one_all_are_handed_on_and_the_next_are_stored(loop: Loop, when: str) -> None:
    text = POISON
    if when == "at the commit":
        text = text.replace("CREATE TRIGGER refuse_poison BEFORE", "CREATE CONSTRAINT TRIGGER refuse_poison AFTER")
        text = text.replace("FOR EACH ROW", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW")
    with trigger(text):
        given = [exchange(wire.queued(reference)) for reference in ("good", "poison", "better")]
        assert statuses(loop, *given) == [None] * 3
        assert not Entry.objects.exists()
        assert not ProcrastinateJob.objects.filter(task_name="drain").exists()
        again = [exchange(wire.queued(reference)) for reference in ("good", "better")]
        assert statuses(loop, *again) == [201, 201]


def test_a_reference_that_another_is_taking_keeps_none_waiting(loop: Loop) -> None:
    with other_connection() as other:
        take_open(other)
        began = monotonic()
        assert statuses(loop, exchange(wire.queued("open")), exchange(wire.queued("beside"))) == [None, None]
        assert monotonic() - began < 2
    assert statuses(loop, exchange(wire.queued("open")), exchange(wire.queued("beside"))) == [None, 201]


def take_open(other: psycopg.Connection[Any]) -> None:
    other.execute(
        "INSERT INTO transactions (transaction_id, reference, status, created_at)"
        " VALUES ('txn_open', 'open', 'REJECTED', now())"
    )


def cut(loop: Loop) -> None:
    held: Any = loop.commits._held
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [held.connection.info.backend_pid])


def test_where_the_connection_is_lost_before_the_answer_each_is_answered_that_its_outcome_is_unknown(
    loop: Loop,
) -> None:
    with trigger(SLEEPY):
        given = [exchange(wire.queued(reference)) for reference in ("sleepy", "beside")]
        asking = asyncio.run_coroutine_threadsafe(loop.ask(given), loop.loop)
        until_at_work(given)
        cut(loop)
        asking.result(20)
    found = [got(each) for each in given]
    assert [each[0] for each in found] == [503, 503]
    assert all("unknown" in loads(each[2].decode())["error"] for each in found)
    assert ("Retry-After", "5") in found[0][1]
    assert not Entry.objects.exists()
    loop.run(pause(loop))
    assert statuses(loop, *(exchange(wire.queued(reference)) for reference in ("sleepy", "beside"))) == [201, 201]


def until_at_work(given: Sequence[Exchange]) -> None:
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            if cursor.fetchone() == (1,):
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError([each.answered for each in given])


async def pause(loop: Loop) -> None:
    loop.commits._connects_at = 0


def test_a_line_that_was_cut_while_nothing_was_under_way_is_made_again(loop: Loop) -> None:
    assert statuses(loop, exchange(wire.queued("first"))) == [201]
    cut(loop)
    for _ in range(500):
        if loop.commits._line is None:
            break
        threading.Event().wait(0.01)
    loop.run(pause(loop))
    assert statuses(loop, exchange(wire.queued("second"))) == [201]


def test_what_waits_behind_a_commit_that_takes_long_is_handed_on(loop: Loop) -> None:
    with trigger(SLEEPY):
        slow, late = exchange(wire.queued("sleepy")), exchange(wire.queued("late"))
        first = asyncio.run_coroutine_threadsafe(loop.ask([slow]), loop.loop)
        until_at_work([slow])
        loop.run(loop.ask([late]))
        assert (late.answered, slow.answered) == (False, False)
        first.result(20)
    assert got(slow)[0] == 201
    late.answer()
    assert got(late)[0] == 201


def issued(scopes: list[str], **fields: Any) -> tuple[ApiKey, tuple[str, str]]:
    key = keyring.issue(name="k", owner_id="o", scopes=scopes, expires_at=now() + timedelta(days=1))
    assert keyring.find(key.plaintext)
    keyring.note_use(key)
    if fields:
        ApiKey.objects.filter(pk=key.pk).update(**fields)
    return key, ("x-blnk-key", key.plaintext)


def test_a_key_of_its_own_goes_this_way_as_well_and_is_named_in_the_row(loop: Loop) -> None:
    key, header = issued(["transactions:write"])
    assert statuses(loop, exchange(wire.queued("named"), header)) == [201]
    assert wire.row("named").meta_data["BLNK_GENERATED_BY"] == key.pk


def test_without_a_key_that_lets_it_in_nothing_is_stored(loop: Loop) -> None:
    poor, expired = issued(["ledgers:read"])[1], issued(["*:*"], expires_at=now() - timedelta(days=1))[1]
    revoked = issued(["*:*"], is_revoked=True)[1]
    given = [
        exchange(wire.queued("no"), *headers)
        for headers in ([("accept", "*/*")], [("x-blnk-key", "wrong")], [poor], [expired], [revoked])
    ]
    found = asked(loop, *given)
    assert [each and each[0] for each in found] == [401, 401, None, None, None]
    for each in given[2:]:
        each.answer()
    assert [got(each)[0] for each in given[2:]] == [403, 401, 401]
    assert not Transaction.objects.filter(reference="no").exists()
    assert Refusal.objects.count() == 3


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"amount": "x"}', b'{"reference": "r"}', b'{"reference": "\\u0000"}']
)
def test_what_cannot_be_read_or_says_too_little_is_refused_as_by_the_view(loop: Loop, body: bytes) -> None:
    [fast] = asked(loop, exchange(body))
    assert fast is not None
    slow = wire.Client(way="view").post("/transactions", body)
    assert (slow.status, slow.response.content) == (fast[0], fast[2])


def test_each_takes_one_token_whichever_way_it_goes(loop: Loop) -> None:
    def left(of: Exchange) -> int:
        return int(dict(got(of)[1])["RateLimit-Remaining"])

    stored, handed = exchange(wire.queued("stored")), exchange(wire.body("handed on"))
    assert statuses(loop, stored, handed) == [201, None]
    postings.answer(iter([handed]))
    assert got(handed)[0] == 201
    assert left(stored) - left(handed) in (0, 1)


def test_what_is_handed_on_is_not_decoded_again(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    given = exchange(wire.body("decoded"))
    assert statuses(loop, given) == [None]
    monkeypatch.setattr(given.knock(), "_body", b"nothing")
    postings.answer(iter([given]))
    assert got(given)[0] == 201


def test_the_setting_that_switches_shared_commits_off_switches_this_off() -> None:
    assert postings.are_for(exchange(wire.queued("on")))
    with override_settings(LEDGER_SHARED_COMMITS=False):
        assert not postings.are_for(exchange(wire.queued("off")))


def test_in_an_adopted_database_all_is_handed_on(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses(loop, exchange(wire.queued("own"))) == [201]
    held: Any = loop.commits._held
    monkeypatch.setattr(loop.commits, "_held", SimpleNamespace(adoption=True))
    assert statuses(loop, exchange(wire.queued("adopted"))) == [None]
    monkeypatch.setattr(loop.commits, "_held", held)


def test_more_than_a_commit_takes_are_stored_by_several(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "MOST_TOGETHER", 3)
    assert statuses(loop, *(exchange(wire.queued(f"m{number}")) for number in range(10))) == [201] * 10
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM transactions WHERE reference LIKE 'm%'")
        assert cursor.fetchone() == (4,)


def test_of_two_who_call_a_worker_at_once_none_fails(loop: Loop) -> None:
    with other_connection() as other:
        other.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock)"
            " VALUES ('postings', 'drain', 'drain')"
        )
        asking = asyncio.run_coroutine_threadsafe(loop.ask([given := exchange(wire.queued("calls"))]), loop.loop)
        until_waiting()
        other.commit()
        asking.result(20)
    assert got(given)[0] == 201
    assert ProcrastinateJob.objects.filter(task_name="drain").count() == 1


def until_waiting() -> None:
    for _ in range(1000):
        if waiting_for_locks():
            return
    raise AssertionError


def test_while_one_commit_is_under_way_others_are(loop: Loop) -> None:
    async def several() -> Commits:
        made = Commits()
        for line in made.lines:
            while line._line is None:
                line._connect_soon()
                await asyncio.sleep(0.01)
        slow = asyncio.ensure_future(made.ask(first))
        while not made.lines[0].sent:
            await asyncio.sleep(0.01)
        await asyncio.gather(*map(made.ask, others))
        assert (first.answered, [each.answered for each in others]) == (False, [True, True])
        await slow
        for line in made.lines:
            line._drop(math.inf)
        return made

    first, others = exchange(wire.queued("sleepy")), [exchange(wire.queued(f"other{number}")) for number in range(2)]
    assert statuses(loop, exchange(wire.queued("which calls a worker"))) == [201]
    with trigger(SLEEPY):
        loop.run(several())
    assert [got(each)[0] for each in (first, *others)] == [201] * 3


@pytest.mark.parametrize(("said", "looks"), [(None, True), (False, True), (True, False)])
def test_what_asks_to_be_done_at_once_is_not_even_decoded_here(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, said: bool | None, looks: bool
) -> None:
    asked_for: list[Exchange] = []
    monkeypatch.setattr(Committing, "ask", lambda line, each: asked_for.append(each) or line.leave(each))

    async def ask() -> None:
        await Commits().ask(exchange(wire.queued("r", skip_queue=said)))

    loop.run(ask())
    assert bool(asked_for) is looks


def test_money_does_not_move_before_a_worker_moves_it(loop: Loop) -> None:
    before = list(Balance.objects.order_by("pk").values())
    assert statuses(loop, exchange(wire.queued("still"))) == [201]
    assert list(Balance.objects.order_by("pk").values()) == before
