"""Server and worker as child processes of a command that looks after them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

START_LIMIT_SECONDS = 60
STOP_LIMIT_SECONDS = 15


class StartFailed(Exception):
    """A child process ended, or did not answer in time."""


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
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(base_url: str, child: subprocess.Popen[bytes]) -> None:
    """Return once ``/health`` answers. Raises ``StartFailed``."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise StartFailed(f"The server ended with status {child.returncode} before it answered.")
        try:
            with urllib.request.urlopen(f"{base_url}/health", timeout=5):  # noqa: S310 - our own http address
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise StartFailed(f"The server did not answer at {base_url}/health within {START_LIMIT_SECONDS} s.")
