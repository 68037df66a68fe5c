"""Start and stop the embedded PostgreSQL server under one data directory."""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ledgerproj.embedded import cluster, locks, postmaster, sockets
from ledgerproj.embedded.errors import ServerFailed
from ledgerproj.embedded.postmaster import Postmaster

_starting = threading.Lock()
_joined: set[Path] = set()
_running: dict[Path, dict[str, Any]] = {}
_servers: dict[Path, Postmaster] = {}


def connection_params(data_dir: Path, database: str) -> dict[str, Any]:
    """Return psycopg's ``host``, ``port`` and ``user``, starting the server and making the database if need be.

    The process that calls this keeps the server running until it ends. Raises ``ServerFailed``.
    """
    known = _running.get(data_dir)
    return dict(known or ensure_running(data_dir, database))


def ensure_running(data_dir: Path, database: str) -> dict[str, Any]:
    """Return the same, after starting the server again if it was killed or stopped meanwhile. Raises ``ServerFailed``.

    Of several processes that notice at once, one starts it and the others wait for that.
    """
    with _starting:
        if data_dir in _running and postmaster.found(data_dir.resolve() / cluster.NAME) == _servers[data_dir]:
            return _running[data_dir]
        try:
            if data_dir not in _joined:
                _join(data_dir.resolve())
                _joined.add(data_dir)
            _servers[data_dir], _running[data_dir] = _start(data_dir.resolve(), database)
        except OSError as error:
            raise ServerFailed(
                f"{data_dir} cannot hold the embedded PostgreSQL ({error}); "
                "set LEDGER_DATA_DIR to a directory of your own."
            ) from error
        return _running[data_dir]


def _join(data_dir: Path) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    users = locks.join(data_dir / "postgres.users")
    atexit.register(_leave, data_dir, users, os.getpid())


def _start(data_dir: Path, database: str) -> tuple[Postmaster, dict[str, Any]]:
    with locks.held(data_dir / "postgres.lock"):
        directory = cluster.ensure(data_dir)
        server = postmaster.ensure_ready(directory)
        host = sockets.client_directory(server.socket_dir)
        params = {"host": str(host), "port": server.port, "user": "postgres"}
        try:
            _ensure_database(params, database)
        except psycopg.OperationalError as error:
            raise ServerFailed(f"The embedded PostgreSQL refuses us; see {postmaster.log(directory)}.") from error
    return server, params


def _leave(data_dir: Path, users: int, process: int) -> None:
    """Stop the server if no other process uses it; a fork of the process that joined does not count as a user."""
    if os.getpid() != process:
        return
    try:
        if locks.is_last(users):
            postmaster.stop(data_dir / cluster.NAME)
    finally:
        os.close(users)


def _ensure_database(params: dict[str, Any], database: str) -> None:
    with psycopg.connect(dbname="postgres", autocommit=True, **params) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            return
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
