"""The records, append-only: what was corrected, decided, refused, disclosed and exported, and the chain over all."""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

from django.db import models
from django.db.models import Q

from balances.ground import MinorUnitsField, UTCDateTimeField
from balances.models import now
from reconciliation.measuring import Measurement, Totals
from reconciliation.models.totals import TwoTotals


def new_reconstruction_id() -> str:
    """Return a fresh id of a record."""
    return f"rcn_{uuid.uuid4()}"


def new_step_id() -> str:
    """Return a fresh id of a step."""
    return f"stp_{uuid.uuid4()}"


def new_disclosure_id() -> str:
    """Return a fresh id of a disclosure."""
    return f"dsc_{uuid.uuid4()}"


def new_audit_id() -> str:
    """Return a fresh id of an entry of the audit log."""
    return f"aud_{uuid.uuid4()}"


def new_refusal_id() -> str:
    """Return a fresh id of a refusal."""
    return f"rfs_{uuid.uuid4()}"


def new_acceptance_id() -> str:
    """Return a fresh id of an acceptance."""
    return f"acc_{uuid.uuid4()}"


def new_export_id() -> str:
    """Return a fresh id of an export."""
    return f"exp_{uuid.uuid4()}"


def new_archive_id() -> str:
    """Return a fresh id of an archived month."""
    return f"arc_{uuid.uuid4()}"


class Origin(models.TextChoices):
    """The door through which something was asked for."""

    METADATA = "metadata", "Metadata flag (REST)"
    API = "api", "REST"
    ADMIN = "admin", "Admin"
    COMMAND = "command", "Command"
    SCRIPT = "script", "Script"
    SCHEDULE = "schedule", "Schedule"


class Reconstruction(TwoTotals):
    """What one run found on one balance and what it did."""

    class Outcome(models.TextChoices):
        """How a run ended."""

        PREVIEWED = "previewed", "Previewed (nothing changed)"
        CORRECTED = "corrected", "Corrected"
        NO_DRIFT = "no_drift", "No drift"
        UNDONE = "undone", "Took a correction back"
        REBOOKED = "rebooked", "Booked a deleted transaction again"

    reconstruction_id = models.TextField(primary_key=True, default=new_reconstruction_id, editable=False)
    executed_at = UTCDateTimeField()
    outcome = models.TextField(choices=Outcome.choices)
    dry_run = models.BooleanField()
    actor = models.TextField()
    reason = models.TextField(blank=True)
    origin = models.TextField(choices=Origin.choices)
    credit_rows = models.BigIntegerField()
    debit_rows = models.BigIntegerField()
    hold_rows = models.BigIntegerField()
    version_before = models.IntegerField()
    version_after = models.IntegerField()
    """One more where the run moved a total. Like all numbers here of the snapshot: postings since then count apart."""
    plan_id = models.TextField(null=True, db_collation="C")
    """The plan that it belongs to, if it came from one."""
    undoes = models.TextField(null=True, db_collation="C")
    """The record whose correction it took back."""
    transaction_id = models.TextField(null=True, db_collation="C")
    """The transaction that it wrote when booking a deleted one again, or undoing that; no total moved then."""
    note = models.TextField(blank=True, default="")
    """What was known to be incomplete or damaged in the transactions that it followed, as a sentence."""

    class Meta:
        ordering = ("-executed_at", "-reconstruction_id")
        indexes = (
            # The history of a balance: GET /balances/{id}/reconstructions and the balance page.
            models.Index(fields=("balance_id", "-executed_at", "-reconstruction_id"), name="history_of_balance"),
            # The admin's list, newest first.
            models.Index(fields=("-executed_at", "-reconstruction_id"), name="reconstructions_newest"),
            # The records of the two balances of a transaction that was booked again.
            models.Index(
                fields=("transaction_id",), condition=Q(transaction_id__isnull=False), name="reconstructions_of_row"
            ),
            # The records of a plan, on its page.
            models.Index(fields=("plan_id",), condition=Q(plan_id__isnull=False), name="reconstructions_of_plan"),
        )
        constraints = (
            # A correction is taken back once; to take that back is another record's undo.
            models.UniqueConstraint(fields=("undoes",), name="undone_once"),
        )
        permissions = (("undo_reconstruction", "Can take a correction back"),)

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.indicator or self.balance_id} at {self.executed_at:%Y-%m-%d %H:%M}"

    @classmethod
    def of(cls, measurement: Measurement, **what: Any) -> Reconstruction:
        """Build an unsaved record from a measurement and what is done with it."""
        counted = {
            name: getattr(measurement, name) for name in ("executed_at", "credit_rows", "debit_rows", "hold_rows")
        }
        moved = measurement.has_drift and not what["dry_run"]
        versions = {"version_before": measurement.version, "version_after": measurement.version + moved}
        return cls(**cls.copied(measurement), **counted, **versions, **what)

    @property
    def after(self) -> Totals:
        """Return the six totals as the run left them, or a preview would; booking a transaction moves none."""
        return self.previous if self.transaction_id else self.recalculated

    @property
    def by_transactions(self) -> Totals | None:
        """Return the six totals that the transactions gave, or ``None`` where a correction was taken back."""
        return None if self.undoes and not self.transaction_id else self.recalculated

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a record stays. The database refuses as well."""
        raise TypeError("Records of reconstructions are append-only.")


class Step(models.Model):
    """One thing that happened to a plan: who did it, when, through which door, and what they said."""

    class Kind(models.TextChoices):
        """What can happen to a plan."""

        PROPOSED = "proposed", "Proposed"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        STARTED = "started", "Applying started"
        FINISHED = "finished", "Applying finished"
        CANCELLED = "cancelled", "Cancelled"
        REFUSED = "refused", "Refused"

    step_id = models.TextField(primary_key=True, default=new_step_id, editable=False)
    plan_id = models.TextField(db_collation="C")
    taken_at = UTCDateTimeField(default=now)
    kind = models.TextField(choices=Kind.choices)
    actor = models.TextField()
    origin = models.TextField(choices=Origin.choices)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ("taken_at", "step_id")
        indexes = (
            models.Index(fields=("plan_id", "taken_at"), name="steps_of_plan"),
            # The admin's list, newest first.
            models.Index(fields=("-taken_at", "-step_id"), name="steps_newest"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.actor} at {self.taken_at:%Y-%m-%d %H:%M}"


class Refusal(models.Model):
    """An attempt that was refused: no permission, an expired key, a forged form, a wrong password."""

    refusal_id = models.TextField(primary_key=True, default=new_refusal_id, editable=False)
    refused_at = UTCDateTimeField(default=now)
    actor = models.TextField()
    door = models.TextField()
    what = models.TextField()
    why = models.TextField()
    address = models.TextField(blank=True)
    attempts = models.BigIntegerField(default=1)
    """How many attempts it stands for: this one, and earlier ones that came too fast for a record each."""

    class Meta:
        ordering = ("-refused_at", "-refusal_id")
        indexes = (
            models.Index(fields=("-refused_at", "-refusal_id"), name="refusals_newest"),
            # What is already reported of the changes that the database refused.
            models.Index(fields=("refused_at",), condition=Q(door="database"), name="refusals_of_database"),
        )

    def __str__(self) -> str:
        return f"{self.actor}: {self.what} ({self.why})"


class Disclosure(models.Model):
    """Original values of tokenized fields of an identity were shown to somebody; the values are not kept."""

    disclosure_id = models.TextField(primary_key=True, default=new_disclosure_id, editable=False)
    disclosed_at = UTCDateTimeField(default=now)
    identity_id = models.TextField(db_collation="C")
    field_names = models.TextField("fields")
    actor = models.TextField()
    door = models.TextField()
    address = models.TextField(blank=True)

    class Meta:
        ordering = ("-disclosed_at", "-disclosure_id")
        indexes = (
            models.Index(fields=("-disclosed_at", "-disclosure_id"), name="disclosures_newest"),
            # Who has seen an identity's data.
            models.Index(fields=("identity_id", "-disclosed_at"), name="disclosures_of_identity"),
        )

    def __str__(self) -> str:
        return f"{self.actor} saw {self.field_names} of {self.identity_id}"


class Acceptance(models.Model):
    """A person accepted what was found on a balance, or took that back. It holds for this drift and these checks alone.

    The amounts are the drift in minor units, stored less recalculated.
    """

    class Kind(models.TextChoices):
        """What was decided."""

        ACCEPTED = "accepted", "Accepted"
        WITHDRAWN = "withdrawn", "Acceptance taken back"

    acceptance_id = models.TextField(primary_key=True, default=new_acceptance_id, editable=False)
    decided_at = UTCDateTimeField(default=now)
    kind = models.TextField(choices=Kind.choices)
    finding_id = models.TextField(db_collation="C")
    balance_id = models.TextField(db_collation="C")
    indicator = models.TextField(null=True)
    currency = models.TextField()
    credit_balance = MinorUnitsField()
    debit_balance = MinorUnitsField()
    balance = MinorUnitsField()
    inflight_credit_balance = MinorUnitsField()
    inflight_debit_balance = MinorUnitsField()
    inflight_balance = MinorUnitsField()
    checks = models.JSONField(default=list)
    """The names of the checks that had found something besides, in order: what any other one finds is not accepted."""
    actor = models.TextField()
    origin = models.TextField(choices=Origin.choices)
    reason = models.TextField()

    class Meta:
        ordering = ("-decided_at", "-acceptance_id")
        indexes = (
            # What holds for a balance: the newest.
            models.Index(fields=("balance_id", "-decided_at", "-acceptance_id"), name="acceptances_of_balance"),
            # The admin's list, newest first.
            models.Index(fields=("-decided_at", "-acceptance_id"), name="acceptances_newest"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.indicator or self.balance_id}, by {self.actor}"


class Export(models.Model):
    """A list left as a file: who took it, how it was filtered, and how many rows it had."""

    export_id = models.TextField(primary_key=True, default=new_export_id, editable=False)
    exported_at = UTCDateTimeField(default=now)
    actor = models.TextField()
    address = models.TextField(blank=True)
    listed = models.TextField()
    """The list, as ``app.model``."""
    filters = models.TextField(blank=True)
    """Search, filters and order, as they stood in the address."""
    file_kind = models.TextField()
    rows = models.BigIntegerField()

    class Meta:
        ordering = ("-exported_at", "-export_id")
        indexes = (
            # The admin's lists, newest first, and of one person.
            models.Index(fields=("-exported_at", "-export_id"), name="exports_newest"),
            models.Index(fields=("actor", "-exported_at"), name="exports_of_actor"),
        )

    def __str__(self) -> str:
        return f"{self.rows:,} rows of {self.listed} by {self.actor}"


class AuditEntry(models.Model):
    """What a person added, changed or deleted in the back-office, or that they signed in or out."""

    class Action(models.TextChoices):
        """What was done."""

        ADDED = "added", "Added"
        CHANGED = "changed", "Changed"
        DELETED = "deleted", "Deleted"
        ACTED = "acted", "Acted"
        SIGNED_IN = "signed in", "Signed in"
        SIGNED_OUT = "signed out", "Signed out"

    audit_id = models.TextField(primary_key=True, default=new_audit_id, editable=False)
    done_at = UTCDateTimeField(default=now)
    actor = models.TextField(db_collation="C")
    action = models.TextField(choices=Action.choices)
    subject = models.TextField()
    """The kind of thing: ``user``, ``API key``."""
    subject_id = models.TextField(db_collation="C")
    name = models.TextField()
    before = models.TextField(blank=True)
    """What differs, before it was done: a JSON object of texts by name of the field; secrets are left out."""
    after = models.TextField(blank=True)
    address = models.TextField(blank=True)

    class Meta:
        verbose_name = "entry of the audit log"
        verbose_name_plural = "audit log"
        ordering = ("-done_at", "-audit_id")
        indexes = (
            models.Index(fields=("-done_at", "-audit_id"), name="audit_newest"),
            models.Index(fields=("actor", "-done_at"), name="audit_of_actor"),
            # What happened to one thing.
            models.Index(fields=("subject_id", "-done_at"), name="audit_of_subject"),
        )

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject} {self.name}".rstrip()


class Archive(models.Model):
    """A closed month that was written to files and read back; its manifest says what is in each of them."""

    archive_id = models.TextField(primary_key=True, default=new_archive_id, editable=False)
    archived_at = UTCDateTimeField(default=now)
    month = models.TextField(db_collation="C", unique=True)
    """As ``2026-01``; by the instants of creation, in UTC."""
    manifest = models.TextField()
    """SHA-256 of the manifest, which itself has that of each file."""
    previous = models.TextField(blank=True)
    """The same of the month before, or nothing for the first month."""
    legs = models.BigIntegerField()
    files = models.IntegerField()
    actor = models.TextField()
    origin = models.TextField(choices=Origin.choices)

    class Meta:
        verbose_name = "archived month"
        ordering = ("-month",)

    def __str__(self) -> str:
        return f"{self.month}: {self.legs:,} legs"


class Seal(models.Model):
    """One link of the chain over all records: ``digest`` seals a record's content, ``hash`` the chain up to here.

    ``hash`` is SHA-256 over the hash before it and every other column of this row.
    """

    sequence = models.BigIntegerField(primary_key=True)
    kind = models.TextField()
    record_id = models.TextField(db_collation="C")
    digest = models.TextField()
    hash = models.TextField()
    sealed_at = UTCDateTimeField(default=now)

    class Meta:
        ordering = ("sequence",)
        constraints = (models.UniqueConstraint(fields=("kind", "record_id"), name="sealed_once"),)

    def __str__(self) -> str:
        return f"{self.sequence}: {self.kind} {self.record_id}"
