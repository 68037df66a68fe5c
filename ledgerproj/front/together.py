"""Answers what is cheap in itself: few threads, each of which takes all that wait and asks the database once for them.

A hot read or a posting costs less than what surrounds it: waking a thread, messages to the database and back, a commit.
While one of these is under way the next requests gather, so the busier the server is, the less each costs. None waits
for others to come.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from ledgerproj.front import keeping
from ledgerproj.front.exchanges import Exchange
from ledgerproj.front.turns import BEAT_SECONDS, IDLE_SECONDS, ROOM

logger = logging.getLogger(__name__)

Answer = Callable[[Iterator[Exchange]], None]


class Together:
    """Has ``threads`` of its own answer what waits, up to ``most`` at once, in the order in which it came.

    Where the last group was more than one, its clients are likely to have sent their next requests: then the event loop
    is let run ``looks`` times to see them, because it shares the interpreter with these threads.

    ``answer`` may leave an exchange unanswered: that is for ``Turns``, and so is one that finds no room to wait. One
    that waits longer than ``patience`` seconds is given to ``refuse``.
    """

    def __init__(
        self,
        *,
        answer: Answer,
        threads: int,
        most: int,
        patience: float,
        refuse: Callable[[Exchange], None],
        looks: int = 0,
    ) -> None:
        """Start the threads; this is called in the event loop."""
        self._answer, self.most, self.patience, self.refuse, self.looks = answer, most, patience, refuse, looks
        self.loop = asyncio.get_running_loop()
        self.waiting: deque[Exchange] = deque()
        """A thread or the loop takes one out, and answers it."""
        self.calls: SimpleQueue[None] = SimpleQueue()
        self.done: deque[Exchange] = deque()
        self.is_collecting = self.has_company = False
        for _ in range(threads):
            Thread(target=self._work, name="together", daemon=True).start()
        self._beat()

    def ask(self, exchange: Exchange) -> asyncio.Future[None]:
        """Have an exchange answered; return what is done when it is over, or left."""
        exchange.finished = self.loop.create_future()
        if len(self.waiting) < ROOM:
            self.waiting.append(exchange)
            self.calls.put(None)
        else:
            exchange.finish()
        return exchange.finished

    def _work(self) -> None:
        while True:
            try:
                self.calls.get(timeout=IDLE_SECONDS)
            except Empty:
                keeping.give_back()
                self.calls.get()
            taken: list[Exchange] = []
            if self.waiting:  # a call whose exchange was taken with others finds none
                taking = self._take(taken)
                try:
                    self._answer(taking)
                except BaseException:  # whatever it was, the thread goes on
                    logger.exception("Requests could not be answered together")
                deque(taking, maxlen=0)  # what was not even looked at is left as well
                self._done(taken)

    def _take(self, taken: list[Exchange]) -> Iterator[Exchange]:
        """Yield what waits, and what comes while that is looked at."""
        looks = self.looks if self.has_company else 0
        while len(taken) < self.most:
            try:
                exchange = self.waiting.popleft()
            except IndexError:
                if not looks:
                    break
                looks -= 1
                self._let_loop_run()
                continue
            taken.append(exchange)
            yield exchange
        self.has_company = len(taken) > 1

    def _let_loop_run(self) -> None:
        """Return once the event loop has run through what it has to do now."""
        ran = Lock()
        ran.acquire()
        self.loop.call_soon_threadsafe(ran.release)
        ran.acquire()

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
        self._refuse_late(time.monotonic() - self.patience)
        self.loop.call_later(BEAT_SECONDS, self._beat)

    def _refuse_late(self, latest: float) -> None:
        while self.waiting:
            try:
                exchange = self.waiting.popleft()
            except IndexError:
                return
            if exchange.arrived_at > latest:
                self.waiting.appendleft(exchange)
                return
            self.refuse(exchange)
            exchange.answered = True
            exchange.finish()
