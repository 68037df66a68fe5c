"""Answers hot reads: few threads, each of which takes all that wait and fetches their rows in one trip.

A read costs less than what surrounds it: waking a thread, a message to the database and one back. While one trip is
under way the next reads gather, so the busier the server is, the less each costs. None waits for others to come.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from ledgerproj.front import keeping
from ledgerproj.front.exchanges import Exchange, answer_together
from ledgerproj.front.turns import BEAT_SECONDS, IDLE_SECONDS, ROOM

MOST_TOGETHER = 16
THREADS = 2
"""One computes while the other waits for the database; more only get in each other's way."""


class Together:
    """Hands hot reads to threads of their own. One that waits too long, or finds no room, is given to ``refuse``."""

    def __init__(self, *, patience: float, refuse: Callable[[Exchange], None]) -> None:
        """Start the threads; this is called in the event loop."""
        self.patience, self.refuse = patience, refuse
        self.loop = asyncio.get_running_loop()
        self.waiting: dict[Exchange, None] = {}
        """In the order in which they came. A thread or the loop takes one out, and answers it."""
        self.calls: SimpleQueue[None] = SimpleQueue()
        self.done: deque[Exchange] = deque()
        self.is_collecting = False
        for _ in range(THREADS):
            Thread(target=self._work, name="reads", daemon=True).start()
        self._beat()

    def ask(self, exchange: Exchange) -> asyncio.Future[None]:
        """Have a read answered; return what is done when the exchange is over."""
        exchange.finished = self.loop.create_future()
        if len(self.waiting) < ROOM:
            self.waiting[exchange] = None
            self.calls.put(None)
        else:
            self.refuse(exchange)
            exchange.finish()
        return exchange.finished

    def _work(self) -> None:
        while True:
            try:
                self.calls.get(timeout=IDLE_SECONDS)
            except Empty:
                keeping.give_back()
                self.calls.get()
            if taken := self._take():  # a call whose read another thread has taken finds none
                answer_together(taken)
                self._done(taken)

    def _take(self) -> list[Exchange]:
        return [exchange for exchange in [*self.waiting][:MOST_TOGETHER] if self._is_mine(exchange)]

    def _is_mine(self, exchange: Exchange) -> bool:
        """Take one out, unless it has been taken meanwhile."""
        return self.waiting.pop(exchange, exchange) is None

    def _done(self, taken: list[Exchange]) -> None:
        self.done.extend(taken)
        if not self.is_collecting:
            self.is_collecting = True
            self.loop.call_soon_threadsafe(self._collect)

    def _collect(self) -> None:
        self.is_collecting = False
        while self.done:
            self.done.popleft().finish()

    def _beat(self) -> None:
        """Refuse what has waited too long."""
        now = time.monotonic()
        for exchange in [*self.waiting]:
            if now - exchange.arrived_at > self.patience and self._is_mine(exchange):
                self.refuse(exchange)
                exchange.finish()
        self.loop.call_later(BEAT_SECONDS, self._beat)
