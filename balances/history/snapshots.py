"""Daily snapshots of all balances, as they were stored that day."""

from __future__ import annotations

from balances.ground import Statement
from balances.models import now

TAKE_SNAPSHOTS = Statement.beside(__file__, "take_snapshots.sql")
BATCH_SIZE = 1_000
LARGEST_BATCH = 10_000
"""Most balances in one commit, whatever a client requests."""


def take_snapshots(batch_size: int = BATCH_SIZE) -> int:
    """Write a snapshot of every balance that has none of this day (UTC) and return how many were written.

    Batches are committed one by one, so the next run of the day continues an interrupted one. All snapshots have the
    instant at which the run began. Each shows its balance at a later moment, with every posting committed before the
    run, and perhaps some that came later. ``last_tx_id`` says exactly which: it is the newest row of any status by
    ``created_at``, and since a posting takes its ``created_at`` while it holds the balance, the totals contain the
    rows of the balance up to that one, whatever the clock said when the run began. A row that another writer
    back-dated, or that was created on a machine whose clock is behind, may be an exception.
    """
    taken_at, last, written = now(), "", 0
    while last is not None:
        batch = TAKE_SNAPSHOTS.rows(after=last, batch_size=min(batch_size, LARGEST_BATCH), taken_at=taken_at)[0]
        last, written = batch["last"], written + batch["taken"]
    return written
