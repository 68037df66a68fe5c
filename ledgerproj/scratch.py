"""A database for one run of a command, on the server of the settings: made empty, used as the default, dropped."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import errors as pg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledgerproj import processes

LONGEST_NAME = 63
"""Longest name that PostgreSQL keeps, in bytes."""
RANDOM_BYTES = 4
SERIALISE = "SELECT pg_advisory_lock(hashtextextended('scratch databases', 0))"
LEFT_OVERS = """
SELECT datname FROM pg_database AS d
WHERE starts_with(datname, %(prefix)s) AND substr(datname, length(%(prefix)s) + 1) ~ %(random)s
  AND pg_has_role(datdba, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datname = d.datname)
"""


class ScratchRefused(CommandError, RuntimeError):
    """The server makes no scratch database: one sentence, which every command prints as it is."""


@dataclass(frozen=True)
class Scratch:
    """A scratch database, and what the environment of a child process must say for it to work on that database."""

    name: str
    environment: dict[str, str]


@contextmanager
def scratch_database(label: str) -> Iterator[Scratch]:
    """Make a migrated, empty database; the default connection of every thread points to it in the block.

    It is dropped however the block ends, by Ctrl-C and SIGTERM too. What a killed run with the same label left
    is dropped by the next one. Must not run in an atomic block. Raises ``ScratchRefused``.
    """
    home = connections[DEFAULT_DB_ALIAS]
    params, old = home.get_connection_params(), str(home.settings_dict["NAME"])
    with _ended_by_sigterm(), _made(params, _prefix(old, label)) as keeper:
        name = keeper.info.dbname
        try:
            _point_to(name)
            call_command("migrate", verbosity=0, interactive=False)
            yield Scratch(name, _environment(keeper))
        finally:
            _point_to(old)


def _prefix(database: str, label: str) -> str:
    rest = f"_{label}_"
    room = LONGEST_NAME - len(rest.encode()) - 2 * RANDOM_BYTES
    return database.encode()[:room].decode(errors="ignore") + rest


@contextmanager
def _made(params: dict[str, Any], prefix: str) -> Iterator[psycopg.Connection[Any]]:
    """Make the database and yield a connection that shows others it is in use; drop it at the end."""
    params = params | {"autocommit": True}
    name = prefix + secrets.token_hex(RANDOM_BYTES)
    try:
        keeper = _make(params, prefix, name)
    except pg.InsufficientPrivilege as error:
        raise ScratchRefused(
            "This needs a scratch database, and the database user may create none on this server. "
            "Grant it with ALTER ROLE … CREATEDB, or unset DATABASE_URL to use the embedded server."
        ) from error
    except psycopg.Error as error:
        raise ScratchRefused(f"The server makes no scratch database: {str(error).strip()}") from error
    try:
        with keeper:
            yield keeper
    finally:
        with psycopg.connect(**params) as server:
            _drop(server, name)


def _make(params: dict[str, Any], prefix: str, name: str) -> psycopg.Connection[Any]:
    with psycopg.connect(**params) as server:
        # One at a time: otherwise a database to which its maker is about to connect would look left over.
        server.execute(SERIALISE)
        rows = server.execute(LEFT_OVERS, {"prefix": prefix, "random": f"^[0-9a-f]{{{2 * RANDOM_BYTES}}}$"})
        for (left_over,) in rows.fetchall():
            _drop(server, left_over)
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return psycopg.connect(**params | {"dbname": name})


def _drop(server: psycopg.Connection[Any], name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _point_to(name: str) -> None:
    """Let the default connections of all threads, made from now on, go to a database of this name."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.close()
    connection.close_pool()
    connections.settings[DEFAULT_DB_ALIAS]["NAME"] = name


def _environment(connection: psycopg.Connection[Any]) -> dict[str, str]:
    parameters = connection.info.get_parameters()
    password = {"password": connection.info.password} if connection.info.password else {}
    return {
        "DATABASE_URL": make_conninfo("", **parameters | password),
        "LEDGER_DATA_DIR": str(settings.LEDGER_DATA_DIR),
        "DJANGO_SECRET_KEY": settings.SECRET_KEY,
        "BLNK_SERVER_SECRET_KEY": settings.BLNK_SERVER_SECRET_KEY,
    }


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception does; only the main thread hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    processes.end_on_sigterm()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
