"""Dry runs out, in the contract's order of keys. Minor units are strings here."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from balances.models import Transaction
from balances.shapes import Answer, Number

ROLES = ("source", "destination")
STATUSES = (Transaction.Status.APPLIED, Transaction.Status.INFLIGHT, Transaction.Status.VOID)
REASONS = ("insufficient_funds", "overdraft_limit", "lock_contention", "max_retries", "other", "")


@extend_schema_field(OpenApiTypes.STR)
class Digits(serializers.Field[Any, Any, Any, Any]):
    """Minor units as a string, so that no reader rounds them."""

    def to_representation(self, value: int) -> str:
        """Return the digits."""
        return str(value)


class RejectionAnswer(Answer):
    """Why the real call would refuse: its code and its words."""

    code = serializers.CharField()
    reason = serializers.ChoiceField(choices=REASONS)
    message = serializers.CharField()


class ProjectionAnswer(Answer):
    """A balance now and afterwards. A virtual one is an indicator that has no balance yet."""

    balance_id = serializers.CharField()
    role = serializers.ChoiceField(choices=ROLES)
    currency = serializers.CharField()
    virtual = serializers.BooleanField()
    current_balance = Digits(source="current.balance")
    current_available = Digits(source="current.available")
    current_credit_balance = Digits(source="current.credit_balance")
    current_debit_balance = Digits(source="current.debit_balance")
    current_inflight_debit_balance = Digits(source="current.inflight_debit_balance")
    current_inflight_credit_balance = Digits(source="current.inflight_credit_balance")
    resulting_balance = Digits(source="resulting.balance")
    resulting_available = Digits(source="resulting.available")
    resulting_credit_balance = Digits(source="resulting.credit_balance")
    resulting_debit_balance = Digits(source="resulting.debit_balance")
    resulting_inflight_debit_balance = Digits(source="resulting.inflight_debit_balance")
    resulting_inflight_credit_balance = Digits(source="resulting.inflight_credit_balance")

    omitted_when_empty = ("virtual",)


class LegAnswer(Answer):
    """One of several rows that would be recorded."""

    identifier = serializers.CharField()
    role = serializers.ChoiceField(choices=ROLES)
    precise_amount = Digits(source="units")
    amount = Number()


class PreviewAnswer(Answer):
    """What a call would do. A rejection has no status, and leaves what it rejects as it is."""

    dry_run = serializers.BooleanField(default=True)
    would_apply = serializers.BooleanField()
    rejection = RejectionAnswer()
    operation = serializers.ChoiceField(choices=("commit", "void"))
    status = serializers.ChoiceField(choices=STATUSES)
    reference = serializers.CharField()
    currency = serializers.CharField()
    amount = Number()
    precise_amount = Digits(source="units")
    precision = Number()
    balances = ProjectionAnswer(many=True, allow_null=True)
    legs = LegAnswer(many=True)
    notes = serializers.ListField(child=serializers.CharField())

    omitted_when_empty = ("rejection", "operation", "status", "reference", "legs", "notes")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the body; an unknown amount is an empty text."""
        body = super().to_representation(instance)
        body["precise_amount"] = body["precise_amount"] or ""
        return body


class BulkPreviewAnswer(Answer):
    """What the items of a request would do, in its order.

    Cumulative: each after the ones before it, and ``balances`` say what the batch leaves. Else each on its own.
    """

    dry_run = serializers.BooleanField(default=True)
    would_apply = serializers.BooleanField()
    cumulative = serializers.BooleanField()
    atomic = serializers.BooleanField()
    results = PreviewAnswer(many=True)
    balances = ProjectionAnswer(many=True)
    notes = serializers.ListField(child=serializers.CharField())

    omitted_when_empty = ("balances", "notes")
