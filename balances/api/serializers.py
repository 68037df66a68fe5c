"""The shapes of payloads: requests as they are decoded, answers in the contract's order of keys.

Serializers describe; none of them saves. Rows are written by ``balances.posting``.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from balances.amounts import short
from balances.api.body import Strings, Structs
from balances.api.rendering import ZERO_TIME, go_time
from balances.exact_json import MAX_DIGITS
from balances.holders import Identity
from balances.keys import ApiKey
from balances.models import Balance, Transaction


@extend_schema_field({"type": "integer", "description": "Minor units, of any size"})
class MinorUnits(serializers.Field[Any, Any, Any, Any]):
    """A bare integer of any size."""

    def to_representation(self, value: int | Decimal) -> int | Decimal | str:
        """Return the number itself; a fraction, or a text such as NaN, only where a database holds that."""
        return str(value) if isinstance(value, Decimal) and not value.is_finite() else value


@extend_schema_field(OpenApiTypes.NUMBER)
class Number(serializers.Field[Any, Any, Any, Any]):
    """A decimal number without a needless fraction: ``100``, never ``100.0``."""

    def to_representation(self, value: int | Decimal) -> int | Decimal:
        """Return an ``int`` where that is exact."""
        return short(Decimal(value))


@extend_schema_field(OpenApiTypes.DATETIME)
class Instant(serializers.Field[Any, Any, Any, Any]):
    """RFC 3339 in UTC; the zero time where nothing is set."""

    def to_representation(self, value: datetime | None) -> str:
        """Return the text."""
        return ZERO_TIME if value is None else go_time(value)

    def get_attribute(self, instance: Any) -> Any:
        """Return the instant; a row that does not keep it has none."""
        return getattr(instance, str(self.source), None)


@extend_schema_field(OpenApiTypes.DATETIME)
class Day(serializers.Field[Any, Any, Any, Any]):
    """A day as the instant at which it begins in UTC; an instant as it is."""

    def to_representation(self, value: date) -> str:
        """Return the text."""
        return go_time(value) if isinstance(value, datetime) else f"{value.isoformat()}T00:00:00Z"


@extend_schema_field({"type": "object", "nullable": True, "additionalProperties": True})
class Metadata(serializers.Field[Any, Any, Any, Any]):
    """Any JSON object, keys in byte order as the original sends them; anything else as it is stored."""

    def to_representation(self, value: Any) -> Any:
        """Return the value with its keys sorted."""
        return in_byte_order(value)


def in_byte_order(value: Any) -> Any:
    """Return a JSON value as the original writes it: keys sorted by their bytes, ``1`` for ``1.0`` (conventions 5)."""
    if isinstance(value, dict):
        return {key: in_byte_order(value[key]) for key in sorted(value, key=str.encode)}
    if isinstance(value, list):
        return [in_byte_order(item) for item in value]
    return short(value) if isinstance(value, Decimal) and value.adjusted() < MAX_DIGITS else value


class Answer(serializers.Serializer[Any]):
    """An answer some of whose keys are left out when they say nothing."""

    omitted_when_empty: tuple[str, ...] = ()

    @classmethod
    def body(cls, instance: Any) -> dict[str, Any]:
        """Return the body for an instance. The fields are bound once, not anew for each answer."""
        return _bound(cls).to_representation(instance)

    @cached_property
    def _bound_fields(self) -> tuple[tuple[str, serializers.Field[Any, Any, Any, Any]], ...]:
        return tuple(self.fields.items())

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the keys in order, without the empty ones that the contract omits."""
        body = {}
        for name, field in self._bound_fields:
            value = field.get_attribute(instance)
            body[name] = None if value is None and not isinstance(field, Instant) else field.to_representation(value)
        for name in self.omitted_when_empty:
            if body[name] is None or body[name] in ("", {}, []):
                del body[name]
        return body


@cache
def _bound(shape: type[Answer]) -> Answer:
    return shape()


# --- requests


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


class Distribution(serializers.Serializer[Any]):
    identifier = serializers.CharField(help_text="Balance id or @indicator")
    distribution = serializers.CharField(required=False, help_text="A share such as 10%, an amount, or left")
    precise_distribution = serializers.CharField(required=False, help_text="Minor units, or left")
    transaction_id = serializers.CharField(required=False)

    class Meta:
        go_type = "model.Distribution"


class RecordTransaction(serializers.Serializer[Any]):
    amount = serializers.DecimalField(None, None, required=False, help_text="Major units")
    precise_amount = serializers.IntegerField(required=False, help_text="Minor units, instead of amount")
    precision = serializers.DecimalField(
        None, None, required=False, help_text="Minor units in a major one; 100 is two decimals"
    )
    currency = serializers.CharField()
    reference = serializers.CharField(help_text="Unique over all transactions")
    description = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]  # the base class has an attribute of this name
        required=False, help_text="Balance id or @indicator"
    )
    destination = serializers.CharField(required=False, help_text="Balance id or @indicator")
    sources = Structs(Distribution, required=False)
    destinations = Structs(Distribution, required=False)
    allow_overdraft = serializers.BooleanField(required=False)
    overdraft_limit = serializers.DecimalField(None, None, required=False, help_text="Major units")
    inflight = serializers.BooleanField(required=False)
    inflight_expiry_date = serializers.CharField(required=False)
    inflight_commit_date = serializers.CharField(required=False)
    scheduled_for = serializers.CharField(required=False)
    effective_date = serializers.DateTimeField(required=False)
    skip_queue = serializers.BooleanField(required=False)
    atomic = serializers.BooleanField(required=False)
    dry_run = serializers.BooleanField(required=False)
    meta_data = serializers.DictField(required=False)

    class Meta:
        go_type = "model.RecordTransaction"


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


# --- answers


class LedgerAnswer(Answer):
    ledger_id = serializers.CharField()
    name = serializers.CharField()
    created_at = Instant()
    meta_data = Metadata()


class IdentityAnswer(Answer):
    """The identity of identities-accounts 1; a tokenized field shows its token."""

    identity_id = serializers.CharField()
    identity_type = serializers.CharField()
    organization_name = serializers.CharField()
    category = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    other_names = serializers.CharField()
    gender = serializers.CharField()
    email_address = serializers.CharField()
    phone_number = serializers.CharField()
    nationality = serializers.CharField()
    street = serializers.CharField()
    country = serializers.CharField()
    state = serializers.CharField()
    post_code = serializers.CharField()
    city = serializers.CharField()
    dob = Day()
    created_at = Instant()
    meta_data = Metadata()

    def to_representation(self, instance: Identity) -> dict[str, Any]:
        """Return the body; what is not known is an empty text, or the zero time."""
        body = super().to_representation(instance)
        absent = {"dob": ZERO_TIME, "meta_data": None}
        return {name: absent.get(name, "") if value is None else value for name, value in body.items()}


class BalanceAnswer(Answer):
    """The flat balance of ledgers-balances 3; amounts in minor units."""

    balance = MinorUnits()
    version = serializers.IntegerField()
    inflight_balance = MinorUnits()
    credit_balance = MinorUnits()
    inflight_credit_balance = MinorUnits()
    debit_balance = MinorUnits()
    inflight_debit_balance = MinorUnits()
    queued_debit_balance = MinorUnits(default=None, help_text="With with_queued=true")
    queued_credit_balance = MinorUnits(default=None, help_text="With with_queued=true")
    ledger_id = serializers.CharField()
    identity_id = serializers.CharField()
    balance_id = serializers.CharField()
    indicator = serializers.CharField()
    currency = serializers.CharField()
    identity = IdentityAnswer(source="included_identity", default=None, help_text="With include=identity")
    ledger = LedgerAnswer(source="included_ledger", default=None, help_text="With include=ledger")
    created_at = Instant()
    inflight_expires_at = Instant()
    meta_data = Metadata()
    track_fund_lineage = serializers.BooleanField()
    allocation_strategy = serializers.CharField()

    omitted_when_empty = ("queued_debit_balance", "queued_credit_balance", "indicator", "identity", "ledger")

    def to_representation(self, instance: Balance) -> dict[str, Any]:
        """Return the body; no identity is an empty string."""
        body = super().to_representation(instance)
        body["identity_id"] = body["identity_id"] or ""
        return body


class TransactionAnswer(Answer):
    """The transaction of transactions 2. What no column keeps is an echo of the request, or its zero value."""

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
    created_at = Instant()
    effective_date = Instant()
    scheduled_for = Instant()
    inflight_expiry_date = Instant()
    inflight_commit_date = Instant()
    meta_data = Metadata()

    omitted_when_empty = ("precise_amount", "amount_string", "source", "destination", "description", "meta_data")

    def to_representation(self, instance: Transaction) -> dict[str, Any]:
        """Return the body; ``inflight`` stands in the metadata and is lifted out of it (transactions 2)."""
        body = super().to_representation(instance)
        for name in ("parent_transaction", "reference", "currency", "status", "hash"):
            body[name] = body[name] or ""
        for name in ("amount", "precision"):
            body[name] = body[name] or 0
        if instance.effective_date is None:
            del body["effective_date"]
        metadata = body.get("meta_data")
        if isinstance(metadata, dict) and metadata.get("inflight") is True:
            body["inflight"] = True
            metadata.pop("inflight")
            if not metadata:
                del body["meta_data"]
        return body


class MetadataAnswer(serializers.Serializer[Any]):
    meta_data = Metadata()


class ApiKeyAnswer(Answer):
    """A key; ``key`` itself is there only in the answer that issues it, its hash never."""

    api_key_id = serializers.CharField()
    key = serializers.CharField(source="plaintext")
    name = serializers.CharField()
    owner_id = serializers.CharField()
    scopes = Strings()
    expires_at = Instant()
    created_at = Instant()
    last_used_at = Instant()
    is_revoked = serializers.BooleanField()
    revoked_at = Instant(help_text="Left out until the key is revoked")

    omitted_when_empty = ("key",)

    def to_representation(self, instance: ApiKey) -> dict[str, Any]:
        """Return the body."""
        body = super().to_representation(instance)
        if instance.revoked_at is None:
            del body["revoked_at"]
        return body


class ErrorDetail(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.JSONField(required=False)


class ErrorAnswer(serializers.Serializer[Any]):
    """Every refusal; validation failures say ``errors`` instead of ``error``."""

    error = serializers.CharField()
    error_detail = ErrorDetail()
