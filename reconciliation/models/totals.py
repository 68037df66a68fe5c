"""Two times six totals of one balance: what a record, a finding and an item of a plan have in common."""

from __future__ import annotations

from typing import Any

from django.db import models

from balances.fields import MinorUnitsField
from balances.models import TOTALS
from reconciliation.reconstruction import Measurement, Totals

COPIED = ("balance_id", "indicator", "currency", "ledger_id", "ledger_name")


class TwoTotals(models.Model):
    """A balance as it was stored and as its transactions say, in minor units. Names are copied, so they outlive it."""

    balance_id = models.TextField(db_collation="C")
    indicator = models.TextField(null=True)
    currency = models.TextField()
    ledger_id = models.TextField()
    ledger_name = models.TextField()
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

    class Meta:
        abstract = True

    @staticmethod
    def copied(measurement: Measurement) -> dict[str, Any]:
        """Return the values of these columns for a measurement."""
        totals = {
            f"{when}_{total}": getattr(side, total)
            for when, side in (("previous", measurement.stored), ("recalculated", measurement.recalculated))
            for total in TOTALS
        }
        return totals | {name: getattr(measurement, name) for name in COPIED}

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
        """Return recalculated less previous, in each total: what a correction adds."""
        return self.recalculated - self.previous
