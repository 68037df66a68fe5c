"""The job that records refused changes."""

from __future__ import annotations

from procrastinate.contrib.django import app

from reconciliation.records import refusals


@app.periodic(cron="*/5 * * * *")
@app.task(name="report_refused_changes", queueing_lock="report_refused_changes")
def report_refused_changes(timestamp: int) -> None:
    """Record, every five minutes, how many changes of transactions were refused."""
    refusals.report_refused_changes()
