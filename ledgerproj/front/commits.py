"""Postings that only have to be stored are stored from the event loop, as hot reads are answered there.

What comes while a commit is under way gathers, and is in the next. What takes more than to be stored is handed on, for
a thread to record: it has to wait for locks, and more may follow from it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from functools import partial
from typing import cast

from balances.api import gate_of, posting_lane
from balances.ground import CommitLine, Line, OutcomeUnknown, Question, Result, Undone
from balances.posting import CALL
from ledgerproj.front.exchanges import Exchange, django
from ledgerproj.front.postings import MOST_TOGETHER
from ledgerproj.front.reads import Answering, Reads

logger = logging.getLogger(__name__)


LINES = 3
"""Commits under way at once: while one waits for the disk or for the database, the next is decoded and computed."""
AT_ONCE = re.compile(rb'"skip_queue"\s*+:\s*+true')
"""What asks to be done at once is not even decoded here: the thread that does it would only wait for that."""


class Commits:
    """Answers exchanges once the commit is there that holds them, or leaves them unanswered, for ``Together``."""

    def __init__(self) -> None:
        """Begin; this is called in the event loop."""
        self.lines = [Committing() for _ in range(LINES)]

    def ask(self, exchange: Exchange) -> asyncio.Future[None]:
        """Have a posting stored with the next commit; return what is done when it is over, or left."""
        line = next((each for each in self.lines if not each.sent), None)
        line = line or min(self.lines, key=lambda each: len(each.waiting))
        return line.leave(exchange) if AT_ONCE.search(exchange.body.content) else line.ask(exchange)


class Committing(Reads):
    """One commit after the other, on a connection of its own."""

    line_of = CommitLine
    lost = OutcomeUnknown

    def __init__(self) -> None:
        """Begin; this is called in the event loop."""
        super().__init__(posting_lane.SETTING)

    def _answering(self, exchange: Exchange) -> Answering:
        if self._held.adoption:
            return _handed_on()
        return posting_lane.answering(gate_of(django), exchange.knock())

    def _send(self) -> None:
        self._is_sending = False
        if self.sent or not self.waiting or not self._line:
            return
        questions = [*CALL]
        while self.waiting and len(self.sent) < MOST_TOGETHER:
            exchange, answering, question = self.waiting.popleft()
            self.sent.append((exchange, answering))
            questions.append(question)
        self._or_drop(lambda line: line.send(questions))

    def _take(self, line: Line) -> None:
        """Answer all that the commit holds, or hand it on where there was none."""
        try:
            results = cast("CommitLine", line).group()
        except Undone as error:
            logger.info("Postings are left to a thread, because together they could not be stored")
            ways = [partial(answering.throw, error) for _, answering in self.sent]
        else:
            if results is None:
                return
            own = results[len(CALL) :]
            ways = [partial(_with, answering, result) for (_, answering), result in zip(self.sent, own, strict=True)]
        sent = [*self.sent]
        self.sent.clear()
        for (exchange, answering), way in zip(sent, ways, strict=True):
            self._go_on(exchange, answering, way)

    def _be_late(self) -> None:
        """Let what waits go the other way: what is under way may be written yet, and is answered when that is known."""
        while self.waiting:
            self.waiting.popleft()[0].finish()


def _handed_on() -> Answering:
    return None
    yield  # which makes it a generator


def _with(answering: Answering, result: Callable[[], Result]) -> Question:
    return answering.send(result())
