"""The application that granian serves (RSGI)."""

from __future__ import annotations

import asyncio

from django.conf import settings
from granian.rsgi import HTTPProtocol, Scope

from ledgerproj import processes
from ledgerproj.front import keeping, postings, refusals
from ledgerproj.front.bodies import NOTHING, Bodies, Crowded, Incomplete, Slow
from ledgerproj.front.commits import Commits
from ledgerproj.front.exchanges import Exchange
from ledgerproj.front.readers import Readers
from ledgerproj.front.reads import FOR_PAGES, Reads
from ledgerproj.front.together import Together
from ledgerproj.front.turns import Turns

HEALTH = "/health"
HEALTH_SECONDS = 3
"""What the original gives its database to answer."""


class Front:
    """Answers requests: ``/health`` by a thread of its own, all others in turn."""

    turns: Turns
    reads: Reads
    pages: Reads
    commits: Commits
    postings: Together
    spare: Turns

    def __init__(self) -> None:
        """Keep the limits."""
        self.bodies = Bodies(most=settings.MAX_REQUEST_BODY_BYTES, seconds=settings.LEDGER_REQUEST_TIMEOUT)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the threads once the loop runs."""
        loop.call_soon(self._start)

    def _start(self) -> None:
        keeping.take_over()
        processes.collect_rarely()
        processes.switch_often()
        Readers(settings.LEDGER_REQUEST_TIMEOUT).start()
        size = settings.LEDGER_POOL_SIZE

        def busy(exchange: Exchange) -> None:
            refusals.busy(exchange.scope, exchange.proto)

        self.turns = Turns(
            size=size,
            costly=max(size // 2, 1),
            patience=settings.LEDGER_WAIT_TIMEOUT,
            refuse=busy,
        )
        self.reads, self.pages = Reads(), Reads(FOR_PAGES)  # a row does not wait for a page
        self.commits = Commits()
        self.postings = Together(
            answer=postings.answer,
            threads=postings.THREADS,
            most=postings.MOST_TOGETHER,
            looks=postings.LOOKS,
            patience=settings.LEDGER_WAIT_TIMEOUT,
            refuse=busy,
        )
        self.spare = Turns(
            size=1, costly=1, patience=HEALTH_SECONDS, refuse=lambda exchange: refusals.down(exchange.proto)
        )

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer one request; granian takes the connection back when this returns."""
        if scope.path == HEALTH:
            await self._say_health(scope, proto)
            return
        body = NOTHING
        try:
            body = await self.bodies.read(scope, proto)
            if body.length > self.bodies.most and refusals.is_page(scope):
                refusals.too_large(scope, proto, self.bodies.most)
                return
            exchange = Exchange(scope, proto, body)
            if exchange.hot:
                await (self.pages if exchange.hot[0].is_page else self.reads).ask(exchange)
            elif postings.are_for(exchange):
                await self.commits.ask(exchange)
                if not exchange.answered:
                    await self.postings.ask(exchange)
            if not exchange.answered:
                await self.turns.ask(exchange)
        except Slow:
            refusals.slow(scope, proto, settings.LEDGER_REQUEST_TIMEOUT)
        except Crowded:
            refusals.busy(scope, proto)
        except Incomplete:
            refusals.broken_off(scope, proto)
        finally:
            self.bodies.release(body)

    async def _say_health(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer in bounded time, whatever the database does and however many requests are at work."""
        timer = asyncio.get_running_loop().call_later(HEALTH_SECONDS, refusals.down, proto)
        try:
            await self.spare.ask(Exchange(scope, proto))
        finally:
            timer.cancel()


application = Front()
