"""Shapes of our own routes: what may be asked of a reconstruction, and its full record."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from balances.shapes import Answer, Instant, MinorUnits
from reconciliation.models import Origin, Reconstruction


class AskReconstruction(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(required=False, help_text="Measure and record, change nothing")
    reason = serializers.CharField(required=False, help_text="Why; kept in the record")
    allow_empty = serializers.BooleanField(required=False, help_text="Set totals without transactions to zero")

    allow_incomplete = serializers.BooleanField(
        required=False, help_text="Follow transactions that are known to be incomplete or damaged"
    )

    class Meta:
        go_type = "model.ReconstructionRequest"


class TotalsAnswer(Answer):
    """Six totals or six differences, in minor units."""

    credit_balance = MinorUnits()
    debit_balance = MinorUnits()
    balance = MinorUnits()
    inflight_credit_balance = MinorUnits()
    inflight_debit_balance = MinorUnits()
    inflight_balance = MinorUnits()


class ReconstructionAnswer(Answer):
    """One record: ``difference`` is recalculated less previous, or what taking a correction back added."""

    reconstruction_id = serializers.CharField()
    balance_id = serializers.CharField()
    indicator = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    ledger_id = serializers.CharField()
    ledger_name = serializers.CharField()
    outcome = serializers.ChoiceField(choices=Reconstruction.Outcome.choices)
    dry_run = serializers.BooleanField()
    previous = TotalsAnswer()
    recalculated = TotalsAnswer(
        source="by_transactions", allow_null=True, help_text="null where a correction is taken back"
    )
    after = TotalsAnswer(help_text="The totals as they are left, whatever the transactions say")
    difference = TotalsAnswer()
    credit_rows = serializers.IntegerField(help_text="Applied transactions into the balance")
    debit_rows = serializers.IntegerField(help_text="Applied transactions out of the balance")
    hold_rows = serializers.IntegerField(help_text="Holds and their releases")
    actor = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    origin = serializers.ChoiceField(choices=Origin.choices)
    version_before = serializers.IntegerField()
    version_after = serializers.IntegerField()
    plan_id = serializers.CharField(allow_null=True, help_text="The plan that it came from")
    undoes = serializers.CharField(allow_null=True, help_text="The record whose correction it took back")
    transaction_id = serializers.CharField(
        allow_null=True, help_text="The transaction that it wrote without moving a total"
    )
    note = serializers.CharField(
        allow_blank=True, help_text="What was known against the transactions that it followed all the same"
    )
    executed_at = Instant()
