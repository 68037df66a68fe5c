"""What people asked in the back-office to move by hand, and what came of it."""

from __future__ import annotations

import uuid

from django.db import models

from balances.ground import MinorUnitsField, UTCDateTimeField
from balances.models.core import now


def new_instruction_id() -> str:
    """Return a fresh id."""
    return f"ins_{uuid.uuid4()}"


class Instruction(models.Model):
    """A payment, hold, commit, void or refund by hand. Who did what to it is in the audit log."""

    class Kind(models.TextChoices):
        """What it asks for."""

        PAYMENT = "payment", "Payment"
        HOLD = "hold", "Hold"
        COMMIT = "commit", "Commit"
        VOID = "void", "Void"
        REFUND = "refund", "Refund"

    class State(models.TextChoices):
        """How far it has come."""

        WAITING = "waiting", "Waits for a second person"
        STARTED = "started", "Started"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused by the ledger"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    instruction_id = models.TextField(primary_key=True, default=new_instruction_id, editable=False, db_collation="C")
    kind = models.TextField(choices=Kind.choices)
    state = models.TextField(choices=State.choices, default=State.WAITING)
    request = models.JSONField()
    """What was asked for, as ``instructing.orders`` reads it; amounts are texts."""
    subject = models.TextField(blank=True, db_collation="C")
    """The transaction that is settled or refunded."""
    currency = models.TextField()
    units = MinorUnitsField()
    precision = models.BigIntegerField(default=1)
    reason = models.TextField()
    asked_by = models.TextField()
    asked_at = UTCDateTimeField(default=now)
    second_person = models.TextField(blank=True)
    """Why a second person had to approve; empty where none had to."""
    decided_by = models.TextField(blank=True)
    decided_at = UTCDateTimeField(null=True)
    note = models.TextField(blank=True)
    """What the second person said, or why the ledger refused."""
    result = models.TextField(blank=True, db_collation="C")
    """The transaction that came of it."""

    class Meta:
        app_label = "instructions"
        ordering = ("-asked_at", "-instruction_id")
        permissions = (
            ("move_money", "Can move money by hand"),
            ("approve_instruction", "Can approve and reject what others move by hand"),
        )
        indexes = (
            models.Index(fields=("-asked_at", "-instruction_id"), name="instructions_newest"),
            models.Index(
                fields=("asked_at",), condition=models.Q(state__in=("waiting", "started")), name="instructions_open"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.instruction_id}"
