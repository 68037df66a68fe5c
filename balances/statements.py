"""Runs the SQL that is plainer as SQL: one statement a file, parameters by name, nothing built from strings."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)
SQL = Path(__file__).parent / "sql"
"""The statements of the core app."""


class Statement:
    """One statement out of a ``.sql`` file, whose header says its purpose, parameters and columns."""

    def __init__(self, path: Path) -> None:
        """Read the file once."""
        self.text = path.read_text()

    def execute(self, **parameters: Any) -> None:
        """Run a statement that returns no rows."""
        with connection.cursor() as cursor:
            cursor.execute(self.text, parameters)

    def rows(self, **parameters: Any) -> list[dict[str, Any]]:
        """Run the statement on the default database and return its rows by column name."""
        with connection.cursor() as cursor:
            cursor.execute(self.text, parameters)
            columns = [column.name for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


class Lookup(Generic[M]):
    """Rows of a model by the values of some of its text columns: ``Lookup(Balance, "balance_id")``.

    It is the ORM's own query, but compiled once: compiling takes several times as long as running it, and these are
    the reads of nearly every request.
    """

    def __init__(self, model: type[M], *fields: str) -> None:
        """Keep what is looked up and by what."""
        self.model, self.fields = model, fields
        self._columns = model._meta.concrete_fields
        self._attributes = [column.attname for column in self._columns]

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

    def _instance(self, row: tuple[Any, ...]) -> M:
        read = [self._read(column, value) for column, value in zip(self._columns, row, strict=True)]
        return self.model.from_db(connection.alias, self._attributes, read)

    def _read(self, column: Any, value: Any) -> Any:
        for convert in column.get_db_converters(connection):
            value = convert(value, None, connection)
        return value
