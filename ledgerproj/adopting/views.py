"""The statements that put our names over Blnk's tables: views, written for the columns that are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connection, models
from psycopg import sql

import balances
from balances.ground import SCHEMA, Mode
from ledgerproj.adopting.looking import JOURNAL, Found, NothingToAdopt

MIGRATIONS = Path(balances.__file__).parent / "migrations"
FUNCTIONS = ("0014_minor_units.sql", "0015_settlements.sql")
"""What the migrations of the core app make besides tables, guards and journals of tables that are ours."""
SNAPSHOTS, OWN_SNAPSHOTS = "balance_snapshots", "own_snapshots"
CONSTANTS = {("balances", "track_fund_lineage"): "false", ("balances", "allocation_strategy"): "'FIFO'::text"}
"""Columns that older generations lack and that have a value all the same; every other one may be NULL."""
RATE = "rate"
SCHEDULED_FOR = "nullif(nullif(t.scheduled_for, t.created_at), '0001-01-01'::timestamp) AS scheduled_for"
"""Blnk writes an instant where there is none, and rows of ours that wait have that of their creation (serving.sql)."""


def core_models() -> list[type[models.Model]]:
    """Return the models whose tables bear Blnk's names."""
    return list(apps.get_app_config("balances").get_models())


def statements(found: Found, mode: Mode, *, with_tables: bool) -> Iterator[str]:
    """Yield what makes our names over the tables that were found, functions included.

    ``with_tables`` says whether tables are made as well, which keep what is in them. Raises ``NothingToAdopt``.
    """
    for model in core_models():
        table = model._meta.db_table
        if table == SNAPSHOTS:
            yield from [_table(model, OWN_SNAPSHOTS), _made("own_snapshots.sql")] * with_tables
            yield _view(table, f"{_select(model, found)} UNION ALL {_own_snapshots(model)}")
            yield _made("snapshots.sql")
        elif table in found.tables:
            yield _view(table, _select(model, found))
            if table == "transactions":
                yield _view(f"dated_{table}", _dated(model, found))
        elif with_tables:
            yield _table(model, table)
    yield from ((MIGRATIONS / name).read_text() for name in FUNCTIONS)
    yield from _journal(found, with_tables=with_tables)
    if with_tables:
        yield _made("sequence.sql")
    if found.has_rates:
        yield rate_functions(SCHEMA)
    yield from _writing(found, mode)


def _writing(found: Found, mode: Mode) -> Iterator[str]:
    """Yield what writes rows as Blnk does, and what refuses to write them."""
    yield _made("refusing.sql")
    if mode is Mode.SERVE:
        yield _text(sql.SQL(_made("serving.sql")).format(transactions=sql.Identifier(found.schema, "transactions")))
    for model in core_models():
        if model._meta.db_table in found.tables:
            yield from _refusals(model._meta.db_table, mode)


def _refusals(table: str, mode: Mode) -> Iterator[str]:
    """Yield a trigger for what a mode does not allow on a view, so that it is refused whatever rights the role has."""
    refused = {"INSERT", "UPDATE", "DELETE"} if mode is not Mode.SERVE else set[str]()
    if table == SNAPSHOTS:
        refused = {"UPDATE", "DELETE"}  # what is inserted goes into a table of ours
    if table == "balances" and mode is Mode.REPAIR:
        refused.discard("UPDATE")
    if refused:
        yield (
            f"CREATE TRIGGER the_mode_forbids INSTEAD OF {' OR '.join(sorted(refused))} ON {SCHEMA}.{table} "
            f"FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.refuse_write()"
        )


def without(found: Found) -> Iterator[str]:
    """Yield what takes our names from the tables that were found, so that ``statements`` can give them again."""
    for model in core_models():
        if model._meta.db_table in found.tables:
            yield _text(sql.SQL("DROP VIEW IF EXISTS {} CASCADE").format(sql.Identifier(SCHEMA, model._meta.db_table)))
    yield f"DROP VIEW IF EXISTS {SCHEMA}.dated_transactions"
    if JOURNAL in found.tables:
        yield f"DROP VIEW IF EXISTS {SCHEMA}.{JOURNAL}"
    yield _made("without.sql")


def rate_functions(schema: str) -> str:
    """Return what makes the functions that say what a credit at a rate amounts to, for the first schema looked in."""
    return _made("rates.sql").replace("the_schema", schema)


def _made(name: str) -> str:
    return (Path(__file__).parent / "sql" / "made" / name).read_text()


def _view(name: str, select: str) -> str:
    return _text(sql.SQL("CREATE VIEW {}.{} AS ").format(sql.Identifier(SCHEMA), sql.Identifier(name))) + select


def _select(model: type[models.Model], found: Found) -> str:
    table = model._meta.db_table
    there = found.tables[table]
    columns = [_column(field, table, there) for field in model._meta.local_concrete_fields]
    if table == "transactions":
        columns.append(sql.SQL("t.id AS number"))  # the order in which rows were written
        columns += [sql.Identifier("t", RATE)] * (RATE in there)
    return _text(
        sql.SQL("SELECT {} FROM {} AS t").format(sql.SQL(", ").join(columns), sql.Identifier(found.schema, table))
    )


def _journal(found: Found, *, with_tables: bool) -> Iterator[str]:
    """Yield a view of Blnk's own journal of transactions, or an empty table where it has none."""
    columns = ("id", "transaction_id", "action_type", "client_addr", "backend_pid", "timestamp", "old_data", "new_data")
    names = sql.SQL(", ").join(map(sql.Identifier, (*columns, "succeeded")))
    if JOURNAL in found.tables:
        read = sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(found.schema, JOURNAL))
        yield _view(JOURNAL, _text(read))
    elif with_tables:
        yield _made("no_journal.sql")
    if with_tables:
        yield _made("journal_taken.sql")


def _dated(model: type[models.Model], found: Found) -> str:
    """Return the rows with the date of their creation where they have no effective one: as evidence they have one."""
    own = '"t"."effective_date"'
    return _select(model, found).replace(own, f'coalesce({own}, "t"."created_at") AS "effective_date"', 1)


def _column(field: Any, table: str, there: dict[str, str]) -> sql.Composable:
    name = sql.Identifier(field.column)
    if (table, field.column) == ("transactions", "scheduled_for"):
        return sql.SQL(SCHEDULED_FOR)
    if field.column in there:
        return sql.Identifier("t", field.column)
    constant = CONSTANTS.get((table, field.column))
    if constant is None and not field.null:
        raise NothingToAdopt(f"Column {table}.{field.column} is not there, and nothing is known to stand for it.")
    value = constant or f"NULL::{field.db_type(connection)}"
    return sql.SQL("{} AS {}").format(sql.SQL(value), name)


def _table(model: type[models.Model], name: str) -> str:
    columns = ", ".join(
        f'"{field.column}" {field.db_type(connection)}'
        + ("" if field.null else " NOT NULL")
        + (f" {connection.data_types_suffix.get(field.get_internal_type(), '')}")
        + (" PRIMARY KEY" if field.primary_key else "")
        for field in model._meta.local_concrete_fields
    )
    return f'CREATE TABLE {SCHEMA}."{name}" ({columns})'


def _own_snapshots(model: type[models.Model]) -> str:
    names = ", ".join(f'"{field.column}"' for field in model._meta.local_concrete_fields)
    return f"SELECT {names} FROM {SCHEMA}.{OWN_SNAPSHOTS}"  # noqa: S608  # names of ours


def _text(composed: sql.Composable) -> str:
    return composed.as_string(None)
