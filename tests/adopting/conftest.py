"""Databases of real Blnks, adopted or not, in the place of the test database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker

from tests.adopting import blnk_database, places

Adopt = Callable[..., psycopg.Connection[Any]]
Own = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]


@pytest.fixture(scope="session")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Callable[[str, str], str]]:
    """Return what makes a database of a generation, adopted in a mode or not, once, and returns its name."""
    names: dict[tuple[str, str], str] = {}

    def make(generation: str, mode: str = "") -> str:
        if (generation, mode) not in names:
            name = places.new_name()
            places.run("CREATE DATABASE {} TEMPLATE {}", name, make(generation) if mode else "template0")
            names[generation, mode] = name
            if mode:
                with places.pointed_to(name):
                    call_command("adopt", "--yes", "--mode", mode, verbosity=0)
            else:
                with places.server(name) as server:
                    blnk_database.make(server, generation)
        return names[generation, mode]

    with django_db_blocker.unblock():
        yield make
        for name in names.values():
            places.run("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def blnk(made: Callable[[str, str], str], django_db_blocker: DjangoDbBlocker) -> Iterator[Adopt]:
    """Return what puts a database of a generation in the place of the test database, and a connection to it."""
    taken: list[tuple[Any, Any]] = []

    def take(generation: str, *, adopt: bool = True, mode: str = "observe") -> psycopg.Connection[Any]:
        name = places.new_name()
        places.run("CREATE DATABASE {} TEMPLATE {}", name, made(generation, mode if adopt else ""))
        place = places.pointed_to(name)
        place.__enter__()
        server = places.server(name)
        taken.append((place, server))
        return server

    with django_db_blocker.unblock():
        yield take
        for place, server in taken:
            name = server.info.dbname
            server.close()
            place.__exit__(None, None, None)
            places.run("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def empty(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Return the name of a database with our tables and nothing else."""
    name = places.new_name()
    with django_db_blocker.unblock():
        places.run("CREATE DATABASE {} TEMPLATE template0", name)
        with places.pointed_to(name):
            call_command("migrate", verbosity=0, interactive=False)
        yield name
        places.run("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def own(empty: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Own]:
    """Return what puts an empty database of our own in the place of the test database, and connects to it."""

    @contextmanager
    def take() -> Iterator[psycopg.Connection[Any]]:
        name = places.new_name()
        places.run("CREATE DATABASE {} TEMPLATE {}", name, empty)
        try:
            with places.pointed_to(name), places.server(name) as server:
                yield server
        finally:
            places.run("DROP DATABASE {} WITH (FORCE)", name)

    with django_db_blocker.unblock():
        yield take
