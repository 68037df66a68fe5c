"""The tables of fund lineage, under Blnk's names.

Rows of the outbox are written by ``recording.lineage`` and, with the mappings, by ``lineage.tracing``.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from balances.ground import ExactJSONField, UTCDateTimeField
from balances.models.people import Identity


class LineageMapping(models.Model):
    """The balances that hold what a tracked balance has of one provider; created with the first money of it."""

    id = models.AutoField(primary_key=True)
    balance = models.ForeignKey("balances.Balance", models.PROTECT, related_name="lineage_mappings", db_index=False)
    provider = models.TextField()
    shadow_balance = models.ForeignKey("balances.Balance", models.PROTECT, related_name="+", db_index=False)
    aggregate_balance = models.ForeignKey("balances.Balance", models.PROTECT, related_name="+", db_index=False)
    identity = models.ForeignKey(Identity, models.PROTECT, related_name="+", db_index=False)
    created_at = UTCDateTimeField(default=timezone.now)

    class Meta:
        db_table = "lineage_mappings"
        ordering = ("created_at", "id")
        constraints = (
            # tracked_balances.sql: the mappings of a balance.
            models.UniqueConstraint(fields=("balance", "provider"), name="one_mapping_of_a_provider"),
        )
        indexes = (
            # owners_of_aggregates.sql: the identity that owns an aggregate.
            models.Index(fields=("aggregate_balance", "identity"), name="mappings_of_aggregate"),
            # The mappings of an identity: its deletion looks there.
            models.Index(fields=("identity",), name="mappings_of_identity"),
        )

    def __str__(self) -> str:
        return f"{self.provider} of {self.balance_id}"


class LineageOutbox(models.Model):
    """A movement whose funds will be traced, added in the commit that records it."""

    class Type(models.TextChoices):
        """Which effect of a movement is traced."""

        CREDIT = "credit", "Credit"
        DEBIT = "debit", "Debit"
        BOTH = "both", "Debit and credit"
        SHADOW_COMMIT = "shadow_commit", "Commit"
        SHADOW_VOID = "shadow_void", "Void"

    class Status(models.TextChoices):
        """The progress. Only the original stores ``processing``: here a claim ends with its transaction."""

        PENDING = "pending", "Pending"
        PROCESSING = "processing", "Processing"
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"

    id = models.BigAutoField(primary_key=True)
    transaction_id = models.TextField(db_collation="C")
    """The row that moved money; for a commit or void its row, followed by ``_shadow_commit`` or ``_shadow_void``."""
    source_balance_id = models.TextField(null=True, db_collation="C")
    destination_balance_id = models.TextField(null=True, db_collation="C")
    provider = models.TextField(null=True)
    lineage_type = models.TextField(choices=Type.choices)
    payload = ExactJSONField()
    status = models.TextField(choices=Status.choices, default=Status.PENDING)
    attempts = models.IntegerField(default=0)
    max_attempts = models.IntegerField(default=5)
    last_error = models.TextField(null=True)
    created_at = UTCDateTimeField(default=timezone.now)
    processed_at = UTCDateTimeField(null=True)
    locked_until = UTCDateTimeField(null=True)
    """When the next attempt is due, after a failure."""
    inflight = models.BooleanField(default=False)

    class Meta:
        db_table = "lineage_outbox"
        verbose_name = "movement of tracked funds"
        verbose_name_plural = "movements of tracked funds"
        permissions = (("retry_lineageoutbox", "Can have funds traced again"),)
        constraints = (models.UniqueConstraint(fields=("transaction_id",), name="traced_once"),)
        indexes = (
            # claim.sql: what waits to be traced, in order.
            models.Index(fields=("id",), condition=Q(status__in=("pending", "processing")), name="lineage_in_order"),
            # The page of a balance, and the admin's list: what could not be traced.
            models.Index(fields=("id",), condition=Q(status="failed"), name="lineage_failed"),
        )

    def __str__(self) -> str:
        return f"{self.lineage_type} {self.transaction_id}"
