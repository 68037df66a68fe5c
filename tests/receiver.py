"""An HTTP server that somebody else runs: it keeps what it gets and answers as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import simplejson


class Receiver(ThreadingHTTPServer):
    """Answers with the statuses it was given, the last one for ever, and with one body."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.answers = [200]
        self.body = b""
        self.drip_seconds = 0.0
        """Pause before each byte of the body."""
        self.gate: threading.Event | None = None
        """What is waited for before anything is answered, so many seconds at most."""
        self.gate_seconds = 20.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/ledger"

    def payloads(self) -> list[Any]:
        return [simplejson.loads(body) for _, body in self.got]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        self.server.paths.append(self.path)
        if self.server.gate is not None:
            self.server.gate.wait(self.server.gate_seconds)
        answers = self.server.answers
        self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
        self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        with suppress(OSError):  # the caller had enough
            if not self.server.drip_seconds:
                self.wfile.write(self.server.body)
                return
            for byte in self.server.body:
                time.sleep(self.server.drip_seconds)
                self.wfile.write(bytes([byte]))

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


@contextmanager
def listening() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
