"""Daily snapshots of all balances, as they were stored that day."""

from __future__ import annotations

from balances.ground import Statement
from balances.models import now

TAKE_SNAPSHOTS = Statement.beside(__file__, "take_snapshots.sql")
BATCH_SIZE = 1_000
LARGEST_BATCH = 10_000
"""Balances in one commit at most, whatever a client asks for."""


def take_snapshots(batch_size: int = BATCH_SIZE) -> int:
    """Write a snapshot of every balance that has none of this day (UTC) and return how many were written.

    Batches are committed one by one, so an interrupted run is gone on with by the next one of the day. All bear the
    instant at which the run began. Each shows its balance as of a moment after that: every posting that was committed
    by then, and some that came later, but never less. What exactly it shows is said by ``last_tx_id``, the newest
    row by ``created_at`` of any status: a posting takes its ``created_at`` while it holds the balance, so the rows of
    the balance up to that one are those behind the totals, whatever the clock said when the run began. A row that
    was back-dated by another writer, or created on a machine whose clock is behind, may lie outside.
    """
    taken_at, last, written = now(), "", 0
    while last is not None:
        batch = TAKE_SNAPSHOTS.rows(after=last, batch_size=min(batch_size, LARGEST_BATCH), taken_at=taken_at)[0]
        last, written = batch["last"], written + batch["taken"]
    return written
