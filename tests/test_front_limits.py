"""What the front does at its limits, without a server: memory for bodies, room to wait, and clients that leave."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ledgerproj import processes
from ledgerproj.front import bodies, together, turns
from ledgerproj.front.exchanges import Exchange

LIMIT_SECONDS = 20


class Scope:
    server, client, http_version, scheme = "127.0.0.1:5001", "127.0.0.1:40000", "1.1", "http"
    method, path, query_string = "POST", "/transactions", ""

    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Proto:
    """Gives a body in parts, and keeps the answer; the client leaves when ``left`` is set."""

    def __init__(self, *parts: bytes) -> None:
        self.parts, self.left = parts, asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part

    async def client_disconnect(self) -> None:
        await self.left.wait()


def read(reader: bodies.Bodies, proto: Any, **headers: str) -> bodies.Body:
    scope: Any = Scope(**headers)
    return asyncio.run(reader.read(scope, proto))


def test_large_bodies_beyond_the_memory_that_they_may_take_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "HELD_BYTES", 250_000)
    reader = bodies.Bodies(most=1_000_000, seconds=LIMIT_SECONDS)
    part = b"x" * 100_000
    first = read(reader, Proto(part, part, b""), transfer_encoding="chunked")
    with pytest.raises(bodies.Crowded):
        read(reader, Proto(part, b""), content_length="100000")
    reader.release(first)
    assert read(reader, Proto(part, b""), content_length="100000").length == 100_000


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ((b"x" * 70_000, b""), {"content_length": "90000"}),
        ((b"x", b"", b""), {"transfer_encoding": "chunked"}),
    ],
)
def test_what_broke_off_is_no_body_and_takes_no_memory(parts: tuple[bytes, ...], headers: dict[str, str]) -> None:
    reader = bodies.Bodies(most=1_000_000, seconds=LIMIT_SECONDS)
    with pytest.raises(bodies.Incomplete):
        read(reader, Proto(*parts), **headers)
    assert reader.held == 0


def test_what_finds_no_room_to_wait_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "ROOM", 2)
    go_on, refused = threading.Event(), list[Exchange]()
    monkeypatch.setattr(Exchange, "answer", lambda exchange: go_on.wait(LIMIT_SECONDS))

    async def ask_five() -> list[Exchange]:
        given = turns.Turns(size=2, costly=1, patience=LIMIT_SECONDS, refuse=refused.append)
        asked = [exchange() for _ in range(5)]
        answers = [given.ask(each) for each in asked]
        assert refused == asked[4:]
        go_on.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.gather(*answers)
        return asked

    asyncio.run(ask_five())
    assert len(refused) == 1


def exchange() -> Exchange:
    scope: Any = Scope()
    proto: Any = Proto()
    return Exchange(scope, proto)


def test_who_wants_to_know_is_told_once_that_the_client_has_gone() -> None:
    told, heard = list[str](), threading.Event()

    async def leave() -> None:
        left = exchange()
        left.when_gone(lambda: (told.append("first"), heard.set()))
        left.when_gone(lambda: told.append("forgotten"))()
        left.watch(lambda _: None)
        left.proto.left.set()  # type: ignore[attr-defined]
        assert await asyncio.to_thread(heard.wait, LIMIT_SECONDS)
        left.when_gone(lambda: told.append("late"))

    asyncio.run(leave())
    assert told == ["first", "late"]


def test_what_prevents_a_callback_waits_for_one_that_runs() -> None:
    running, go_on, order = threading.Event(), threading.Event(), list[str]()

    def end_statement() -> None:
        running.set()
        go_on.wait(LIMIT_SECONDS)
        order.append("ended")

    async def leave() -> None:
        left = exchange()
        prevent = left.when_gone(end_statement)
        left.watch(lambda _: None)
        left.proto.left.set()  # type: ignore[attr-defined]
        assert await asyncio.to_thread(running.wait, LIMIT_SECONDS)
        threading.Timer(0.1, go_on.set).start()
        await asyncio.to_thread(prevent)
        order.append("next statement")

    asyncio.run(leave())
    assert order == ["ended", "next statement"]


def test_threads_that_compute_give_way_to_postings_within_half_a_millisecond() -> None:
    before = sys.getswitchinterval()
    try:
        processes.switch_often()
        assert sys.getswitchinterval() <= 0.0005
    finally:
        sys.setswitchinterval(before)


def test_what_a_surprise_keeps_a_lane_from_looking_at_is_left_to_others() -> None:
    def fail(_: Any) -> None:
        raise ZeroDivisionError

    async def ask_three() -> list[Exchange]:
        given: Any = {"threads": 1, "most": 9, "patience": LIMIT_SECONDS, "refuse": Exchange.finish}
        lane = together.Together(answer=fail, **given)
        asked = [exchange() for _ in range(3)]
        await asyncio.wait_for(asyncio.gather(*map(lane.ask, asked)), LIMIT_SECONDS)
        return asked

    assert [each.answered for each in asyncio.run(ask_three())] == [False] * 3


def test_a_lane_in_company_lets_the_loop_run_before_it_begins() -> None:
    begin, groups, asked = threading.Event(), list[int](), list[Exchange]()

    async def ask_four() -> None:
        loop = asyncio.get_running_loop()

        def answer(exchanges: Any) -> None:
            begin.wait(LIMIT_SECONDS)
            group = []
            for each in exchanges:
                group.append(each)
                if each is asked[2]:
                    loop.call_soon_threadsafe(lane.ask, asked[3])
            groups.append(len(group))

        given: Any = {"threads": 1, "most": 9, "patience": LIMIT_SECONDS, "refuse": Exchange.finish}
        lane = together.Together(answer=answer, looks=1, **given)
        asked.extend(exchange() for _ in range(4))
        first = [lane.ask(each) for each in asked[:2]]
        begin.set()
        await asyncio.wait_for(asyncio.gather(*first), LIMIT_SECONDS)
        await asyncio.wait_for(lane.ask(asked[2]), LIMIT_SECONDS)

    asyncio.run(ask_four())
    assert groups == [2, 2]
