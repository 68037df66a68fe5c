"""The running server: found by its ``postmaster.pid``, started and stopped by ``pg_ctl``."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from ledgerproj.embedded import programs
from ledgerproj.embedded.errors import ServerFailed

START_LIMIT_SECONDS = 120
CRASH_LIMIT_SECONDS = 15
"""How long the processes of a server that was killed may take to notice, and to let go of its memory."""
NO_PROCESS = 2**30
"""A process id beyond what any system gives out."""


@dataclass(frozen=True)
class Postmaster:
    """What a ready server says of itself."""

    pid: int
    port: int
    socket_dir: Path


def ensure_ready(cluster: Path) -> Postmaster:
    """Return the ready server of a data directory, started if need be; the caller holds the start lock.

    Raises ``ServerFailed`` when it is not ready within ``START_LIMIT_SECONDS``: recovery may take its time.
    """
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if not _is_running(cluster):
            _start(cluster)
        server = _read(cluster)
        if server is not None:
            return server
        time.sleep(0.1)
    raise ServerFailed(f"The embedded PostgreSQL is not ready after {START_LIMIT_SECONDS} s; see {log(cluster)}.")


def found(cluster: Path) -> Postmaster | None:
    """Return the server of a data directory, if it runs and is ready."""
    return _read(cluster) if _is_running(cluster) else None


def stop(cluster: Path) -> None:
    """Stop the server, without waiting for its clients; what fails here is found by the next start."""
    try:
        programs.run("pg_ctl", "-w", "-m", "fast", "stop", cluster=cluster)
    except (OSError, subprocess.SubprocessError):
        return


def log(cluster: Path) -> Path:
    """Return where the server writes its messages."""
    return cluster / "log"


def _start(cluster: Path) -> None:
    # The server works in its data directory, so "." puts the socket there, whatever the path looks like.
    options = f'-D {shlex.quote(str(cluster))} -h "" -k .'
    wait = ("-w", "-t", str(START_LIMIT_SECONDS))
    deadline = time.monotonic() + (CRASH_LIMIT_SECONDS if _lines(cluster) else 0)
    while True:
        _disown(cluster)
        try:
            programs.run("pg_ctl", *wait, "-o", options, "-l", log(cluster).name, "start", cluster=cluster)
            return
        except subprocess.SubprocessError as error:
            if time.monotonic() > deadline:
                raise ServerFailed(f"The embedded PostgreSQL did not start; see {log(cluster)}.") from error
        _end_orphans(cluster)
        time.sleep(0.2)


def _end_orphans(cluster: Path) -> None:
    """End what is left of a server whose first process was killed, as that one would have done.

    They notice it by themselves where they wait for something; in the middle of a long sum they do not.
    """
    for process in psutil.process_iter():
        with suppress(psutil.Error, IndexError):
            is_server = process.cmdline()[0].startswith("postgres: ") and process.cwd() == str(cluster)
            parent = process.parent() if is_server else None
            if is_server and not (parent and parent.name() == "postgres"):
                process.send_signal(signal.SIGQUIT)


def _lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _read(cluster: Path) -> Postmaster | None:
    """Return the server that says it is ready; its file grows line by line while it starts."""
    lines = [line.strip() for line in _lines(cluster)]
    if len(lines) < 8 or lines[7] != "ready":
        return None
    return Postmaster(pid=int(lines[0]), port=int(lines[3]), socket_dir=cluster / lines[4])


def _is_running(cluster: Path) -> bool:
    """Return whether the process that the file names is this directory's server.

    A process id alone proves nothing: after a crash another program may have it, above all in a container.
    """
    lines = _lines(cluster)
    if not lines or not lines[0].strip().isdecimal():
        return False
    try:
        process = psutil.Process(int(lines[0]))
        return process.status() != psutil.STATUS_ZOMBIE and str(cluster) in process.cmdline()
    except psutil.Error:
        return False


def _disown(cluster: Path) -> None:
    """Let PostgreSQL start although a stranger has the process id of the server that crashed.

    Its file stays, because the server also reads there whether shared memory is still in use.
    """
    lines = _lines(cluster)
    if lines and lines[0].strip().isdecimal() and psutil.pid_exists(int(lines[0])):
        (cluster / "postmaster.pid").write_text("\n".join([str(NO_PROCESS), *lines[1:]]) + "\n")
