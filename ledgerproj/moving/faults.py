"""What a database of Blnk's holds that our tables cannot: found, and named, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models
from psycopg import sql

from balances.models import TOTALS, BalanceMonitor, Operator, Watched
from ledgerproj.moving.shapes import Shape
from ledgerproj.moving.source import Source

NAMED = 5
"""Rows that a refusal names; the others are counted."""
WHOLE = "s.{0} <> trunc(s.{0}) OR s.{0} IN ('NaN', 'Infinity', '-Infinity')"
NETS = "s.balance <> s.credit_balance - s.debit_balance"
HELD = "s.inflight_balance <> s.inflight_credit_balance - s.inflight_debit_balance"
OF_ROWS = {
    "balances": {
        "a total that is no whole number of minor units": " OR ".join(WHOLE.format(total) for total in TOTALS),
        "a balance that is not its credits less its debits": f"{NETS} OR {HELD}",
    },
    "transactions": {
        "a precise amount that is no whole number of minor units": WHOLE.format("precise_amount"),
        "the same balance as source and destination": "s.source = s.destination",
    },
    BalanceMonitor._meta.db_table: {
        "a total that can not be watched": f"s.field <> ALL (ARRAY{Watched.values})",
        "an operator that is not known": f"s.operator <> ALL (ARRAY{Operator.values})",
        "a precision that is not above zero": "s.precision <= 0",
    },
}
"""Conditions on rows, by what they mean."""
UNIQUE = {
    "transactions": ("reference", "s.reference IS NOT NULL"),
    "balances": ("indicator, currency", "s.indicator IS NOT NULL"),
    "accounts": ("number", "s.number <> ''"),
    "lineage_mappings": ("balance_id, provider", "true"),
    "lineage_outbox": ("transaction_id", "true"),
}
"""What our tables take once only, and of which rows."""


@dataclass(frozen=True)
class Fault:
    """Rows that our tables cannot hold."""

    table: str
    what: str
    count: int
    keys: list[str]
    """The first of them."""

    def __str__(self) -> str:
        rest = f" and {self.count - len(self.keys):,} more" if self.count > len(self.keys) else ""
        return f"{self.table}: {self.what}: {', '.join(self.keys)}{rest}"


def faults(source: Source) -> list[Fault]:
    """Return all rows that cannot come over, by table and reason."""
    return [fault for shape in source.shapes if shape.model for fault in _faults(source, shape, shape.model)]


def _faults(source: Source, shape: Shape, model: type[models.Model]) -> Iterator[Fault]:
    key = sql.Identifier("s", shape.key)
    for field in model._meta.local_concrete_fields:
        if not field.null and not field.primary_key:
            column = sql.Identifier("s", field.column)
            where = sql.SQL("{} IS NULL").format(column)
            yield from _found(source, shape, f"no {field.column}", key, where)
        if isinstance(field, models.ForeignKey):
            yield from _found(source, shape, f"a {field.column} that is no row", key, _lost(source, field))
    for what, condition in OF_ROWS.get(shape.target, {}).items():
        yield from _found(source, shape, what, key, sql.SQL(condition))
    if shape.target in UNIQUE:
        names, where_text = UNIQUE[shape.target]
        yield from _twice(source, shape, names, where_text)


def _lost(source: Source, field: Any) -> sql.Composable:
    """Return the condition that a row names another that is not there: foreign keys may be missing."""
    other = sql.Identifier(source.found.schema, field.related_model._meta.db_table)
    return sql.SQL("{0} IS NOT NULL AND NOT EXISTS (SELECT FROM {1} AS o WHERE o.{2} = {0})").format(
        sql.Identifier("s", field.column), other, sql.Identifier(field.target_field.column)
    )


def _found(source: Source, shape: Shape, what: str, key: sql.Composable, where: sql.Composable) -> Iterator[Fault]:
    statement = sql.SQL(
        "SELECT {key}::text AS key, count(*) OVER () AS total FROM ({rows}) AS s WHERE {where} ORDER BY 1 LIMIT {named}"
    ).format(key=key, rows=shape.reading(), where=where, named=sql.Literal(NAMED))
    yield from _fault(shape, what, source.rows(statement))


def _twice(source: Source, shape: Shape, names: str, where: str) -> Iterator[Fault]:
    statement = sql.SQL(
        "SELECT concat_ws(' in ', {names}) AS key, count(*) OVER () AS total FROM ({rows}) AS s WHERE {where} "
        "GROUP BY {names} HAVING count(*) > 1 ORDER BY 1 LIMIT {named}"
    ).format(
        names=sql.SQL(", ").join(sql.Identifier("s", name) for name in names.split(", ")),
        rows=shape.reading(),
        where=sql.SQL(where),
        named=sql.Literal(NAMED),
    )
    yield from _fault(shape, f"{names.replace(', ', ' and ')} used more than once", source.rows(statement))


def _fault(shape: Shape, what: str, rows: list[dict[str, Any]]) -> Iterator[Fault]:
    if rows:
        yield Fault(shape.target, what, rows[0]["total"], [row["key"] for row in rows])
