"""What connections cost that send nothing, or slowly: postings a second, and how soon /health answers, beside them.

    uv run python -m tests.benchmarks.connections [--seconds N] [--clients N] [--idle N] [--slow N] [--rounds N]

Each round measures without and with the company, so that noise hits both alike; the medians are compared.
"""

from __future__ import annotations

import argparse
import http.client
import resource
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from tests.benchmarks import scratch
from tests.benchmarks.load import Server, measure
from tests.benchmarks.requests import books, ours, postings

HEALTH_PAUSE_SECONDS = 0.02
HEAD = "Host: 127.0.0.1\r\nX-Blnk-Key: {key}\r\n"


def opened(server: Server, stack: ExitStack, text: str) -> socket.socket:
    parts = urlsplit(server.url)
    line = stack.enter_context(socket.create_connection((str(parts.hostname), parts.port), timeout=60))
    line.sendall(text.format(key=server.key).encode())
    return line


@contextmanager
def company(server: Server, idle: int, heads: int, bodies: int) -> Iterator[None]:
    """Keep connections open: idle ones that had an answer, half-sent heads, half-sent bodies."""
    with ExitStack() as stack:
        for _ in range(idle):
            opened(server, stack, "GET /health HTTP/1.1\r\n" + HEAD + "\r\n").recv(65536)
        for _ in range(heads):
            opened(server, stack, "POST /transactions HTTP/1.1\r\n" + HEAD)
        for _ in range(bodies):
            opened(server, stack, "POST /transactions HTTP/1.1\r\n" + HEAD + "Content-Length: 500\r\n\r\n{{")
        yield


@contextmanager
def health_asked(server: Server, taken: list[float]) -> Iterator[None]:
    """Ask for the health again and again, on one connection; add how long each answer took, in milliseconds."""
    over, parts = threading.Event(), urlsplit(server.url)

    def ask() -> None:
        line = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        while not over.wait(HEALTH_PAUSE_SECONDS):
            began = time.perf_counter()
            line.request("GET", "/health")
            answer = line.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"/health answered {answer.status}")
            taken.append((time.perf_counter() - began) * 1000)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield
    finally:
        over.set()
        asker.join()


def run(server: Server, clients: int, seconds: int, rounds: int, crowds: dict[str, tuple[int, int, int]]) -> None:
    work = postings(books(server))
    measure(server, work, clients, 1)  # warm up
    rates: dict[str, list[float]] = {name: [] for name in crowds}
    healths: dict[str, list[float]] = {name: [] for name in crowds}
    for _ in range(rounds):
        for name, crowd in crowds.items():
            with company(server, *crowd), health_asked(server, healths[name]):
                rates[name].append(measure(server, work, clients, seconds).rate)
    alone = statistics.median(rates["nobody else"])
    for name in crowds:
        rate, quantiles = statistics.median(rates[name]), statistics.quantiles(healths[name], n=100)
        print(
            f"  beside {name:<34}{rate:>7,.0f} postings/s ({rate / alone:.2f} ×)"
            f"   /health p50 {quantiles[49]:>6.1f} ms   p99 {quantiles[98]:>6.1f} ms"
        )


def main(seconds: int, clients: int, idle: int, slow: int, rounds: int) -> None:
    """Serve a scratch database with one process, and measure."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * (idle + 2 * slow) + 256), hard))
    crowds = {
        "nobody else": (0, 0, 0),
        f"{idle:,} idle connections": (idle, 0, 0),
        f"{slow:,} slow heads": (0, slow, 0),
        f"{slow:,} slow bodies": (0, 0, slow),
        "all of these": (idle, slow, slow),
    }
    with scratch.database() as made, ours(made.environment, workers=1) as server:
        print(f"{clients} clients that post, {rounds} rounds of {seconds} s each")
        run(server, clients, seconds, rounds, crowds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    main(**vars(parser.parse_args()))
