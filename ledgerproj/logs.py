"""What must not stand in a log."""

from __future__ import annotations

import logging


class WithoutArguments(logging.Filter):
    """Leaves the arguments of jobs out: they hold what is to be delivered, and addresses with secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Name a job by its task and number alone."""
        job = getattr(record, "job", None)
        if job:
            record.msg = record.getMessage().replace(job["call_string"], f"{job['task_name']}[{job['id']}]")
            record.args = ()
        return True
