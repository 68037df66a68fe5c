"""Runs statements kept in ``.sql`` files: one statement a file, named parameters, nothing built from strings.

Two comments mean something where rows come from Blnk (docs/adopt.md), so that neither costs anything elsewhere, and
each rule still stands in one place. What is between ``/*rated`` and ``rated*/`` belongs to the statement where
transactions have exchange rates. ``/*dated*/transactions`` is a view there, in which a missing effective date is that
of creation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connection, connections, models

from balances.ground import replicas
from balances.ground.adoptions import provenance
from balances.ground.prepared import Prepared, Question, Result

DATED = "/*dated*/transactions"
PARAMETER = re.compile(r"%\((\w+)\)[bs]")
M = TypeVar("M", bound=models.Model)
R = TypeVar("R")


class PreparingCursor(psycopg.Cursor[Any]):
    """Has the server parse and plan a statement once for each connection."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Run a statement whose parameters are sent beside it."""
        return super().execute(query, params, prepare=True, **options)


class Statement:
    """One statement from a ``.sql`` file, whose header states its purpose, parameters and columns.

    A ``hot`` statement runs with each posting, and the server keeps it prepared, so its plan must suit all parameters.
    It may take parameters in binary (``%(name)b``), which is several times as fast for arrays of texts and instants.
    """

    _of_blnk: dict[bool, str] | None = None
    """The text for rows that come from Blnk, where it is another one, by whether they have exchange rates."""

    def __init__(self, path: Path, *, hot: bool = False) -> None:
        self.text = path.read_text()
        self.hot = hot
        self._posed: dict[tuple[str, ...], Prepared] = {}
        if "/*rated" in self.text or DATED in self.text:
            dated = self.text.replace(DATED, "dated_transactions")
            self._of_blnk = {False: dated, True: dated.replace("/*rated", "").replace("rated*/", "")}

    @classmethod
    def beside(cls, module: str, name: str, *, hot: bool = False) -> Statement:
        """Return the statement ``sql/<name>`` beside a module, given by its ``__file__``."""
        return cls(Path(module).parent / "sql" / name, hot=hot)

    def execute(self, **parameters: Any) -> None:
        """Run the statement on the default database and ignore its rows."""
        with self._cursor() as cursor:
            cursor.execute(self._chosen, parameters)

    def rows(self, **parameters: Any) -> list[dict[str, Any]]:
        """Run the statement and return its rows by column name: of the default database, or ``on_replica``."""
        return self.send(**parameters)()

    def send(self, **parameters: Any) -> Callable[[], list[dict[str, Any]]]:
        """Send the statement and return a function that fetches its rows. In a pipeline, later ones travel with it."""
        cursor = self._cursor()
        cursor.execute(self._chosen, parameters)

        def fetch() -> list[dict[str, Any]]:
            with cursor:
                rows = cursor.fetchall()  # in a pipeline there is no description before
                columns = [column.name for column in cursor.description]
                return [dict(zip(columns, row, strict=True)) for row in rows]

        return fetch

    def question(self, names: tuple[str, ...], texts: Sequence[str | None]) -> Question:
        """Return the statement as one that the server prepares, with the texts of all parameters, which it casts."""
        if names not in self._posed:
            text = PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", self.text)
            self._posed[names] = Prepared(text)
        return self._posed[names], [None if text is None else text.encode() for text in texts]

    @property
    def _chosen(self) -> str:
        """The text for the database that it is sent to."""
        if self._of_blnk is None or (found := provenance()) is None:
            return self.text
        return self._of_blnk[found.has_rates]

    def _cursor(self) -> Any:
        if not self.hot:
            return connections[replicas.alias()].cursor()
        connection.ensure_connection()
        # Django's own cursors put parameters into the text, so no two statements would be the same.
        return connection._prepare_cursor(PreparingCursor(connection.connection))  # type: ignore[attr-defined]


def pipelined() -> AbstractContextManager[None]:
    """Open an atomic block that saves the round trips of BEGIN and COMMIT, as long as all its statements are hot."""
    block: AbstractContextManager[None] = connection.pipelined()  # type: ignore[attr-defined]
    return block


class Lookup(Generic[M]):
    """Rows of a model by the values of some of its text columns: ``Lookup(Balance, "balance_id")``.

    It is the ORM's own query, compiled once: compiling takes several times as long as running it, and nearly every
    request makes these reads.
    """

    def __init__(self, model: type[M], *fields: str) -> None:
        self.model, self.fields = model, fields
        self._attributes = [column.attname for column in model._meta.concrete_fields]

    def rows(self, **values: str) -> list[M]:
        """Return the rows whose columns have these values, one for each of the fields."""
        return [self._instance(row) for row in self._fetched(values)]

    def first(self, **values: str) -> M | None:
        """Return a row, or ``None``."""
        return next(iter(self.rows(**values)), None)

    def values(self, **values: str) -> dict[str, Any] | None:
        """Return the values of a row by the names of its attributes, or ``None``; this makes no instance."""
        return next((self._named(row) for row in self._fetched(values)), None)

    def question(self, *given: str) -> Question:
        """Return the read for values in the order of the fields. Raises ``UnicodeEncodeError``."""
        values = dict(zip(self.fields, given, strict=True))
        return self._prepared, [values[name].encode() for name in self._query[1]]

    def rows_in(self, result: Result) -> list[M]:
        """Return the rows of the result of that read."""
        return [self._instance(self._converted(row)) for row in result.rows()]

    def _instance(self, row: Sequence[Any]) -> M:
        return self.model.from_db(connection.alias, self._attributes, row)

    def _named(self, row: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(self._attributes, row, strict=True))

    @cached_property
    def _query(self) -> tuple[str, tuple[str, ...]]:
        """The statement, and the name of the field for each of its parameters."""
        rows = self.model._base_manager.filter(**{field: field for field in self.fields})
        text, names = rows.query.sql_with_params()
        return text, names

    @cached_property
    def _prepared(self) -> Prepared:
        text, names = self._query
        return Prepared(text % tuple(f"${number}" for number, _ in enumerate(names, 1)))

    @cached_property
    def _conversions(self) -> list[tuple[int, Callable[[Any, Any, Any], Any]]]:
        """The converters of columns whose values differ from what psycopg reads, with their positions."""
        columns: Any = self.model._meta.concrete_fields
        every = (column.get_db_converters(connection) for column in columns)
        return [(position, convert) for position, converters in enumerate(every) for convert in converters]

    def _fetched(self, values: dict[str, str]) -> list[list[Any]]:
        text, names = self._query
        parameters = [values[name] for name in names]
        rows = self._prepared.rows(parameters)
        return [self._converted(row) for row in (self._asked(text, parameters) if rows is None else rows)]

    def _asked(self, text: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._read(text, parameters, lambda result: result.rows())

    @staticmethod
    def _read(text: str, parameters: Sequence[Any], read: Callable[[Result], list[R]]) -> list[R]:
        """Run a statement by a cursor, and return what is read from its result."""
        with connection.cursor() as cursor:
            cursor.execute(text, parameters)
            with connection.wrap_database_errors:
                return read(Result(cursor.cursor.pgresult, cursor.cursor._tx))

    def _converted(self, row: tuple[Any, ...]) -> list[Any]:
        values = list(row)
        for position, convert in self._conversions:
            values[position] = convert(values[position], None, connection)
        return values
