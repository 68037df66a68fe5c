"""Who is worked on: a fixed number of threads, a share of them kept from what is costly, and a queue that stays young.

Turns are given in the event loop, so nothing here needs a lock but ``done``, a deque that threads fill.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from ledgerproj.front.exchanges import Exchange

BEAT_SECONDS = 0.25
"""How often is looked for clients that are gone and for requests that have waited too long."""
ROOM = 1000
"""Requests that may wait; their bodies are in memory."""


class Turns:
    """Hands exchanges to ``size`` threads, first come first served, at most ``costly`` of them costly.

    One that waits longer than ``patience`` seconds, or finds no room to wait, is given to ``refuse``.
    """

    def __init__(self, *, size: int, costly: int, patience: float, refuse: Callable[[Exchange], None]) -> None:
        """Start the threads; this is called in the event loop."""
        self.size, self.costly, self.patience, self.refuse = size, costly, patience, refuse
        self.loop = asyncio.get_running_loop()
        self.at_work: dict[Exchange, None] = {}
        self.costly_at_work = 0
        self.waiting: dict[bool, deque[Exchange]] = {True: deque(), False: deque()}
        """What is costly, and what is not, in the order in which they came."""
        self.done: deque[Exchange] = deque()
        self.handed: SimpleQueue[Exchange] = SimpleQueue()
        for number in range(size):
            Thread(target=self._work, name=f"request-{number + 1}", daemon=True).start()
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
        return len(self.at_work) < self.size and not (exchange.costly and self.costly_at_work >= self.costly)

    def _start(self, exchange: Exchange) -> None:
        self.at_work[exchange] = None
        self.costly_at_work += exchange.costly
        self.handed.put(exchange)

    def _work(self) -> None:
        """Answer one exchange after the other, in a thread.

        The loop is woken only if somebody waits; else it finds out at its next turn, which spares a switch of threads.
        """
        while True:
            exchange = self.handed.get()
            exchange.answer()
            self.done.append(exchange)
            if self.waiting[True] or self.waiting[False]:
                self.loop.call_soon_threadsafe(self._collect)

    def _collect(self) -> None:
        """End what is done, and let those who wait have the turns."""
        while self.done:
            exchange = self.done.popleft()
            del self.at_work[exchange]
            self.costly_at_work -= exchange.costly
            exchange.finish()
        while (heads := [line[0] for line in self.waiting.values() if line]) and len(self.at_work) < self.size:
            free = [exchange for exchange in heads if self._has_turn(exchange)]
            if not free:
                return
            exchange = min(free, key=lambda one: one.asked)
            self.waiting[exchange.costly].popleft()
            self._start(exchange)

    def _beat(self) -> None:
        self._collect()
        now = time.monotonic()
        for line in self.waiting.values():
            while line and now - line[0].asked > self.patience:
                self._give_up(line.popleft())
        for exchange in (*self.at_work, *self.waiting[True], *self.waiting[False]):
            if now - exchange.asked > BEAT_SECONDS:
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
