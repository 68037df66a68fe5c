"""Hot reads are answered in the event loop itself: to wake a thread costs more than they do.

Their questions travel down one connection, all that came in one turn of the loop in one trip, without waiting for those
before them. What the loop must not wait for is left to threads and views: a lock, a connection that is being made, a
key that bcrypt has not seen lately.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from balances.api import gate_of, hot_lane, hot_reads
from balances.ground import Line, OutcomeUnknown, Question, Result, Undone
from ledgerproj.front.exchanges import Exchange, django
from ledgerproj.front.turns import BEAT_SECONDS, IDLE_SECONDS, ROOM

logger = logging.getLogger(__name__)

MOST_SENT = 64
"""Questions under way; the rest wait here."""
PAUSE_SECONDS = 1.0
"""How long all is left to threads after the connection was lost, or a question was not answered from beat to beat."""
CANCEL_SECONDS = 2.0
FOR_PAGES = "SET plan_cache_mode = force_custom_plan; SET max_parallel_workers_per_gather = 0"
"""How many rows have a text decides how they are found. Each reader has one processor."""

Answering = Generator[Question, Result, hot_lane.Answer | None]


class Reads:
    """Answers exchanges, or leaves them unanswered: those are for ``Turns``."""

    line_of: type[Line] = Line
    lost: type[Exception] = Undone
    """What is thrown into answers whose questions are under way when the connection is lost."""

    def __init__(self, setting: str = "") -> None:
        """Begin; this is called in the event loop. ``setting`` is a statement for the connection."""
        self.setting = setting
        self.loop = asyncio.get_running_loop()
        self.waiting: deque[tuple[Exchange, Answering, Question]] = deque()
        self.sent: deque[tuple[Exchange, Answering]] = deque()
        self._held: Any = None
        self._line: Line | None = None
        self._connects_at = 0.0
        self._is_sending = False
        self._late: object = None
        """What was the first to be answered at the last beat."""
        self._quiet_beats = 0
        self._beat()

    def ask(self, exchange: Exchange) -> asyncio.Future[None]:
        """Have a request answered; return what is done when it is over, or left."""
        self._quiet_beats = 0
        if self._line is None:
            self._connect_soon()
            return self.leave(exchange)
        if len(self.waiting) >= ROOM:
            return self.leave(exchange)
        exchange.finished = self.loop.create_future()
        self._go_on(exchange, answering := self._answering(exchange), lambda: next(answering))
        return exchange.finished

    def leave(self, exchange: Exchange) -> asyncio.Future[None]:
        """Leave a request to others; return what is done."""
        exchange.finished = self.loop.create_future()
        exchange.finish()
        return exchange.finished

    def _answering(self, exchange: Exchange) -> Answering:
        return hot_lane.answering(gate_of(django), exchange.knock(), cast("hot_reads.Found", exchange.hot))

    def _go_on(self, exchange: Exchange, answering: Answering, go: Callable[[], Question]) -> None:
        """Have an answer made as far as the next question, which is sent once the loop has seen all that came."""
        try:
            question = go()
        except StopIteration as end:
            if end.value:
                exchange.respond(*end.value)
            exchange.finish()
        except (Undone, OutcomeUnknown):
            exchange.finish()
        except Exception:
            logger.exception("A request is left to its view")
            exchange.finish()
        else:
            self.waiting.append((exchange, answering, question))
            self._send_soon()

    def _send_soon(self) -> None:
        if not self._is_sending:
            self._is_sending = True
            self.loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_sending = False
        questions = []
        while self.waiting and len(self.sent) < MOST_SENT:
            exchange, answering, question = self.waiting.popleft()
            self.sent.append((exchange, answering))
            questions.append(question)
        if questions and self._line:
            self._or_drop(lambda line: line.send(questions))

    def _receive(self) -> None:
        """Take what the database has answered."""
        self._or_drop(self._take)
        if self.waiting:
            self._send_soon()

    def _take(self, line: Line) -> None:
        for result in line.results():
            exchange, answering = self.sent.popleft()
            self._go_on(exchange, answering, partial(answering.send, result))

    def _or_drop(self, use: Callable[[Line], None]) -> None:
        if self._line is None:
            return
        try:
            use(self._line)
        except Exception as error:
            if not isinstance(error, psycopg.Error):
                logger.exception("Reads are left to their views")
            self._drop(PAUSE_SECONDS)

    def _beat(self) -> None:
        """Look whether the first question has waited for all of a beat, and give up a line that is not needed."""
        first, self._quiet_beats = self.sent[0] if self.sent else None, self._quiet_beats + 1
        if first and first is self._late:
            self._be_late()
        elif self._line and self._quiet_beats * BEAT_SECONDS > IDLE_SECONDS:
            self._drop(0)
        self._late = first
        self.loop.call_later(BEAT_SECONDS, self._beat)

    def _be_late(self) -> None:
        self._drop(PAUSE_SECONDS)

    def _drop(self, pause: float) -> None:
        """Close the line, and leave what is under way to threads."""
        if self._line is None:
            return
        self.loop.remove_reader(self._line.socket)
        self._line, held, self._held = None, self._held, None
        self._connects_at = self.loop.time() + pause
        Thread(target=_end, args=(held,), name="ending", daemon=True).start()
        sent, waiting = [*self.sent], [*self.waiting]
        self.sent.clear()
        self.waiting.clear()
        for exchange, answering in sent:
            self._go_on(exchange, answering, partial(answering.throw, self.lost()))
        for exchange, *_ in waiting:
            exchange.finish()

    def _connect_soon(self) -> None:
        """Have a thread make a line, unless one does or has just failed."""
        if self.loop.time() >= self._connects_at:
            self._connects_at = math.inf
            Thread(target=self._connect, name="connecting", daemon=True).start()

    def _connect(self) -> None:
        held = connections.create_connection(DEFAULT_DB_ALIAS)
        held.inc_thread_sharing()
        try:
            held.ensure_connection()
            if self.setting:
                held.connection.execute(self.setting)
            line = self.line_of(held.connection)
        except Exception as error:
            if not isinstance(error, DatabaseError | psycopg.Error):  # an outage is logged by the pool, once
                logger.exception("Reads cannot be answered in the event loop")
            self.loop.call_soon_threadsafe(self._connected, None, None)
        else:
            self.loop.call_soon_threadsafe(self._connected, held, line)

    def _connected(self, held: Any, line: Line | None) -> None:
        self._held, self._line = held, line
        if line:
            self.loop.add_reader(line.socket, self._receive)
        else:
            self._connects_at = self.loop.time() + PAUSE_SECONDS


def _end(held: Any) -> None:
    """Have the database forget what was asked, and close a connection, in a thread that may wait for that."""
    with suppress(psycopg.Error):
        held.connection.cancel_safe(timeout=CANCEL_SECONDS)
    held.connection.close()
    held.close()
