"""A PostgreSQL server of its own for tests that stop it, and the product's processes that must survive that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ledgerproj.embedded import cluster, postmaster, programs
from ledgerproj.processes import free_port, open_directly, wait_until_healthy

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 120
DATABASE = "ledger"
"""As the embedded server names it, so that the same directory can be served in that way."""
KEY = "master-key-for-tests-of-outages"


@dataclass(frozen=True)
class Child:
    """A process of the product, and the file in which it says what happens to it."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()


@dataclass(frozen=True)
class Postgres:
    """A cluster in a directory; its server is started and stopped at will."""

    directory: Path

    @property
    def url(self) -> str:
        return psycopg.conninfo.make_conninfo("", host=str(self.directory), user="postgres", dbname=DATABASE)

    def start(self) -> None:
        postmaster.ensure_ready(self.directory)

    def stop(self, mode: str) -> None:
        """Stop it as pg_ctl calls it, or by SIGKILL, which is what the kernel does where memory is short."""
        if mode != "kill":
            try:
                programs.run("pg_ctl", "-w", "-m", mode, "stop", cluster=self.directory)
            except subprocess.CalledProcessError as error:
                raise AssertionError(error.stderr) from error
            return
        pid = int((self.directory / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement, parameters).fetchall()

    @property
    def environment(self) -> dict[str, str]:
        """Return what a child needs to work on it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "BLNK_"))}
        return kept | {
            "DATABASE_URL": self.url,
            "BLNK_SERVER_SECRET_KEY": KEY,
            "DJANGO_SECRET_KEY": "s" * 50,
            "DJANGO_SETTINGS_MODULE": "ledgerproj.settings",
        }

    @contextmanager
    def running(self, *words: str, **changed: str) -> Iterator[Child]:
        """Yield a management command that runs on it; tell it to end afterwards, unless it has."""
        number = len(list(self.directory.parent.glob("*.log")))
        log = self.directory.parent / f"{number}-{words[0]}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "django", *words],
                cwd=ROOT,
                env=self.environment | changed,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Child(process, log)
        finally:
            process.terminate()
            try:
                process.wait(LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


@contextmanager
def own_postgres(data_dir: Path) -> Iterator[Postgres]:
    """Yield a running server with empty tables; stop it at the end."""
    made = Postgres(cluster.ensure(data_dir))
    made.start()
    try:
        with psycopg.connect(made.url, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        with made.running("migrate", "--verbosity", "0") as migrate:
            assert migrate.process.wait(LIMIT_SECONDS) == 0, migrate.said
        yield made
    finally:
        with suppress(AssertionError):  # it may be stopped already
            made.stop("immediate")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Server:
    """The product's own server, as a client sees it."""

    url: str
    child: Child

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"X-Blnk-Key": KEY} | headers, method=method)
        try:
            with open_directly(request, timeout=LIMIT_SECONDS) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())


@contextmanager
def served(postgres: Postgres, *words: str) -> Iterator[Server]:
    """Yield a server on it."""
    port = free_port()
    with postgres.running("serve", "--port", str(port), "--verbosity", "0", *words) as child:
        wait_until_healthy(f"http://127.0.0.1:{port}", child.process)
        yield Server(f"http://127.0.0.1:{port}", child)


def until(condition: Any, what: str) -> float:
    """Wait until something is true, and return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < LIMIT_SECONDS, f"not within {LIMIT_SECONDS} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began
