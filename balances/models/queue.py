"""Entries of the queue.

A queued movement is a row with status QUEUED or SCHEDULED, which never changes. An entry says that the row still waits,
and keeps what no column of the row does. It is deleted in the commit that writes the outcome, so a movement happens
exactly once.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from balances.ground import MinorUnitsField, UTCDateTimeField


class Entry(models.Model):
    """One task: apply a queued transaction, or commit or void the holds under an id."""

    class Action(models.TextChoices):
        """The kinds of tasks."""

        APPLY = "apply", "Apply"
        COMMIT = "commit", "Commit"
        VOID = "void", "Void"

    action = models.TextField(choices=Action.choices)
    transaction_id = models.TextField(db_collation="C")
    """The queued row to apply, or the id whose holds are settled, which may be a parent without a row."""
    group_id = models.TextField(default="", db_collation="C")
    """Entries of one group are applied in one commit or not at all; empty for an entry on its own."""
    units = MinorUnitsField(null=True)
    """What to commit of each hold, in minor units; NULL is all that remains."""
    action_id = models.TextField(default="")
    """Part of the reference of a settlement."""
    is_timer = models.BooleanField(default=False)
    """Whether the settlement comes from a date of the hold, not from a request."""
    inflight = models.BooleanField(default=False)
    allow_overdraft = models.BooleanField(default=False)
    overdraft_limit = MinorUnitsField(null=True)
    """How far the source may go below zero, in minor units; NULL is no limit."""
    inflight_expiry_date = UTCDateTimeField(null=True)
    inflight_commit_date = UTCDateTimeField(null=True)
    """On an entry that applies a hold, its dates as they were sent; their settlements have entries of their own."""
    due_at = UTCDateTimeField(db_default=Now())
    """The earliest time to process it, by the clock of the database."""
    attempts = models.IntegerField(default=0)
    last_error = models.TextField(default="")

    class Meta:
        app_label = "queueing"
        verbose_name = "waiting entry"
        verbose_name_plural = "waiting entries"
        permissions = (("apply_entry", "Can apply queued transactions before their turn"),)
        indexes = (
            # claim_entries.sql: due entries, in order.
            models.Index(fields=("due_at", "id"), name="entries_in_order"),
            # claim_entries.sql: the rest of a group.
            models.Index(fields=("group_id",), condition=Q(group_id__gt=""), name="entries_of_group"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("transaction_id",), condition=Q(action="apply"), name="a_transaction_waits_once"
            ),
            models.UniqueConstraint(
                fields=("transaction_id",),
                condition=Q(action__in=("commit", "void"), is_timer=False),
                name="a_settlement_waits_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.transaction_id}"
