"""How many requests a server answers, and how soon, beside other servers that speak the same contract.

    uv run python -m tests.benchmarks.requests [--seconds N] [--rounds N] [--only TEXT] [--against URL KEY]...

One process of ``serve`` and one of ``work``, on a scratch database of the server that the settings name. Each kind of
work is measured in rounds (5 of 3 seconds), in each of which every server has its turn, so that noise hits all alike;
every second round goes through them backwards. Printed are medians, in brackets the least and the most, the medians of
the rounds' p50 and p99, and how many times as many as another server's.

The load comes from ``wrk -t1`` where it is installed, otherwise from processes of Python, and the first line says so;
``load`` says what those cost. ``--against`` makes ledgers of its own on a server that runs already.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks import scratch
from tests.benchmarks.load import PATIENCE_SECONDS, REFERENCE, Load, Server, Work, has_wrk, measure, send

ROOT = Path(__file__).resolve().parent.parent.parent
BALANCES, LEDGERS, PAIRS = 200, 20, 2_000
BULK = 10_000
UNITS = 100
"""What a posting moves, in minor units."""
PAGE = 100


@dataclass(frozen=True)
class Books:
    """What the benchmark has made on a server: ids, and indicators and references of one payment each."""

    server: Server
    ledgers: list[str]
    balances: list[str]
    indicators: list[str]
    payments: list[str]
    references: list[str]

    def debits(self) -> int:
        """Return what all balances have been debited by: what has been applied, in minor units."""
        wanted = {"filters": [{"field": "ledger_id", "operator": "eq", "value": self.ledgers[0]}], "limit": PAGE}
        total, line = 0, self.server.connection()  # an idle one may have been closed meanwhile
        for offset in range(0, len(self.balances), PAGE):
            rows = send(self.server, line, "POST", "/balances/filter", wanted | {"offset": offset}) or []
            total += sum(row["debit_balance"] for row in rows)
        return total

    def until_applied(self, debits: int, began: float) -> float:
        """Wait until balances are debited by this much, and return the seconds since ``began``."""
        while self.debits() < debits:
            if time.perf_counter() - began > PATIENCE_SECONDS:
                raise RuntimeError(f"{self.server.name} did not apply all that was queued.")
            time.sleep(0.2)
        return time.perf_counter() - began


def posting(source: str, destination: str, reference: str, *, skip_queue: bool = True) -> dict[str, Any]:
    amount = {"precise_amount": UNITS, "precision": 100, "currency": "USD", "allow_overdraft": True}
    ends = {"source": source, "destination": destination}
    return amount | ends | {"reference": reference, "description": "benchmark", "skip_queue": skip_queue}


def books(server: Server) -> Books:
    """Make ledgers, balances and payments."""
    make = partial(send, server, server.connection(), "POST")
    tag = uuid.uuid4().hex
    ledgers = [make("/ledgers", {"name": "benchmark"})["ledger_id"] for _ in range(LEDGERS)]
    opening = {"ledger_id": ledgers[0], "currency": "USD"}
    balances = [make("/balances", opening)["balance_id"] for _ in range(BALANCES)]
    indicators = [f"@{tag}-{number}" for number in range(BALANCES)]
    references = [f"payment-{tag}-{number}" for number in range(BALANCES)]
    payments = [
        make("/transactions", posting(indicator, balance, reference))["transaction_id"]
        for indicator, balance, reference in zip(indicators, balances, references, strict=True)
    ]
    return Books(server, ledgers, balances, indicators, payments, references)


def postings(made: Books, *, hot: bool = False, skip_queue: bool = True) -> Work:
    """Return postings between balances drawn at random, or all from the first one."""
    chance = random.Random(1)
    pairs = [chance.sample(made.balances, 2) for _ in range(PAIRS)]
    if hot:
        pairs = [[made.balances[0], made.balances[1 + number % (BALANCES - 1)]] for number in range(PAIRS)]
    bodies = [json.dumps(posting(*pair, REFERENCE, skip_queue=skip_queue)) for pair in pairs]
    return Work("POST", ["/transactions"], bodies)


Loads = dict[str, Load]
"""What was measured, by the name of its row."""
Measure = Callable[[Books, int], Loads]


def reads(name: str, targets: Callable[[Books], list[str]], made: Books, seconds: int) -> Loads:
    return {name: measure(made.server, Work("GET", targets(made)), 8, seconds)}


def direct(name: str, clients: int, hot: bool, made: Books, seconds: int) -> Loads:
    return {
        f"{name}, {clients} client{'s' * (clients > 1)}": measure(
            made.server, postings(made, hot=hot), clients, seconds
        )
    }


def queued(made: Books, seconds: int) -> Loads:
    """Queue for some seconds, then wait for the worker. Those without an answer at the end are not counted."""
    before, began = made.debits(), time.perf_counter()
    stored = measure(made.server, postings(made, skip_queue=False), 8, seconds)
    whole = made.until_applied(before + UNITS * stored.done, began)
    return {"queued until stored, 8 clients": stored, "queued until applied": Load(stored.done, 0, whole)}


def bulk(made: Books, _: int) -> Loads:
    tag, chance = uuid.uuid4().hex, random.Random(2)
    items = [posting(*chance.sample(made.balances, 2), f"{tag}-{number}") for number in range(BULK)]
    began = time.perf_counter()
    send(
        made.server, made.server.connection(), "POST", "/transactions/bulk", {"transactions": items, "skip_queue": True}
    )
    return {f"bulk of {BULK:,}, direct": Load(BULK, 0, time.perf_counter() - began)}


READS: dict[str, Callable[[Books], list[str]]] = {
    "GET a balance": lambda made: [f"/balances/{each}" for each in made.balances],
    "GET a balance by indicator": lambda made: [f"/balances/indicator/{each}/currency/USD" for each in made.indicators],
    "GET a transaction": lambda made: [f"/transactions/{each}" for each in made.payments],
    "GET a transaction by reference": lambda made: [f"/transactions/reference/{each}" for each in made.references],
    "GET a ledger": lambda made: [f"/ledgers/{each}" for each in made.ledgers],
}
MEASURED: dict[str, Measure] = {
    **{f"{name}, 8 clients": partial(reads, f"{name}, 8 clients", targets) for name, targets in READS.items()},
    **{f"direct, {clients} clients": partial(direct, "direct, 200 balances", clients, False) for clients in (1, 8, 32)},
    **{f"hot, {clients} clients": partial(direct, "direct, one hot balance", clients, True) for clients in (8, 32)},
    "queued": queued,
    "bulk": bulk,
}


def compare(sides: Sequence[Books], run: Measure, rounds: int, seconds: int) -> None:
    """Measure one kind of work in alternating rounds, and print its rows."""
    came: dict[str, dict[str, list[Load]]] = {}
    for number in range(rounds):
        for made in sides if number % 2 == 0 else reversed(sides):
            for row, load in run(made, seconds).items():
                came.setdefault(row, {}).setdefault(made.server.name, []).append(load)
    for row, by_server in came.items():
        medians = [statistics.median(each.rate for each in by_server[made.server.name]) for made in sides]
        for made, median in zip(sides, medians, strict=True):
            ratio = f"   {medians[0] / median:.2f} ×" if made is not sides[0] else ""
            print(f"{row:<42}{made.server.name:<16}{shown(by_server[made.server.name])}{ratio}", flush=True)


def shown(loads: Sequence[Load]) -> str:
    rates = [each.rate for each in loads]
    text = f"{statistics.median(rates):>8,.0f}/s [{min(rates):,.0f}–{max(rates):,.0f}]"
    if not math.isnan(loads[0].p50):
        p50, p99 = (statistics.median(getattr(each, name) for each in loads) for name in ("p50", "p99"))
        text = f"{text:<28}p50 {p50:>6.1f} ms   p99 {p99:>7.1f} ms"
    refused = sum(each.refused for each in loads)
    return f"{text}   {refused:,} refused" if refused else text


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
        yield Server("here", f"http://127.0.0.1:{port}", settings.BLNK_SERVER_SECRET_KEY)
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(60)


def surroundings() -> str:
    """Return what the figures depend on, but for what else the machine does."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests import world

    alice, bob = world.balance(), world.balance()
    with CaptureQueriesContext(connection) as captured:
        world.post(alice, bob, 1)
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        [version] = cursor.fetchone()
    by = "wrk" if has_wrk() else "Python clients, because wrk is not installed: what they cost the server lacks"
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, load averages {load}; PostgreSQL {version}; {len(captured)} statements a posting,"
        f" commit included; load by {by}"
    )


def main(seconds: int, rounds: int, workers: int, only: str, against: list[list[str]]) -> None:
    """Serve a scratch database and measure."""
    with scratch.database() as made, ours(made.environment, workers) as server:
        others = [Server(urlsplit(url).netloc, url.rstrip("/"), key) for url, key in against]
        print(f"{surroundings()}; {rounds} rounds of {seconds} s")
        sides = [books(each) for each in (server, *others)]
        for each in sides:
            measure(each.server, postings(each), 8, 1)  # warm up
        for name, run in MEASURED.items():
            if only in name:
                compare(sides, run, rounds, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="processes of serve")
    parser.add_argument("--only", default="", help=f"what contains this: {'; '.join(MEASURED)}")
    parser.add_argument("--against", nargs=2, action="append", default=[], metavar=("URL", "KEY"))
    main(**vars(parser.parse_args()))
