"""Who is worked on: a fixed number of threads, a share of them kept from what is costly, and a queue that stays young.

Turns are given in the event loop, so nothing here needs a lock but ``done``, a deque that threads fill.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from ledgerproj.front import keeping
from ledgerproj.front.exchanges import Exchange

BEAT_SECONDS = 0.25
"""How often is looked for clients that are gone and for requests that have waited too long."""
IDLE_SECONDS = 60
ROOM = 1000
"""Requests that may wait; their bodies are in memory."""


class Worker(Thread):
    """A thread that answers one exchange after the other, and gives its database connection back when it is idle."""

    def __init__(self, done: Callable[[Exchange], None]) -> None:
        """Keep what is called, in the thread, when an exchange is answered."""
        super().__init__(name="request", daemon=True)
        self.given: SimpleQueue[Exchange] = SimpleQueue()
        self._done = done

    def run(self) -> None:
        """Answer for ever."""
        while True:
            try:
                exchange = self.given.get(timeout=IDLE_SECONDS)
            except Empty:
                keeping.give_back()
                exchange = self.given.get()
            exchange.answer()
            self._done(exchange)


class Turns:
    """Hands exchanges to ``size`` threads, first come first served, at most ``costly`` of them costly.

    One that waits longer than ``patience`` seconds, or finds no room to wait, is given to ``refuse``.
    """

    def __init__(self, *, size: int, costly: int, patience: float, refuse: Callable[[Exchange], None]) -> None:
        """Start the threads; this is called in the event loop."""
        self.costly, self.patience, self.refuse = costly, patience, refuse
        self.loop = asyncio.get_running_loop()
        self.idle: list[Worker] = []
        """Who was done last is next: a few threads stay busy, the others give their connections back."""
        self.at_work: dict[Exchange, Worker] = {}
        self.costly_at_work = 0
        self.waiting: dict[bool, deque[Exchange]] = {True: deque(), False: deque()}
        """What is costly, and what is not, in the order in which they came."""
        self.done: deque[Exchange] = deque()
        for _ in range(size):
            self.idle.append(Worker(self._done))
            self.idle[-1].start()
        self._beat()

    def ask(self, exchange: Exchange) -> asyncio.Future[None]:
        """Give a turn as soon as there is one; return what is done when the exchange is over."""
        exchange.finished = self.loop.create_future()
        self._collect()
        if self._has_turn(exchange):
            self._start(exchange)
        elif sum(map(len, self.waiting.values())) < ROOM:
            self.waiting[exchange.costly].append(exchange)
            self._collect()  # a thread that was done before it could see that somebody waits
        else:
            self._give_up(exchange)
        return exchange.finished

    def _has_turn(self, exchange: Exchange) -> bool:
        return bool(self.idle) and not (exchange.costly and self.costly_at_work >= self.costly)

    def _start(self, exchange: Exchange) -> None:
        worker = self.at_work[exchange] = self.idle.pop()
        self.costly_at_work += exchange.costly
        worker.given.put(exchange)

    def _done(self, exchange: Exchange) -> None:
        """Note, in its thread, that an exchange is answered.

        The loop is woken only if somebody waits; else it finds out with the next request, which spares a switch of
        threads.
        """
        self.done.append(exchange)
        if self.waiting[True] or self.waiting[False]:
            self.loop.call_soon_threadsafe(self._collect)

    def _collect(self) -> None:
        """End what is done, and let those who wait have the turns."""
        while self.done:
            exchange = self.done.popleft()
            self.idle.append(self.at_work.pop(exchange))
            self.costly_at_work -= exchange.costly
            exchange.finish()
        while (heads := [line[0] for line in self.waiting.values() if line]) and self.idle:
            free = [exchange for exchange in heads if self._has_turn(exchange)]
            if not free:
                return
            exchange = min(free, key=lambda one: one.arrived_at)
            self.waiting[exchange.costly].popleft()
            self._start(exchange)

    def _beat(self) -> None:
        self._collect()
        now = time.monotonic()
        for line in self.waiting.values():
            while line and now - line[0].arrived_at > self.patience:
                self._give_up(line.popleft())
        for exchange in (*self.at_work, *self.waiting[True], *self.waiting[False]):
            if now - exchange.arrived_at > BEAT_SECONDS:
                exchange.watch(self._drop)
        self.loop.call_later(BEAT_SECONDS, self._beat)

    def _give_up(self, exchange: Exchange) -> None:
        self.refuse(exchange)
        exchange.finish()

    def _drop(self, exchange: Exchange) -> None:
        """Forget an exchange whose client is gone, unless it is worked on already."""
        if exchange not in self.at_work:
            self.waiting[exchange.costly].remove(exchange)
            exchange.finish()
