"""Background jobs of imports."""

from __future__ import annotations

from procrastinate.contrib.django import app

from balances.uploads.service import KEEP, forget


@app.periodic(cron="17 * * * *")
@app.task(name="forget_uploads", queueing_lock="forget_uploads")
def forget_uploads(timestamp: int) -> None:
    """Discard files that were not confirmed within a day, every hour."""
    forget(older_than=KEEP)
