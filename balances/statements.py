"""Runs the SQL that is plainer as SQL: one statement a file, parameters by name, nothing built from strings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import connection

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
