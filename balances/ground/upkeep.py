"""What a bulk load owes the next reader: fresh statistics, and pages known to be visible to all."""

from __future__ import annotations

from django.db import connection


def tell_planner() -> None:
    """Let the planner know rows that came in many at once: without, the statements that follow outlast the load."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE balances, transactions")


def mark_visible(*, patient: bool = False) -> None:
    """Let the next sums be index-only scans. VACUUM cannot run within a caller's block, and autovacuum comes later.

    A table that somebody else works on is left to autovacuum, unless ``patient``.
    """
    if not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM (ANALYZE, SKIP_LOCKED {'off' if patient else 'on'}) balances, transactions")
