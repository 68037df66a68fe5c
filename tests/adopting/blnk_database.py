"""Databases as real Blnk Core wrote them, of three generations: their tables, in our words, and their rows.

``tests/data/blnk`` has the rows. To keep it small, transaction ids that occur in no reference are renumbered, hashes of
the chain are left out, and the journal of transactions keeps a few updates only: its other entries repeat the rows.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

DATA = Path(os.environ.get("BLNK_DATA", Path(__file__).resolve().parent.parent / "data" / "blnk"))
"""Another folder of the same form may be named, such as the whole databases from which these were made."""
GENERATIONS = ("0.10.1", "0.14.5", "0.15")
TYPES = {"ARRAY": "text[]", "character": "character(64)", "character varying": "varchar(255)"}
FOREIGN_KEYS = (
    ("balances", "ledger_id", "ledgers", "ledger_id"),
    ("balances", "identity_id", "identity", "identity_id"),
    ("transactions", "source", "balances", "balance_id"),
    ("transactions", "destination", "balances", "balance_id"),
    ("balance_snapshots", "balance_id", "balances", "balance_id"),
)
TRIGGERS = """
CREATE FUNCTION blnk.notify_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('data_change', json_build_object('table', TG_TABLE_NAME, 'data', row_to_json(NEW))::text);
    RETURN NEW;
END $$;
CREATE TRIGGER balance_after_insert AFTER INSERT ON blnk.balances FOR EACH ROW EXECUTE FUNCTION blnk.notify_change();
CREATE TRIGGER balance_after_update AFTER UPDATE ON blnk.balances FOR EACH ROW EXECUTE FUNCTION blnk.notify_change();
CREATE TRIGGER ledger_after_insert AFTER INSERT ON blnk.ledgers FOR EACH ROW EXECUTE FUNCTION blnk.notify_change();
CREATE TRIGGER transaction_after_insert AFTER INSERT ON blnk.transactions
    FOR EACH ROW EXECUTE FUNCTION blnk.notify_change();

CREATE FUNCTION blnk.refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    free text[] := ARRAY['meta_data', 'chain_seq', 'chain_prev_hash', 'chain_hash'];
BEGIN
    IF to_jsonb(OLD) - free IS DISTINCT FROM to_jsonb(NEW) - free THEN
        RAISE EXCEPTION 'rows of % do not change', TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER prevent_transaction_update_trigger BEFORE UPDATE ON blnk.transactions
    FOR EACH ROW EXECUTE FUNCTION blnk.refuse_update();
CREATE TRIGGER prevent_snapshot_update_trigger BEFORE UPDATE ON blnk.balance_snapshots
    FOR EACH ROW EXECUTE FUNCTION blnk.refuse_update();

CREATE FUNCTION blnk.write_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO blnk.transaction_journal
        (transaction_id, action_type, client_addr, backend_pid, old_data, new_data, succeeded)
    VALUES (coalesce(NEW.transaction_id, OLD.transaction_id), TG_OP, inet_client_addr(), pg_backend_pid(),
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END, true);
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER log_transaction_changes_trigger AFTER INSERT OR UPDATE OR DELETE ON blnk.transactions
    FOR EACH ROW EXECUTE FUNCTION blnk.write_journal();

CREATE FUNCTION blnk.rebuild_on_flag() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.meta_data ->> 'BLNK_RUN_RECONCILIATION' = 'SOURCE' THEN
        RAISE EXCEPTION 'the flag must never reach this table';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reconcile_balance_trigger BEFORE UPDATE ON blnk.balances
    FOR EACH ROW EXECUTE FUNCTION blnk.rebuild_on_flag();
"""
GENERAL_LEDGER = (
    "INSERT INTO blnk.ledgers (name, ledger_id, meta_data) VALUES ('General Ledger', 'general_ledger_id', '{}')"
)
"""What Blnk makes as it starts."""


def make(connection: psycopg.Connection[tuple[object, ...]], generation: str, *, rows: bool = True) -> None:
    """Make schema ``blnk`` of a generation on a connection, with its rows unless they are not wanted."""
    folder = DATA / generation
    tables = _columns(folder)
    connection.execute("CREATE SCHEMA blnk")
    connection.execute("SET client_min_messages = warning")
    for table, columns in tables.items():
        for name in (f"{table}_id_seq" for each in columns if "nextval" in each):
            connection.execute(sql.SQL("CREATE SEQUENCE blnk.{}").format(sql.Identifier(name)))
        connection.execute(f"CREATE TABLE blnk.{table} ({', '.join(columns)})".encode())
    if rows:
        for table in tables:
            _load(connection, folder, table)
    for statement in _indexes(folder):
        connection.execute(statement.encode())
    for table, column, target, key in FOREIGN_KEYS:
        connection.execute(
            f"ALTER TABLE blnk.{table} ADD FOREIGN KEY ({column}) REFERENCES blnk.{target} ({key})".encode()
        )
    connection.execute(TRIGGERS.encode())
    connection.execute("ANALYZE")


def _columns(folder: Path) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO((folder / "columns.csv").read_text())):
        kind = TYPES.get(row["data_type"], row["data_type"])
        default = f" DEFAULT {row['column_default']}" if row["column_default"] else ""
        missing = "" if row["is_nullable"] == "YES" else " NOT NULL"
        tables[row["table_name"]].append(f'"{row["column_name"]}" {kind}{default}{missing}')
    return dict(tables)


def _indexes(folder: Path) -> Iterator[str]:
    for row in csv.DictReader(io.StringIO((folder / "indexes.csv").read_text())):
        table, name, columns = row["table"], row["index"], row["columns"]
        if name.endswith("_pkey"):
            yield f"ALTER TABLE blnk.{table} ADD CONSTRAINT {name} PRIMARY KEY ({columns})"
            continue
        unique = (
            "UNIQUE " if row["unique"] == "t" and name != "api_keys_key_key" else ""
        )  # hashes of keys are blacked out
        where = f" WHERE {row['where']}" if row["where"] else ""
        method = "gin" if columns == "meta_data" else "btree"
        inner = columns if columns.count("(") == 0 or columns.startswith("(") else f"({columns})"
        yield f"CREATE {unique}INDEX {name} ON blnk.{table} USING {method} ({inner}){where}"


def _load(connection: psycopg.Connection[tuple[object, ...]], folder: Path, table: str) -> None:
    text = _text(folder / f"{table}.csv")
    if not text:
        return
    head = text.partition("\n")[0].strip().split(",")
    names = sql.SQL(", ").join(map(sql.Identifier, head))
    copy = sql.SQL("COPY blnk.{} ({}) FROM STDIN WITH (FORMAT csv, HEADER)").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(copy) as stream:
        stream.write(text)
    if _has_sequence(connection, table):
        connection.execute("SELECT setval(%s::regclass, 1000000)", [f"blnk.{table}_id_seq"])


def _has_sequence(connection: psycopg.Connection[tuple[object, ...]], table: str) -> bool:
    found = connection.execute("SELECT to_regclass(%s)", [f"blnk.{table}_id_seq"]).fetchone()
    return bool(found and found[0])


def _text(path: Path) -> str:
    for suffix, unpack in ((".xz", lzma.open), (".gz", gzip.open)):
        packed = path.with_name(path.name + suffix)
        if packed.exists():
            with unpack(packed, "rt", newline="") as stream:
                return str(stream.read())
    return ""
