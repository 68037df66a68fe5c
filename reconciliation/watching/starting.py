"""Start what is due: once, however many workers there are. Of missed times only the last is caught up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from balances.ground import LedgerError
from balances.history import BATCH_SIZE, request_snapshots
from reconciliation.measuring import Scope
from reconciliation.models import Origin, Schedule, Sweep, last_due
from reconciliation.sweeping import request_sweep

ACTOR = "schedule"
"""The actor of what a schedule starts."""


def start_due(at: datetime) -> list[Schedule]:
    """Start what is due, each schedule in one commit with what it starts, and return the schedules that were due.

    The row is locked first, so of two workers the second finds nothing due. Of several missed times only the last one
    counts. While a scheduled sweep, or any of the same scope, is still open, the next one waits.
    """
    return [schedule for name in STARTS if (schedule := _start_if_due(name, at))]


def _start_if_due(name: str, at: datetime) -> Schedule | None:
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update().get(name=name)
        due = last_due(schedule.cron, at)
        if not schedule.enabled or due <= schedule.last_due_at or _is_busy(schedule):
            return None
        schedule.last_due_at = due
        schedule.refusal = _refusal(schedule)
        schedule.save(update_fields=("last_due_at", "refusal"))
        return schedule


def _is_busy(schedule: Schedule) -> bool:
    """Return whether a scheduled sweep, or any sweep of the same scope, is still open."""
    if schedule.name != Schedule.Name.SWEEP:
        return False
    concerned = Q(origin=Origin.SCHEDULE) | Q(scope=schedule.scope)
    return Sweep.objects.filter(concerned, state__in=Sweep.OPEN).exists()


def _refusal(schedule: Schedule) -> str:
    """Start it and return why that was refused, or an empty text: the ledger of its scope may have been deleted."""
    try:
        with transaction.atomic():
            STARTS[schedule.name](schedule)
    except LedgerError as error:
        return error.message
    return ""


def _start_sweep(schedule: Schedule) -> None:
    request_sweep(Scope.from_json(schedule.scope), actor=ACTOR, origin=Origin.SCHEDULE, deep=schedule.deep)


def _start_snapshots(_: Schedule) -> None:
    request_snapshots(BATCH_SIZE)


STARTS: dict[str, Callable[[Schedule], None]] = {
    Schedule.Name.SWEEP: _start_sweep,
    Schedule.Name.SNAPSHOTS: _start_snapshots,
}
"""What each schedule starts."""
