"""Conditions on totals that send a notification, under Blnk's name for the table.

Rows are written by ``balances.monitors.monitoring``.
"""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils import timezone

from balances.ground import MajorUnitsField, MinorUnitsField, UTCDateTimeField, threshold_units


def new_monitor_id() -> str:
    """Return a fresh monitor id."""
    return f"mon_{uuid.uuid4()}"


class Watched(models.TextChoices):
    """The totals that can be watched."""

    DEBIT = "debit_balance", "Debit"
    CREDIT = "credit_balance", "Credit"
    BALANCE = "balance", "Balance"
    INFLIGHT_DEBIT = "inflight_debit_balance", "Inflight debit"
    INFLIGHT_CREDIT = "inflight_credit_balance", "Inflight credit"
    INFLIGHT_BALANCE = "inflight_balance", "Inflight balance"


class Operator(models.TextChoices):
    """How a total is compared with the threshold."""

    MORE = ">", "is more than"
    LESS = "<", "is less than"
    AT_LEAST = ">=", "is at least"
    AT_MOST = "<=", "is at most"
    EQUAL = "=", "is"
    OTHER = "!=", "is not"


class BalanceMonitor(models.Model):
    """One condition on one total of a balance: ``field operator value``, where ``value`` is in major units."""

    monitor_id = models.TextField(primary_key=True, default=new_monitor_id, editable=False, db_collation="C")
    balance = models.ForeignKey("balances.Balance", models.PROTECT, related_name="monitors", db_index=False)
    field = models.TextField("total", choices=Watched.choices)
    operator = models.TextField("fires when it", choices=Operator.choices)
    value = MajorUnitsField()
    precision = MajorUnitsField(null=True)
    """Minor units in a major one; missing on rows older than this column, whose values are minor units."""
    precise_value = MinorUnitsField(null=True, editable=False)
    """The threshold in minor units; missing on the same rows."""
    description = models.TextField(null=True, blank=True, default="")
    call_back_url = models.TextField("call-back URL", null=True, blank=True, default="")
    """Kept for clients and never called: events go to the configured webhook."""
    created_at = UTCDateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "balance_monitors"
        ordering = ("-created_at", "-monitor_id")
        constraints = (
            models.CheckConstraint(
                condition=Q(field__in=Watched.values),
                name="monitor_watches_a_total",
                violation_error_message="A monitor watches one of the six totals of a balance.",
            ),
            models.CheckConstraint(
                condition=Q(operator__in=Operator.values),
                name="monitor_operator_is_known",
                violation_error_message="A monitor compares by one of > < >= <= = !=.",
            ),
            models.CheckConstraint(
                condition=Q(precision__gt=0),
                name="monitor_precision_is_positive",
                violation_error_message="The precision of a monitor must be more than zero.",
            ),
        )
        indexes = (
            # fired_monitors.sql and GET /balance-monitors/balances/{id}: the monitors of a balance.
            models.Index(fields=("balance",), name="monitors_of_balance"),
            # GET /balance-monitors and the admin's list, newest first.
            models.Index(fields=("-created_at", "-monitor_id"), name="monitors_newest"),
        )

    def __str__(self) -> str:
        return f"{self.get_field_display()} {self.get_operator_display()} {self.threshold:,}"

    @property
    def threshold(self) -> int:
        """Return the threshold in minor units, as ``fired_monitors.sql`` computes it."""
        if self.precise_value is not None:
            return self.precise_value
        return threshold_units(self.value, self.precision or Decimal(1))
