"""The warning on pages about queued work: no background worker runs, or the workers do not keep up."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

from balances.queueing import LATE_SECONDS, living_workers, seconds_due

MISSING = (
    "No background worker is running. Entries stay stored, and are processed as soon as one runs: "
    "start it with manage.py work."
)
LATE = (
    "Background workers are running, but the oldest entry has been due for %d minutes. They may be too few, or serve "
    "other queues (manage.py work --queue): read their log, and start another manage.py work if they are overloaded."
)


def warn(request: HttpRequest) -> None:
    """Show a warning where no worker runs or the workers do not keep up."""
    if not living_workers():
        messages.warning(request, MISSING)
    elif (seconds := seconds_due()) >= LATE_SECONDS:
        messages.warning(request, LATE % (seconds // 60))
