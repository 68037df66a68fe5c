"""One small cast for every test: a ledger, balances Alice and Bob, and ways to make their totals drift."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F

from balances.models import TOTALS, Balance, Ledger, Transaction
from balances.models.monitors import BalanceMonitor
from balances.monitors.monitoring import watch
from balances.posting import Posting, open_balance, open_ledger, post_transaction
from reconciliation.correcting.rebuilding import Request
from reconciliation.measuring.measurement import measure
from reconciliation.models import Finding, Origin, Sweep

MASTER_KEY = "test-master-key"
POSTING: dict[str, Any] = {
    "precise_amount": 750,
    "precision": 100,
    "currency": "USD",
    "reference": "ref-1",
    "description": "top up",
    "source": "@world",
    "destination": "@bob",
    "allow_overdraft": True,
    "skip_queue": True,
}
"""A body that POST /transactions takes."""
_numbers = itertools.count(1)


@contextmanager
def unguarded(*tables: str) -> Iterator[None]:
    """Have tables without their triggers, and give them back as they were: those of the journal always on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgenabled = 'A'")
        always = [(table, name) for table, name in cursor.fetchall() if table in tables]
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            yield
        finally:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            for table, name in always:
                cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def ledger(name: str = "Wallets") -> Ledger:
    return open_ledger(name=name)


def balance(owner: Ledger | None = None, currency: str = "USD", **fields: Any) -> Balance:
    return open_balance(ledger_id=(owner or ledger()).ledger_id, currency=currency, **fields)


def post(source: str | Balance, destination: str | Balance, units: int, **fields: Any) -> Transaction:
    """Post minor units at precision 100; the source may go below zero."""
    given: dict[str, Any] = {
        "currency": "USD",
        "reference": f"ref-{next(_numbers)}",
        "description": "test",
        "precision": 100,
        "allow_overdraft": True,
    }
    return post_transaction(
        Posting(
            source=source if isinstance(source, str) else source.pk,
            destination=destination if isinstance(destination, str) else destination.pk,
            precise_amount=units,
            **(given | fields),
        )
    )


def row(status: str, units: int | None, source: Balance, destination: Balance, **fields: Any) -> Transaction:
    """Insert a bare row as another writer would have, without moving any total."""
    given: dict[str, Any] = {
        "reference": f"row-{next(_numbers)}",
        "currency": "USD",
        "description": "row",
        "precision": 100,
        "amount": None if units is None else Decimal(units) / 100,
        "effective_date": datetime.now(UTC),
        "meta_data": {},
    }
    return Transaction.objects.create(
        status=status, precise_amount=units, source=source, destination=destination, **(given | fields)
    )


def drift(target: Balance, *, credit: int = 0, debit: int = 0, hold_credit: int = 0, hold_debit: int = 0) -> None:
    """Move stored totals behind the ledger's back, as an SQL edit or a lost update would."""
    Balance.objects.filter(pk=target.pk).update(
        credit_balance=F("credit_balance") + credit,
        debit_balance=F("debit_balance") + debit,
        balance=F("balance") + credit - debit,
        inflight_credit_balance=F("inflight_credit_balance") + hold_credit,
        inflight_debit_balance=F("inflight_debit_balance") + hold_debit,
        inflight_balance=F("inflight_balance") + hold_credit - hold_debit,
    )


def sweep(**fields: Any) -> Sweep:
    """Write down a finished sweep without running it."""
    given: dict[str, Any] = {"actor": "alice", "origin": Origin.COMMAND, "state": Sweep.State.FINISHED}
    return Sweep.objects.create(**(given | {"scope": {"everything": True}, "measured_all": True} | fields))


def finding(target: Balance, swept: Sweep | None = None, **fields: Any) -> Finding:
    """Write down what a sweep would have found on a balance."""
    measured = measure([target.pk])[0]
    counted = {name: getattr(measured, name) for name in ("version", "credit_rows", "debit_rows", "hold_rows")}
    given = {"drifted": measured.has_drift, "found_at": measured.executed_at, "sweep": swept or sweep()}
    return Finding.objects.create(**Finding.copied(measured), **counted, **(given | fields))


def totals(target: Balance) -> dict[str, int]:
    return Balance.objects.values(*TOTALS).get(pk=target.pk)


def request(**fields: Any) -> Request:
    return Request(**({"actor": "alice", "origin": Origin.COMMAND} | fields))


@contextmanager
def flushed() -> Iterator[None]:
    """Let commits wait for the disk, as outside of tests: VACUUM calls visible to all only what is there."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        try:
            yield
        finally:
            cursor.execute("RESET synchronous_commit")


def many_rows(balances: list[Balance], count: int, units: int = 100, prefix: str = "many") -> None:
    """Make applied rows in the server, from each balance to the next in turn, and vacuum for index-only scans."""
    with flushed(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO transactions (transaction_id, parent_transaction, source, destination, reference, amount,
                                      precise_amount, precision, currency, description, status, hash,
                                      created_at, effective_date, meta_data)
            SELECT 'txn_' || gen_random_uuid(), '', ids[1 + n %% size], ids[1 + (n + 1) %% size],
                   %(prefix)s || '-' || n, %(units)s / 100.0, %(units)s, 100, 'USD', 'generated', 'APPLIED',
                   repeat('0', 64), now() - n * interval '1 second', now() - n * interval '1 second', '{}'
            FROM generate_series(1, %(count)s) AS n,
                 (SELECT %(ids)s::text[] AS ids, cardinality(%(ids)s::text[]) AS size) AS given
            """,
            {"ids": [balance.pk for balance in balances], "count": count, "units": units, "prefix": prefix},
        )
        # Dead rows of rolled-back tests are few, so VACUUM would leave their index entries and pages for later.
        cursor.execute("VACUUM (ANALYZE, INDEX_CLEANUP ON) transactions")


def monitor(watched: Balance, field: str = "debit_balance", operator: str = ">", **fields: Any) -> BalanceMonitor:
    """Watch for 250 major units at precision 100, unless told otherwise."""
    given = {"value": Decimal(250), "precision": Decimal(100)} | fields
    return watch(balance_id=watched.pk, field=field, operator=operator, **given)
