"""Streams rows into a table, and reports what PostgreSQL rejects in terms of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from django.db import connection
from psycopg import errors as pg

from balances.ground import Statement
from balances.importing.files import Record, Source
from balances.importing.names import Names, Row
from balances.importing.refusing import ImportRefused, shown

COPY_BALANCES = Statement.beside(__file__, "copy_balances.sql")
ROWS_PER_REPORT = 1000
"""Rows between two reports of progress."""
COPY_LINE = re.compile(r"^COPY \w+, \D*(\d+)", re.MULTILINE)
"""The row in the context of a PostgreSQL error, in any language."""
COPY_COLUMN = re.compile(r", column (\w+)")
TAKEN = re.compile(r"\(([^)]*)\)=\((.*)\)")

Progress = Callable[[Source], None]


def copy(statement: Statement, rows: Iterable[Row], file: Source, progress: Progress) -> int:
    """Stream rows into their table and return their number. Raises ``ImportRefused``."""
    count = 0
    try:
        with connection.cursor() as cursor, cursor.copy(statement.text) as stream:
            for count, row in enumerate(rows, 1):
                stream.write_row(row)
                if count % ROWS_PER_REPORT == 0:
                    progress(file)
            progress(file)
    except pg.DeadlockDetected as error:
        raise ImportRefused(f"{file.path}: somebody was posting to the same new balances; import once more") from error
    except (pg.IntegrityError, pg.DataError, pg.ProgramLimitExceeded) as error:
        if refusal := _explained(error, file):
            raise refusal from error
        raise
    return count


def open_balances(names: Names, ledger_id: str) -> int:
    """Stream in the new balances and return their number. Raises ``ImportRefused``."""
    try:
        with connection.cursor() as cursor, cursor.copy(COPY_BALANCES.text) as stream:
            for row in names.rows(ledger_id):
                stream.write_row(row)
    except pg.DeadlockDetected as error:
        raise ImportRefused("Somebody was posting to the same new balances; import once more") from error
    except pg.UniqueViolation as error:
        taken = TAKEN.search(error.diag.message_detail or "")
        name = " in ".join(shown(word) for word in taken[2].split(", ")) if taken else "A new balance"
        raise ImportRefused(f"{name} exists in another ledger already, and means one balance in all of them") from error
    except (pg.DataError, pg.ProgramLimitExceeded) as error:
        raise ImportRefused(f"PostgreSQL refuses a new balance: {error.diag.message_primary}") from error
    return len(names.opened)


def find(file: Source, wanted: Callable[[int, Record], bool]) -> Record | None:
    """Read the file again for a record, by its number or its cells. Only refusals need this, so nothing is kept."""
    return next((record for number, record in enumerate(file.records(), 1) if wanted(number, record)), None)


def _explained(error: pg.Error, file: Source) -> ImportRefused | None:
    """Return the refusal in terms of the file for data that the database rejected, if the error names a row."""
    place = COPY_LINE.search(error.diag.context or "")
    record = find(file, lambda number, _: number == int(place[1])) if place else None
    if record is None:
        return None
    if isinstance(error, pg.UniqueViolation):
        return _duplicate(file, record, error.diag.constraint_name or "")
    column = COPY_COLUMN.search(error.diag.context or "")
    where = f", column {column[1]}" if column else ""
    return ImportRefused(f"{file.path}, line {record.line}{where}: PostgreSQL refuses it: {error.diag.message_primary}")


def _duplicate(file: Source, record: Record, constraint: str) -> ImportRefused:
    if "reference" in record.cells:
        key: tuple[str, ...] = ("reference",)
    else:
        key = ("indicator", "currency") if constraint == "unique_indicator_currency" else ("balance_id",)
    first = find(file, lambda _, other: all(other.text(column) == record.text(column) for column in key))
    value = " in ".join(shown(record.text(column)) for column in key)
    if first and first.line < record.line:
        return record.refusal(key[0], f"{value} stands on line {first.line} already")
    return record.refusal(key[0], f"{value} exists in the database already")
