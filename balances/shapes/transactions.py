"""The shape of a transaction, as clients, hooks and webhooks see it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from balances.models import Transaction
from balances.shapes.answers import Answer, Instant, Metadata, MinorUnits, Number


class ShareAnswer(Answer):
    """One of several sources or destinations, and the leg that it became."""

    identifier = serializers.CharField()
    distribution = serializers.CharField()
    precise_distribution = serializers.CharField()
    transaction_id = serializers.CharField()

    omitted_when_empty = ("precise_distribution",)


class RecordedTransaction(Answer):
    """The transaction as hooks and webhooks are sent it.

    What no column keeps is an echo of the request, or its zero value.
    """

    precise_amount = MinorUnits()
    amount = Number()
    amount_string = serializers.CharField(default="")
    precision = Number()
    overdraft_limit = Number(default=0)
    transaction_id = serializers.CharField()
    parent_transaction = serializers.CharField()
    source = serializers.CharField(source="source_id")  # type: ignore[assignment]  # as above
    destination = serializers.CharField(source="destination_id")
    reference = serializers.CharField()
    currency = serializers.CharField()
    description = serializers.CharField()
    status = serializers.ChoiceField(choices=Transaction.Status.choices)
    hash = serializers.CharField()
    allow_overdraft = serializers.BooleanField(default=False)
    inflight = serializers.BooleanField(default=False)
    skip_queue = serializers.BooleanField(default=False)
    atomic = serializers.BooleanField(default=False)
    sources = ShareAnswer(many=True, default=())
    destinations = ShareAnswer(many=True, default=())
    created_at = Instant()
    effective_date = Instant(required=False)
    scheduled_for = Instant()
    inflight_expiry_date = Instant()
    inflight_commit_date = Instant()
    meta_data = Metadata()

    omitted_when_empty = (
        "precise_amount",
        "amount_string",
        "source",
        "destination",
        "description",
        "sources",
        "destinations",
        "meta_data",
    )

    def to_representation(self, instance: Transaction | dict[str, Any]) -> dict[str, Any]:
        """Return the body; what is not known is an empty text or zero."""
        body = super().to_representation(instance)
        for name in ("parent_transaction", "reference", "currency", "status", "hash"):
            body[name] = body[name] or ""
        for name in ("amount", "precision"):
            body[name] = body[name] or 0
        values = instance if isinstance(instance, dict) else vars(instance)
        if values["effective_date"] is None:
            del body["effective_date"]
        return body


class TransactionAnswer(RecordedTransaction):
    """The transaction as clients of the API see it."""

    def to_representation(self, instance: Transaction | dict[str, Any]) -> dict[str, Any]:
        """Return the body; ``inflight`` stands in the metadata and is lifted out of it."""
        body = super().to_representation(instance)
        metadata = body.get("meta_data")
        if isinstance(metadata, dict) and metadata.get("inflight") is True:
            body["inflight"] = True
            metadata.pop("inflight")
            if not metadata:
                del body["meta_data"]
        return body


class SettledItem(serializers.Serializer[Any]):
    """What became of one of several holds."""

    transaction_id = serializers.CharField()
    status = serializers.ChoiceField(choices=("queued", "succeeded", "failed"))
    code = serializers.CharField(required=False)
    message = serializers.CharField(required=False)
    details = serializers.DictField(required=False, help_text="Of a used reference: which transaction has it")


class BulkSettledAnswer(serializers.Serializer[Any]):
    """What became of several holds, in the order of the request."""

    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    results = SettledItem(many=True)
