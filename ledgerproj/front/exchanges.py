"""One request with its body, and how Django answers it in a thread."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from threading import Lock, Thread
from typing import Any

from django.conf import settings
from granian.rsgi import HTTPProtocol, Scope

from balances.api import Knock, hot_reads
from balances.ground import is_costly
from ledgerproj.front import keeping
from ledgerproj.front.bodies import NOTHING, Body
from ledgerproj.wsgi import application

logger = logging.getLogger(__name__)
django: Any = application

CONSTANT = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}
SEPARATORS = {"HTTP_COOKIE": ";"}
"""Between values of a header that was sent several times; a comma for all others."""


@lru_cache(256)
def _head(scheme: str, server: str, client: str, headers: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return what WSGI has of both ends of a connection and of headers, which clients send again and again."""
    meta: dict[str, Any] = {"REMOTE_ADDR": client.strip("[]"), "wsgi.url_scheme": scheme}
    host, _, meta["SERVER_PORT"] = server.rpartition(":")
    meta["SERVER_NAME"] = host.strip("[]")
    for name, value in headers:
        if "_" in name:  # WSGI would take it for the one with a hyphen, which a proxy may have checked
            continue
        key = "HTTP_" + name.replace("-", "_").upper()
        meta[key] = f"{meta[key]}{SEPARATORS.get(key, ',')}{value}" if key in meta else value
    return meta


class Exchange:
    """A request whose body is there, and the way back to its client."""

    __slots__ = (
        "_callbacks",
        "_knock",
        "_lock",
        "_meta",
        "_watcher",
        "answered",
        "arrived_at",
        "body",
        "finished",
        "gone",
        "hot",
        "proto",
        "scope",
    )

    def __init__(self, scope: Scope, proto: HTTPProtocol, body: Body = NOTHING) -> None:
        """Keep what granian gave."""
        self.scope, self.proto, self.body = scope, proto, body
        method, path, query = scope.method, scope.path, scope.query_string
        longest = hot_reads.LARGEST_FILTER if method == "POST" else 0
        is_hot = settings.LEDGER_HOT_READS and body.length <= longest
        self.hot = hot_reads.hot_read(method, path, query) if is_hot else None
        self.arrived_at = time.monotonic()
        self.finished: asyncio.Future[None] | None = None
        self.gone = self.answered = False
        self._knock: Knock | None = None
        self._meta: dict[str, Any] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._callbacks: list[Callable[[], object]] = []
        self._lock = Lock()

    @property
    def costly(self) -> bool:
        """Return whether it may cost the database any amount."""
        scope = self.scope
        return is_costly(scope.method, scope.path, scope.query_string)

    def answer(self) -> None:
        """Let Django answer, in the thread of the caller. A surprise is logged and answered with status 500."""
        try:
            keeping.before_request()
            try:
                self._answer()
            finally:
                keeping.after_request()
        except BaseException:  # whatever it was, the thread goes on
            logger.exception("A request could not be answered")
            self.proto.response_empty(500, [])

    def _answer(self) -> None:
        started: list[tuple[str, list[tuple[str, str]]]] = []
        response = django(self._environ(), lambda status, headers, _=None: started.append((status, headers)))
        try:
            status, headers = int(started[0][0][:3]), started[0][1]
            if getattr(response, "streaming", False):
                stream = self.proto.response_stream(status, headers)
                for part in response:
                    _ = stream.send_bytes(part)  # takes it at once; there is nothing to await
            else:
                self.proto.response_bytes(status, headers, b"".join(response))
        finally:
            response.close()

    def knock(self) -> Knock:
        """Return what the gate looks at, and the body: the same for each lane, which may have begun on it."""
        if self._knock is None:
            self._knock = Knock(self.scope.method, self.scope.path, self.meta)
            self._knock._body = self.body.content
        return self._knock

    def respond(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        """Send an answer that is whole."""
        self.answered = True
        self.proto.response_bytes(status, headers, content)

    def _environ(self) -> dict[str, Any]:
        """Return the request as WSGI has it (PEP 3333)."""
        scope, environ = self.scope, CONSTANT | self.meta
        environ["SERVER_PROTOCOL"] = f"HTTP/{scope.http_version}"
        environ["REQUEST_METHOD"] = scope.method
        environ["PATH_INFO"] = scope.path.encode().decode("latin-1")
        environ["wsgi.input"] = io.BytesIO(self.body.content)
        environ["ledger.when_gone"] = self.when_gone
        environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
        environ.pop("HTTP_CONTENT_LENGTH", None)
        environ["CONTENT_LENGTH"] = str(self.body.length)
        return environ

    @property
    def meta(self) -> dict[str, Any]:
        """What the gate looks at: both ends of the connection, the query and the headers, and what it notes itself."""
        if self._meta is None:
            self._meta = self._make_meta()
        return self._meta

    def _make_meta(self) -> dict[str, Any]:
        scope = self.scope
        client = scope.client.rpartition(":")[0]
        return _head(scope.scheme, scope.server, client, tuple(scope.headers.items())) | {
            "QUERY_STRING": scope.query_string
        }

    def when_gone(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have ``callback`` called, in a thread of its own, once the client has closed; return what prevents it.

        What is returned waits for a callback that runs already: afterwards it can do no more harm.
        """
        with self._lock:
            self._callbacks.append(callback)
        if self.gone:
            self._call_back()

        def prevent() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return prevent

    def watch(self, when_gone: Callable[[Exchange], None]) -> None:
        """Look out, in the event loop, for a client that closes; this is called once a request takes long."""
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch(when_gone))

    async def _watch(self, when_gone: Callable[[Exchange], None]) -> None:
        await self.proto.client_disconnect()
        self.gone = True
        when_gone(self)
        if self._callbacks:
            Thread(target=self._call_back, daemon=True).start()

    def _call_back(self) -> None:
        """Run the callbacks that are left; the lock keeps their owners from going on meanwhile."""
        with self._lock:
            while self._callbacks:
                try:
                    self._callbacks.pop()()
                except Exception:
                    logger.exception("What a request left could not be ended")

    def finish(self) -> None:
        """End the exchange, in the event loop."""
        if self._watcher:
            self._watcher.cancel()
        if self.finished and not self.finished.done():
            self.finished.set_result(None)
