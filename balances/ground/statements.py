"""Runs the SQL that is plainer as SQL: one statement a file, parameters by name, nothing built from strings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connection, models

M = TypeVar("M", bound=models.Model)


class PreparingCursor(psycopg.Cursor[Any]):
    """Lets the server parse and plan a statement once a connection, not each time."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Run a statement whose parameters are sent beside it."""
        return super().execute(query, params, prepare=True, **options)


class Statement:
    """One statement out of a ``.sql`` file, whose header says its purpose, parameters and columns.

    One that is ``hot`` runs with each posting: the server keeps it prepared. Its plan must do for all parameters. It
    may take some in binary (``%(name)b``): arrays of texts and instants are written several times as fast that way.
    """

    def __init__(self, path: Path, *, hot: bool = False) -> None:
        """Read the file once."""
        self.text = path.read_text()
        self.hot = hot

    @classmethod
    def beside(cls, module: str, name: str, *, hot: bool = False) -> Statement:
        """Return the statement ``sql/<name>`` beside a module, given by its ``__file__``."""
        return cls(Path(module).parent / "sql" / name, hot=hot)

    def execute(self, **parameters: Any) -> None:
        """Run a statement whose rows, if there are any, are of no interest."""
        with self._cursor() as cursor:
            cursor.execute(self.text, parameters)

    def rows(self, **parameters: Any) -> list[dict[str, Any]]:
        """Run the statement on the default database and return its rows by column name."""
        return self.send(**parameters)()

    def send(self, **parameters: Any) -> Callable[[], list[dict[str, Any]]]:
        """Run the statement and return what fetches its rows. In a pipeline it travels with what is sent after it."""
        cursor = self._cursor()
        cursor.execute(self.text, parameters)

        def fetch() -> list[dict[str, Any]]:
            with cursor:
                found = cursor.fetchall()
                columns = [column.name for column in cursor.description]
                return [dict(zip(columns, row, strict=True)) for row in found]

        return fetch

    def _cursor(self) -> Any:
        if not self.hot:
            return connection.cursor()
        connection.ensure_connection()
        # Django's own cursors put parameters into the text, so no two statements would be alike.
        return connection._prepare_cursor(PreparingCursor(connection.connection))  # type: ignore[attr-defined]


def pipelined() -> AbstractContextManager[None]:
    """Open an atomic block that saves the round trips of BEGIN and COMMIT, as long as all its statements are hot."""
    block: AbstractContextManager[None] = connection.pipelined()  # type: ignore[attr-defined]
    return block


class Lookup(Generic[M]):
    """Rows of a model by the values of some of its text columns: ``Lookup(Balance, "balance_id")``.

    It is the ORM's own query, but compiled once: compiling takes several times as long as running it, and these are
    the reads of nearly every request.
    """

    def __init__(self, model: type[M], *fields: str) -> None:
        """Keep what is looked up and by what."""
        self.model, self.fields = model, fields
        self._attributes = [column.attname for column in model._meta.concrete_fields]

    def rows(self, **values: str) -> list[M]:
        """Return the rows whose columns have these values, one for each of the fields."""
        text, names = self._query
        with connection.cursor() as cursor:
            cursor.execute(text, [values[name] for name in names])
            return [self._instance(row) for row in cursor.fetchall()]

    def first(self, **values: str) -> M | None:
        """Return a row, or ``None``."""
        return next(iter(self.rows(**values)), None)

    @cached_property
    def _query(self) -> tuple[str, tuple[str, ...]]:
        """The statement, and which of the fields stands at which of its parameters."""
        rows = self.model._base_manager.filter(**{field: field for field in self.fields})
        text, names = rows.query.sql_with_params()
        return text, names

    @cached_property
    def _conversions(self) -> list[tuple[int, list[Callable[[Any, Any, Any], Any]]]]:
        """Which columns are not what psycopg reads, by position, and what makes them that."""
        columns: Any = self.model._meta.concrete_fields
        found = [column.get_db_converters(connection) for column in columns]
        return [(position, converters) for position, converters in enumerate(found) if converters]

    def _instance(self, row: tuple[Any, ...]) -> M:
        values = list(row)
        for position, converters in self._conversions:
            for convert in converters:
                values[position] = convert(values[position], None, connection)
        return self.model.from_db(connection.alias, self._attributes, values)
