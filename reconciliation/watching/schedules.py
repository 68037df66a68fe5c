"""Schedules: their rows, which settings fill at first and people change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from balances.models import now
from reconciliation.models import Schedule, Watchdog, next_due, validate_cron


def ensure_schedules(using: str, **_: Any) -> None:
    """Create the schedules, with times from the settings, and the watchdog's row, where they do not exist yet."""
    for name, cron, scope in (
        (Schedule.Name.SWEEP, settings.LEDGER_SWEEP_CRON, {"everything": True}),
        (Schedule.Name.SNAPSHOTS, settings.LEDGER_SNAPSHOT_CRON, {}),
    ):
        validate_cron(cron)
        Schedule.objects.using(using).get_or_create(name=name, defaults={"cron": cron, "scope": scope})
    Watchdog.objects.using(using).get_or_create(watchdog_id=Watchdog.ONLY)


def change_schedule(schedule: Schedule, actor: str) -> None:
    """Store a changed schedule. A time missed under the old one is not caught up under the new one."""
    schedule.changed_by = actor
    schedule.changed_at = schedule.last_due_at = now()
    schedule.refusal = ""
    schedule.save()


def next_start(schedule: Schedule) -> datetime | None:
    """Return when it starts next, or ``None`` where it is switched off."""
    return next_due(schedule.cron, now()) if schedule.enabled else None
