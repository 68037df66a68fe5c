"""Maintenance after a bulk load: fresh statistics, and pages marked as visible to all."""

from __future__ import annotations

from django.db import connection


def refresh_statistics() -> None:
    """Update the planner's statistics after a bulk load: without, the next statements take longer than the load."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE balances, transactions")


def mark_visible(*, patient: bool = False) -> None:
    """Make the next sums index-only scans. In an atomic block this does nothing, because VACUUM cannot run there.

    A table that is locked by others is left to autovacuum, unless ``patient``.
    """
    if not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM (ANALYZE, SKIP_LOCKED {'off' if patient else 'on'}) balances, transactions")
