"""Two times six totals of one balance: what a record, a finding and an item of a plan have in common."""

from __future__ import annotations

from typing import Any

from django.db import models

from balances.ground import MinorUnitsField
from balances.models import TOTALS
from reconciliation.measuring import Measurement, Totals

COPIED = ("balance_id", "indicator", "currency", "ledger_id", "ledger_name")


class TwoTotals(models.Model):
    """A balance as it was stored and as its transactions say, in minor units. Names are copied, so they outlive it.

    Where a correction is taken back the ``recalculated`` columns hold the totals as that leaves them: no transaction
    is read for it.
    """

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
        """Return the six totals that the transactions gave, or to which taking a correction back leads."""
        return Totals(**{total: getattr(self, f"recalculated_{total}") for total in TOTALS})

    @property
    def after(self) -> Totals:
        """Return the six totals as they are left, or would be."""
        return self.recalculated

    @property
    def by_transactions(self) -> Totals | None:
        """Return the six totals that the transactions gave, or ``None`` where none were read for it."""
        return self.recalculated

    @property
    def difference(self) -> Totals:
        """Return what a correction adds, or taking one back takes off, in each total."""
        return self.recalculated - self.previous
