"""The warning on pages about what waits: no background worker runs, or none keeps up."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

from balances.queueing import living_workers, seconds_due

LATE_SECONDS = 120
"""When a page says that workers do not keep up."""
MISSING = (
    "No background worker is running. What waits here stays stored, and is done as soon as one runs: "
    "start it with manage.py work."
)
LATE = (
    "Background workers are running, but the oldest entry has been due for %d minutes. They may be too few, or serve "
    "other queues (manage.py work --queue): read their log, and start another manage.py work if it only is too much."
)


def warn(request: HttpRequest) -> None:
    """Show a warning on a page about what waits, where no worker runs or none keeps up."""
    if not living_workers():
        messages.warning(request, MISSING)
    elif (seconds := seconds_due()) >= LATE_SECONDS:
        messages.warning(request, LATE % (seconds // 60))
