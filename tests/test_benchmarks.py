"""What benchmarks count, and what they find where something is wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.benchmarks.kills import outcomes_wrong
from tests.benchmarks.load import REFERENCE, Load, Server, Work, by_processes, by_wrk, has_wrk

HOLD = ("h", "INFLIGHT", 100, "hold", "")
PAID, RELEASED = ("c", "APPLIED", 60, "c1", "hold"), ("v", "VOID", 40, "v1", "hold")
QUEUED, APPLIED = ("q", "QUEUED", 100, "waits", ""), ("q_q", "APPLIED", 100, "done", "waits")


@contextmanager
def refusing_every_third() -> Iterator[tuple[Server, list[tuple[str, str]]]]:
    """Yield a server that refuses every third request, and what it was sent: path and reference."""
    sent: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent.append((self.path, body["reference"]))
            self.send_response(409 if len(sent) % 3 == 0 else 201)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Server("x", f"http://127.0.0.1:{server.server_address[1]}", "key"), sent
        server.shutdown()


@pytest.mark.parametrize(
    "by", [pytest.param(by_wrk, marks=pytest.mark.skipif(not has_wrk(), reason="wrk is not installed")), by_processes]
)
def test_a_load_uses_each_reference_once_and_does_not_count_refusals_as_done(by: Callable[..., Load]) -> None:
    work = Work("POST", ["/a", "/b"], [json.dumps({"reference": REFERENCE, "text": "100% [[quoted]]"})])
    with refusing_every_third() as (server, sent):
        load = by(server, work, 2, 1)
    references = [reference for _, reference in sent]
    assert len(references) == len(set(references))
    assert {path for path, _ in sent} == {"/a", "/b"}
    assert 0 <= len(sent) - load.done - load.refused <= 2  # the last ones have no answer when the time is over
    assert abs(load.refused - len(sent) // 3) <= 2
    assert 0 < load.p50 <= load.p99


def test_the_judge_of_kills_passes_what_was_settled_and_applied_once() -> None:
    assert outcomes_wrong([HOLD, PAID, RELEASED, QUEUED, APPLIED], {"hold": 40}) == []
    assert outcomes_wrong([HOLD, PAID], {}) == []


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([HOLD, PAID, PAID, RELEASED], "holds 100"),
        ([HOLD, PAID], "voided by []"),
        ([HOLD, PAID, RELEASED, RELEASED], "voided by [40, 40]"),
        ([QUEUED], "became []"),
        ([QUEUED, APPLIED, APPLIED], "became"),
        ([QUEUED, ("q_q", "REJECTED", 100, "done", "waits")], "REJECTED"),
    ],
)
def test_the_judge_of_kills_finds(rows: list[tuple[str, str, int, str, str]], says: str) -> None:
    assert any(says in each for each in outcomes_wrong(rows, {"hold": 40}))
