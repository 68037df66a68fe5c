"""What a restart of PostgreSQL costs: seconds until the worker applies again, and postings lost or applied twice.

    uv run python -m tests.benchmarks.outages [--restarts N] [--seconds N] [--clients N]

A server of its own is stopped and started ten times under queued and direct postings, in turn as ``pg_ctl`` calls it
*fast* and *immediate*, and by SIGKILL; then, twice, its connections are cut at random for so many seconds. Clients send
each posting again, with the same reference, until it is acknowledged.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.stoppable import Child, Postgres, Server, own_postgres, served, until

MODES = ("fast", "immediate", "kill")
CUT_PHASES = 2
WALLETS = 20
DRIFT = """
SELECT count(*) FROM balances AS b WHERE (b.credit_balance, b.debit_balance, b.inflight_balance) IS DISTINCT FROM (
    (SELECT coalesce(sum(precise_amount), 0) FROM transactions WHERE destination = b.balance_id AND status = 'APPLIED'),
    (SELECT coalesce(sum(precise_amount), 0) FROM transactions WHERE source = b.balance_id AND status = 'APPLIED'), 0)
"""
"""Balances whose totals are not what their rows say."""
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
"""
APPLIED = "SELECT reference, count(*) FROM transactions WHERE status = 'APPLIED' GROUP BY reference"


@dataclass
class Clients:
    """Threads that post until told to stop: what was acknowledged, and how the server answered."""

    server: Server
    ids: list[str]
    stop: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict[str, bool] = field(default_factory=dict)
    """Whether it was queued, by reference."""
    answers: Counter[Any] = field(default_factory=Counter)
    slowest: float = 0.0

    def post(self, name: int) -> None:
        for number in itertools.count():
            if self.stop.is_set():
                return
            queued = number % 3 > 0
            reference = f"r-{name}-{number}"
            if self._sent(posting(self.ids, number, reference) | {"skip_queue": not queued}):
                self.acknowledged[reference] = queued

    def _sent(self, body: dict[str, Any]) -> bool:
        """Send until it is acknowledged. A reference that is used already was, by an answer that was lost."""
        while True:
            began = time.monotonic()
            answer = self.server.ask("POST", "/transactions", body)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answers[answer.status] += 1
            if answer.status in {201, 409}:
                return True
            if self.stop.wait(0.05):
                return False


Recovery = tuple[str, float, float]
"""How the server was stopped; seconds from its start until it answers a request, and until the queue is worked on."""


@dataclass
class Outcome:
    """Figures of a run; the last three are to be nothing."""

    recoveries: list[Recovery]
    clients: Clients
    waited: float
    lost: list[str]
    twice: list[str]
    drifted: int
    log: str


def run(postgres: Postgres, server: Server, disturb: Callable[[Clients], Any], *, clients: int) -> Outcome:
    """Let clients post while something is done to the database, and count afterwards."""
    with postgres.running("work", "--verbosity", "0") as worker:
        until(lambda: postgres.rows("SELECT FROM procrastinate_workers"), "the worker works")
        crew = Clients(server, wallets(server))
        threads = [threading.Thread(target=crew.post, args=(name,)) for name in range(clients)]
        for thread in threads:
            thread.start()
        try:
            recoveries = disturb(crew)
        finally:
            crew.stop.set()
            for thread in threads:
                thread.join()
        waited = until(lambda: not postgres.rows("SELECT FROM queueing_entry LIMIT 1"), "the queue is empty")
        return judged(postgres, worker, crew, recoveries, waited)


def posting(ids: list[str], number: int, reference: str) -> dict[str, Any]:
    source, destination = ids[number % len(ids)], ids[(number * 7 + 1) % len(ids)]
    if source == destination:
        destination = ids[(number + 1) % len(ids)]
    common = {"precision": 100, "currency": "USD", "description": "outage", "allow_overdraft": True}
    return common | {"source": source, "destination": destination, "precise_amount": 1, "reference": reference}


def disturbed(postgres: Postgres, modes: Sequence[str], seconds: float) -> Callable[[Clients], list[Recovery]]:
    """Return what disturbs the server in each way in turn, after so many seconds of peace."""
    return lambda crew: [restart(postgres, crew, mode, seconds) for mode in modes]


def wallets(server: Server) -> list[str]:
    ledger = server.ask("POST", "/ledgers", {"name": "outages"}).body["ledger_id"]
    wanted = {"ledger_id": ledger, "currency": "USD"}
    return [server.ask("POST", "/balances", wanted).body["balance_id"] for _ in range(WALLETS)]


def restart(postgres: Postgres, crew: Clients, mode: str, seconds: float) -> Recovery:
    """Let money move, stop the server, start it, and measure until requests and the worker are back."""
    time.sleep(seconds)
    if mode == "cuts":
        cut(postgres, seconds)
    else:
        postgres.stop(mode)
        time.sleep(0.5)
        postgres.start()
    began, applied = time.monotonic(), outcomes(postgres)
    served_again = until(lambda: crew.server.ask("GET", "/health").status == 200, "the server answers")
    until(lambda: outcomes(postgres) > applied, f"the worker applies again after {mode}")
    return mode, served_again, time.monotonic() - began


def cut(postgres: Postgres, seconds: float) -> None:
    """End connections at random, one after the other."""
    until_then = time.monotonic() + seconds
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        while time.monotonic() < until_then:
            connection.execute(CUT)
            time.sleep(0.015)


def outcomes(postgres: Postgres) -> int:
    """Return how many queued rows were applied."""
    return int(postgres.rows("SELECT count(*) FROM transactions WHERE reference LIKE %s", r"%\_q")[0][0])


def judged(postgres: Postgres, worker: Child, crew: Clients, recoveries: list[Recovery], waited: float) -> Outcome:
    applied = dict(postgres.rows(APPLIED))
    wanted = [f"{reference}_q" if queued else reference for reference, queued in crew.acknowledged.items()]
    lost = [each for each in wanted if each not in applied]
    twice = [reference for reference, times in applied.items() if times > 1]
    drifted = int(postgres.rows(DRIFT)[0][0])
    assert worker.process.poll() is None, worker.said
    return Outcome(recoveries, crew, waited, lost, twice, drifted, worker.said)


def main(times: int, seconds: float, clients: int) -> None:
    """Run, and print the figures."""
    modes = [MODES[number % len(MODES)] for number in range(times)] + ["cuts"] * CUT_PHASES
    with (
        tempfile.TemporaryDirectory() as data_dir,
        own_postgres(Path(data_dir)) as postgres,
        served(postgres) as server,
    ):
        outcome = run(postgres, server, disturbed(postgres, modes, seconds), clients=clients)
    for mode, served_again, applied_again in outcome.recoveries:
        print(f"  {mode:<10} requests after {served_again:5.2f} s, the queue after {applied_again:5.2f} s")
    print("  the worker's log:", *outcome.log.splitlines(), sep="\n    ")
    crew = outcome.clients
    print(f"  answers {dict(crew.answers)}, the slowest after {crew.slowest:.2f} s")
    print(f"  {len(crew.acknowledged)} acknowledged, {len(outcome.lost)} lost, {len(outcome.twice)} twice,", end=" ")
    print(f"{outcome.drifted} balances drifted; the queue was empty {outcome.waited:.1f} s after the last posting")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--restarts", dest="times", metavar="N", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--clients", type=int, default=6)
    main(**vars(parser.parse_args()))
