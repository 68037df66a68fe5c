"""Open holds, and plans that commit or void many of them at once."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models.expressions import RawSQL

from balances.ground import MinorUnitsField, UTCDateTimeField
from balances.models.core import Transaction, TransactionQuerySet, now

REMAINING = """(
    SELECT CASE WHEN count(*) FILTER (WHERE each.status = 'VOID') > 0 THEN 0
                ELSE minor_units(transactions.precise_amount, transactions.amount, transactions.precision)
                     - coalesce(sum(each.units), 0) END
    FROM settlements_of(transactions.transaction_id, transactions.parent_transaction) AS each
)"""


def new_hold_plan_id() -> str:
    """Return a fresh id."""
    return f"hpl_{uuid.uuid4()}"


class OpenHolds(models.Manager["OpenHold"]):
    """Holds of which something remains, each with ``remaining`` in minor units."""

    def get_queryset(self) -> Any:
        """Leave out what is committed in full or voided."""
        remaining = RawSQL(REMAINING, (), output_field=MinorUnitsField())  # noqa: S611 - a constant
        holds = TransactionQuerySet(self.model, using=self._db).filter(status=Transaction.Status.INFLIGHT)
        return holds.annotate(remaining=remaining).filter(remaining__gt=0)


class OpenHold(Transaction):
    """A hold that still keeps money."""

    objects = OpenHolds()  # type: ignore[assignment, misc]  # fewer rows than those of its parent

    class Meta:
        app_label = "instructions"
        proxy = True
        default_permissions = ("view",)


class HoldPlan(models.Model):
    """Many holds that one person asked to commit or to void. Who did what to it is in the audit log."""

    class Action(models.TextChoices):
        """What becomes of all that remains of each hold."""

        COMMIT = "commit", "Commit"
        VOID = "void", "Void"

    class State(models.TextChoices):
        """How far it has come."""

        WAITING = "waiting", "Waits for a second person"
        STARTED = "started", "Started"
        DONE = "done", "Done"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    plan_id = models.TextField(primary_key=True, default=new_hold_plan_id, editable=False, db_collation="C")
    action = models.TextField(choices=Action.choices)
    state = models.TextField(choices=State.choices, default=State.WAITING)
    holds = models.BigIntegerField()
    totals = models.JSONField()
    """By currency and precision: how many holds, and what remains of them in minor units, as text."""
    reason = models.TextField()
    asked_by = models.TextField()
    asked_at = UTCDateTimeField(default=now)
    second_person = models.TextField(blank=True)
    """Why a second person had to approve; empty where none had to."""
    decided_by = models.TextField(blank=True)
    decided_at = UTCDateTimeField(null=True)
    note = models.TextField(blank=True)
    """What the second person said."""
    ended_at = UTCDateTimeField(null=True)

    class Meta:
        app_label = "instructions"
        ordering = ("-asked_at", "-plan_id")
        default_permissions = ("view",)
        indexes = (
            models.Index(fields=("-asked_at", "-plan_id"), name="hold_plans_newest"),
            models.Index(
                fields=("asked_at",), condition=models.Q(state__in=("waiting", "started")), name="hold_plans_open"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.holds:,} {'hold' if self.holds == 1 else 'holds'}"


class PlannedHold(models.Model):
    """One hold of a plan, and what came of it."""

    class State(models.TextChoices):
        """What came of it."""

        WAITING = "waiting", "Waits"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        LEFT = "left", "Left as it is"

    planned_hold_id = models.BigAutoField(primary_key=True)
    plan = models.ForeignKey(HoldPlan, on_delete=models.PROTECT, related_name="lines", db_index=False)
    transaction_id = models.TextField(db_collation="C")
    currency = models.TextField(blank=True)
    precision = models.BigIntegerField(default=1)
    units = MinorUnitsField()
    """What remained of it when the plan was asked for. Where less remains, it is refused."""
    state = models.TextField(choices=State.choices, default=State.WAITING)
    why = models.TextField(blank=True)
    """Why it was refused."""
    result = models.TextField(blank=True, db_collation="C")
    """The transaction that settled it."""

    class Meta:
        app_label = "instructions"
        ordering = ("planned_hold_id",)
        default_permissions = ()
        constraints = (
            # No hold is in two plans that are still open.
            models.UniqueConstraint(
                fields=("transaction_id",), condition=models.Q(state="waiting"), name="hold_in_one_open_plan"
            ),
        )
        indexes = (models.Index(fields=("plan", "state", "planned_hold_id"), name="holds_of_plan"),)

    def __str__(self) -> str:
        return self.transaction_id
