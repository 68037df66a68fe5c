"""Streams the rows of one table in portions, each of which commits with the note of how far it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from psycopg import errors as pg
from psycopg import sql

from balances.models import Balance
from ledgerproj.moving.looking import MoveRefused, Server
from ledgerproj.moving.shapes import Shape
from ledgerproj.moving.source import Source

NOTE = (Path(__file__).parent / "sql" / "note.sql").read_text()
BLOCK_BYTES = 128 * 1024
"""How much is collected before it is sent on; PostgreSQL sends row by row."""
BALANCES = Balance._meta.db_table
STAGE = f"CREATE TEMP TABLE IF NOT EXISTS staged (LIKE {BALANCES}) ON COMMIT DELETE ROWS"


def copy_table(
    source: Source, target: Server, shape: Shape, *, after: int, portion: int, copied: Callable[[int], None]
) -> None:
    """Copy the rows with serial numbers of Blnk's above ``after``; ``copied`` is called with their number at times.

    Raises ``MoveRefused`` with the row where PostgreSQL refuses it, and keeps the portions before.
    """
    for through in _portions(source, shape, after, portion):
        try:
            with target.transaction():
                rows = _copy(source, target, shape, after, through)
                target.execute(NOTE, {"name": shape.target, "last": through, "rows": rows})
        except (pg.IntegrityError, pg.DataError, pg.ProgramLimitExceeded) as error:
            raise MoveRefused(
                f"{shape.target}: PostgreSQL refuses a row: {error.diag.message_primary}. "
                f"{error.diag.message_detail or ''} "
                "The rows before it are in; nothing of this portion is."
            ) from error
        copied(rows)
        after = through


def _portions(source: Source, shape: Shape, after: int, size: int) -> Iterator[int]:
    """Yield the last serial number of each portion of a table."""
    last = sql.SQL("SELECT max(id) AS last FROM (SELECT t.id FROM {} AS t WHERE t.id > %s ORDER BY t.id LIMIT %s) AS p")
    while (through := source.rows(last.format(shape.source), [after, size])[0]["last"]) is not None:
        yield through
        after = through


def _copy(source: Source, target: Server, shape: Shape, after: int, through: int) -> int:
    """Copy one portion in the binary form of PostgreSQL, and return the number of its rows.

    Balances go through a temporary table, so that one statement can say to the edit journal that it writes them.
    """
    reading = shape.reading(f"t.id > {after} AND t.id <= {through}")
    out = sql.SQL("COPY ({} ORDER BY t.id) TO STDOUT (FORMAT binary)").format(reading)
    is_staged = shape.target == BALANCES
    if is_staged:
        target.execute(STAGE)
    name = "staged" if is_staged else shape.target
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(name), shape.names())
    with source.server.cursor() as reader, target.cursor() as writer:
        with reader.copy(out) as rows, writer.copy(into) as stream:
            block = bytearray()
            for row in rows:
                block += row
                if len(block) >= BLOCK_BYTES:
                    stream.write(bytes(block))
                    block.clear()
            stream.write(bytes(block))
        count = writer.rowcount
    if is_staged:
        target.execute(
            sql.SQL(
                "WITH marked AS (SELECT set_config('ledger.writer', statement_timestamp()::text, true)) "
                "INSERT INTO {} ({}) SELECT {} FROM staged AS t, marked"
            ).format(sql.Identifier(BALANCES), shape.names(), shape.names("t"))
        )
    return count
