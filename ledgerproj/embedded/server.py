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

_starting = threading.Lock()
_running: dict[Path, dict[str, Any]] = {}


def connection_params(data_dir: Path, database: str) -> dict[str, Any]:
    """Return psycopg's ``host``, ``port`` and ``user``, starting the server and making the database if need be.

    The process that calls this keeps the server running until it ends. Raises ``ServerFailed``.
    """
    with _starting:
        if data_dir not in _running:
            try:
                _running[data_dir] = _start(data_dir.resolve(), database)
            except OSError as error:
                raise ServerFailed(
                    f"{data_dir} cannot hold the embedded PostgreSQL ({error}); "
                    "set LEDGER_DATA_DIR to a directory of your own."
                ) from error
        return dict(_running[data_dir])


def _start(data_dir: Path, database: str) -> dict[str, Any]:
    data_dir.mkdir(parents=True, exist_ok=True)
    users = locks.join(data_dir / "postgres.users")
    atexit.register(_leave, data_dir, users, os.getpid())
    with locks.held(data_dir / "postgres.lock"):
        directory = cluster.ensure(data_dir)
        server = postmaster.ensure_ready(directory)
        host = sockets.client_directory(server.socket_dir)
        params = {"host": str(host), "port": server.port, "user": "postgres"}
        try:
            _ensure_database(params, database)
        except psycopg.OperationalError as error:
            raise ServerFailed(f"The embedded PostgreSQL refuses us; see {postmaster.log(directory)}.") from error
    return params


def _leave(data_dir: Path, users: int, process: int) -> None:
    """Stop the server if nobody else uses it; a fork of the process that joined is no user of its own."""
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
