"""What the edit journal costs a posting: ``uv run python -m tests.benchmarks.journal [ROUNDS]``.

The same postings with the journal's triggers and the writer's mark, and without either, in turn (200 rounds of 20
unless given): by ``post_transaction()``, which is what a client waits for, and by the bare statement that moves the
totals. Then 100,000 balances born with totals in one COPY, which leaves as many entries.
"""

from __future__ import annotations

import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from tests.benchmarks import scratch

MARK = "AND set_config('ledger.writer', statement_timestamp()::text, true) IS NOT NULL"
AT_ONCE = 20
WARM_UP = 3
BORN = 100_000
TARGET = 1.03


def execute(sql: str, parameters: dict[str, Any] | None = None) -> None:
    """Execute one statement."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@contextmanager
def no_journal() -> Iterator[None]:
    """Do without triggers and mark, as before there was a journal."""
    from balances.recording.writing import RECORD_MOVEMENTS

    text = RECORD_MOVEMENTS.text
    assert MARK in text
    RECORD_MOVEMENTS.text = text.replace(MARK, "")
    execute("ALTER TABLE balances DISABLE TRIGGER USER")
    try:
        yield
    finally:
        execute("ALTER TABLE balances ENABLE TRIGGER USER")
        RECORD_MOVEMENTS.text = text


def compare(rounds: int, block: Callable[[], Any], work: Callable[[], object]) -> dict[str, float]:
    """Time each call of ``work``, a few at a time with the journal and without, and return each one's ms.

    The lower quartile: the difference is a few microseconds, and whatever else the machine does only adds.
    """
    taken: dict[str, list[float]] = {"with_journal": [], "without": []}
    for number in range(2 * rounds):
        journal = number % 4 in (0, 3)  # either goes first as often as the other
        with nullcontext() if journal else no_journal(), block():
            for call in range(WARM_UP + AT_ONCE):
                started = time.perf_counter()
                work()
                if call >= WARM_UP:
                    taken["with_journal" if journal else "without"].append((time.perf_counter() - started) * 1000)
    return {name: statistics.quantiles(times, n=4)[0] for name, times in taken.items()}


def born(count: int) -> None:
    """Bring balances with totals in, as an import does, and take them away again."""
    from django.db import connection, transaction

    from balances.models import GENERAL_LEDGER_ID

    with transaction.atomic(), connection.cursor() as cursor:
        with cursor.copy(
            "COPY balances (balance_id, ledger_id, currency, credit_balance, debit_balance, balance, version,"
            " inflight_credit_balance, inflight_debit_balance, inflight_balance, created_at, meta_data,"
            " track_fund_lineage, allocation_strategy) FROM STDIN"
        ) as copy:
            for number in range(count):
                copy.write_row(
                    (f"bln_{number:036}", GENERAL_LEDGER_ID, "USD", 5, 2, 3, 1, 0, 0, 0, "now", "{}", False, "FIFO")
                )
        transaction.set_rollback(True)


def main(rounds: int) -> None:
    """Fill a scratch database, measure, print."""
    with scratch.database():
        from django.db import transaction

        from balances.books.book import Standing
        from balances.recording.writing import RECORD_MOVEMENTS, recording
        from reconciliation.models import BalanceEdit
        from tests import world

        balances = [world.balance() for _ in range(100)]
        world.many_rows(balances, 100_000)
        alice, bob = balances[:2]
        row = world.post(alice, bob, 5)
        moved = [
            Standing(alice.pk, "USD", 0, 0, 0, 0, 0, debited=5),
            Standing(bob.pk, "USD", 0, 0, 0, 0, 0, credited=5),
        ]

        def statement() -> None:
            row.transaction_id, row.reference = f"txn_{uuid.uuid4()}", f"bare-{uuid.uuid4()}"
            RECORD_MOVEMENTS.rows(**recording([row], moved))

        times = compare(rounds, nullcontext, lambda: world.post(alice, bob, 5))
        scratch.report("A posting, as a client waits for it", times, "with_journal", "without", TARGET)
        times = compare(rounds, transaction.atomic, statement)
        print("\nThe bare statement, parsed and planned anew each time, without its commit")
        print(
            f"  with the journal {times['with_journal']:.3f} ms, without {times['without']:.3f} ms, "
            f"ratio {times['with_journal'] / times['without']:.2f}"
        )
        print(f"\nentries left by all these postings: {BalanceEdit.objects.count()}")
        times = {"with_journal": 0.0, "without": 0.0} | scratch.medians(3, with_journal=lambda: born(BORN))
        with no_journal():
            times |= scratch.medians(3, without=lambda: born(BORN))
        print(
            f"\n{BORN:,} balances born with totals: {times['with_journal']:,.0f} ms, "
            f"without the journal {times['without']:,.0f} ms"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
