"""Plans: corrections that are proposed, approved by a second person where the policy says so, and applied."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from balances.ground import ExactJSONField, UTCDateTimeField
from balances.models import now
from reconciliation.measuring import Totals
from reconciliation.models.records import Origin
from reconciliation.models.sweeps import Incident, Sweep
from reconciliation.models.totals import TwoTotals


def new_plan_id() -> str:
    """Return a fresh id of a plan."""
    return f"pln_{uuid.uuid4()}"


PLANNED = ("proposed", "approved", "applying")
"""States of a plan that is still to be carried out."""


class Plan(models.Model):
    """Balances with before and after of every total, why, and who decided. ``undoing`` ones take corrections back."""

    class State(models.TextChoices):
        """Where a plan is in its life."""

        PROPOSED = "proposed", "Waits for approval"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        APPLYING = "applying", "Being applied"
        APPLIED = "applied", "Applied"
        CANCELLED = "cancelled", "Cancelled"

    plan_id = models.TextField(primary_key=True, default=new_plan_id, editable=False)
    state = models.TextField(choices=State.choices)
    undoing = models.BooleanField(default=False)
    actor = models.TextField()
    origin = models.TextField(choices=Origin.choices)
    requested_at = UTCDateTimeField(default=now)
    reason = models.TextField()
    ticket = models.TextField(blank=True)
    sweep = models.ForeignKey(Sweep, on_delete=models.PROTECT, related_name="plans", null=True)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="plans", null=True)
    allow_incomplete = models.BooleanField(default=False)
    """Correct also where transactions are known to be incomplete or damaged, as explicitly requested."""
    fingerprint = models.TextField()
    """SHA-256 over the drift that was measured for each balance."""
    balances = models.BigIntegerField()
    drift = ExactJSONField(default=dict)
    """Gross drift that it corrects, in minor units by currency."""
    snapshots = models.BigIntegerField(default=0)
    """Snapshots of these balances that keep the wrong totals."""
    monitors = models.BigIntegerField(default=0)
    """Monitors that watch these balances."""
    needs_approval = models.BooleanField()
    policy = models.TextField(blank=True)
    """Why a second person is needed, or why not, in words."""
    decided_by = models.TextField(blank=True)
    decided_at = UTCDateTimeField(null=True)
    trial_balance = ExactJSONField(default=dict)
    """``before`` and ``after``: the stored sums of each side by currency, and whether they agree."""
    started_at = UTCDateTimeField(null=True)
    heartbeat_at = UTCDateTimeField(null=True)
    """When its last chunk was committed; a plan being applied without a recent one has lost its worker."""
    finished_at = UTCDateTimeField(null=True)

    class Meta:
        ordering = ("-requested_at", "-plan_id")
        indexes = (
            models.Index(fields=("-requested_at", "-plan_id"), name="plans_newest"),
            # The admin's search by ticket, of plans and of what they corrected, and by who asked.
            models.Index(fields=("ticket",), condition=Q(ticket__gt=""), name="plans_of_ticket"),
            models.Index(fields=("actor", "-requested_at"), name="plans_of_actor"),
            # Which findings are planned.
            models.Index(fields=("plan_id",), condition=Q(state__in=PLANNED), name="plans_open"),
        )
        permissions = (
            ("propose_plan", "Can propose plans"),
            ("approve_plan", "Can approve and reject plans of others"),
            ("apply_plan", "Can apply plans"),
        )

    def __str__(self) -> str:
        noun = "balance" if self.balances == 1 else "balances"
        return f"Plan of {self.requested_at:%Y-%m-%d %H:%M} for {self.balances:,} {noun}"


class PlanItem(TwoTotals):
    """One balance of a plan: what was measured, and how applying it ended."""

    class Outcome(models.TextChoices):
        """How it ended for a balance."""

        APPLIED = "applied", "Applied"
        UNCHANGED = "unchanged", "Unchanged (no drift any more)"
        STALE = "stale", "Stale (the drift is another one; nothing written)"
        REFUSED = "refused", "Refused (its transactions are incomplete or damaged)"

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="items")
    undoes = models.TextField(null=True, db_collation="C")
    """The record whose correction it takes back."""
    rebooks = models.TextField(null=True, db_collation="C")
    """The deleted transaction that it books again, or the rebooked one that it reverses; no total moves then."""
    outcome = models.TextField(choices=Outcome.choices, null=True)
    note = models.TextField(blank=True)
    record_id = models.TextField(null=True)
    """The record that applying it left."""

    class Meta:
        ordering = ("plan", "balance_id")
        constraints = (models.UniqueConstraint(fields=("plan", "balance_id", "undoes"), name="planned_once"),)
        indexes = (
            # What applying has still to do.
            models.Index(fields=("plan", "balance_id"), condition=Q(outcome=None), name="items_to_apply"),
            # Whether a plan has rows to rebook, which are applied another way.
            models.Index(fields=("plan",), condition=Q(outcome=None, rebooks__isnull=False), name="items_to_book"),
        )

    @property
    def by_transactions(self) -> Totals | None:
        """Return the six totals that the transactions gave, or ``None`` where what is planned does not follow them."""
        return None if self.undoes or self.rebooks else self.recalculated

    def __str__(self) -> str:
        return f"{self.indicator or self.balance_id} ({self.currency})"
