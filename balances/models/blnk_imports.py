"""The import of a database of Blnk's: what is known of its rows, and how far it is (docs/import.md).

Rows are written by ``manage.py import_blnk``.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from balances.ground import UTCDateTimeField


class BlnkImport(models.Model):
    """The one import that this database may have; its first columns are those of ``balances.ground.Provenance``."""

    schema = models.TextField()
    generation = models.TextField()
    has_rates = models.BooleanField()
    silent_until = UTCDateTimeField(null=True)
    rates_gone_at = UTCDateTimeField(null=True)
    is_one = models.BooleanField(primary_key=True, default=True)
    source = models.TextField()
    """Database and host that were read; never a password."""
    waiting = models.TextField(default="")
    """What was decided about queued rows without an outcome; empty where there were none."""
    begun_at = UTCDateTimeField()
    begun_by = models.TextField()
    snapshot_at = UTCDateTimeField()
    """When the source was as it is here."""
    finished_at = UTCDateTimeField(null=True)
    """When source and copy had been compared and were alike."""
    tables = models.JSONField(default=dict)
    """By table: the last serial number of Blnk's that is in, and how many rows are; at the end their digests."""

    class Meta:
        app_label = "uploads"
        constraints = (models.CheckConstraint(condition=Q(is_one=True), name="one_import_of_blnk"),)

    def __str__(self) -> str:
        return f"{self.source}, Blnk {self.generation}"
