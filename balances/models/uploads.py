"""Uploaded files between their preview and their import, and what was imported."""

from __future__ import annotations

import uuid

from django.db import models

from balances.ground import UTCDateTimeField
from balances.models.core import now


def new_upload_id() -> str:
    """Return a fresh id."""
    return f"imp_{uuid.uuid4()}"


class Upload(models.Model):
    """An import. The contents of its files are deleted when it is imported or discarded, but this row is kept."""

    class State(models.TextChoices):
        """The progress of an import."""

        PREVIEWED = "previewed", "Waits to be confirmed"
        IMPORTED = "imported", "Imported"
        DISCARDED = "discarded", "Discarded"

    upload_id = models.TextField(primary_key=True, default=new_upload_id, editable=False, db_collation="C")
    state = models.TextField(choices=State.choices, default=State.PREVIEWED)
    ledger_name = models.TextField()
    ledger_id = models.TextField(default="")
    """The ledger that the files were imported into."""
    uploaded_by = models.TextField()
    uploaded_at = UTCDateTimeField(default=now)
    ended_by = models.TextField(default="")
    ended_at = UTCDateTimeField(null=True)
    options = models.JSONField(default=dict)
    """The form as it was filled in."""
    files = models.JSONField(default=list)
    """Of each file its kind, name, size in bytes and SHA-256."""
    fingerprint = models.TextField()
    """SHA-256 of files and options, in hex, so that only what was previewed can be confirmed."""
    report = models.JSONField(default=dict)
    """The report of the trial or of the import; amounts are texts."""

    class Meta:
        app_label = "uploads"
        verbose_name = "import"
        ordering = ("-uploaded_at", "-upload_id")
        permissions = (("import_ledger", "Can import a ledger"),)
        indexes = (models.Index(fields=("-uploaded_at", "-upload_id"), name="uploads_newest"),)

    def __str__(self) -> str:
        return f"{self.ledger_name}, {self.uploaded_at:%Y-%m-%d %H:%M}"


class Content(models.Model):
    """The bytes of an uploaded file, unpacked."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="contents")
    kind = models.TextField()
    """The matching argument of the command: balances, transactions, assertions, or statement."""
    name = models.TextField()
    data = models.BinaryField()

    class Meta:
        app_label = "uploads"

    def __str__(self) -> str:
        return f"{self.kind} of {self.upload_id}"
