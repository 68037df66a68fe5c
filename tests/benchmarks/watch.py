"""The live proof under load: false breaks, planted faults, what it costs, a backlog, kills, and one very large commit.

    uv run python -m tests.benchmarks.watch hammer [--seconds N]
    uv run python -m tests.benchmarks.watch faults [--count N]
    uv run python -m tests.benchmarks.watch backlog [--commits N]
    uv run python -m tests.benchmarks.watch cost [--seconds N]
    uv run python -m tests.benchmarks.watch kills [--times N]
    uv run python -m tests.benchmarks.watch copy [--rows N]

Each runs on a PostgreSQL of its own. The load is that of ``kills`` (direct, queued, splits, holds that are committed in
part and voided, queued commits) with bulks, refunds, funds with lineage and reconstructions beside it, through
``serve`` and ``work``; the log is read by a ``watch`` of its own, so that its time and memory are its own.

*hammer* expects no break. *faults* expects that each planted fault is named with its commit, balances and amounts, and
nothing else is. *kills* kills watch, server or both at random, and expects the same, no fault twice, and that the state
was never green while a fault was unknown that is older than what it said to be proved. Status 1 where that is not so.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.benchmarks.kills import Victim, posting_clients
from tests.benchmarks.outages import posting, wallets
from tests.benchmarks.planting import TOTALS, Fault, Planter, found_of
from tests.stoppable import Child, Postgres, Server, own_postgres, served, until

BREAKS = f"SELECT xid, balance_id, {', '.join(TOTALS)} FROM reconciliation_break WHERE kind <> 'correction'"
LATENCY = (
    "SELECT extract(epoch FROM found_at - committed_at)::float FROM reconciliation_break WHERE kind <> 'correction'"
)
PROOF = "SELECT state, commits_ever, position, stream, settled FROM reconciliation_proof"
END = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"


@dataclass
class Others:
    """Bulks, refunds, tracked funds and reconstructions, one after the other."""

    server: Server
    ids: list[str]
    stop: threading.Event
    done: Counter[str] = field(default_factory=Counter)
    tracked: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def run(self) -> None:
        chance, number = random.Random(77), 0
        kinds = (self._bulk, self._refund, self._lineage, self._rebuild, self._metadata)
        try:
            while not self.stop.is_set():
                number += 1
                with suppress(OSError, HTTPException, KeyError):  # a 503, where the database was killed
                    self.tracked = self.tracked or self._tracked()
                    chance.choice(kinds)(number)
        except Exception as error:
            self.failure = error

    def _tracked(self) -> list[str]:
        identity = self.server.ask("POST", "/identities", {"identity_type": "individual", "first_name": "Jane"}).body
        ledger = self.server.ask("POST", "/ledgers", {"name": "tracked"}).body["ledger_id"]
        wanted = {"ledger_id": ledger, "currency": "USD", "identity_id": identity["identity_id"]}
        wanted |= {"track_fund_lineage": True, "allocation_strategy": "FIFO"}
        return [self.server.ask("POST", "/balances", wanted).body["balance_id"] for _ in range(2)]

    def _send(self, name: str, method: str, path: str, body: Any) -> Any:
        answer = self.server.ask(method, path, body)
        self.done[f"{name} {answer.status}"] += 1
        return answer

    def _bulk(self, number: int) -> None:
        rows = [posting(self.ids, number + each, f"bulk-{number}-{each}") for each in range(10)]
        body = {"transactions": rows, "atomic": number % 2 == 0, "inflight": number % 3 == 0, "skip_queue": True}
        self._send("bulk", "POST", "/transactions/bulk", body)

    def _refund(self, number: int) -> None:
        body = posting(self.ids, number, f"refunded-{uuid.uuid4()}") | {"skip_queue": True, "precise_amount": 9}
        row = self._send("direct", "POST", "/transactions", body).body
        self._send("refund", "POST", f"/refund-transaction/{row['transaction_id']}", {"skip_queue": True})

    def _lineage(self, number: int) -> None:
        came = posting(self.ids, number, f"came-{uuid.uuid4()}") | {
            "destination": self.tracked[0],
            "precise_amount": 50,
        }
        self._send("came", "POST", "/transactions", came | {"meta_data": {"BLNK_LINEAGE_PROVIDER": "stripe"}})
        spent = came | {"source": self.tracked[0], "destination": self.tracked[1], "reference": f"spent-{uuid.uuid4()}"}
        self._send("spent", "POST", "/transactions", spent | {"precise_amount": 30})

    def _rebuild(self, number: int) -> None:
        self._send("rebuild", "POST", f"/balances/{self.ids[number % len(self.ids)]}/reconstructions", {})

    def _metadata(self, number: int) -> None:
        target = self.ids[number % len(self.ids)]
        self._send("metadata", "POST", f"/{target}/metadata", {"meta_data": {"number": number}})


@dataclass
class Watch:
    """The process that reads the log, with its highest memory."""

    child: Child
    peak: int = 0

    def measure(self) -> float:
        """Return its seconds of CPU so far, and note its memory."""
        process = psutil.Process(self.child.process.pid)
        self.peak = max(self.peak, process.memory_info().rss)
        times = process.cpu_times()
        return float(times.user + times.system)

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Stop it for a while: nothing is read then, and what is left to read afterwards costs none of that time."""
        process = psutil.Process(self.child.process.pid)
        process.suspend()
        try:
            yield
        finally:
            process.resume()


@contextmanager
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory() as data_dir, own_postgres(Path(data_dir)) as made:
        yield made


@contextmanager
def watching(made: Postgres, **changed: str) -> Iterator[Watch]:
    """Yield a watch that has proved everything."""
    with made.running("watch", "--yes", LEDGER_SWEEP_PACE="100", **changed) as child:
        until(lambda: state(made)[0] == "proved", f"the first full proof: {child.said}")
        yield Watch(child)


@contextmanager
def load(made: Postgres, clients: int) -> Iterator[tuple[Server, list[str], Others]]:
    """Let money move in every way in the block."""
    with (
        served(made) as server,
        made.running("work", "--verbosity", "0"),
        posting_clients([server], clients, 1) as crew,
    ):
        stop = threading.Event()
        others = Others(server, crew[0].ids, stop)
        thread = threading.Thread(target=others.run)
        thread.start()
        try:
            yield server, crew[0].ids, others
        finally:
            stop.set()
            thread.join()
    if others.failure:
        raise others.failure


def state(made: Postgres) -> tuple[Any, ...]:
    rows = made.rows(PROOF)
    return rows[0] if rows else ("off", 0, 0, 0, 0)


def caught_up(made: Postgres) -> None:
    """Wait until the log is read up to an end that it has now."""
    end = made.rows(END)[0][0]
    until(lambda: state(made)[2] >= end, "the log is read")


def standing(made: Postgres) -> dict[str, Any]:
    """Return what ``manage.py proof`` says."""
    with made.running("proof", "--json") as proof:
        proof.process.wait()
        found: dict[str, Any] = json.loads(proof.said)
        return found


def hammer(seconds: float, clients: int) -> list[str]:
    with postgres() as made, watching(made) as watch, load(made, clients) as (_, _, others):
        began, cpu, commits = time.monotonic(), watch.measure(), state(made)[1]
        time.sleep(seconds)
        took, used, proved = time.monotonic() - began, watch.measure() - cpu, state(made)[1] - commits
        caught_up(made)
        rows = made.rows(BREAKS)
        print(
            f"  {proved:,} commits in {took:.0f} s, {proved / took:.0f} a second; CPU {used / took:.1%} of a core, ",
            end="",
        )
        print(f"{used / max(proved, 1) * 1e6:.0f} microseconds a commit; {watch.peak / 1024**2:.0f} MB")
        print(f"  beside clients: {dict(others.done)}")
        print(f"  {standing(made)['sentence']}")
    print(f"  breaks: {len(rows)} (expected 0)")
    return [f"a false break: {row}" for row in rows]


def faults(count: int, clients: int, seed: int) -> list[str]:
    with postgres() as made, watching(made) as watch, load(made, clients) as (server, ids, _):
        planter = Planter(server, made.url, ids, random.Random(seed))
        while len(planter.planted) < count:
            planter.plant()
            time.sleep(planter.chance.uniform(0, 0.2))
        caught_up(made)
        wrong = judged(planter.planted, made)
        delays = sorted(row[0] for row in made.rows(LATENCY))
        commits = state(made)[1]
        watch.measure()
        settled = state(made)[4]
        print(f"  {standing(made)['sentence']}")
    kinds = dict(Counter(each.name for each in planter.planted))
    print(f"  {len(planter.planted)} faults in {commits:,} commits: {kinds}")
    print(
        f"  settled: {settled}; from commit to break: p50 {at(delays, 0.5):.0f} ms, p99 {at(delays, 0.99):.0f} ms, ",
        end="",
    )
    print(f"most {delays[-1] * 1e3:.0f} ms")
    return wrong


def at(delays: list[float], share: float) -> float:
    return delays[min(int(len(delays) * share), len(delays) - 1)] * 1e3


def judged(planted: list[Fault], made: Postgres) -> list[str]:
    """Return which faults are not named as they were planted, and which breaks are none of them."""
    found, expected = found_of(made.rows(BREAKS)), {each.xid: each for each in planted}
    wrong = [
        f"{each.name} in {each.xid}: {found.get(each.xid)} and not {each.off}"
        for each in planted
        if found.get(each.xid) != each.off
    ]
    wrong += [f"not planted: {found[xid]} in {xid}" for xid in found.keys() - expected.keys()]
    twice = made.rows(
        "SELECT xid, balance_id, count(*) FROM reconciliation_break GROUP BY 1, 2, kind HAVING count(*) > 1"
    )
    print(f"  named right: {len(planted) - sum('planted' not in each for each in wrong)} of {len(planted)}; ", end="")
    print(f"not planted: {len(found.keys() - expected.keys())}; twice: {len(twice)}")
    return wrong + [f"twice: {row}" for row in twice]


COMMITS = """
DO $$ DECLARE pause float := %s; a text := '%s'; b text := '%s'; BEGIN
    FOR n IN 1..%s LOOP
        INSERT INTO transactions (transaction_id, parent_transaction, source, destination, reference, precise_amount,
                                  amount, precision, currency, status, created_at, effective_date, meta_data)
        VALUES ('txn_%s-' || n, '', a, b, 'backlog-%s-' || n, 7, 0.07, 100, 'USD', 'APPLIED', now(), now(), '{}');
        UPDATE balances SET debit_balance = debit_balance + 7, balance = balance - 7, version = version + 1
        WHERE balance_id = a AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL;
        UPDATE balances SET credit_balance = credit_balance + 7, balance = balance + 7, version = version + 1
        WHERE balance_id = b AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL;
        COMMIT;
        PERFORM pg_sleep(pause);
    END LOOP;
END $$
"""
CALM_AFTER = 62.0
"""Seconds until a watch that has begun looks less often, as it does for the rest of its days."""
TURNS = 32
PAUSES = (0.0095, 0.0019)
"""Seconds between two commits: about 100 and 300 a second."""


def backlog(commits: int) -> list[str]:
    """Let commits pile up while no one watches, and time how they are read."""
    with postgres() as made, served(made) as server:
        ids = wallets(server)
        with watching(made, LEDGER_WATCH_MAX_WAL="64GB"):
            pass
        made.rows("SELECT pg_reload_conf() FROM (SELECT 1) AS one")
        with psycopg.connect(made.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET max_slot_wal_keep_size = -1")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SET synchronous_commit = off")
            began = time.monotonic()
            for lot in range(0, commits, 50_000):
                size = min(50_000, commits - lot)
                connection.execute(COMMITS % (0, ids[lot // 50_000 % 8], ids[lot // 50_000 % 8 + 1], size, lot, lot))
            print(f"  {commits:,} commits written in {time.monotonic() - began:.0f} s")
        before, end = state(made)[1], made.rows(END)[0][0]
        began = time.monotonic()
        with made.running("watch", LEDGER_WATCH_MAX_WAL="64GB") as child:
            watch, memory = Watch(child), list[int]()
            while state(made)[2] < end:
                time.sleep(0.25)
                watch.measure()
                memory.append(psutil.Process(child.process.pid).memory_info().rss // 1024**2)
            took = time.monotonic() - began
            cpu = watch.measure()
        read = state(made)[1] - before
        breaks = made.rows(BREAKS)
    print(
        f"  read {read:,} commits in {took:.1f} s with the start: {read / took:,.0f} a second (expected 5,000); ",
        end="",
    )
    print(f"CPU {cpu / max(read, 1) * 1e6:.0f} microseconds a commit; memory {min(memory)} to {max(memory)} MB")
    return [f"a false break: {row}" for row in breaks[:5]]


def copy(rows: int) -> list[str]:
    """Write millions of rows with right totals in one commit, and one unit too much in one of them."""
    with postgres() as made, served(made) as server:
        ids = wallets(server)
        with watching(made, LEDGER_WATCH_MAX_WAL="64GB") as watch:
            watch.measure()
            before = watch.peak
            with psycopg.connect(made.url) as connection:
                began = time.monotonic()
                connection.execute("CREATE TEMPORARY TABLE ends (n int, id text) ON COMMIT DROP")
                for number, key in enumerate(ids):
                    connection.execute("INSERT INTO ends VALUES (%s, %s)", (number, key))
                connection.execute(COPIED, (rows, len(ids), len(ids)))
                connection.execute(COPIED_TOTALS)
                connection.execute(
                    "UPDATE balances SET credit_balance = credit_balance + 1, balance = balance + 1 "
                    "WHERE balance_id = %s",
                    (ids[3],),
                )
            print(f"  {rows:,} rows written in {time.monotonic() - began:.0f} s")
            began, end = time.monotonic(), made.rows(END)[0][0]
            while state(made)[2] < end:
                time.sleep(0.5)
                watch.measure()
            took, megabytes = time.monotonic() - began, (before // 1024**2, watch.peak // 1024**2)
            print(f"  proved in {took:.0f} s; memory {megabytes[0]} to {megabytes[1]} MB")
            found = [(row[1], [int(each) for each in row[2:]]) for row in made.rows(BREAKS)]
    return [] if found == [(ids[3], [1, 0, 1, 0, 0, 0])] else [f"breaks: {found}"]


COPIED = """
INSERT INTO transactions (transaction_id, parent_transaction, source, destination, reference, precise_amount,
                          amount, precision, currency, status, created_at, effective_date, meta_data)
SELECT 'txn_c' || r.n, '', s.id, d.id, 'copied-' || r.n, r.n %% 1000 + 1, (r.n %% 1000 + 1) / 100.0, 100, 'USD',
       'APPLIED', now(), now(), '{}'
FROM generate_series(1, %s) AS r (n)
JOIN ends AS s ON s.n = r.n %% %s
JOIN ends AS d ON d.n = (r.n + 1) %% %s
"""
COPIED_TOTALS = """
UPDATE balances AS b
SET debit_balance = b.debit_balance + t.debit, credit_balance = b.credit_balance + t.credit,
    balance = b.balance + t.credit - t.debit
FROM (
    SELECT balance_id, sum(debit) AS debit, sum(credit) AS credit
    FROM (
        SELECT source AS balance_id, precise_amount AS debit, 0 AS credit FROM transactions
        UNION ALL
        SELECT destination, 0, precise_amount FROM transactions
    ) AS each
    GROUP BY 1
) AS t
WHERE t.balance_id = b.balance_id
"""


def cost(seconds: float, clients: int) -> list[str]:
    """Compare postings a second with a watch and with a halted one, in turn; then its CPU at 300 commits a second."""
    rates: dict[str, list[float]] = {"without": [], "with": []}
    with postgres() as made, served(made) as server:
        ids = wallets(server)
        with watching(made) as watch:
            caught_up(made)
            time.sleep(CALM_AFTER)
            for turn in range(TURNS):
                name = ("without", "with", "with", "without")[turn % 4]
                with watch.halted() if name == "without" else nullcontext():
                    rates[name].append(posted(server, ids, clients, seconds / TURNS, turn))
                caught_up(made)
            without, beside = (statistics.median(rates[name]) for name in ("without", "with"))
            print(
                "  turns:", *(f"{name} {', '.join(f'{rate:.0f}' for rate in found)};" for name, found in rates.items())
            )
            print(
                f"  postings a second: {without:.0f} without, {beside:.0f} with: {beside / without:.3f} (expected 0.97)"
            )
            shares = [(0.0, share_of_a_core(watch, made, lambda: time.sleep(10))[1])]
            with psycopg.connect(made.url, autocommit=True) as connection:
                connection.execute("SET synchronous_commit = off")
                for pause in PAUSES:
                    text = COMMITS % (pause, ids[0], ids[1], int(20 / pause), f"{pause}", f"{pause}")
                    shares.append(share_of_a_core(watch, made, lambda text=text: connection.execute(text)))
        for rate, share in shares:
            print(f"  at {rate:.0f} commits a second: {share:.1%} of a core (expected 5 % at 300)")
    return []


def share_of_a_core(watch: Watch, made: Postgres, work: Callable[[], object]) -> tuple[float, float]:
    """Return the commits a second while something runs, and the share of a core that the watch took meanwhile."""
    cpu, commits, began = watch.measure(), state(made)[1], time.monotonic()
    work()
    caught_up(made)
    took = time.monotonic() - began
    return (state(made)[1] - commits) / took, (watch.measure() - cpu) / took


def posted(server: Server, ids: list[str], clients: int, seconds: float, turn: int) -> float:
    """Post from several threads, and return postings a second."""
    end, counts = time.monotonic() + seconds, [0] * clients

    def run(client: int) -> None:
        number = 0
        while time.monotonic() < end:
            body = posting(ids, number + client, f"p-{turn}-{client}-{number}") | {"skip_queue": True}
            assert server.ask("POST", "/transactions", body).status == 201
            number += 1
            counts[client] = number

    threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def kills(times: int, clients: int, seed: int) -> list[str]:
    """Kill watch, PostgreSQL, or both, while faults are planted: none may be lost, found twice, or hidden by green."""
    chance, wrong = random.Random(seed), list[str]()
    with postgres() as made, ExitStack() as stack:
        victim = Victim(made, ("watch", "--yes"), stack)
        victim.start()
        until(lambda: state(made)[0] == "proved", "the first full proof")
        with load(made, clients) as (server, ids, _):
            planter = Planter(server, made.url, ids, chance)
            done = threading.Event()
            looker = threading.Thread(target=lambda: wrong.extend(greens(made, planter, done)))
            looker.start()
            killed: Counter[str] = Counter()
            for _ in range(times):
                for _ in range(chance.randint(1, 4)):
                    with suppress(OSError, HTTPException, psycopg.Error, KeyError, ValueError):
                        planter.plant()
                kind = chance.choice(("watch", "PostgreSQL", "both"))
                killed[kind] += 1
                if kind != "watch":
                    made.stop("kill")
                if kind != "PostgreSQL":
                    victim.child.process.kill()
                    victim.child.process.wait()
                if kind != "watch":
                    time.sleep(0.5)  # until its first process is gone
                    made.start()
                if kind != "PostgreSQL":
                    victim.start()
                time.sleep(chance.uniform(0, 1.5))
            try:
                caught_up(made)
            finally:
                done.set()
                looker.join()
            wrong += judged(planter.planted, made)
            gaps = made.rows("SELECT started_at, ended_at, reason FROM reconciliation_gap")
            print(f"  killed: {dict(killed)}; {len(planter.planted)} faults, {state(made)[1]:,} commits, gaps: {gaps}")
    return wrong


def greens(made: Postgres, planter: Planter, done: threading.Event) -> Iterator[str]:
    """Yield what was green although a fault before the instant that it called proved was not known."""
    look = (
        "SELECT extract(epoch FROM p.proved_until)::float, "
        "(SELECT count(*) FROM reconciliation_break WHERE state IN ('open', 'waiting')) = 0, "
        "(SELECT array_agg(DISTINCT xid) FROM reconciliation_break) FROM reconciliation_proof AS p "
        "WHERE p.state = 'proved' AND clock_timestamp() - p.seen_at < interval '15 s'"
    )
    looks = 0
    while not done.wait(0.1):
        known_before = list(planter.planted)
        with suppress(psycopg.Error):
            for until_then, is_calm, xids in made.rows(look):
                looks += 1
                unknown = [each.xid for each in known_before if each.at < until_then and each.xid not in (xids or ())]
                if is_calm and unknown:
                    yield f"green at {until_then} over {unknown}"
    print(f"  looked at the state {looks:,} times")


CHECKS: dict[str, Callable[..., list[str]]] = {
    "hammer": hammer,
    "faults": faults,
    "backlog": backlog,
    "cost": cost,
    "kills": kills,
    "copy": copy,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "hammer": {"seconds": 600.0, "clients": 4},
    "faults": {"count": 500, "clients": 4, "seed": 1},
    "backlog": {"commits": 1_000_000},
    "cost": {"seconds": 160.0, "clients": 4},
    "kills": {"times": 50, "clients": 2, "seed": 1},
    "copy": {"rows": 2_000_000},
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="check", required=True)
    for name, options in OPTIONS.items():
        command = commands.add_parser(name)
        for option, default in options.items():
            command.add_argument(f"--{option}", type=type(default), default=default)
    given = vars(parser.parse_args())
    print(given["check"])
    bad = CHECKS[given.pop("check")](**given)
    print(*(bad[:20] or ["  as expected"]), sep="\n")
    sys.exit(bool(bad))
