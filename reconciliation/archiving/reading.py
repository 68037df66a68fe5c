"""What is read from PostgreSQL in a stream: a month as text, and every balance in key order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from balances.ground import Statement
from reconciliation.archiving.months import Month

COPY_LEGS = Statement.beside(__file__, "copy_legs.sql")
AT_ONCE = 10_000


def copy_legs(month: Month, file: Path) -> None:
    """Write the legs of a month as text, in the snapshot of the transaction."""
    within = {"since": month.begin, "until": month.end}
    with connection.cursor() as cursor, file.open("wb") as out, cursor.copy(COPY_LEGS.text, within) as stream:
        for block in stream:
            out.write(block)


def streamed(statement: Statement, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a statement with flat memory, in a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement.text, parameters)
        columns: list[str] | None = None
        while portion := cursor.fetchmany(AT_ONCE):
            columns = columns or [column.name for column in cursor.description]
            for row in portion:
                yield dict(zip(columns, row, strict=True))
