"""Counts, sums and digests of both sides, and the rows in which they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql

from balances.models import TOTALS
from ledgerproj.moving.shapes import Shape
from ledgerproj.moving.source import Source

UNITS = "coalesce(s.precise_amount, round(s.amount * coalesce(nullif(s.precision, 0), 1)))"
"""As minor_units.sql says it; the source has no function of ours."""
SUMS = {
    "balances": ("s.currency", {total.replace("_", " "): f"sum(s.{total})" for total in TOTALS if total.count("_")}),
    "transactions": ("s.currency || ' ' || s.status", {"minor units": f"sum({UNITS})"}),
}
"""Of which tables what is summed, and by what."""
NAMED = 10
"""Rows that differ, and are named."""
Server = psycopg.Connection[dict[str, Any]]


@dataclass
class Compared:
    """One table on both sides."""

    table: str
    rows: tuple[int, int] = (0, 0)
    digests: tuple[str, str] = ("", "")
    """A sum of 64-bit hashes of all rows, in hexadecimal digits."""
    sums: list[tuple[str, str, Decimal, Decimal]] = field(default_factory=list)
    """By currency, or currency and status: of what, in the source, and here."""
    differing: list[str] = field(default_factory=list)
    """Keys of the first rows that differ, or that one side lacks."""

    @property
    def agrees(self) -> bool:
        """Return whether both sides are alike."""
        sums = all(theirs == ours for _, _, theirs, ours in self.sums)
        return sums and self.rows[0] == self.rows[1] and self.digests[0] == self.digests[1]


def digest(server: Server, reading: sql.Composable) -> tuple[int, str]:
    """Return how many rows a statement returns, and their digest, whatever their order."""
    statement = sql.SQL(
        "SELECT count(*) AS rows, coalesce(sum(hashtextextended((s.*)::text, 0)::numeric), 0) AS digest FROM ({}) AS s"
    ).format(reading)
    row = server.execute(statement).fetchone() or {}
    return row["rows"], f"{int(row['digest']) % 2**64:016x}"


def compare(source: Source, target: Server, shape: Shape) -> Compared:
    """Compare one table with its copy."""
    theirs, ours = digest(source.server, shape.reading()), digest(target, shape.kept())
    found = Compared(shape.target, (theirs[0], ours[0]), (theirs[1], ours[1]), _sums(source, target, shape))
    if not found.agrees:
        found.differing = list(islice(_differing(source, target, shape), NAMED))
    return found


def _sums(source: Source, target: Server, shape: Shape) -> list[tuple[str, str, Decimal, Decimal]]:
    if shape.target not in SUMS:
        return []
    by, sums = SUMS[shape.target]
    names = sql.SQL(", ").join(sql.SQL(f"{how} AS {{}}").format(sql.Identifier(what)) for what, how in sums.items())
    both = []
    for server, reading in ((source.server, shape.reading()), (target, shape.kept())):
        statement = sql.SQL("SELECT coalesce({by}, '') AS by, {names} FROM ({rows}) AS s GROUP BY 1").format(
            by=sql.SQL(by),
            names=names,
            rows=reading,
        )
        both.append({row.pop("by"): row for row in server.execute(statement)})
    theirs, ours = both
    zero = Decimal(0)
    return [
        (key, what, theirs.get(key, {}).get(what) or zero, ours.get(key, {}).get(what) or zero)
        for key in sorted(theirs.keys() | ours.keys())
        for what in sums
    ]


def _differing(source: Source, target: Server, shape: Shape) -> Iterator[str]:
    """Yield the keys of rows that differ, by reading both sides in one order; memory stays flat."""
    mine = _in_order(target, shape, shape.kept(), "ours")
    theirs = _in_order(source.server, shape, shape.reading(), "theirs")
    left, right = next(theirs, None), next(mine, None)
    while left or right:
        if left == right:
            left, right = next(theirs, None), next(mine, None)
        elif right is None or (left is not None and left < right):
            yield f"{(left or right or ('',))[0]} (in the source)"
            left = next(theirs, None)
        else:
            yield f"{right[0]} (here)"
            right = next(mine, None)


def _in_order(server: Server, shape: Shape, reading: sql.Composable, name: str) -> Iterator[tuple[str, int]]:
    statement = sql.SQL(
        "SELECT s.{key}::text AS key, hashtextextended((s.*)::text, 0) AS hash FROM ({rows}) AS s "
        'ORDER BY s.{key}::text COLLATE "C", 2'
    ).format(key=sql.Identifier(shape.key), rows=reading)
    with server.transaction(), server.cursor(name=name) as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(statement):
            yield row["key"], row["hash"]
