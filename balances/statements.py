"""Runs the SQL that is plainer as SQL: one statement a file, parameters by name, nothing built from strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import psycopg
from django.db import Error, connection, models
from psycopg.pq import PipelineStatus, TransactionStatus

M = TypeVar("M", bound=models.Model)
SQL = Path(__file__).parent / "sql"
"""The statements of the core app."""


LOST = "the connection was lost in a pipeline"


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


@contextmanager
def pipeline(*refusals: type[Exception]) -> Iterator[None]:
    """Run hot statements as one transaction that needs no round trip to begin or to commit.

    They travel together until rows are fetched; the last ones travel with the commit, at the end of the block. That
    comes also after an exception, so ``refusals`` are those that are raised before the first write only. Any other
    one ends the connection, and with it whatever was written. Whatever becomes of a lost connection, it raises
    ``OperationalError``: psycopg may say something else, or nothing.
    """
    connection.ensure_connection()
    raw = connection.connection
    connection.in_pipeline = True  # type: ignore[attr-defined]
    try:
        with connection.wrap_database_errors:
            with raw.pipeline() as line:
                try:
                    yield
                except BaseException as error:
                    if raw.closed and isinstance(error, Error):
                        raise psycopg.OperationalError(LOST) from error
                    is_undone = raw.pgconn.pipeline_status == PipelineStatus.ABORTED  # the server refused a statement
                    if not (is_undone or isinstance(error, refusals)):
                        raw.close()
                    raise
            if raw.closed or line.result_queue:
                raise psycopg.OperationalError(LOST)
    finally:
        connection.in_pipeline = False  # type: ignore[attr-defined]
        if not _is_at_rest(raw):
            raw.close()
            connection.close()


def _is_at_rest(raw: psycopg.Connection[Any]) -> bool:
    """Tell whether a connection is in no pipeline and no transaction any more.

    Where it was lost after a refusal, psycopg only logs that, and what comes next would take the answers of what was
    sent before for its own: even a commit.
    """
    is_off = not raw.closed and raw.info.pipeline_status == PipelineStatus.OFF
    return is_off and raw.info.transaction_status == TransactionStatus.IDLE


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
