"""What waits in the queue.

The truth is the row with status QUEUED or SCHEDULED, which never changes. An entry says that it waits still, and what
no column of that row keeps; it goes in the commit that writes the outcome, so a movement happens exactly once.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from balances.ground import MinorUnitsField, UTCDateTimeField


class Entry(models.Model):
    """One thing to do: apply a queued transaction, or commit or void what an id holds."""

    class Action(models.TextChoices):
        """What is to be done."""

        APPLY = "apply", "Apply"
        COMMIT = "commit", "Commit"
        VOID = "void", "Void"

    action = models.TextField(choices=Action.choices)
    transaction_id = models.TextField(db_collation="C")
    """The queued row to be applied; or the id whose holds are to be settled, which may be a parent without a row."""
    group_id = models.TextField(default="", db_collation="C")
    """Entries of one group are applied in one commit, or none of them is; empty: on its own."""
    units = MinorUnitsField(null=True)
    """What to commit of each hold, in minor units; nothing: all that remains."""
    action_id = models.TextField(default="")
    """Part of the reference of a settlement."""
    is_timer = models.BooleanField(default=False)
    """Whether a date asked for the settlement, not a request."""
    inflight = models.BooleanField(default=False)
    allow_overdraft = models.BooleanField(default=False)
    overdraft_limit = MinorUnitsField(null=True)
    """How far the source may go below zero, in minor units; nothing: no limit."""
    inflight_expiry_date = UTCDateTimeField(null=True)
    inflight_commit_date = UTCDateTimeField(null=True)
    """The dates of a hold as they were sent, of the entry that applies it: what they ask for has entries of its own."""
    due_at = UTCDateTimeField(db_default=Now())
    """When it is to be done, at the earliest; by the clock of the database."""
    attempts = models.IntegerField(default=0)
    last_error = models.TextField(default="")

    class Meta:
        app_label = "queueing"
        verbose_name = "waiting entry"
        verbose_name_plural = "waiting entries"
        permissions = (("apply_entry", "Can apply queued transactions before their turn"),)
        indexes = (
            # claim_entries.sql: what is due, in order.
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
