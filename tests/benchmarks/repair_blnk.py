"""Corrections in mode repair beside a real Blnk Core that goes on posting on the same few balances.

    uv run python -m tests.benchmarks.repair_blnk --blnk PATH_OF_THE_PROGRAM [--seconds N] [--without]

Needs ``redis-server``. Blnk posts direct and queued on five balances, drift is planted by SQL meanwhile, and
``manage.py reconstruct`` corrects it beside the postings. Afterwards no drift may be left by a deep sweep, each
acknowledged posting must be there once, and PostgreSQL must have seen no deadlock of ours; Blnk has some with itself.
Answers of Blnk are counted by status: a direct posting may be answered 409 beside a correction, which its client has to
send again. Ends with 1 where that is not so. ``--without`` plants and corrects nothing, to see what Blnk does alone.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.benchmarks.differential import Server
from tests.benchmarks.watch_blnk import KEY, SCHEMA, blnk
from tests.stoppable import Postgres

HOT = 5
QUEUED_SECONDS = 0.1
"""Between two queued postings: Blnk takes them faster than its workers apply them to a few balances."""
REST_SECONDS = 15.0
"""A posting that Blnk's worker could not lock its balances for is tried again after longer and longer pauses."""
PLANT = "UPDATE blnk.balances SET credit_balance = credit_balance + %s, balance = balance + %s WHERE balance_id = %s"
TWICE = """
    SELECT reference, count(*) FROM blnk.transactions WHERE status = 'APPLIED' AND reference = ANY(%s)
    GROUP BY reference
"""
WAITING = """
    SELECT count(*) FROM blnk.transactions AS q WHERE status = 'QUEUED' AND NOT EXISTS (
        SELECT FROM blnk.transactions AS t WHERE t.parent_transaction = q.transaction_id)
"""
DEADLOCK = re.compile(r"deadlock detected.*?Process \d+: (.*?)Process \d+: (.*?)\n\d{4}-", re.DOTALL)
"""The two statements that met; those of Blnk name its schema, and ours do not."""
DRIFTED = f"SELECT count(*) FROM {SCHEMA}.reconciliation_finding WHERE drifted AND sweep_id = %s"
LAST_SWEEP = f"SELECT sweep_id, state FROM {SCHEMA}.reconciliation_sweep ORDER BY requested_at DESC LIMIT 1"


@dataclass
class Poster:
    """Posts on the hot balances until it is stopped."""

    address: str
    ids: list[str]
    number: int
    is_direct: bool
    stop: threading.Event
    done: Counter[str] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def run(self) -> None:
        server, chance = Server("blnk", self.address, KEY), random.Random(self.number)
        while not self.stop.is_set():
            source, destination = chance.sample(self.ids, 2)
            reference = f"r-{self.number}-{self.done.total()}"
            body = {"source": source, "destination": destination, "precise_amount": chance.randint(1, 500)}
            body |= {"precision": 100, "currency": "USD", "reference": reference, "description": "hot"}
            body |= {"allow_overdraft": True, "skip_queue": self.is_direct}
            answer = server.send("POST", "/transactions", body)
            self.done[f"{'direct' if self.is_direct else 'queued'} {answer.status}"] += 1
            if answer.status >= 500:
                self.errors.append(str(answer.body)[:200])
            if answer.is_success and self.is_direct:
                self.acknowledged.append(reference)
            if not self.is_direct:
                self.stop.wait(QUEUED_SECONDS)


def hot_balances(address: str) -> list[str]:
    server = Server("blnk", address, KEY)
    ledger = server.send("POST", "/ledgers", {"name": "hot"}).body["ledger_id"]
    wanted = {"ledger_id": ledger, "currency": "USD"}
    return [server.send("POST", "/balances", wanted).body["balance_id"] for _ in range(HOT)]


def command(made: Postgres, *words: str) -> tuple[int, str]:
    with made.running(*words) as child:
        return child.process.wait(120), child.said


def corrected(made: Postgres, ids: list[str], seconds: float) -> Counter[str]:
    """Plant drift and have it corrected, again and again."""
    chance, end, done = random.Random(1), time.monotonic() + seconds, Counter[str]()
    while time.monotonic() < end:
        target, units = chance.choice(ids), chance.randint(1, 10_000)
        with psycopg.connect(made.url) as connection:
            connection.execute(PLANT, (units, units, target))
        status, said = command(made, "reconstruct", target, "--reason", "planted")
        done[f"planted, then status {status}"] += 1
        if status not in (0, 1, 3):
            print(said[-500:])
    return done


def at_rest(made: Postgres) -> int:
    """Wait until Blnk's workers have done nothing for a while, and return how many queued rows have no outcome yet."""
    waiting, since = -1, time.monotonic()
    while time.monotonic() - since < REST_SECONDS:
        if (found := made.rows(WAITING)[0][0]) != waiting:
            waiting, since = found, time.monotonic()
        time.sleep(0.5)
    return waiting


def run(program: str, seconds: float, *, without: bool) -> list[str]:
    with blnk(program) as (made, address):
        ids = hot_balances(address)
        for words in (("adopt", "--yes"), ("adopt", "--yes", "--mode", "repair")):
            status, said = command(made, *words)
            assert status == 0, said
        stop = threading.Event()
        posters = [Poster(address, ids, number, number < 2, stop) for number in range(3)]
        threads = [threading.Thread(target=each.run) for each in posters]
        for thread in threads:
            thread.start()
        done = Counter[str]() if without and not stop.wait(seconds) else corrected(made, ids, seconds)
        stop.set()
        for thread in threads:
            thread.join()
        print(f"  left in Blnk's queue, which tries again later: {at_rest(made)}")
        left = [command(made, "reconstruct", each, "--reason", "what is left")[0] for each in ids]
        return judged(made, posters, done, left)


def judged(made: Postgres, posters: list[Poster], done: Counter[str], left: list[int]) -> list[str]:
    answers = sum((each.done for each in posters), Counter[str]())
    acknowledged = [reference for each in posters for reference in each.acknowledged]
    rows: dict[str, Any] = dict(made.rows(TWICE, acknowledged))
    lost = [each for each in acknowledged if rows.get(each) != 1]
    status, said = command(made, "sweep", "--all", "--deep")
    sweep, state = made.rows(LAST_SWEEP)[0]
    drifted = made.rows(DRIFTED, sweep)[0][0]
    log = (made.directory / "log").read_text(errors="replace")
    deadlocks = DEADLOCK.findall(log)
    ours = [each for each in deadlocks if "blnk." not in each[0] or "blnk." not in each[1]]
    print(f"  answers of Blnk: {dict(sorted(answers.items()))}")
    print(*(f"  an error of Blnk's: {each}" for poster in posters for each in poster.errors), sep="\n")
    print(f"  corrections beside it: {dict(done)}; of what was left: {left}")
    print(f"  acknowledged direct postings: {len(acknowledged):,}; not there once: {len(lost)}")
    print(f"  deep sweep: {state}, status {status}; drifted: {drifted}")
    print(f"  deadlocks in PostgreSQL's log: {len(deadlocks)}, of which not of Blnk with itself: {len(ours)}")
    wrong = [f"not there once: {lost[:5]}"] if lost else []
    wrong += [f"{drifted} balances drift: {said[-600:]}"] if drifted or state != "finished" else []
    return wrong + [f"a deadlock of ours: {each}" for each in ours]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--blnk", required=True, help="the program of Blnk Core")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--without", action="store_true", help="plant and correct nothing")
    options = parser.parse_args()
    bad = run(options.blnk, options.seconds, without=options.without)
    print(*(bad or ["  as expected"]), sep="\n")
    sys.exit(bool(bad))
