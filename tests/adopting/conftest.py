"""Databases of real Blnks, adopted or not, in the place of the test database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from ledgerproj.postgresql import adopted
from tests.adopting import blnk_database

Adopt = Callable[..., psycopg.Connection[Any]]


def _server(name: str | None = None) -> psycopg.Connection[Any]:
    """Connect past Django and past what an adoption changes, to a database of the server."""
    params = connection.get_server_params() | {
        "autocommit": True,
        "cursor_factory": psycopg.Cursor,
        "prepare_threshold": None,
    }  # type: ignore[attr-defined]
    return psycopg.connect(**params | ({"dbname": name} if name else {}))


def _run(statement: str, *names: str) -> None:
    with _server("postgres") as server:
        server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


@contextmanager
def _pointed_to(name: str) -> Iterator[None]:
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


Made = Callable[[str, bool], str]


@pytest.fixture(scope="session")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Made]:
    """Return what makes a database of a generation, adopted or not, once; copying one is quick."""
    names: dict[tuple[str, bool], str] = {}

    def make(generation: str, adopt: bool) -> str:
        kind = (generation, adopt)
        if kind not in names:
            names[kind] = _copied(make(generation, False) if adopt else "template0")
            if adopt:
                with _pointed_to(names[kind]):
                    call_command("adopt", "--yes", verbosity=0)
            else:
                with _server(names[kind]) as server:
                    blnk_database.make(server, generation)
        return names[kind]

    with django_db_blocker.unblock():
        yield make
        for name in names.values():
            _run("DROP DATABASE {} WITH (FORCE)", name)


def _copied(template: str) -> str:
    name = f"blnk_{secrets.token_hex(4)}"
    _run("CREATE DATABASE {} TEMPLATE {}", name, template)
    return name


@pytest.fixture
def blnk(made: Made, django_db_blocker: DjangoDbBlocker) -> Iterator[Adopt]:
    """Return what puts a database of a generation in the place of the test database, and a connection to it."""
    taken: list[tuple[Any, Any]] = []

    def take(generation: str, *, adopt: bool = True) -> psycopg.Connection[Any]:
        name = _copied(made(generation, adopt))
        place = _pointed_to(name)
        place.__enter__()
        server = _server(name)
        taken.append((place, server))
        return server

    with django_db_blocker.unblock():
        yield take
        for place, server in taken:
            name = server.info.dbname
            server.close()
            place.__exit__(None, None, None)
            _run("DROP DATABASE {} WITH (FORCE)", name)
