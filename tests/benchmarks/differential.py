"""Random requests to a real Blnk Core and to this server side by side: in which kinds of answers do they differ?

    uv run python -m tests.benchmarks.differential --blnk URL --ours URL [--key KEY] [--seed N] [--requests N]

Both must be in secure mode with the same master key, share a tokenization secret of 32 bytes, have workers running,
and may hold other data. Requests are drawn over all routes, weighted to valid ones, some with one thing wrong; ids are
mapped between the two, instants and ids left out of the comparison, and what is queued is applied before it is looked
at. Each kind of difference is printed once, with its count, the row of COMPATIBILITY.md that lists it, or NEW and an
example. Ends with 1 where a kind is new.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TextIO
from urllib.parse import quote, urlsplit

from tests.benchmarks.differing import known, money, others
from tests.benchmarks.differing.comparing import Answer, apart, differences
from tests.benchmarks.differing.world import Request, World

EPISODE = 40
"""Requests of one episode at most; one in which the servers went apart ends at once."""
PATIENCE = 5.0
"""Seconds for the workers to apply what was queued."""
PAUSE = 0.1
REQUESTS = [*money.REQUESTS, *others.REQUESTS]


class Server:
    """One of the two."""

    def __init__(self, name: str, url: str, key: str) -> None:
        self.name, self._key, self._parts = name, key, urlsplit(url)
        self._line: http.client.HTTPConnection | None = None

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        headers = {"X-Blnk-Key": self._key, "Content-Type": "application/json"}
        for attempt in (1, 2):
            try:
                line = self._line or http.client.HTTPConnection(str(self._parts.hostname), self._parts.port, timeout=30)
                self._line = line
                line.request(method, quote(path, safe="/?&=%@:+,.|!'()*~"), text and text.encode(), headers)
                answer = line.getresponse()
                return Answer(answer.status, answer.getheader("Content-Type", ""), answer.read().decode())
            except (http.client.HTTPException, OSError):
                self._line = None
                if attempt == 2:
                    raise
        raise AssertionError

    def rows(self, currency: str) -> Counter[str]:
        """Return how many rows of each status an episode has."""
        return Counter(row["status"] for row in self.listed(currency))

    def listed(self, currency: str) -> list[Any]:
        """Return the rows of an episode."""
        rows: list[Any] = self.send("GET", f"/transactions?currency_eq={currency}&limit=1000").body
        return rows


@dataclass
class Found:
    """Kinds of differences: how often, and the first of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    routes: Counter[str] = field(default_factory=Counter)
    successes: int = 0

    def note(self, kind: str, example: str) -> None:
        self.counts[kind] += 1
        self.examples.setdefault(kind, example)


class Episode:
    """A world of its own, until the servers go apart in it."""

    def __init__(self, servers: list[Server], world: World, found: Found, log: TextIO | None) -> None:
        self.servers, self.world, self.found, self.log = servers, world, found, log
        self.before: dict[str, int] | None = None
        self.awaited = 0
        self.queued: set[str] = set()
        self.unlearned = True
        self.is_apart = False

    def run(self, requests: int) -> None:
        self._set_the_stage()
        self._learn_indicators()
        weights, makers = [weight for weight, _ in REQUESTS], [maker for _, maker in REQUESTS]
        for _ in range(requests):
            self.ask(self.world.rng.choices(makers, weights)[0](self.world))
            if self.is_apart:
                return
        self._drain()
        if self.is_apart:
            return
        for name in self.world.pools["balance"]:
            self.ask(Request("GET", f"/balances/{name}", "/balances/{id}", tag="at the end", looks=True))
        self.ask(money.listed(self.world))

    def _set_the_stage(self) -> None:
        currency = self.world.currency
        ledger = {"name": currency}
        self.ask(Request("POST", "/ledgers", "/ledgers", ledger, learns=("ledger", "ledger_id")))
        identity = {"first_name": "Ada", "last_name": currency, "identity_type": "individual", "phone_number": "1"}
        self.ask(Request("POST", "/identities", "/identities", identity, learns=("identity", "identity_id")))
        for number in range(4):
            given = {"ledger_id": self.world.one("ledger", unknown=0), "currency": currency}
            if number == 3:
                given["identity_id"] = self.world.one("identity", unknown=0)
            self.ask(Request("POST", "/balances", "/balances", given, learns=("balance", "balance_id")))
        for name in self.world.pools["balance"][:2]:
            body = {"currency": currency, "description": "funds", "precision": 100, "precise_amount": 20_000}
            body |= {"reference": self.world.reference(), "source": "@world", "destination": name}
            body |= {"allow_overdraft": True, "skip_queue": True}
            self.ask(Request("POST", "/transactions", "/transactions", body, learns=("txn", "transaction_id")))

    def ask(self, request: Request) -> None:
        """Send a request to both, compare what they say, and learn the ids."""
        waits = request.queued and not _is_direct(request.body)
        if request.looks and not (waits and "status" not in request.tag and request.route == "/transactions"):
            self._drain()
            if self.is_apart:
                return
            if self.unlearned:
                self._learn_indicators()
        if waits and self.before is None:
            self.before = {each.name: each.rows(self.world.currency).total() for each in self.servers}
        answers = {each.name: self._send(each, request) for each in self.servers}
        self._compare(request, answers)
        successes = {answer.is_success for answer in answers.values()}
        told = json.dumps(request.body)
        if waits and successes == {True}:
            self.awaited += _rows(request)
            marks = {" atomic": '"atomic"' in told, ", some left out": '"failed"' in answers["ours"].text}
            marks[", with an overdraft limit"] = "overdraft_limit" in told
            self.queued.add(
                f"{request.route} [{request.tag}]" + "".join(mark for mark, is_so in marks.items() if is_so)
            )
        self.is_apart = self.is_apart or goes_apart(request, answers) or (waits and _repeats(request.body))
        if request.learns and successes == {True}:
            self._learn(*request.learns, answers)
        if '"@' in told and successes == {True} and not _is_dry(request.body):
            self.unlearned = True

    def _send(self, server: Server, request: Request) -> Answer:
        body = request.body
        if body is not None:
            body = self.world.on(server.name, body if isinstance(body, str) else json.dumps(body))
        return server.send(request.method, self.world.on(server.name, request.path), body)

    def _compare(self, request: Request, answers: dict[str, Answer]) -> None:
        self.found.requests += 1
        self.found.routes[f"{request.method} {request.route}"] += 1
        self.found.successes += answers["ours"].is_success
        if request.route.endswith("/filter") and "odd" in request.tag and answers["blnk"].is_success:
            return  # the condition that keeps to this episode may be gone
        refused = ", refused" if '"would_apply":false' in answers["ours"].text else ""
        label = f"{request.method} {request.route}" + (f" [{request.tag}{refused}]" if request.tag else "")
        if self.log:
            told = {name: [answer.status, answer.text] for name, answer in answers.items()}
            print(json.dumps([self.world.currency, label, request.path, request.body, told]), file=self.log)
        for difference in differences(answers["blnk"], answers["ours"], self.world.names):
            example = f"{self.world.currency} {request.method} {request.path} {json.dumps(request.body)[:700]}"
            for name, answer in answers.items():
                example += f"\n      {name}: {answer.status} {answer.text[:900]}"
            self.found.note(f"{label}: {difference}", example)

    def _learn_indicators(self) -> None:
        """Learn the ids of indicators that have a balance on both."""
        path = f"/balances?currency_eq={self.world.currency}&limit=1000"
        found = {
            each.name: {
                row["indicator"]: row["balance_id"] for row in each.send("GET", path).body if "indicator" in row
            }
            for each in self.servers
        }
        for indicator in sorted(found["blnk"].keys() & found["ours"].keys()):
            self.world.learn("balance", {name: known[indicator] for name, known in found.items()})
        for indicator in found["blnk"].keys() - found["ours"].keys():  # left behind by what was refused
            self.world.names["blnk"][found["blnk"][indicator]] = indicator
        self.unlearned = False

    def _learn(self, kind: str, key: str, answers: dict[str, Answer]) -> None:
        bodies = {name: answer.body for name, answer in answers.items()}
        if all(isinstance(body, dict) and body.get(key) for body in bodies.values()):
            self.world.learn(kind, {name: str(body[key]) for name, body in bodies.items()})

    def _drain(self) -> None:
        """Wait until both have applied what was queued, as far as can be seen."""
        if self.before is None:
            return
        until = time.monotonic() + PATIENCE
        rows: dict[str, Counter[str]] = {}
        last: dict[str, Counter[str]] = {}
        while time.monotonic() < until:
            rows = {each.name: each.rows(self.world.currency) for each in self.servers}
            reached = all(rows[name].total() >= self.before[name] + self.awaited for name in rows)
            if reached and rows == last and rows["blnk"] == rows["ours"] and self._is_decided():
                break
            last = rows
            time.sleep(PAUSE)
        else:
            self._note_apart(rows)
        self.before, self.awaited, self.queued = None, 0, set()

    def _is_decided(self) -> bool:
        """Tell whether all that was queued has an outcome on both: rows may be as many before it is there."""
        for server in self.servers:
            rows = server.listed(self.world.currency)
            outcomes = {row["parent_transaction"] for row in rows}
            if any(row["status"] == "QUEUED" and row["transaction_id"] not in outcomes for row in rows):
                return False
        return True

    def _note_apart(self, rows: dict[str, Counter[str]]) -> None:
        if rows["blnk"] == rows["ours"]:
            return
        told = {name: dict(sorted(counts.items())) for name, counts in rows.items()}
        blnk, ours = (each.listed(self.world.currency) for each in self.servers)
        how = apart(blnk, ours, self.world.names)
        if how == "- / -":  # one of them was late, and has come
            return
        self.is_apart = True
        kind = f"after the queue: {'; '.join(sorted(self.queued))}: {how}"
        self.found.note(kind, f"{self.world.currency} {json.dumps(told)}")


def goes_apart(request: Request, answers: dict[str, Answer]) -> bool:
    """Tell whether the servers may hold something else from now on: what follows is not to be compared."""
    if request.method == "GET" or _is_dry(request.body):
        return False
    successes = {answer.is_success for answer in answers.values()}
    if len(successes) > 1:
        return True
    if successes == {True}:
        return False
    # What the original does behind an error: it refunds refunds, and leaves legs, items and fields as they are.
    text = json.dumps(request.body)
    return any(
        (
            request.route.startswith("/refund") and answers["blnk"].status == 409,
            request.route == "/transactions" and ("sources" in text or "destinations" in text),
            request.route == "/transactions/bulk" and ("atomic" in text or "sources" in text or "destinations" in text),
            request.route.endswith("/tokenize"),
        )
    )


def _repeats(body: Any) -> bool:
    """Tell whether a batch has one reference twice: which of the two the original keeps is a matter of chance."""
    items = body.get("transactions") if isinstance(body, dict) else None
    references = (
        [str(each.get("reference")) for each in items if isinstance(each, dict)] if isinstance(items, list) else []
    )
    return len(set(references)) < len(references)


def _is_direct(body: Any) -> bool:
    return isinstance(body, dict) and bool(body.get("skip_queue") or body.get("dry_run")) and not body.get("run_async")


def _is_dry(body: Any) -> bool:
    return isinstance(body, dict) and bool(body.get("dry_run"))


def _rows(request: Request) -> int:
    """Return how many rows a queued request leads to, at the least."""
    if not isinstance(request.body, dict):
        return 0
    if request.route == "/transactions":
        return 1 if request.body.get("scheduled_for") else 2
    if request.route == "/transactions/bulk":
        items = request.body.get("transactions")
        return len(items) if isinstance(items, list) else 0
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--blnk", required=True)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--key", default="parity-master-key-0123")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--log", type=argparse.FileType("w"), help="write down every request and both answers")
    options = parser.parse_args()
    servers = [Server("blnk", options.blnk, options.key), Server("ours", options.ours, options.key)]
    rng, found = random.Random(options.seed), Found()
    run = f"{random.SystemRandom().getrandbits(16):04x}"
    number = 0
    while found.requests < options.requests:
        number += 1
        Episode(servers, World(rng, run, number), found, options.log).run(EPISODE)
    return report(found, number)


def report(found: Found, episodes: int) -> int:
    """Print the kinds, new ones last, and return the exit code."""
    kinds = sorted(found.counts, key=lambda kind: (not known.listed(kind), kind))
    for kind in kinds:
        if words := known.listed(kind):
            print(f"{found.counts[kind]:>6}  {kind}\n        listed: {words}")
        else:
            print(f"{found.counts[kind]:>6}  NEW {kind}\n      {found.examples[kind]}")
    new = sum(not known.listed(kind) for kind in kinds)
    print(
        f"\n{found.requests:,} requests in {episodes:,} episodes over {len(found.routes)} routes, "
        f"{found.successes:,} of them successful here; {sum(found.counts.values()):,} differences "
        f"of {len(kinds)} kinds, {new} of them not listed."
    )
    for words in known.missing_words():
        print(f"COMPATIBILITY.md does not say: {words}")
    return 1 if new or known.missing_words() else 0


if __name__ == "__main__":
    sys.exit(main())
