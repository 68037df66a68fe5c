"""Background jobs of the ledger."""

from __future__ import annotations

from procrastinate.contrib.django import app

from balances.ground import defer_once
from balances.history.snapshots import take_snapshots
from balances.lineage import tasks  # noqa: F401 - jobs are looked for here


@app.task(name="snapshot_balances", queueing_lock="snapshot_balances", lock="snapshot_balances")
def snapshot_balances(batch_size: int) -> None:
    """Take the snapshots of the day, one run at a time."""
    take_snapshots(batch_size)


def request_snapshots(batch_size: int) -> None:
    """Have the background worker take the snapshots of the day, unless a request already waits."""
    defer_once(snapshot_balances, batch_size=batch_size)
