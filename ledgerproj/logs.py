"""Filters that keep secrets and noise out of the log."""

from __future__ import annotations

import logging

from balances.ground import is_outage

UNAVAILABLE = 503


class WithoutArguments(logging.Filter):
    """Leaves out the arguments of jobs: they hold payloads, and addresses with secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Name a job by its task and number alone."""
        job = getattr(record, "job", None)
        if job:
            record.msg = record.getMessage().replace(job["call_string"], f"{job['task_name']}[{job['id']}]")
            record.args = ()
        return True


class WithoutOutages(logging.Filter):
    """Leaves out failures that follow from an outage of the database: the pool logs the outage once."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is about something else; 503 is answered only in an outage."""
        error = record.exc_info and record.exc_info[1]
        return getattr(record, "status_code", None) != UNAVAILABLE and not (error and is_outage(error))
