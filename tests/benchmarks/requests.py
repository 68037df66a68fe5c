"""How many requests a server answers: direct postings, queued ones until applied, a hot balance, bulk, reads.

    uv run python -m tests.benchmarks.requests [--seconds N] [--clients N] [--workers N] [--against URL KEY]

Client processes keep one connection each and send one request after the other. ``--against`` measures another server
that speaks the same contract in the same run, so that the two can be compared on one machine.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks import scratch

ROOT = Path(__file__).resolve().parent.parent.parent
BALANCES = 200
BULK = 10_000
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Server:
    """Where requests go."""

    name: str
    url: str
    key: str

    def connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_SECONDS)


def send(server: Server, line: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    line.request(method, path, None if body is None else json.dumps(body), {"X-Blnk-Key": server.key})
    answer = line.getresponse()
    text = answer.read()
    if answer.status >= 400:
        raise RuntimeError(f"{server.name}: {method} {path} answered {answer.status}: {text[:300]!r}")
    return json.loads(text)


def posting(ids: list[str], number: int, prefix: str, *, skip_queue: bool, hot: bool) -> dict[str, Any]:
    source = ids[0] if hot else ids[number % len(ids)]
    destination = ids[1 + number % (len(ids) - 1)] if hot else ids[(number * 7 + 1) % len(ids)]
    if source == destination:
        destination = ids[(number + 1) % len(ids)]
    return {
        "precise_amount": 100,
        "precision": 100,
        "currency": "USD",
        "reference": f"{prefix}-{number}",
        "description": "benchmark",
        "source": source,
        "destination": destination,
        "allow_overdraft": True,
        "skip_queue": skip_queue,
    }


def client(server: Server, what: str, ids: list[str], seconds: float, start: Any, results: Any) -> None:
    """Send requests until the time is over; tell how long each took, in milliseconds."""
    line, prefix, taken = server.connection(), uuid.uuid4().hex, []
    start.wait()
    until = time.perf_counter() + seconds
    for number in itertools.count():
        began = time.perf_counter()
        if began > until:
            break
        if what == "read":
            send(server, line, "GET", f"/balances/{ids[number % len(ids)]}")
        else:
            body = posting(ids, number, prefix, skip_queue=what != "queued", hot=what == "hot")
            send(server, line, "POST", "/transactions", body)
        taken.append((time.perf_counter() - began) * 1000)
    results.put(taken)


def measure(server: Server, what: str, ids: list[str], clients: int, seconds: float) -> list[float]:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(clients), context.Queue()
    crew = [context.Process(target=client, args=(server, what, ids, seconds, start, results)) for _ in range(clients)]
    for each in crew:
        each.start()
    taken = [one for _ in crew for one in results.get(timeout=seconds + PATIENCE_SECONDS)]
    for each in crew:
        each.join()
    return taken


def told(server: Server, what: str, taken: list[float], seconds: float) -> float:
    rate = len(taken) / seconds
    quantiles = statistics.quantiles(taken, n=100)
    print(f"  {server.name:<8}{what:<34}{rate:>9,.0f}/s   p50 {quantiles[49]:>7.1f} ms   p99 {quantiles[98]:>7.1f} ms")
    return rate


def debits(server: Server, ids: list[str]) -> int:
    """Return what all these balances have been debited by: what has been applied, in minor units."""
    wanted = {"filters": [{"field": "currency", "operator": "eq", "value": "USD"}], "limit": 100}
    total, line = 0, server.connection()  # an idle one may have been closed meanwhile
    for offset in range(0, len(ids) + 100, 100):
        page = send(server, line, "POST", "/balances/filter", wanted | {"offset": offset}) or []
        total += sum(row["debit_balance"] for row in page)
    return total


def drained(server: Server, ids: list[str], expected: int, began: float) -> float:
    """Wait until all that was queued is applied, and return the seconds since ``began``."""
    while debits(server, ids) < expected:
        if time.perf_counter() - began > PATIENCE_SECONDS:
            raise RuntimeError(f"{server.name} did not apply all that was queued.")
        time.sleep(0.2)
    return time.perf_counter() - began


def run(server: Server, clients: int, seconds: float) -> None:
    line = server.connection()
    ledger = send(server, line, "POST", "/ledgers", {"name": "benchmark"})["ledger_id"]
    ids = [
        send(server, line, "POST", "/balances", {"ledger_id": ledger, "currency": "USD"})["balance_id"]
        for _ in range(BALANCES)
    ]
    measure(server, "direct", ids, clients, 1)  # warm up
    told(server, "reads of a balance", measure(server, "read", ids, clients, seconds), seconds)
    direct = told(server, "direct postings", measure(server, "direct", ids, clients, seconds), seconds)
    told(server, "direct, all on one hot balance", measure(server, "hot", ids, clients, seconds), seconds)
    before = debits(server, ids)
    began = time.perf_counter()
    taken = measure(server, "queued", ids, clients, seconds)
    told(server, "queued postings, until stored", taken, seconds)
    whole = drained(server, ids, before + 100 * len(taken), began)
    print(f"  {server.name:<8}{'queued postings, until applied':<34}{len(taken) / whole:>9,.0f}/s")
    for skip_queue in (True, False):
        bulk(server, ids, direct, skip_queue=skip_queue)


def bulk(server: Server, ids: list[str], direct: float, *, skip_queue: bool) -> None:
    items = [posting(ids, number, uuid.uuid4().hex, skip_queue=False, hot=False) for number in range(BULK)]
    before, began = debits(server, ids), time.perf_counter()
    send(server, server.connection(), "POST", "/transactions/bulk", {"transactions": items, "skip_queue": skip_queue})
    answered = time.perf_counter() - began
    whole = drained(server, ids, before + 100 * BULK, began)
    what = f"bulk of {BULK:,}, {'direct' if skip_queue else 'queued'}"
    print(f"  {server.name:<8}{what:<34}{answered:>9.2f} s until answered, {whole:.2f} s until applied")
    if not skip_queue:
        rate = BULK / max(whole - answered, 0.2)
        print(f"  {server.name:<8}{'the queue drained after that':<34}{rate:>9,.0f}/s   {rate / direct:.1f} × direct")


@contextmanager
def ours(environment: dict[str, str], workers: int) -> Iterator[Server]:
    """Serve a scratch database, with one background worker."""
    from django.conf import settings

    from ledgerproj import processes

    port = processes.free_port()
    environment = os.environ | environment | {"DJANGO_SETTINGS_MODULE": "ledgerproj.settings"}
    words = [sys.executable, "-m", "django"]
    serve = [*words, "serve", "--port", str(port), "--workers", str(workers), "--verbosity", "0"]
    work = [*words, "work", "--verbosity", "0"]
    children = [subprocess.Popen(each, cwd=ROOT, env=environment) for each in (serve, work)]
    try:
        processes.wait_until_healthy(f"http://127.0.0.1:{port}", children[0])
        yield Server("ours", f"http://127.0.0.1:{port}", settings.BLNK_SERVER_SECRET_KEY)
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(60)


def statements() -> int:
    """Return how many statements a posting takes between balances that exist."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests import world

    alice, bob = world.balance(), world.balance()
    with CaptureQueriesContext(connection) as captured:
        world.post(alice, bob, 1)
    return len(captured)


def main(seconds: float, clients: int, workers: int, against: list[str] | None) -> None:
    """Serve a scratch database and measure."""
    with scratch.database() as made:
        print(f"{statements()} statements a posting, commit included; {clients} clients, {seconds:.0f} s each")
        with ours(made.environment, workers) as server:
            run(server, clients, seconds)
    if against:
        run(Server("theirs", *against), clients, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--against", nargs=2, metavar=("URL", "KEY"))
    main(**vars(parser.parse_args()))
