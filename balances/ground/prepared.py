"""Reads that the server has prepared, run by libpq itself, several in one trip where they come together."""

from __future__ import annotations

import itertools
import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.adapt import Transformer
from psycopg.pq import DiagnosticField, ExecStatus

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
