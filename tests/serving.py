"""A real ``serve`` for tests, and connections to it that send what they are told, byte for byte."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from ledgerproj.processes import free_port, wait_until_healthy

ROOT = Path(__file__).resolve().parent.parent
KEY = "master-key-of-the-tests"
AT_WORK = 4
SENDING_SECONDS = 2
WAITING_SECONDS = 2
PATIENCE_SECONDS = 60
"""Far more than anything here takes, for a machine under load."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """A connection that sends what it is told, byte for byte."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> Line:
        self.socket.sendall(data)
        return self

    def reply(self, *, to_head: bool = False) -> Reply | None:
        """Return the next answer, or ``None`` where the server has closed."""
        try:
            line = self.file.readline()
        except ConnectionResetError:
            return None
        if not line:
            return None
        headers = {}
        while (header := self.file.readline().decode().strip()) != "":
            name, _, value = header.partition(": ")
            headers[name] = value
        length = 0 if to_head else int(headers.get("content-length", 0))
        return Reply(int(line.split()[1]), headers, self.file.read(length))

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Server:
    """A ``serve`` of its own, and the connections that a test opens to it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    @property
    def worker(self) -> psutil.Process:
        """Return the first of its processes that answer."""
        return psutil.Process(self.process.pid).children()[0]

    def line(self) -> Line:
        return Line(self.port)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        line = self.line()
        reply = line.send(request(method, path, body, **headers)).reply(to_head=method == "HEAD")
        line.close()
        assert reply is not None
        return reply


def request(method: str, path: str, body: Any = None, *, version: str = "1.1", **headers: str) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    given = {"Host": "127.0.0.1", "X-Blnk-Key": KEY} | headers
    if body is not None:
        given |= {"Content-Length": str(len(content))}
    lines = [f"{method} {path} HTTP/{version}", *(f"{name.replace('_', '-')}: {v}" for name, v in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def head(method: str, path: str, **headers: str) -> bytes:
    """Return a request without the body that it announces."""
    return request(method, path, **headers)


def environment() -> dict[str, str]:
    """Return what a process of its own is given, to serve from the test's database."""
    params = {name: value for name, value in connection.get_connection_params().items() if isinstance(value, str | int)}
    params = {name: params[name] for name in ("dbname", "host", "port", "user", "password") if params.get(name)}
    return {
        "DATABASE_URL": make_conninfo("", **params),
        "DJANGO_SECRET_KEY": "x" * 60,
        "BLNK_SERVER_SECRET_KEY": KEY,
        "BLNK_TOKENIZATION_SECRET": "t" * 32,
        "LEDGER_DATA_DIR": str(settings.LEDGER_DATA_DIR),
        "LEDGER_POOL_SIZE": str(AT_WORK),
        "LEDGER_REQUEST_TIMEOUT": str(SENDING_SECONDS),
        "LEDGER_WAIT_TIMEOUT": str(WAITING_SECONDS),
        "LEDGER_READ_TIMEOUT": str(PATIENCE_SECONDS),
    }


@contextmanager
def serving(*words: str, **more: str) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--verbosity", "0", *words]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment() | more) as process:
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process)
            yield Server(process, port)
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
