"""Watching: schedules start sweeps, conditions become alerts, alerts reach people. Nothing here repairs anything."""
