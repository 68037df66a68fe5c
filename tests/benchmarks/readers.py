"""What expensive readers do to postings: ``uv run python -m tests.benchmarks.readers [TRANSACTIONS]``.

On a generated ledger (1,000,000 transactions unless given), 30 clients send the most expensive filter at once and close
their connections after a second, round after round; meanwhile one client posts. Printed are how long a posting took,
and how many statements of readers the database still runs a second, and six seconds, after the last one has left.
"""

from __future__ import annotations

import socket
import statistics
import sys
import threading
import time

from tests.benchmarks import scratch
from tests.benchmarks.load import Server, send
from tests.benchmarks.requests import ours, posting

READERS, ROUNDS = 30, 5
PATTERNS = 64


def body() -> bytes:
    condition = '{{"field":"description","operator":"ilike","value":"%a{n}%b%c%"}}'
    conditions = ",".join(condition.format(n=n) for n in range(PATTERNS))
    return f'{{"filters":[{conditions}],"logical_operator":"or","include_count":true}}'.encode()


def raw(server: Server) -> bytes:
    content = body()
    head = f"POST /transactions/filter HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Blnk-Key: {server.key}\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def read_and_leave(server: Server, stay: float) -> None:
    port = int(server.url.rpartition(":")[2])
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(READERS)]
    for line in lines:
        line.sendall(raw(server))
    time.sleep(stay)
    for line in lines:
        line.close()


def running() -> int:
    from django.db import connection

    sql = """SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'active' AND query LIKE 'SET LOCAL statement_timeout%'"""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def main(transactions: int) -> None:
    with scratch.database() as made:
        from balances.importing.generating import Wish, generate_ledger

        generate_ledger(Wish(balances=1_000, transactions=transactions))
        with ours(made.environment, 1) as server:
            line = server.connection()
            ledger = send(server, line, "POST", "/ledgers", {"name": "readers"})["ledger_id"]
            ids = [
                send(server, line, "POST", "/balances", {"ledger_id": ledger, "currency": "USD"})["balance_id"]
                for _ in range(10)
            ]
            quiet, beside = [], []

            def post(into: list[float], number: int) -> None:
                began = time.perf_counter()
                send(
                    server,
                    line,
                    "POST",
                    "/transactions",
                    posting(ids[number % 10], ids[(number + 1) % 10], f"r-{number}"),
                )
                into.append((time.perf_counter() - began) * 1000)

            for number in range(50):
                post(quiet, number)
            began = time.perf_counter()
            server.connection().request("POST", "/transactions/filter", body(), {"X-Blnk-Key": server.key})
            alone = server.connection()
            alone.request("POST", "/transactions/filter", body(), {"X-Blnk-Key": server.key})
            status = alone.getresponse().status
            print(f"  such a filter alone: {status} after {time.perf_counter() - began:.1f} s")
            time.sleep(6)
            number, most = 1_000, 0
            for _ in range(ROUNDS):
                readers = threading.Thread(target=read_and_leave, args=(server, 1.0))
                readers.start()
                time.sleep(0.5)
                most = max(most, running())
                while readers.is_alive():
                    post(beside, number := number + 1)
                    time.sleep(0.02)
                readers.join()
            print(f"  statements of readers at once: {most}")
            time.sleep(1)
            print(f"  statements of readers 1 s after the last left: {running()}")
            time.sleep(5)
            print(f"  statements of readers 6 s after the last left: {running()}")
            for name, taken in (("alone", quiet), (f"beside {READERS} readers", beside)):
                print(
                    f"  postings {name:<20}{len(taken):>6}   median {statistics.median(taken):>7.1f} ms"
                    f"   longest {max(taken):>7.1f} ms"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
