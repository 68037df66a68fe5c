"""Watching: schedules start sweeps, conditions become alerts, alerts reach people. Nothing here repairs anything."""

from reconciliation.watching.schedules import change_schedule, ensure_schedules, next_start
