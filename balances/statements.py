"""Runs the SQL that is plainer as SQL: one statement a file, parameters by name, nothing built from strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

SQL = Path(__file__).parent / "sql"
"""The statements of the core app."""


class PreparingCursor(psycopg.Cursor[Any]):
    """Lets the server parse and plan a statement once a connection, not each time."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Run a statement whose parameters are sent beside it."""
        return super().execute(query, params, prepare=True, **options)


class Statement:
    """One statement out of a ``.sql`` file, whose header says its purpose, parameters and columns.

    One that is ``hot`` runs with each posting: the server keeps it prepared. Its plan must do for all parameters.
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
def pipeline() -> Iterator[None]:
    """Run hot statements as one transaction that needs no round trip to begin or to commit.

    They travel together until rows are fetched; the last ones travel with the commit, at the end of the block. An
    exception does NOT undo what was written before it, so whatever may refuse has to do so before the first write.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield
