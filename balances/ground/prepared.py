"""Reads that the server has prepared, run by libpq itself: one at a time, or many down a line of their own."""

from __future__ import annotations

import itertools
import select
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.adapt import Transformer
from psycopg.pq import DiagnosticField, ExecStatus

STILL_THERE = b"42P05"
"""SQLSTATE of a statement that is prepared again: one after another that failed, and so was not run."""
Question = tuple["Prepared", Sequence[bytes | None]]
"""A statement and its parameters."""


class Prepared:
    """A read by text parameters that the server has prepared, run by libpq itself; a cursor takes twice as long.

    It is for connections that do nothing else meanwhile. Everything else, and whatever fails, is for a cursor.
    """

    _numbers = itertools.count()

    def __init__(self, text: str, types: Sequence[int] = ()) -> None:
        """Keep the statement, with ``$1`` and so on for its parameters, whose ``types`` it need not say."""
        self.text, self.types = text.encode(), types
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

    def _is_ready(self, raw: Any) -> bool:
        """Return whether the server knows the statement, having prepared it if need be."""
        known = _transformers(raw)
        if self.name not in known:
            raw.pgconn.send_prepare(self.name, self.text, self.types)
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
        return _loaded(raw, known, self.name, result)


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

    @property
    def count(self) -> int:
        """Return how many rows there are."""
        return int(self._result.ntuples)

    def stored(self) -> list[tuple[bytes | None, ...]]:
        """Return the texts of all rows."""
        text, columns = self._result.get_value, range(self._result.nfields)
        return [tuple([text(number, column) for column in columns]) for number in range(self._result.ntuples)]


class Line:
    """A connection down which prepared reads travel one behind the other, so that no thread waits for their answers.

    It belongs to an event loop, which calls ``results`` whenever there is something to read at ``socket``. No method
    waits. After an error it is good for nothing but to be closed.
    """

    def __init__(self, raw: Any) -> None:
        """Take over a connection of psycopg's that is at rest."""
        self._raw, self._line = raw, raw.pgconn
        self.socket = int(raw.pgconn.socket)
        """The number of its file, also once it is lost."""
        self._line.nonblocking = 1
        self._line.enter_pipeline_mode()
        self._known = _transformers(raw)
        self._sent: deque[bytes] = deque()
        """The name of the statement for each result to come; empty for what has no rows."""

    def send(self, questions: Sequence[Question]) -> None:
        """Send reads, which are few and short, in one trip. Raises ``psycopg.OperationalError``."""
        for prepared, parameters in questions:
            if prepared.name not in self._known:
                self._known[prepared.name] = None
                self._line.send_prepare(prepared.name, prepared.text, prepared.types)
                self._sent.append(b"")
            self._line.send_query_prepared(prepared.name, parameters)
            self._sent.append(prepared.name)
        self._line.pipeline_sync()
        self._sent.append(b"")

    def results(self) -> Iterator[Result]:
        """Yield the results that have come, one for each read.

        Raises ``psycopg.Error`` where the connection was lost, a read failed, or the server says something unasked,
        such as that it goes away.
        """
        for result in self._arrived():
            name = self._sent.popleft()
            if result.status == ExecStatus.TUPLES_OK:
                yield _loaded(self._raw, self._known, name, result)
            elif result.status not in (ExecStatus.COMMAND_OK, ExecStatus.PIPELINE_SYNC):
                raise psycopg.OperationalError(result.get_error_message())

    def _arrived(self) -> Iterator[Any]:
        """Yield what has come, as long as something is to come. Raises ``psycopg.OperationalError``."""
        line = self._line
        line.consume_input()
        if not self._sent:
            raise psycopg.OperationalError("The server ends the connection.")
        line.flush()
        while self._sent and not line.is_busy():
            result = line.get_result()
            if result is not None:  # nothing stands between the results of two statements
                yield result


class CommitLine(Line):
    """The same for groups of statements that write: each group is one transaction, and is there as a whole or not."""

    def __init__(self, raw: Any) -> None:
        """Begin without a group."""
        super().__init__(raw)
        self._came: list[Any] = []
        self._is_undone = False

    def send(self, questions: Sequence[Question]) -> None:
        """Send a group, after the end of the one before; otherwise as a ``Line`` does."""
        if self._is_undone:  # what it was to prepare may be there or not, and what was prepared may be out of date
            self._known.clear()
            self._line.send_query_params(b"DEALLOCATE ALL", [])
            self._sent.append(b"")
        self._came, self._is_undone = [], False
        super().send(questions)

    def group(self) -> list[Callable[[], Result]] | None:
        """Return what reads the results of the group that was sent, once all of it is committed, and ``None`` before.

        Raises ``Undone`` where nothing was written, or ``psycopg.Error`` where the connection was lost, and what
        became of the group is unknown.
        """
        for result in self._arrived():
            if result.status == ExecStatus.PIPELINE_SYNC:
                return self._ended()
            if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
                self._came.append(result)
            else:
                self._is_undone = True
        return None

    def _ended(self) -> list[Callable[[], Result]]:
        names = [*self._sent]
        self._sent.clear()
        if self._is_undone:
            raise Undone
        both = zip(names, self._came, strict=False)
        return [partial(_loaded, self._raw, self._known, name, result) for name, result in both if name]


class Undone(Exception):
    """The server refused one statement of a group, and wrote none of it."""


@contextmanager
def _closed_if_in_doubt(raw: Any) -> Iterator[None]:
    """Close a connection that was lost or did not answer: what is still to come would be taken for other answers."""
    try:
        yield
    except psycopg.OperationalError:
        raw.close()


def _only_result(line: Any) -> Any:
    """Return the result of the statement that was sent."""
    line.flush()
    result = _next_result(line)
    _next_result(line)
    return result


def _next_result(line: Any) -> Any:
    """Return the next result; others may compute while the server does."""
    if line.is_busy():
        poll = select.poll()
        poll.register(line.socket, select.POLLIN)
        while line.is_busy():
            poll.poll()
            line.consume_input()
    return line.get_result()


def _loaded(raw: Any, known: dict[bytes, Any], name: bytes, result: Any) -> Result:
    """Return the rows of a statement that a connection has prepared; ``known`` are its ``_transformers``."""
    transformer = known[name]
    if transformer is None:
        transformer = known[name] = Transformer(raw)
        transformer.set_pgresult(result)
    else:
        transformer.set_pgresult(result, set_loaders=False)
    return Result(result, transformer)


def _transformers(raw: Any) -> dict[bytes, Any]:
    """Return, by its name, what loads the rows of each statement that a connection has prepared; ``None`` at first."""
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
