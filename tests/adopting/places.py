"""Databases beside the test database, and what puts one of them in its place."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from psycopg import sql

from ledgerproj.postgresql import adopted


def server(name: str | None = None) -> psycopg.Connection[Any]:
    """Connect past Django and past what an adoption changes, to a database of the server."""
    params = connection.get_server_params() | {  # type: ignore[attr-defined]
        "autocommit": True,
        "cursor_factory": psycopg.Cursor,
        "prepare_threshold": None,
    }
    return psycopg.connect(**params | ({"dbname": name} if name else {}))


def new_name() -> str:
    return f"blnk_{secrets.token_hex(4)}"


def run(statement: str, *names: str) -> None:
    """Run a statement about databases, whose names are put in."""
    with server("postgres") as postgres:
        postgres.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


@contextmanager
def pointed_to(name: str) -> Iterator[None]:
    """Let all connections go to a database."""
    old = connection.settings_dict["NAME"]
    _go_to(name)
    try:
        yield
    finally:
        _go_to(old)


def _go_to(name: str) -> None:
    with suppress(Exception):
        connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict["NAME"] = name
    adopted.forget()
    ContentType.objects.clear_cache()  # its keys are those of the other database
