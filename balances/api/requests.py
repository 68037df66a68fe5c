"""The bodies of requests about ledgers, balances, metadata and keys, as they are decoded."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from balances.api.go import Strings


class CreateLedger(serializers.Serializer[Any]):
    name = serializers.CharField()
    meta_data = serializers.DictField(required=False)

    class Meta:
        go_type = "model.CreateLedger"


class UpdateLedger(serializers.Serializer[Any]):
    name = serializers.CharField()

    class Meta:
        go_type = "model.UpdateLedger"


class CreateBalance(serializers.Serializer[Any]):
    ledger_id = serializers.CharField()
    identity_id = serializers.CharField(required=False)
    indicator = serializers.CharField(required=False, help_text="@name, in the general ledger only")
    currency = serializers.CharField()
    precision = serializers.DecimalField(None, None, required=False, help_text="Accepted and dropped")
    track_fund_lineage = serializers.BooleanField(required=False)
    allocation_strategy = serializers.CharField(required=False, help_text="FIFO, LIFO or PROPORTIONAL")
    meta_data = serializers.DictField(required=False)

    class Meta:
        go_type = "model.CreateBalance"


class UpdateMetadata(serializers.Serializer[Any]):
    meta_data = serializers.DictField()

    class Meta:
        go_type = "api.MetadataRequest"


class CreateApiKey(serializers.Serializer[Any]):
    name = serializers.CharField()
    owner = serializers.CharField()
    scopes = Strings(help_text="resource:action, either of them may be *; a key can grant no more than it holds")
    expires_at = serializers.DateTimeField()

    class Meta:
        go_type = "model.CreateAPIKeyRequest"
