"""How many pages of lists a server answers at a million rows, beside Blnk Core.

    uv run python -m tests.benchmarks.lists [--rows N] [--rounds N] [--seconds N] [--only TEXT] [--blnk URL KEY DSN]

A generated ledger of N transactions (1,000,000), a tenth as many balances, and 1,000 ledgers, in a scratch database;
one process serves it. Each page is asked for by ``wrk -t1 -c8`` (which must be installed), in alternating rounds (5 of
2 seconds each); printed are medians, and in brackets the least and the most.

Each page is asked for again and again, so its rows are shown from what is kept of them here, also where the page has
conditions; that is the way of clients who look for what is new.

``--blnk`` names a running Blnk Core, its master key, and its database, which holds nothing but what ``blnk migrate up``
makes, or the rows of an earlier run: the same rows are copied into it by a superuser, without its triggers.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.benchmarks import scratch

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = 8
LEDGERS = 1_000
MORE_LEDGERS = """
INSERT INTO ledgers (ledger_id, name, created_at, meta_data)
SELECT 'ldg_' || md5(number::text)::uuid, 'Ledger ' || number, now() - number * interval '1 hour', '{"region": "EU"}'
FROM generate_series(1, %(ledgers)s) AS number
RETURNING 1
"""
TABLES = {
    "ledgers": ("ledger_id", "name", "created_at", "meta_data"),
    "balances": (
        *("balance_id", "balance", "credit_balance", "debit_balance", "currency", "ledger_id", "created_at", "version"),
        *("meta_data", "inflight_balance", "inflight_credit_balance", "inflight_debit_balance", "track_fund_lineage"),
        "allocation_strategy",
    ),
    "transactions": (
        *("transaction_id", "parent_transaction", "source", "destination", "reference", "amount", "precise_amount"),
        *("precision", "currency", "description", "status", "hash", "created_at", "effective_date", "meta_data"),
    ),
}


@dataclass(frozen=True)
class Page:
    """One request, and how many rows are in its answer."""

    path: str
    rows: int
    filters: tuple[tuple[str, str], ...] = ()

    @property
    def method(self) -> str:
        return "POST" if self.filters else "GET"

    @property
    def body(self) -> str:
        if not self.filters:
            return ""
        filters = [{"field": field, "operator": "eq", "value": value} for field, value in self.filters]
        return json.dumps({"filters": filters, "limit": self.rows})

    @property
    def target(self) -> str:
        return self.path if self.filters else f"{self.path}?limit={self.rows}"

    def __str__(self) -> str:
        fields = ", ".join(field for field, _ in self.filters)
        return f"{self.method} {self.path}{f' by {fields}' if fields else ''}, {self.rows} rows"


def pages(busy: str) -> list[Page]:
    """Return all that is measured; ``busy`` is the balance that has most transactions."""
    lists = [Page(f"/{name}", rows) for name in ("transactions", "balances", "ledgers") for rows in (20, 100)]
    conditions = (
        ("/transactions/filter", ("status", "APPLIED")),
        ("/transactions/filter", ("balance_id", busy)),
        ("/balances/filter", ("currency", "USD")),
    )
    return lists + [Page(path, rows, (given,)) for path, given in conditions for rows in (20, 100)]


@dataclass(frozen=True)
class Server:
    name: str
    url: str
    key: str

    def answer(self, page: Page) -> list[Any]:
        """Return the rows of one page."""
        parts = urlsplit(self.url)
        line = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        line.request(page.method, page.target, page.body or None, {"X-Blnk-Key": self.key})
        answer = line.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.name}: {page} answered {answer.status}: {text[:300]!r}")
        rows: list[Any] = json.loads(text)
        return rows

    def rate(self, page: Page, seconds: int) -> float:
        """Return the answers a second."""
        script = [f'wrk.method = "{page.method}"', f'wrk.headers["X-Blnk-Key"] = "{self.key}"']
        if page.body:
            script += [f"wrk.body = [[{page.body}]]", 'wrk.headers["Content-Type"] = "application/json"']
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write("\n".join(script))
            file.flush()
            words = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "-s", file.name, f"{self.url}{page.target}"]
            printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        found = re.search(r"Requests/sec:\s+([\d.]+)", printed)
        if found is None or "Non-2xx" in printed or "Socket errors" in printed:
            raise RuntimeError(f"{self.name}: {page}: {printed}")
        return float(found[1])


@contextmanager
def served(environment: dict[str, str]) -> Iterator[Server]:
    """Serve a database by one process."""
    from ledgerproj import processes

    port = processes.free_port()
    words = [sys.executable, "-m", "django", "serve", "--port", str(port), "--workers", "1", "--verbosity", "0"]
    environment = os.environ | environment | {"DJANGO_SETTINGS_MODULE": "ledgerproj.settings"}
    child = subprocess.Popen(words, cwd=ROOT, env=environment)
    try:
        processes.wait_until_healthy(f"http://127.0.0.1:{port}", child)
        yield Server("here", f"http://127.0.0.1:{port}", environment["BLNK_SERVER_SECRET_KEY"])
    finally:
        child.terminate()
        child.wait(60)


def copy_to(dsn: str) -> None:
    """Copy all rows into the tables of Blnk Core, unless as many are there."""
    from django.db import connection

    connection.ensure_connection()
    with psycopg.connect(dsn, autocommit=True) as blnk, connection.connection.cursor() as ours, blnk.cursor() as theirs:
        counts = [
            each.execute(f"SELECT count(*) FROM {name}transactions").fetchone()
            for each, name in ((ours, ""), (theirs, "blnk."))
        ]
        if counts[0] == counts[1]:
            return
        theirs.execute("SET session_replication_role = replica")
        theirs.execute("TRUNCATE blnk.transactions, blnk.balances, blnk.ledgers CASCADE")
        for table, columns in TABLES.items():
            names = ", ".join(columns)
            with (
                ours.copy(f"COPY {table} ({names}) TO STDOUT") as rows,
                theirs.copy(f"COPY blnk.{table} ({names}) FROM STDIN") as into,
            ):
                for block in rows:
                    into.write(block)
        theirs.execute("VACUUM ANALYZE")


def compare(servers: list[Server], page: Page, rounds: int, seconds: int) -> None:
    """Measure one page in alternating rounds, and print it."""
    for server in servers:
        if len(server.answer(page)) != page.rows:
            raise RuntimeError(f"{server.name}: {page} has {len(server.answer(page))} rows")
        server.rate(page, 1)  # warm up
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            rates[server.name].append(server.rate(page, seconds))
    shown = [f"{name} {statistics.median(one):,.0f}/s [{min(one):,.0f}–{max(one):,.0f}]" for name, one in rates.items()]
    medians = [statistics.median(one) for one in rates.values()]
    ratio = f"   {medians[0] / medians[1]:.2f} ×" if len(medians) == 2 else ""
    print(f"{page!s:<52}{'   '.join(shown)}{ratio}", flush=True)


@contextmanager
def ledger(rows: int, here: bool) -> Iterator[dict[str, str]]:
    """Have the rows, and yield the environment of a server for them."""
    if here:
        scratch.set_up()
        yield {}
        return
    with scratch.database() as made:
        from balances.importing.generating import Wish, generate_ledger
        from tests.benchmarks.reconstruction import run

        generate_ledger(Wish(balances=rows // 10, transactions=rows))
        run(MORE_LEDGERS, ledgers=LEDGERS)
        yield made.environment


def main(rows: int, rounds: int, seconds: int, only: str, here: bool, blnk: list[str] | None) -> None:
    """Make the ledger, serve it, measure."""
    with ledger(rows, here) as environment:
        from tests.benchmarks.reconstruction import run

        [(busy,)] = run("SELECT source FROM transactions GROUP BY source ORDER BY count(*) DESC LIMIT 1")
        if blnk:
            copy_to(blnk[2])
        with served(environment) as ours:
            servers = [ours, *([Server("Blnk Core", blnk[0].rstrip("/"), blnk[1])] if blnk else [])]
            for page in pages(busy):
                if only in str(page):
                    compare(servers, page, rounds, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default="", help="pages whose name contains this")
    parser.add_argument("--here", action="store_true", help="the database of the settings, filled by an earlier run")
    parser.add_argument("--blnk", nargs=3, metavar=("URL", "KEY", "DSN"))
    main(**vars(parser.parse_args()))
