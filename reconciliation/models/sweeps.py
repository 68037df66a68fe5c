"""Sweeps and what they find."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q

from balances.ground import ExactJSONField, MinorUnitsField, UTCDateTimeField
from balances.models import now
from reconciliation.models.records import Origin
from reconciliation.models.totals import TwoTotals


def new_sweep_id() -> str:
    """Return a fresh id of a sweep."""
    return f"swp_{uuid.uuid4()}"


def new_finding_id() -> str:
    """Return a fresh id of a finding."""
    return f"fnd_{uuid.uuid4()}"


def new_incident_id() -> str:
    """Return a fresh id of an incident."""
    return f"inc_{uuid.uuid4()}"


class Sweep(models.Model):
    """One look at every balance of a scope: what it is about, how far it is, what it proved and what not."""

    class State(models.TextChoices):
        """Where a sweep is in its life."""

        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Refused"
        ERRORED = "errored", "Stopped by an error"
        CANCELLED = "cancelled", "Cancelled"

    OF_LIVE_PROOF = "live proof"
    """The actor of sweeps that the live proof asks for: it goes on from their snapshots."""
    OPEN = (State.QUEUED, State.RUNNING, State.PAUSED)
    ENDED = (State.FINISHED, State.CANCELLED)

    sweep_id = models.TextField(primary_key=True, default=new_sweep_id, editable=False)
    state = models.TextField(choices=State.choices, default=State.QUEUED)
    scope = models.JSONField(default=dict)
    """What was asked for, as ``Scope.as_json`` gives it."""
    checks = models.JSONField(default=list)
    """The names of the checks that it runs besides measuring drift."""
    actor = models.TextField()
    origin = models.TextField(choices=Origin.choices)
    reason = models.TextField(blank=True)
    requested_at = UTCDateTimeField(default=now)
    started_at = UTCDateTimeField(null=True)
    finished_at = UTCDateTimeField(null=True)
    heartbeat_at = UTCDateTimeField(null=True)
    """When its last chunk was committed; a running sweep without a recent one has lost its worker."""
    worked = models.DurationField(default=timedelta(0))
    """Time spent on chunks, pauses left out."""
    cursor = models.TextField(default="", db_collation="C")
    """The last balance that is done, in key order; the sweep goes on after it."""
    measured_all = models.BooleanField(default=False)
    """Every chunk is done; what remains is to explain the findings."""
    total = models.BigIntegerField(default=0)
    """Balances in scope when it was asked for; once every chunk is done, as many as there are then."""
    out_of_scope = models.BigIntegerField(default=0)
    measured = models.BigIntegerField(default=0)
    drifted = models.BigIntegerField(default=0)
    faulty = models.BigIntegerField(default=0)
    not_proved = models.BigIntegerField(default=0)
    remarked = models.BigIntegerField(default=0)
    """Balances with something to look at, from which no verdict follows."""
    trial_balance = ExactJSONField(default=list)
    """Sums of one snapshot, one object a currency, as ``reconciliation.measuring.trial_balances`` gives them."""
    error = models.TextField(blank=True)

    class Meta:
        ordering = ("-requested_at", "-sweep_id")
        indexes = (models.Index(fields=("-requested_at", "-sweep_id"), name="sweeps_newest"),)
        permissions = (("run_sweep", "Can start, pause, resume and cancel sweeps"),)

    def __str__(self) -> str:
        return f"Sweep of {self.requested_at:%Y-%m-%d %H:%M} ({self.get_state_display().lower()})"


class Incident(models.Model):
    """Findings of one sweep that share a cause; explained, planned, approved and corrected as one case."""

    incident_id = models.TextField(primary_key=True, default=new_incident_id, editable=False)
    sweep = models.ForeignKey(Sweep, on_delete=models.PROTECT, related_name="incidents")
    cause = models.TextField()
    title = models.TextField()
    """A sentence for people."""
    shared = ExactJSONField(default=dict)
    """What its findings have in common: a difference, an hour, a ledger, a factor."""
    balances = models.BigIntegerField()
    drift = ExactJSONField(default=dict)
    """Gross drift in minor units by currency."""
    opened_at = UTCDateTimeField(default=now)

    class Meta:
        ordering = ("-opened_at", "-balances", "incident_id")
        indexes = (models.Index(fields=("-opened_at", "-balances", "incident_id"), name="incidents_newest"),)

    def __str__(self) -> str:
        return self.title


class Finding(TwoTotals):
    """One balance on which a sweep found drift or a fault, or which it could not judge.

    ``explained`` and ``unexplained`` are gross drift in minor units: the sum of the absolute differences of
    credit, debit, inflight credit and inflight debit. They add up to the whole.
    """

    finding_id = models.TextField(primary_key=True, default=new_finding_id, editable=False)
    sweep = models.ForeignKey(Sweep, on_delete=models.PROTECT, related_name="findings")
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="findings", null=True)
    found_at = UTCDateTimeField()
    version = models.IntegerField()
    credit_rows = models.BigIntegerField()
    debit_rows = models.BigIntegerField()
    hold_rows = models.BigIntegerField()
    drifted = models.BooleanField()
    snapshot = models.TextField(blank=True, default="")
    """The snapshot in which it was measured, as ``pg_current_snapshot()`` gives it."""
    faults = ExactJSONField(default=list)
    """What else is wrong: objects of ``check``, ``detail``, ``rows`` (transaction ids)."""
    not_proved = models.JSONField(default=list)
    """Why the balance could not be judged: objects of ``check``, ``detail``. Never healthy."""
    remarks = ExactJSONField(default=list)
    """What may be right but is worth a look, in the same shape. It does not affect the verdict."""
    explained_at = UTCDateTimeField(null=True)
    explanations = ExactJSONField(default=list)
    """Ranked, best first, as ``reconciliation.explaining.service`` gives them."""
    cause = models.TextField(blank=True)
    """The cause of the best explanation, ``unexplained``, or nothing where there is no drift."""
    explained = MinorUnitsField(default=0)
    unexplained = MinorUnitsField(default=0)
    last_right_at = UTCDateTimeField(null=True)
    first_wrong_at = UTCDateTimeField(null=True)
    remeasured_by = models.TextField(null=True, db_collation="C")
    """The newest sweep that has measured the balance since: its drift then is not this one."""
    superseded_by = models.TextField(null=True, db_collation="C")
    """The sweep that has also looked again for every fault that was found here."""

    class Meta:
        ordering = ("sweep", "balance_id")
        constraints = (models.UniqueConstraint(fields=("sweep", "balance_id"), name="found_once_a_sweep"),)
        indexes = (
            # What a sweep still has to explain.
            models.Index(fields=("sweep", "balance_id"), condition=Q(explained_at=None), name="findings_to_explain"),
            # The findings of a balance: since when, and whether drift lasts.
            models.Index(fields=("balance_id", "-found_at"), name="findings_of_balance"),
            # The admin's list of what is open, newest first.
            models.Index(fields=("-found_at", "balance_id"), condition=Q(superseded_by=None), name="findings_open"),
            # supersede.sql: what a sweep closes.
            models.Index(fields=("balance_id",), condition=Q(superseded_by=None), name="findings_to_supersede"),
        )
        permissions = (
            ("accept_finding", "Can accept findings, and take that back"),
            ("assign_finding", "Can assign findings, and write notes on them"),
        )

    def __str__(self) -> str:
        return f"{self.indicator or self.balance_id} ({self.currency})"
