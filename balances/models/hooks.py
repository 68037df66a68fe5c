"""Hooks, and every attempt to deliver them or a webhook. Hooks are written by ``balances.events.registry``."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from balances.ground import UTCDateTimeField
from balances.models.core import now


def new_hook_id() -> str:
    """Return a fresh hook id."""
    return f"hook_{uuid.uuid4()}"


class Hook(models.Model):
    """An address that is called for every movement."""

    class Type(models.TextChoices):
        """When a hook is called; a hook with any other type can be stored, but is never called."""

        PRE = "PRE_TRANSACTION", "Pre-transaction"
        POST = "POST_TRANSACTION", "Post-transaction"

    hook_id = models.TextField(primary_key=True, default=new_hook_id, editable=False, db_collation="C")
    name = models.TextField(blank=True, default="")
    url = models.TextField("URL", blank=True)
    type = models.TextField(blank=True)
    active = models.BooleanField(default=False)
    timeout = models.BigIntegerField(default=30, help_text="Seconds for one attempt, from the first byte to the last.")
    retry_count = models.BigIntegerField(default=0, help_text="Attempts after the first one that failed.")
    created_at = UTCDateTimeField(default=now, editable=False)
    last_run = UTCDateTimeField(null=True, editable=False)
    last_success = models.BooleanField(default=False, editable=False)

    class Meta:
        app_label = "hooks"
        ordering = ("created_at", "hook_id")

    def __str__(self) -> str:
        return self.name or self.hook_id


class Delivery(models.Model):
    """One attempt to deliver a webhook or to call a hook. Rows are added, and removed after thirty days."""

    class Outcome(models.TextChoices):
        """How the attempt ended."""

        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    event = models.TextField()
    """The name of the event, or the type of the hook."""
    subject = models.TextField(db_collation="C")
    """The id of what the event is about."""
    hook_id = models.TextField("hook", blank=True, db_collation="C")
    """The hook that was called, which may be deleted since; empty for a webhook."""
    recipient = models.TextField()
    """Host and path; never a secret."""
    attempt = models.IntegerField()
    """Counted from 1 for each event and receiver."""
    outcome = models.TextField(choices=Outcome.choices)
    answer = models.TextField()
    """The status and message of the answer, or why there was none."""
    attempted_at = UTCDateTimeField(default=now)
    job_id = models.BigIntegerField()
    """The job that delivers; the queue deletes it after success."""

    class Meta:
        app_label = "hooks"
        verbose_name_plural = "deliveries"
        permissions = (("retry_delivery", "Can try deliveries again"),)
        indexes = (
            # The admin's list, newest first; old rows are deleted by it as well.
            models.Index(fields=("-attempted_at", "-id"), name="hook_deliveries_newest"),
            # The same for failed ones.
            models.Index(fields=("-attempted_at", "-id"), condition=Q(outcome="failed"), name="hook_deliveries_failed"),
            # Search: the deliveries about a transaction, and those of a hook.
            models.Index(fields=("subject",), name="hook_deliveries_of_subject"),
            models.Index(fields=("hook_id",), condition=~Q(hook_id=""), name="hook_deliveries_of_hook"),
        )

    def __str__(self) -> str:
        return f"{self.event} of {self.subject}, attempt {self.attempt}: {self.outcome}"
