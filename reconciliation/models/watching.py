"""What watches over the ledger: schedules, the watchdog's own trace, alerts and every attempt to deliver them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from balances.ground import ExactJSONField, UTCDateTimeField
from balances.models import now
from reconciliation.models.cron import validate_cron
from reconciliation.models.sweeps import Sweep


def new_alert_id() -> str:
    """Return a fresh id of an alert."""
    return f"alt_{uuid.uuid4()}"


class Schedule(models.Model):
    """When a sweep or a snapshot starts by itself. No schedule ever corrects anything."""

    class Name(models.TextChoices):
        """What can be scheduled."""

        SWEEP = "sweep", "Sweep"
        SNAPSHOTS = "snapshots", "Balance snapshots"

    name = models.TextField(primary_key=True, choices=Name.choices, editable=False)
    cron = models.TextField(
        validators=(validate_cron,),
        help_text="Minute, hour, day of month, month, day of week; in UTC. “0 2 * * *” is every night at two.",
    )
    enabled = models.BooleanField(default=True)
    scope = models.JSONField(
        default=dict, blank=True, help_text='Which balances a sweep is about; {"everything": true} proves all of them.'
    )
    deep = models.BooleanField(default=False, help_text="Run every check, also the slow ones.")
    last_due_at = UTCDateTimeField(default=now, editable=False)
    """The last due time that was handled; later ones have not been started yet."""
    refusal = models.TextField(blank=True, editable=False)
    """Why the last start was refused, as a sentence; empty after one that was not."""
    changed_by = models.TextField(default="settings", editable=False)
    changed_at = UTCDateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("name",)
        constraints = (models.CheckConstraint(condition=~Q(cron=""), name="schedule_has_a_cron_expression"),)

    def __str__(self) -> str:
        return f"{self.get_name_display()} ({self.cron})"


class Watchdog(models.Model):
    """One row: when the watchdog last ran. If it does not run, no other alert can be relied on."""

    ONLY = 1

    watchdog_id = models.SmallIntegerField(primary_key=True, default=ONLY)
    looked_at = UTCDateTimeField(default=now)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(watchdog_id=1), name="there_is_one_watchdog"),)

    def __str__(self) -> str:
        return f"Watchdog, looked at {self.looked_at:%Y-%m-%d %H:%M}"


class SweepFigures(models.Model):
    """What a finished sweep found, counted once: a page of metrics must not read a million findings each time."""

    sweep = models.OneToOneField(Sweep, on_delete=models.PROTECT, primary_key=True, related_name="figures")
    figures = ExactJSONField()
    """As ``reconciliation.alerting.figures`` counts them; amounts are minor units."""
    counted_at = UTCDateTimeField(default=now)

    def __str__(self) -> str:
        return f"Figures of {self.sweep_id}"


class PostingHour(models.Model):
    """What was applied in one hour (UTC), counted by the watchdog: the home page reads no transactions."""

    hour = UTCDateTimeField(primary_key=True)
    figures = ExactJSONField()
    """By currency: postings, minor units, least and most precision."""
    counted_at = UTCDateTimeField()

    def __str__(self) -> str:
        return f"Postings from {self.hour:%Y-%m-%d %H:%M}"


class Alert(models.Model):
    """One thing that is wrong, from when it was seen until it was gone; of each kind one is open at most."""

    class Kind(models.TextChoices):
        """What alerts report."""

        UNEXPLAINED_DRIFT = "unexplained_drift", "Unexplained drift that lasts"
        SWEEP_OVERDUE = "sweep_overdue", "No full proof in time"
        SWEEP_ERRORED = "sweep_errored", "Scheduled sweep did not finish"
        SCHEDULE_REFUSED = "schedule_refused", "Schedule could not start"
        WATCHDOG_SILENT = "watchdog_silent", "Watchdog did not run"
        PROOF_BROKEN = "proof_broken", "Commits that do not add up"
        PROOF_LOST = "proof_lost", "Commits are not proved"
        PROOF_DISAGREES = "proof_disagrees", "Sweep and live proof disagree"

    class State(models.TextChoices):
        """Whether it still holds."""

        OPEN = "open", "Open"
        RESOLVED = "resolved", "Resolved"

    alert_id = models.TextField(primary_key=True, default=new_alert_id, editable=False)
    kind = models.TextField(choices=Kind.choices)
    state = models.TextField(choices=State.choices, default=State.OPEN)
    title = models.TextField()
    """A sentence for people."""
    details = ExactJSONField(default=dict)
    """The figures behind the sentence; amounts are minor units."""
    opened_at = UTCDateTimeField(default=now)
    seen_at = UTCDateTimeField(default=now)
    """When its condition last held."""
    notified_at = UTCDateTimeField(default=now, db_column="told_at")
    """When people were last notified; the reminder comes a day later."""
    resolved_at = UTCDateTimeField(null=True)

    class Meta:
        ordering = ("-opened_at", "-alert_id")
        constraints = (
            models.UniqueConstraint(fields=("kind",), condition=Q(state="open"), name="one_open_alert_a_kind"),
        )
        indexes = (models.Index(fields=("-opened_at", "-alert_id"), name="alerts_newest"),)

    def __str__(self) -> str:
        return self.title


class AlertDelivery(models.Model):
    """One attempt to notify people of an alert. Append-only: a trigger refuses any change."""

    class Channel(models.TextChoices):
        """The ways to notify people."""

        WEBHOOK = "webhook", "Webhook"
        EMAIL = "email", "E-mail"

    class Event(models.TextChoices):
        """What a notification reports."""

        OPENED = "opened", "Opened"
        REMINDED = "reminded", "Still open"
        RESOLVED = "resolved", "Resolved"

    class Outcome(models.TextChoices):
        """How the attempt ended."""

        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.TextField(choices=Channel.choices)
    event = models.TextField(choices=Event.choices)
    attempt = models.IntegerField()
    """Counted from 1 for each channel and event."""
    attempted_at = UTCDateTimeField(default=now)
    recipient = models.TextField()
    """Host and path of the webhook, or the addresses; never a secret."""
    outcome = models.TextField(choices=Outcome.choices)
    answer = models.TextField(blank=True)
    """The status of the answer, or why there was none."""

    class Meta:
        ordering = ("-attempted_at", "-pk")
        verbose_name_plural = "alert deliveries"
        indexes = (models.Index(fields=("-attempted_at", "outcome"), name="deliveries_newest"),)

    def __str__(self) -> str:
        return f"{self.get_event_display()} by {self.get_channel_display()}, attempt {self.attempt}: {self.outcome}"
