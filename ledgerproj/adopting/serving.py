"""What mode serve needs of a database: tables that postings of ours are right in, and rights to write to them."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection, models
from psycopg import sql

from balances.ground import Statement
from ledgerproj.adopting import views
from ledgerproj.adopting.looking import JOURNAL, Found, open_server, statement

WAITING = Statement.beside(__file__, "waiting.sql")
ENTRIES = "queueing_entry"
SHOWN = 10
"""Most entries of the queue that are named."""
LACKING, UNIQUE_KEYS = statement("lacking"), statement("unique_keys")
WRITTEN = ("ledgers", "balances", "transactions", "identity", "accounts", "balance_monitors", "api_keys")
"""Tables into which requests write."""
FOLLOWED = ("lineage_outbox", JOURNAL)
"""Tables into which a posting writes besides: whose funds are to be traced, and what Blnk's trigger keeps."""
DELETED_FROM = ("identity", "balance_monitors")
METADATA = "meta_data"
"""The one column of transactions that may change."""
KEYS = {"transactions": ["reference"], "balances": ["indicator", "currency"]}
"""What must be unique, so that two writers cannot both take it."""


def why_not_served(found: Found) -> list[str]:
    """Return in sentences what a database lacks for postings of ours to be right in it; none where they are."""
    reasons = []
    if found.has_rates:
        reasons.append(
            "Its transactions have exchange rates: Blnk 0.14 and older credit amount times rate, and read that column "
            "of each row."
        )
    if missing := _missing_columns(found):
        reasons.append(f"It has no {', '.join(missing)}.")
    if found.is_newer:
        reasons.append(f"Blnk has migrated it to {found.newest_migration}, and what that wants of rows is not known.")
    with open_server() as server:
        unique = [(row["of_table"], row["columns"]) for row in server.execute(UNIQUE_KEYS, {"schema": found.schema})]
    reasons += [
        f"Nothing keeps {' and '.join(columns)} of {table} unique."
        for table, columns in KEYS.items()
        if (table, columns) not in unique
    ]
    return reasons


def grants(found: Found) -> list[str]:
    """Return the statements that give the role what it lacks for mode serve."""
    wanted = _wanted(found)
    with open_server() as server:
        rows = _lacking(server, found, wanted)
    role = sql.Identifier(found.role)
    return [_grant(row, found, role) for row in rows]


def what_waits() -> str:
    """Return in sentences what waits in our queue, and what becomes of it without us; empty where nothing does."""
    rows = WAITING.rows(size=SHOWN) if ENTRIES in connection.introspection.table_names() else []
    if not rows:
        return ""
    named = ", ".join(f"{row['action']} {row['reference']} (due {row['due_at']:%Y-%m-%d %H:%M:%S} UTC)" for row in rows)
    total = rows[0]["total"]
    more = f", and {total - len(rows)} more" if total > len(rows) else ""
    return (
        f"{total} entries of our queue are not applied yet: {named}{more}. “manage.py work --once” applies those due, "
        "in mode serve. With --leave-waiting they are given up: their rows stay in Blnk's table, whose own recovery "
        "applies QUEUED ones after two hours, without overdraft limits and each for itself; no one applies SCHEDULED "
        "ones, or keeps the dates of holds."
    )


def _missing_columns(found: Found) -> list[str]:
    return [
        name
        for model in views.core_models()
        for name in _missing_of(model, found.tables.get(model._meta.db_table))
        if model._meta.db_table != views.SNAPSHOTS
    ]


def _missing_of(model: type[models.Model], there: dict[str, str] | None) -> list[str]:
    table = model._meta.db_table
    if there is None:
        return [f"table {table}"]
    return [f"{table}.{field.column}" for field in model._meta.local_concrete_fields if field.column not in there]


def _wanted(found: Found) -> list[tuple[str, str, str]]:
    """Return table, column and right for all that is needed; an empty column stands for all."""
    wanted = [(table, "", "INSERT") for table in (*WRITTEN, *FOLLOWED)]
    wanted += [(table, METADATA if table == "transactions" else "", "UPDATE") for table in WRITTEN]
    wanted += [(table, "", "DELETE") for table in DELETED_FROM]
    return [each for each in wanted if each[0] in found.tables]


def _lacking(
    server: psycopg.Connection[dict[str, Any]], found: Found, wanted: list[tuple[str, str, str]]
) -> list[dict[str, Any]]:
    tables, columns, rights = (list(each) for each in zip(*wanted, strict=True))
    given = {"schema": found.schema, "tables": tables, "columns": columns, "rights": rights}
    return server.execute(LACKING, given).fetchall()


def _grant(row: dict[str, Any], found: Found, role: sql.Identifier) -> str:
    if not row["of_table"]:
        text = sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {} TO {}").format(sql.Identifier(found.schema), role)
    else:
        column = sql.SQL(" ({})").format(sql.Identifier(row["of_column"])) if row["of_column"] else sql.SQL("")
        text = sql.SQL("GRANT {}{} ON {} TO {}").format(
            sql.SQL(row["privilege"]), column, sql.Identifier(found.schema, row["of_table"]), role
        )
    return f"{text.as_string(None)};"
