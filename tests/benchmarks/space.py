"""How many bytes a payment takes.

    uv run python -m tests.benchmarks.space [--payments N] [--balances N] [--blnk DSN]

N payments (200,000) between N balances (1,000) drawn evenly, 100 a commit, are written into a scratch database: rows
as a posting writes them, in the order of their instants, with random ids and references. That is harder on indexes than
one rebuild: pages split, and stay half full. Printed are the table and each index, as bytes a payment.

``--blnk`` names a database that ``blnk migrate up`` has filled with Blnk Core's tables, on any server: the same
payments go into its own table as it writes them, under its own indexes and triggers, which fill its journal. What that
database holds is removed.
"""

from __future__ import annotations

import argparse
from typing import Any

import psycopg

from tests.benchmarks import scratch

A_COMMIT = 100
NEARLY_EMPTY = 5
"""Bytes a payment up to which an index is left out: those of holds, of the queue and of lineage have no rows here."""
LIMIT = 0.5
"""Most of Blnk Core's bytes, journal counted, that a payment may take here."""

DRAWN = """
SELECT number, 'txn_' || md5('txn' || number)::uuid, '', source, destination, 'ref_' || md5('ref' || number)::uuid,
       units / 100.0, units, 100, 'USD', 'Invoice ' || number, 'APPLIED', encode(sha256(number::text::bytea), 'hex'),
       at, at, '{"allow_overdraft": true}'::jsonb
FROM generate_series(%(first)s::int, %(last)s::int) AS number
CROSS JOIN LATERAL (
    SELECT abs(hashint8extended(number, 1) %% %(balances)s) AS here,
           1 + abs(hashint8extended(number, 2) %% (%(balances)s - 1)) AS further
) AS drawn
CROSS JOIN LATERAL (
    SELECT 'bln_' || md5('bln' || here)::uuid AS source,
           'bln_' || md5('bln' || (here + further) %% %(balances)s)::uuid AS destination,
           1 + abs(hashint8extended(number, 3) %% 100000) AS units,
           '2026-01-01 00:00:00Z'::timestamptz + number * interval '7.000123 seconds' AS at
) AS payment
"""
COLUMNS = """transaction_id, parent_transaction, source, destination, reference, amount, precise_amount, precision,
    currency, description, status, hash, created_at, effective_date, meta_data"""
OURS = f"""
INSERT INTO transactions ({COLUMNS})
SELECT {COLUMNS} FROM ({DRAWN}) AS drawn (number, {COLUMNS}) ORDER BY number
"""
THEIRS = f"""
INSERT INTO blnk.transactions ({COLUMNS}, scheduled_for)
SELECT {COLUMNS}, '0001-01-01' FROM ({DRAWN}) AS drawn (number, {COLUMNS}) ORDER BY number
"""
BALANCES = """
INSERT INTO {table} (
    balance_id, ledger_id, currency, credit_balance, debit_balance, balance,
    inflight_credit_balance, inflight_debit_balance, inflight_balance, version, created_at, meta_data,
    track_fund_lineage, allocation_strategy
)
SELECT 'bln_' || md5('bln' || number)::uuid, 'general_ledger_id', 'USD', 0, 0, 0, 0, 0, 0, 1, now(), 'null'::jsonb,
       false, 'FIFO'
FROM generate_series(0, %(balances)s - 1) AS number
"""
INDEXES = """
SELECT c.relname, pg_relation_size(c.oid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = %(table)s::regclass ORDER BY 2 DESC
"""
SIZES = """
SELECT pg_table_size(%(table)s::regclass), pg_total_relation_size(%(table)s::regclass)
"""


def write(cursor: Any, payments: int, balances: int, *, into: str = OURS, table: str = "balances") -> None:
    """Write the balances and their payments, each statement in a commit of its own where nothing else is said."""
    cursor.execute(BALANCES.format(table=table), {"balances": balances})
    for first in range(1, payments + 1, A_COMMIT):
        last = min(first + A_COMMIT - 1, payments)
        cursor.execute(into, {"first": first, "last": last, "balances": balances})


def a_payment(cursor: Any, payments: int, table: str) -> dict[str, float]:
    """Return the bytes a payment of the table, of each index, and in all; nearly empty indexes are left out."""
    indexes = cursor.execute(INDEXES, {"table": table}).fetchall()
    [(heap, total)] = cursor.execute(SIZES, {"table": table}).fetchall()
    sizes = (
        {"table": heap} | {name: size for name, size in indexes if size > NEARLY_EMPTY * payments} | {"in all": total}
    )
    return {name: size / payments for name, size in sizes.items()}


def report(title: str, sizes: dict[str, float]) -> None:
    print(f"\n{title}, bytes a payment")
    for name, size in sizes.items():
        print(f"  {name:<45}{size:>9.1f}")


def theirs(dsn: str, payments: int, balances: int) -> float:
    """Write into Blnk Core's tables, and return the bytes a payment takes there."""
    with psycopg.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE blnk.balances, blnk.transactions, blnk.transaction_journal CASCADE")
        write(cursor, payments, balances, into=THEIRS, table="blnk.balances")
        table = a_payment(cursor, payments, "blnk.transactions")
        journal = a_payment(cursor, payments, "blnk.transaction_journal")
    report("Blnk Core", table)
    report("Blnk Core's journal", journal)
    return table["in all"] + journal["in all"]


def main(payments: int, balances: int, blnk: str | None) -> None:
    """Measure in a scratch database, and beside it if that is asked for."""
    with scratch.database():
        from django.db import connection

        with connection.cursor() as wrapped:
            cursor = wrapped.connection.cursor()
            write(cursor, payments, balances)
            ours = a_payment(cursor, payments, "transactions")
    report("Here", ours)
    if blnk:
        ratio = ours["in all"] / theirs(blnk, payments, balances)
        print(f"\nratio {ratio:.2f}, target {LIMIT}: {'reached' if ratio <= LIMIT else 'MISSED'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--payments", type=int, default=200_000)
    parser.add_argument("--balances", type=int, default=1_000)
    parser.add_argument("--blnk", metavar="DSN")
    main(**vars(parser.parse_args()))
