"""Server and worker as child processes of a command that looks after them."""

from __future__ import annotations

import gc
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from ledgerproj.embedded.server import connection_params

START_LIMIT_SECONDS = 60
STOP_LIMIT_SECONDS = 15
SWITCH_SECONDS = 0.0005
"""How long a thread that computes keeps the interpreter while others want it: a tenth of what Python gives it."""


open_directly = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
"""Opens addresses of this machine, whatever proxy the environment names for others."""


class StartFailed(Exception):
    """A child process ended, refused or did not answer in time."""


def end_on_sigterm() -> None:
    """End by an exception on SIGTERM, so that exit hooks run, until something else handles the signal."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


def hold_database() -> None:
    """Keep the embedded server, if it is in use, running until this process ends, and stop it then.

    Children of this process may be killed, or end without their exit hooks. Raises ``ServerFailed``.
    """
    if settings.EMBEDDED:
        connection_params(settings.LEDGER_DATA_DIR, settings.EMBEDDED_DATABASE)


@contextmanager
def command(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a management command as a child process and stop it at the end of the block."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "ledgerproj.settings"}
    child = subprocess.Popen([sys.executable, "-m", "django", *words], cwd=settings.BASE_DIR, env=environment)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(base_url: str, child: subprocess.Popen[bytes]) -> None:
    """Return once ``/health`` says so. Raises ``StartFailed``, at once when the answer is a refusal."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise StartFailed(f"The server ended with status {child.returncode} before it answered.")
        try:
            with open_directly(f"{base_url}/health", timeout=5):
                return
        except urllib.error.HTTPError as error:
            raise StartFailed(f"{base_url}/health answered {error.code}: {_message(error)}") from error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise StartFailed(f"The server did not answer at {base_url}/health within {START_LIMIT_SECONDS} s.")


def _message(answer: urllib.error.HTTPError) -> str:
    """Return what an answer's body says, shortened where it is not the API's JSON."""
    text = answer.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return " ".join(text.split())[:200]


def collect_rarely() -> None:
    """Have Python look for cyclic garbage less often, and never again through what is there already.

    A batch of 10,000 makes half a million objects that stay until it is recorded: looking through them over and over
    took a tenth of its time. What is not in a cycle is freed at once, as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def switch_often() -> None:
    """Let threads that compute give way sooner.

    A posting gives the interpreter up for each answer of the database, some ten times, and then waits behind every
    thread that writes out a long list. At Python's 5 ms that took a second where eight of them did.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
