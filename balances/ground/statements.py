"""Runs statements kept in ``.sql`` files: one statement a file, named parameters, nothing built from strings.

Two comments mean something in an adopted database (docs/adopt.md), so that neither costs anything elsewhere, and each
rule still stands in one place. What is between ``/*rated`` and ``rated*/`` belongs to the statement where transactions
have exchange rates. ``/*dated*/transactions`` is a view there, in which a missing effective date is that of creation.
"""

from __future__ import annotations

import itertools
import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from psycopg.adapt import Transformer
from psycopg.pq import DiagnosticField, ExecStatus

from balances.ground.adoptions import adoption

DATED = "/*dated*/transactions"
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

    _adopted: dict[bool, str] | None = None
    """The text for an adopted database, where it is another one, by whether its transactions have exchange rates."""

    def __init__(self, path: Path, *, hot: bool = False) -> None:
        self.text = path.read_text()
        self.hot = hot
        if "/*rated" in self.text or DATED in self.text:
            dated = self.text.replace(DATED, "dated_transactions")
            self._adopted = {False: dated, True: dated.replace("/*rated", "").replace("rated*/", "")}

    @classmethod
    def beside(cls, module: str, name: str, *, hot: bool = False) -> Statement:
        """Return the statement ``sql/<name>`` beside a module, given by its ``__file__``."""
        return cls(Path(module).parent / "sql" / name, hot=hot)

    def execute(self, **parameters: Any) -> None:
        """Run the statement on the default database and ignore its rows."""
        with self._cursor() as cursor:
            cursor.execute(self._chosen, parameters)

    def rows(self, **parameters: Any) -> list[dict[str, Any]]:
        """Run the statement on the default database and return its rows by column name."""
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

    @property
    def _chosen(self) -> str:
        """The text for the database that it is sent to."""
        if self._adopted is None or (found := adoption()) is None:
            return self.text
        return self._adopted[found.has_rates]

    def _cursor(self) -> Any:
        if not self.hot:
            return connection.cursor()
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
        return [self.model.from_db(connection.alias, self._attributes, row) for row in self._fetched(values)]

    def first(self, **values: str) -> M | None:
        """Return a row, or ``None``."""
        return next(iter(self.rows(**values)), None)

    def values(self, **values: str) -> dict[str, Any] | None:
        """Return the values of a row by the names of its attributes, or ``None``; this makes no instance."""
        return next((self._named(row) for row in self._fetched(values)), None)

    @staticmethod
    def values_of_each(asked: Sequence[tuple[Lookup[Any], Sequence[str]]]) -> list[list[dict[str, Any]] | None]:
        """Return the values of each of several lookups in one trip; ``None`` where one has to ask by itself."""
        fetched = Prepared.rows_of_each([(lookup._prepared, lookup._in_order(given)) for lookup, given in asked])
        return [
            None if rows is None else [lookup._named(lookup._converted(row)) for row in rows]
            for (lookup, _), rows in zip(asked, fetched, strict=True)
        ]

    def _in_order(self, given: Sequence[str]) -> list[str]:
        """Return values, given in the order of the fields, in that of the parameters."""
        values = dict(zip(self.fields, given, strict=True))
        return [values[name] for name in self._query[1]]

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


STILL_THERE = b"42P05"
"""SQLSTATE of a statement that is prepared again: one after another that failed, and so was not run."""


class Prepared:
    """A read by text parameters that the server has prepared, run by libpq itself; a cursor takes twice as long.

    It is for connections that do nothing else meanwhile. Everything else, and whatever fails, is for a cursor.
    """

    _numbers = itertools.count()

    def __init__(self, text: str) -> None:
        """Keep the statement, with ``$1`` and so on for its parameters."""
        self.text = text.encode()
        self.name = b"lookup_%d" % next(self._numbers)

    def rows(self, parameters: Sequence[str]) -> list[tuple[Any, ...]] | None:
        """Return the rows, or ``None`` where a cursor should ask."""
        result = self.result(parameters)
        return result.rows() if result else None

    def result(self, parameters: Sequence[str]) -> Result | None:
        """Return the result, or ``None`` where a cursor should ask: it also knows how to report what goes wrong.

        A statement may be forgotten by the server, or its connection lost: asking again is right, because it only
        reads.
        """
        raw = _free_connection()
        if raw is None:
            return None
        with _closed_if_in_doubt(raw):
            if self._is_ready(raw):
                raw.pgconn.send_query_prepared(self.name, [each.encode() for each in parameters])
                return self._loaded(raw, _only_result(raw.pgconn))
        return None

    @staticmethod
    def rows_of_each(asked: Sequence[tuple[Prepared, Sequence[str]]]) -> list[list[tuple[Any, ...]] | None]:
        """Return the same for several reads, which travel together: all are sent before the first is answered.

        Those after one that fails are ``None`` as well.
        """
        raw = _free_connection()
        if raw is None or sum(len(each) for _, parameters in asked for each in parameters) > MOST_SENT_TOGETHER:
            return [None] * len(asked)
        results: list[Any] = []
        with _closed_if_in_doubt(raw):
            if all(prepared._is_ready(raw) for prepared, _ in asked):
                results = Prepared._results_of_each(raw.pgconn, asked)
        loaded = (prepared._loaded(raw, result) for (prepared, _), result in zip(asked, results, strict=False))
        return [result.rows() if result else None for result in loaded] or [None] * len(asked)

    @staticmethod
    def _results_of_each(line: Any, asked: Sequence[tuple[Prepared, Sequence[str]]]) -> list[Any]:
        line.enter_pipeline_mode()
        for prepared, parameters in asked:
            line.send_query_prepared(prepared.name, [each.encode() for each in parameters])
        line.pipeline_sync()
        results = [(_next_result(line), _next_result(line))[0] for _ in asked]
        _next_result(line)
        line.exit_pipeline_mode()
        return results

    def _is_ready(self, raw: Any) -> bool:
        """Return whether the server knows the statement, having prepared it if need be."""
        known = _transformers(raw)
        if self.name not in known:
            raw.pgconn.send_prepare(self.name, self.text)
            made = _only_result(raw.pgconn)
            if made.status != ExecStatus.COMMAND_OK and made.error_field(DiagnosticField.SQLSTATE) != STILL_THERE:
                return False
            known[self.name] = None
        return True

    def _loaded(self, raw: Any, result: Any) -> Result | None:
        known = _transformers(raw)
        if result is None or result.status != ExecStatus.TUPLES_OK:
            known.pop(self.name, None)
            return None
        transformer = known[self.name]
        if transformer is None:
            transformer = known[self.name] = Transformer(raw)
            transformer.set_pgresult(result)
        else:
            transformer.set_pgresult(result, set_loaders=False)
        return Result(result, transformer)


class Result:
    """Rows as the server sent them, to be read before the next statement of their connection."""

    def __init__(self, result: Any, transformer: Any) -> None:
        """Keep the rows, and what reads them."""
        self._result, self._transformer = result, transformer

    def rows(self, first: int = 0, last: int | None = None) -> list[tuple[Any, ...]]:
        """Return the values of rows, of all unless some are named."""
        rows: list[tuple[Any, ...]] = self._transformer.load_rows(
            first, self._result.ntuples if last is None else last, tuple
        )
        return rows

    def stored(self) -> list[tuple[bytes | None, ...]]:
        """Return the texts of all rows."""
        text, columns = self._result.get_value, range(self._result.nfields)
        return [tuple([text(number, column) for column in columns]) for number in range(self._result.ntuples)]


MOST_SENT_TOGETHER = 4096
"""Characters: what is sent before anything is read must fit into what the system keeps for the server."""


class TookLong(Exception):
    """A read in a hurry waited for something, such as a lock: its statement is cancelled, its connection closed."""


_hurry = threading.local()


@contextmanager
def in_a_hurry(seconds: float) -> Iterator[None]:
    """Have reads by prepared statements in this thread raise ``TookLong`` where the server takes longer to answer."""
    _hurry.seconds = seconds
    try:
        yield
    finally:
        _hurry.seconds = None


@contextmanager
def _closed_if_in_doubt(raw: Any) -> Iterator[None]:
    """Close a connection that was lost or did not answer: what is still to come would be taken for other answers."""
    try:
        yield
    except TookLong:
        with suppress(psycopg.OperationalError):
            raw.pgconn.get_cancel().cancel()
        raw.close()
        raise
    except psycopg.OperationalError:
        raw.close()


def _only_result(line: Any) -> Any:
    """Return the result of the statement that was sent."""
    line.flush()
    result = _next_result(line)
    _next_result(line)
    return result


def _next_result(line: Any) -> Any:
    """Return the next result; others may compute while the server does. Raises ``TookLong``."""
    if line.is_busy():
        seconds = getattr(_hurry, "seconds", None)
        poll = select.poll()
        poll.register(line.socket, select.POLLIN)
        while line.is_busy():
            if not poll.poll(seconds and seconds * 1000):
                raise TookLong
            line.consume_input()
    return line.get_result()


def _transformers(raw: Any) -> dict[bytes, Any]:
    """Return, by its name, what loads the rows of each statement that a connection has prepared."""
    known: dict[bytes, Any] = vars(raw).setdefault("ledger_prepared", {})
    return known


def _free_connection() -> Any:
    """Return psycopg's connection of this thread, or ``None`` where it is in a transaction, watched or limited."""
    django = connections[DEFAULT_DB_ALIAS]
    django.ensure_connection()
    raw: Any = django.connection
    if django.in_atomic_block or django.execute_wrappers or django.queries_logged or raw.pgconn.transaction_status:
        return None
    return raw
