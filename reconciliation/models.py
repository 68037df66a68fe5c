"""The record of reconstructions: append-only, one row a run on a balance."""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

from django.db import models

from balances.fields import MinorUnitsField, UTCDateTimeField
from balances.models import TOTALS
from reconciliation.reconstruction import Measurement, Totals


def new_reconstruction_id() -> str:
    """Return a fresh id of a record."""
    return f"rcn_{uuid.uuid4()}"


class Reconstruction(models.Model):
    """What one run found on one balance and what it did. Names are copied, so that the record outlives them."""

    class Outcome(models.TextChoices):
        """How a run ended."""

        PREVIEWED = "previewed", "Previewed (nothing changed)"
        CORRECTED = "corrected", "Corrected"
        NO_DRIFT = "no_drift", "No drift"

    class Origin(models.TextChoices):
        """The door through which it was asked for."""

        METADATA = "metadata", "Metadata flag (REST)"
        API = "api", "REST"
        ADMIN = "admin", "Admin"
        COMMAND = "command", "Command"
        SCRIPT = "script", "Script"

    reconstruction_id = models.TextField(primary_key=True, default=new_reconstruction_id, editable=False)
    executed_at = UTCDateTimeField()
    balance_id = models.TextField(db_collation="C")
    indicator = models.TextField(null=True)
    currency = models.TextField()
    ledger_id = models.TextField()
    ledger_name = models.TextField()
    outcome = models.TextField(choices=Outcome.choices)
    dry_run = models.BooleanField()
    actor = models.TextField()
    reason = models.TextField(blank=True)
    origin = models.TextField(choices=Origin.choices)
    previous_credit_balance = MinorUnitsField()
    previous_debit_balance = MinorUnitsField()
    previous_balance = MinorUnitsField()
    previous_inflight_credit_balance = MinorUnitsField()
    previous_inflight_debit_balance = MinorUnitsField()
    previous_inflight_balance = MinorUnitsField()
    recalculated_credit_balance = MinorUnitsField()
    recalculated_debit_balance = MinorUnitsField()
    recalculated_balance = MinorUnitsField()
    recalculated_inflight_credit_balance = MinorUnitsField()
    recalculated_inflight_debit_balance = MinorUnitsField()
    recalculated_inflight_balance = MinorUnitsField()
    credit_rows = models.BigIntegerField()
    debit_rows = models.BigIntegerField()
    hold_rows = models.BigIntegerField()
    version_before = models.IntegerField()
    version_after = models.IntegerField()

    class Meta:
        ordering = ("-executed_at", "-reconstruction_id")
        indexes = (
            # The history of a balance: GET /balances/{id}/reconstructions and the balance page.
            models.Index(fields=("balance_id", "-executed_at", "-reconstruction_id"), name="history_of_balance"),
            # The admin's list, newest first.
            models.Index(fields=("-executed_at", "-reconstruction_id"), name="reconstructions_newest"),
        )

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.indicator or self.balance_id} at {self.executed_at:%Y-%m-%d %H:%M}"

    @classmethod
    def of(cls, measurement: Measurement, **what: Any) -> Reconstruction:
        """Build an unsaved record from a measurement and what was done with it."""
        totals = {
            f"{when}_{total}": getattr(side, total)
            for when, side in (("previous", measurement.stored), ("recalculated", measurement.recalculated))
            for total in TOTALS
        }
        copied = [
            "executed_at",
            "balance_id",
            "indicator",
            "currency",
            "ledger_id",
            "ledger_name",
            "credit_rows",
            "debit_rows",
            "hold_rows",
        ]
        return cls(**totals, **{name: getattr(measurement, name) for name in copied}, **what)

    @property
    def previous(self) -> Totals:
        """Return the six totals as they were stored."""
        return Totals(**{total: getattr(self, f"previous_{total}") for total in TOTALS})

    @property
    def recalculated(self) -> Totals:
        """Return the six totals that the transactions gave."""
        return Totals(**{total: getattr(self, f"recalculated_{total}") for total in TOTALS})

    @property
    def difference(self) -> Totals:
        """Return recalculated less previous, in each total."""
        return self.recalculated - self.previous

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a record stays. The database refuses as well."""
        raise TypeError("Records of reconstructions are append-only.")
