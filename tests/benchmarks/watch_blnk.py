"""The live proof beside a real Blnk Core: random requests over its routes, faults in SQL, and what is found of them.

    uv run python -m tests.benchmarks.watch_blnk --blnk PATH_OF_THE_PROGRAM [--seconds N] [--faults N] [--seed N]

Needs ``redis-server``. Blnk gets a database of its own, which is adopted in mode observe and watched. Requests are
those of ``differential``, most of them valid. Expected: each fault is named with its commit, balances and amounts. What
is reported without a fault is printed with its state: what settles is no defect, and for everything else the totals
must be wrong by a sweep as well. Ends with 1 where that is not so.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from ledgerproj.processes import free_port
from tests.benchmarks.differential import EPISODE, REQUESTS, Server
from tests.benchmarks.differing.world import Request, World
from tests.benchmarks.planting import NET, SIDES, TOTALS, Amounts, Fault, found_of
from tests.benchmarks.watch import END, at
from tests.stoppable import Postgres, own_postgres, until

KEY = "parity-master-key-0123"
SCHEMA = "backoffice"
BREAKS = f"SELECT xid, balance_id, {', '.join(TOTALS)} FROM {SCHEMA}.reconciliation_break"
PROOF = f"SELECT state, commits_ever, position, settled FROM {SCHEMA}.reconciliation_proof"
LATENCY = f"SELECT extract(epoch FROM found_at - committed_at)::float FROM {SCHEMA}.reconciliation_break ORDER BY 1"
PLAIN = """
    SELECT transaction_id, source, destination, precise_amount FROM blnk.transactions AS t
    WHERE status = 'APPLIED' AND coalesce(parent_transaction, '') = '' AND source <> destination
      AND coalesce((to_jsonb(t) ->> 'rate')::numeric, 1) IN (0, 1) AND precise_amount > 10
      AND NOT EXISTS (SELECT FROM blnk.transactions AS c WHERE c.parent_transaction = t.transaction_id)
    ORDER BY id DESC LIMIT 1 OFFSET %s
"""
COPIED = """
    INSERT INTO blnk.transactions SELECT (jsonb_populate_record(t, to_jsonb(t) - 'id' || jsonb_build_object(
        'id', nextval(pg_get_serial_sequence('blnk.transactions', 'id')),
        'transaction_id', %s::text, 'reference', %s::text))).* FROM blnk.transactions AS t WHERE transaction_id = %s
"""


class OfBlnk(Postgres):
    """The database that Blnk writes, on the same server."""

    @property
    def url(self) -> str:
        return psycopg.conninfo.make_conninfo("", host=str(self.directory), user="postgres", dbname="blnk")


@contextmanager
def core(program: str, made: Postgres) -> Iterator[str]:
    """Yield the address of a running Blnk Core with its workers."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        port, redis, watch = (free_port() for _ in range(3))
        written = {
            "project_name": "watched",
            "server": {"port": str(port), "secure": True, "secret_key": KEY},
            "data_source": {"dns": f"postgres://postgres@/blnk?host={made.directory}&sslmode=disable"},
            "redis": {"dns": f"127.0.0.1:{redis}"},
            "tokenization_secret": "0123456789abcdef" * 2,
            "queue": {"monitoring_port": str(watch)},
        }
        (Path(folder) / "blnk.json").write_text(json.dumps(written))
        log = stack.enter_context((Path(folder) / "log").open("w"))
        server = shutil.which("redis-server") or "redis-server"
        commands = ([server, "--port", str(redis), "--save", ""], [program, "start"], [program, "workers"])
        for number, words in enumerate(commands):
            child = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
            stack.callback(child.wait)
            stack.callback(child.kill)
            if number == 0:
                time.sleep(1)
                subprocess.run([program, "migrate", "up"], cwd=folder, check=True, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(address), "Blnk answers")
        yield address


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def blnk(program: str) -> Iterator[tuple[OfBlnk, str]]:
    """Yield the database of a running Blnk Core, on a server of its own, and the address of that Blnk."""
    with tempfile.TemporaryDirectory() as folder, own_postgres(Path(folder)) as first:
        with psycopg.connect(first.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE blnk")
        made = OfBlnk(first.directory)
        with core(program, made) as address:
            yield made, address


@dataclass
class Client:
    """Sends random requests, of one world after the other."""

    address: str
    number: int
    stop: threading.Event
    done: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        chance, server = random.Random(self.number), Server("blnk", self.address, KEY)
        weights, makers = [weight for weight, _ in REQUESTS], [maker for _, maker in REQUESTS]
        for episode in itertools.count():
            world = World(chance, f"{self.number}", episode)
            for request in stage(world):
                self._ask(server, world, request)
            for _ in range(EPISODE):
                if self.stop.is_set():
                    return
                self._ask(server, world, chance.choices(makers, weights)[0](world))

    def _ask(self, server: Server, world: World, request: Request) -> None:
        body = request.body
        if body is not None:
            body = world.on("blnk", body if isinstance(body, str) else json.dumps(body))
        answer = server.send(request.method, world.on("blnk", request.path), body)
        self.done[f"{request.method} {request.route} {answer.status}"] += 1
        learned = answer.body if answer.is_success and request.learns else None
        if request.learns and isinstance(learned, dict) and learned.get(request.learns[1]):
            world.learn(request.learns[0], {"blnk": str(learned[request.learns[1]])})


def stage(world: World) -> Iterator[Request]:
    """Yield what makes a ledger, balances and the first funds."""
    yield Request("POST", "/ledgers", "/ledgers", {"name": world.currency}, learns=("ledger", "ledger_id"))
    for _ in range(4):
        given = {"ledger_id": world.one("ledger", unknown=0), "currency": world.currency}
        yield Request("POST", "/balances", "/balances", given, learns=("balance", "balance_id"))
    for name in world.pools["balance"][:2]:
        body = {"currency": world.currency, "description": "funds", "precision": 100, "precise_amount": 20_000}
        body |= {"reference": world.reference(), "source": "@world", "destination": name}
        body |= {"allow_overdraft": True, "skip_queue": True}
        yield Request("POST", "/transactions", "/transactions", body, learns=("txn", "transaction_id"))


@dataclass
class Planter:
    """Plants faults in Blnk's tables by SQL, with its triggers off."""

    url: str
    chance: random.Random
    planted: list[Fault] = field(default_factory=list)

    def plant(self) -> None:
        kinds: list[Callable[[psycopg.Connection[Any]], tuple[str, dict[str, Amounts]] | None]]
        kinds = [self._edit, self._edit, self._delete, self._change, self._insert, self._half]
        with psycopg.connect(self.url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            made = self.chance.choice(kinds)(connection)
            if made is None:
                connection.rollback()
                return
            row = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        self.planted.append(Fault(made[0], int(row[0]), time.time(), made[1]))

    def _edit(self, connection: psycopg.Connection[Any]) -> tuple[str, dict[str, Amounts]] | None:
        side, units = self.chance.choice(SIDES), self.chance.randint(1, 999)
        sign = 1 if "credit" in side else -1
        row = connection.execute(
            "SELECT balance_id FROM blnk.balances ORDER BY id DESC LIMIT 1 OFFSET %s", (self.chance.randint(0, 30),)
        ).fetchone()
        if row is None:
            return None
        connection.execute(
            f"UPDATE blnk.balances SET {side} = {side} + %s, {NET[side]} = {NET[side]} + %s WHERE balance_id = %s",
            (units, sign * units, row[0]),
        )
        return f"edit {side}", {row[0]: {side: units, NET[side]: sign * units}}

    def _row(self, connection: psycopg.Connection[Any]) -> tuple[str, str, str, int] | None:
        row = connection.execute(PLAIN.encode(), (self.chance.randint(0, 3),)).fetchone()
        return None if row is None else (row[0], row[1], row[2], int(row[3]))

    def _delete(self, connection: psycopg.Connection[Any]) -> tuple[str, dict[str, Amounts]] | None:
        if (row := self._row(connection)) is None:
            return None
        connection.execute("DELETE FROM blnk.transactions WHERE transaction_id = %s", (row[0],))
        return "deleted row", moved(row[1], row[2], row[3])

    def _change(self, connection: psycopg.Connection[Any]) -> tuple[str, dict[str, Amounts]] | None:
        if (row := self._row(connection)) is None:
            return None
        change = "UPDATE blnk.transactions SET precise_amount = precise_amount + 3 WHERE transaction_id = %s"
        connection.execute(change, (row[0],))
        return "changed amount", moved(row[1], row[2], -3)

    def _insert(self, connection: psycopg.Connection[Any]) -> tuple[str, dict[str, Amounts]] | None:
        """Insert a row without its totals."""
        if (row := self._row(connection)) is None:
            return None
        self._copy(connection, row[0])
        return "row without totals", moved(row[1], row[2], -row[3])

    def _half(self, connection: psycopg.Connection[Any]) -> tuple[str, dict[str, Amounts]] | None:
        """Insert a row with the total of one side alone."""
        if (row := self._row(connection)) is None:
            return None
        self._copy(connection, row[0])
        connection.execute(
            "UPDATE blnk.balances SET credit_balance = credit_balance + %s, balance = balance + %s "
            "WHERE balance_id = %s",
            (row[3], row[3], row[2]),
        )
        return "half a transaction", {row[1]: moved(row[1], row[2], -row[3])[row[1]]}

    def _copy(self, connection: psycopg.Connection[Any], transaction_id: str) -> None:
        key = f"txn_planted-{self.chance.getrandbits(64):x}"
        connection.execute(COPIED.encode(), (key, key, transaction_id))


def moved(source: str, destination: str, units: int) -> dict[str, Amounts]:
    """Return what two balances are off by where their totals hold a movement that no row has."""
    return {
        source: {"debit_balance": units, "balance": -units},
        destination: {"credit_balance": units, "balance": units},
    }


def run(program: str, seconds: float, faults: int, seed: int) -> list[str]:
    with blnk(program) as (made, address):
        with made.running("adopt", "--yes") as adopt:
            assert adopt.process.wait(120) == 0, adopt.said
        with made.running("watch", "--yes", LEDGER_SWEEP_PACE="100") as watch:
            until(lambda: state(made)[0] == "proved", f"the full proof: {watch.said}")
            planter = busy(address, made, seconds, faults, seed)
            time.sleep(12)  # the workers' retries, and the time of grace
            end = made.rows(END)[0][0]
            until(lambda: state(made)[2] >= end, "the log is read")
            wrong = judged(planter.planted, made)
        return wrong + unplanted(planter.planted, made)


def state(made: Postgres) -> tuple[Any, ...]:
    rows = made.rows(PROOF)
    return rows[0] if rows else ("off", 0, 0, 0)


def busy(address: str, made: Postgres, seconds: float, faults: int, seed: int) -> Planter:
    stop = threading.Event()
    clients = [Client(address, seed * 100 + number, stop) for number in range(3)]
    threads = [threading.Thread(target=each.run) for each in clients]
    for thread in threads:
        thread.start()
    planter, began = Planter(made.url, random.Random(seed)), time.monotonic()
    while time.monotonic() - began < seconds:
        if len(planter.planted) < faults:
            planter.plant()
        time.sleep(planter.chance.uniform(0, 2 * seconds / faults * 0.8))
    stop.set()
    for thread in threads:
        thread.join()
    done = sum((each.done for each in clients), Counter[str]())
    successes = sum(count for name, count in done.items() if name[-3] == "2")
    routes = len({name.rpartition(" ")[0] for name in done})
    print(f"  {done.total():,} requests over {routes} routes, {successes:,} of them successful")
    return planter


def judged(planted: list[Fault], made: Postgres) -> list[str]:
    found = found_of(made.rows(BREAKS))
    wrong = [
        f"{each.name} in {each.xid}: {found.get(each.xid)} and not {each.off}"
        for each in planted
        if found.get(each.xid) != each.off
    ]
    delays = [row[0] for row in made.rows(LATENCY)]
    print(f"  {len(planted)} faults: {dict(Counter(each.name for each in planted))}")
    print(f"  named right: {len(planted) - len(wrong)} of {len(planted)}; {state(made)[1]:,} commits")
    print(f"  from commit to break: p50 {at(delays, 0.5):.0f} ms, p99 {at(delays, 0.99):.0f} ms")
    return wrong


def unplanted(planted: list[Fault], made: Postgres) -> list[str]:
    """Print what was reported without a fault, and return what of it no sweep confirms."""
    xids = [each.xid for each in planted]
    rows = made.rows(
        f"SELECT state, kind, balance_id, xid, {', '.join(TOTALS)}, rows FROM {SCHEMA}.reconciliation_break "
        "WHERE xid <> ALL(%s) ORDER BY position",
        xids,
    )
    print(f"  reported without a fault: {dict(Counter(f'{row[0]} {row[1]}' for row in rows))}")
    with made.running("sweep", "--all") as sweep:
        sweep.process.wait()
    drifted = {
        row[0]
        for row in made.rows(
            f"SELECT balance_id FROM {SCHEMA}.reconciliation_finding WHERE drifted AND sweep_id = "
            f"(SELECT sweep_id FROM {SCHEMA}.reconciliation_sweep ORDER BY requested_at DESC LIMIT 1)"
        )
    }
    standing = [row for row in rows if row[0] in ("open", "waiting")]
    for row in standing[:20]:
        print(f"    {row[1]} on {row[2]} ({'the sweep agrees' if row[2] in drifted else 'no drift'}): {row[3:]}")
    return [f"open, and right by a sweep: {row[:4]}" for row in standing if row[2] not in drifted]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--blnk", required=True, help="the program of Blnk Core")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--faults", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    bad = run(options.blnk, options.seconds, options.faults, options.seed)
    print(*(bad[:20] or ["  as expected"]), sep="\n")
    sys.exit(bool(bad))
