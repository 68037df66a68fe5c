"""Mixed load while server processes and workers are killed: what was acknowledged, and is it there once?

    uv run python -m tests.benchmarks.kills [--seconds N] [--clients N] [--seed N]

Clients send postings through two ``serve`` on a PostgreSQL of their own, beside one ``work``: direct ones, queued ones,
splits, holds that are committed in part and then voided, and holds whose commit is queued. Every one to four seconds
one of the three is killed with SIGKILL and started again, or only the process in which a ``serve`` answers, which it
starts again itself. A client whose request has no answer sends it again, with the same reference and mostly to the
other server; one time in four it gives up.

Printed are answers by status, and what is wrong at the end: what was acknowledged and is not there as it was asked for,
what is there twice or was never asked for, holds settled by another amount than theirs, and what a sweep finds. The
environment is handed on, so that ``LEDGER_SHARED_COMMITS=false`` is measured as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ledgerproj.processes import free_port, wait_until_healthy
from tests.benchmarks.mixed import Client
from tests.benchmarks.outages import wallets
from tests.stoppable import LIMIT_SECONDS, Child, Postgres, Server, own_postgres, until

SHORTEST, LONGEST = 1.0, 4.0
"""Seconds between two kills."""
ROWS = "SELECT reference, status, precise_amount, transaction_id, parent_transaction FROM transactions"


@dataclass
class Victim:
    """A command of the product that is killed and started again."""

    postgres: Postgres
    words: tuple[str, ...]
    stack: ExitStack
    """Ends it in the end."""
    url: str = ""
    """Where it answers; nothing for a worker."""
    killed: int = 0

    def start(self) -> None:
        self.child: Child = self.stack.enter_context(self.postgres.running(*self.words, "--verbosity", "0"))
        if self.url:
            wait_until_healthy(self.url, self.child.process)

    def kill(self, *, whole: bool) -> None:
        """Kill it and start it again, or kill only what it has started, which it does again itself."""
        self.killed += 1
        for process in psutil.Process(self.child.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if whole or not self.url:
            self.child.process.kill()
            self.child.process.wait()
            self.start()


@contextmanager
def posting_clients(servers: list[Server], count: int, seed: int) -> Iterator[list[Client]]:
    """Let clients post in the block; raise what one of them was not to be answered."""
    ids, stop = wallets(servers[0]), threading.Event()
    crew = [Client(seed * 1_000 + number, servers, ids, stop) for number in range(count)]
    threads = [threading.Thread(target=each.run) for each in crew]
    for thread in threads:
        thread.start()
    try:
        yield crew
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for each in crew:
        if each.failure:
            raise each.failure


def kill_at_random(victims: Sequence[Victim], crew: Sequence[Client], seconds: float, seed: int) -> None:
    """Kill until the time is over, or a client was answered what it may not be."""
    chance, end = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end and not any(each.failure for each in crew):
        time.sleep(min(chance.uniform(SHORTEST, LONGEST), max(0.0, end - time.monotonic())))
        chance.choice(victims).kill(whole=chance.random() < 0.5)


def wrong(postgres: Postgres, crew: Sequence[Client]) -> list[str]:
    """Return what is not as it was acknowledged, one sentence each."""
    rows = postgres.rows(ROWS)
    there = {reference: (status, int(units)) for reference, status, units, *_ in rows}
    expected = {reference: row for each in crew for reference, row in each.expected.rows.items()}
    known = expected.keys() | {reference for each in crew for reference in each.expected.possible}
    found = [f"{one} is {there.get(one)} and not {row}" for one, row in expected.items() if there.get(one) != row]
    references = Counter(reference for reference, *_ in rows)
    found += [f"{one} is there {times} times" for one, times in references.items() if times > 1]
    found += [f"{one} was not asked for" for one, status, *_ in rows if status != "VOID" and one not in known]
    return found + outcomes_wrong(rows, {hold: units for each in crew for hold, units in each.expected.voided.items()})


def outcomes_wrong(rows: Sequence[tuple[str, str, int, str, str]], voided: dict[str, int]) -> list[str]:
    """Return which queued rows have not one outcome, and which holds were settled by another amount than theirs."""
    children: dict[str, list[tuple[str, int]]] = {}
    for _, status, units, _, parent in rows:
        children.setdefault(parent, []).append((status, int(units)))
    found = []
    for reference, status, units, own_id, _ in rows:
        mine = children.get(own_id, [])
        if status == "QUEUED" and mine != [("APPLIED", units)]:
            found.append(f"{reference} was queued and became {mine}")
        settled = sum(part for _, part in mine)
        if status == "INFLIGHT" and (settled > units or (own_id in voided and settled != units)):
            found.append(f"{reference} holds {units}, and {mine} was settled")
        released = [part for child, part in mine if child == "VOID"]
        if own_id in voided and released != [voided[own_id]]:
            found.append(f"{reference} was voided by {released}")
    return found


def main(seconds: float, clients: int, seed: int) -> None:
    """Run, print the figures, and end with status 1 where anything is wrong."""
    with tempfile.TemporaryDirectory() as data_dir, own_postgres(Path(data_dir)) as postgres, ExitStack() as stack:
        ports = [free_port() for _ in range(2)]
        victims = [
            Victim(postgres, ("serve", "--port", str(port)), stack, f"http://127.0.0.1:{port}") for port in ports
        ]
        victims.append(Victim(postgres, ("work",), stack))
        for each in victims:
            each.start()
        with posting_clients([Server(each.url, each.child) for each in victims if each.url], clients, seed) as crew:
            kill_at_random(victims, crew, seconds, seed)
        waited = until(lambda: not postgres.rows("SELECT FROM queueing_entry LIMIT 1"), "the queue is empty")
        found = wrong(postgres, crew)
        with postgres.running("sweep", "--all", "--verbosity", "0") as sweep:
            if sweep.process.wait(LIMIT_SECONDS):
                found.append(f"The sweep ended with {sweep.process.returncode}: {sweep.said}")
        report(victims, crew, waited, postgres.rows("SELECT status, count(*) FROM transactions GROUP BY 1 ORDER BY 1"))
    print(*(found or ["  nothing is wrong: each acknowledged row is there once, and a sweep finds no drift"]), sep="\n")
    sys.exit(bool(found))


def report(victims: Sequence[Victim], crew: Sequence[Client], waited: float, rows: Sequence[tuple[str, int]]) -> None:
    answers = sum((each.answers for each in crew), Counter[object]())
    rows_expected = sum(len(each.expected.rows) for each in crew)
    print(f"  killed: {', '.join(f'{each.words[0]} {each.killed} times' for each in victims)}")
    print(f"  answers: {dict(answers)}; {sum(len(each.expected.possible) for each in crew)} rows given up")
    print(
        f"  rows: {dict(rows)}, {rows_expected} of them acknowledged; the queue was empty {waited:.1f} s after the end"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    main(**vars(parser.parse_args()))
