"""Alerts: opened when a condition holds, resolved when it no longer does; people are notified of each change.

An alert that stays open is repeated once a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from reconciliation.alerting.conditions import CONDITIONS, OF_PROOF, Condition, Symptom
from reconciliation.alerting.delivery import announce
from reconciliation.models import Alert, AlertDelivery, Watchdog

REMIND_AFTER = timedelta(hours=24)
"""The time between a notification about an open alert and the next reminder."""
Event = AlertDelivery.Event


def look(at: datetime) -> list[Alert]:
    """Evaluate every condition, open and resolve alerts, and return those that are open.

    Notifications are deferred in the same commit. Concurrent calls wait for each other at the watchdog's row.
    """
    with transaction.atomic():
        watchdog = Watchdog.objects.select_for_update().get()
        alerts = _evaluated(CONDITIONS, at)
        watchdog.looked_at = at
        watchdog.save(update_fields=("looked_at",))
    return alerts


def look_at_proof(at: datetime) -> list[Alert]:
    """Do the same for the conditions of the live proof alone, as soon as its rows change."""
    with transaction.atomic():
        Watchdog.objects.select_for_update().get()
        return _evaluated({kind: CONDITIONS[kind] for kind in OF_PROOF}, at)


def _evaluated(conditions: Mapping[str, Condition], at: datetime) -> list[Alert]:
    alerts = {alert.kind: alert for alert in Alert.objects.filter(state=Alert.State.OPEN)}
    for kind, condition in conditions.items():
        symptom = condition(at)
        if symptom:
            alerts[kind] = _still_so(alerts[kind], symptom, at) if kind in alerts else _opened(kind, symptom, at)
        elif kind in alerts:
            _resolve(alerts.pop(kind), at)
    return list(alerts.values())


def _opened(kind: str, symptom: Symptom, at: datetime) -> Alert:
    alert = Alert.objects.create(
        kind=kind, title=symptom.title, details=symptom.details, opened_at=at, seen_at=at, notified_at=at
    )
    announce(alert, Event.OPENED)
    return alert


def _still_so(alert: Alert, symptom: Symptom, at: datetime) -> Alert:
    alert.title, alert.details, alert.seen_at = symptom.title, symptom.details, at
    if remind := at - alert.notified_at >= REMIND_AFTER:
        alert.notified_at = at
    alert.save()
    if remind:
        announce(alert, Event.REMINDED)
    return alert


def _resolve(alert: Alert, at: datetime) -> None:
    alert.state, alert.resolved_at = Alert.State.RESOLVED, at
    alert.save()
    announce(alert, Event.RESOLVED)
