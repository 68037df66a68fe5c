"""How the rows of each table are read from Blnk's, column by column and type by type, and where they go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models
from psycopg import sql

from balances.models import Balance, Transaction
from ledgerproj.adopting import CONSTANTS, JOURNAL, RATE, Found, NothingToAdopt, core_models
from reconciliation.models import TransactionEdit

NUMBER = "number"
"""The column of transactions that keeps Blnk's serial number, the order in which it wrote them."""
ORDER = (
    *("ledgers", "identity", "balances", "transactions", "accounts", "balance_snapshots", "api_keys"),
    *("balance_monitors", "lineage_mappings", "lineage_outbox"),
)
"""Tables after those that they refer to."""
ONE_A_DAY = """NOT EXISTS (
    SELECT FROM {source} AS later
    WHERE later.balance_id = t.balance_id
      AND (later.snapshot_time AT TIME ZONE 'UTC')::date = (t.snapshot_time AT TIME ZONE 'UTC')::date
      AND (later.snapshot_time, later.id) > (t.snapshot_time, t.id)
)"""
"""Of several snapshots of a balance and day, which our table does not take, the last."""
DISTINCT_KEYS = "NOT EXISTS (SELECT FROM {source} AS o WHERE o.key = t.key AND o.id <> t.id)"
"""Salted hashes never repeat: a text that two keys have is the hash of neither, and our table takes it once."""
ONLY = {"balance_snapshots": ONE_A_DAY, "api_keys": DISTINCT_KEYS}
RENAMED = """CASE WHEN EXISTS (
    SELECT FROM {source} AS o WHERE o.indicator = t.indicator AND o.currency = t.currency AND o.id < t.id
) THEN t.indicator || ' (' || t.balance_id || ')' ELSE t.indicator END"""
"""Of balances that share indicator and currency, the oldest keeps it; the others have their id behind it."""
EDITS = """t.succeeded AND (t.action_type = 'DELETE' OR t.action_type = 'UPDATE'
    AND t.old_data - ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash']
        IS DISTINCT FROM t.new_data - ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash'])"""
"""As in take_up_journal.sql: deletions, and updates that changed more than metadata and the chain."""
OF_EDITS = {
    "transaction_id": "t.transaction_id",
    "source": "t.old_data ->> 'source'",
    "destination": "t.old_data ->> 'destination'",
    "operation": "t.action_type",
    "old": "t.old_data",
    "new": "t.new_data",
    "edited_at": "t.timestamp AT TIME ZONE 'UTC'",
    "database_user": "'unknown'::text",
    "client_address": "host(t.client_addr)",
    "application_name": "''::text",
    "backend_pid": "coalesce(t.backend_pid, 0)",
}


@dataclass(frozen=True)
class Shape:
    """One table of ours: its columns, each with what stands for it in Blnk's, and which of Blnk's rows it takes."""

    target: str
    key: str
    """The column that names a row to people."""
    source: sql.Composable
    columns: dict[str, sql.Composable]
    """What is read for each column, of the type of ours."""
    only: sql.Composable = field(default_factory=lambda: sql.SQL("true"))
    model: type[models.Model] | None = None

    def reading(self, where: str = "true") -> sql.Composed:
        """Return the statement that reads rows of Blnk's as ours; ``where`` may name columns of Blnk's as ``t``."""
        names = sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(value, sql.Identifier(name)) for name, value in self.columns.items()
        )
        return sql.SQL("SELECT {} FROM {} AS t WHERE {} AND {}").format(names, self.source, self.only, sql.SQL(where))

    def kept(self) -> sql.Composed:
        """Return the statement that reads them where they went."""
        return sql.SQL("SELECT {} FROM {} AS t").format(self.names("t"), sql.Identifier(self.target))

    def names(self, *prefix: str) -> sql.Composed:
        """Return the columns as a list."""
        return sql.SQL(", ").join(sql.Identifier(*prefix, name) for name in self.columns)


def shapes(found: Found, *, renaming: bool = False) -> list[Shape]:
    """Return how each table of a database is read, in the order in which they are copied.

    ``renaming`` gives balances with a name that another has one of their own.

    Raises ``NothingToAdopt`` where a column is missing for which nothing is known to stand.
    """
    of_table = {model._meta.db_table: model for model in core_models()}
    there = [_shape(of_table[table], found, renaming=renaming) for table in ORDER if table in found.tables]
    return [*there, *([_edits(found)] if JOURNAL in found.tables else [])]


def left(found: Found) -> tuple[list[str], list[str]]:
    """Return the tables and the columns of Blnk's that are not copied."""
    tables = [table for table in found.tables if table not in ORDER]
    columns = [
        f"{table}.{name}"
        for table in ORDER
        if table in found.tables
        for name in found.tables[table]
        if name not in {"id", RATE, *(each.column for each in _fields(table))}
    ]
    return tables, columns


def _fields(table: str) -> Iterable[Any]:
    return next(model for model in core_models() if model._meta.db_table == table)._meta.local_concrete_fields


def _shape(model: type[models.Model], found: Found, *, renaming: bool) -> Shape:
    table = model._meta.db_table
    there = found.tables[table]
    columns = {each.column: _value(each, table, there) for each in model._meta.local_concrete_fields}
    if model is Transaction:
        columns[NUMBER] = sql.SQL("t.id::bigint")
        if RATE in there:
            columns[RATE] = sql.SQL("t.rate::double precision")
    source = sql.Identifier(found.schema, table)
    if model is Balance and renaming:
        columns["indicator"] = sql.SQL(RENAMED).format(source=source)
    only = sql.SQL(ONLY.get(table, "true")).format(source=source)
    key = model._meta.pk.column if model._meta.pk else ""
    return Shape(table, key, source, columns, only, model)


def _edits(found: Found) -> Shape:
    columns = {name: sql.SQL(value) for name, value in OF_EDITS.items()}
    source = sql.Identifier(found.schema, JOURNAL)
    return Shape(TransactionEdit._meta.db_table, "transaction_id", source, dict(columns), sql.SQL(EDITS))


def _value(column: Any, table: str, there: dict[str, str]) -> sql.Composable:
    """Return a column of Blnk's in the type of ours: instants without a zone are UTC, floats their shortest text."""
    wanted = (column.db_type(connection) or "").replace(" GENERATED BY DEFAULT AS IDENTITY", "")
    kind = there.get(column.column)
    if kind is None:
        constant = CONSTANTS.get((table, column.column))
        if constant is None and not column.null:
            raise NothingToAdopt(f"Column {table}.{column.column} is not there, and nothing is known to stand for it.")
        return sql.SQL(constant or f"NULL::{wanted}")
    name = sql.Identifier("t", column.column)
    if kind == "timestamp without time zone":
        return sql.SQL("{} AT TIME ZONE 'UTC'").format(name)
    way = f"{{}}::text::{wanted}" if kind == "double precision" and wanted == "numeric" else f"{{}}::{wanted}"
    return sql.SQL(way).format(name)
