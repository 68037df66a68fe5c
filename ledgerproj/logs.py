"""What must not stand in a log."""

from __future__ import annotations

import logging

from balances.ground import is_outage

UNAVAILABLE = 503


class WithoutArguments(logging.Filter):
    """Leaves the arguments of jobs out: they hold what is to be delivered, and addresses with secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Name a job by its task and number alone."""
        job = getattr(record, "job", None)
        if job:
            record.msg = record.getMessage().replace(job["call_string"], f"{job['task_name']}[{job['id']}]")
            record.args = ()
        return True


class WithoutOutages(logging.Filter):
    """Leaves out each failure that comes of an outage of the database: the pool says once that there is one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is about something else; 503 is answered for nothing else."""
        error = record.exc_info and record.exc_info[1]
        return getattr(record, "status_code", None) != UNAVAILABLE and not (error and is_outage(error))
