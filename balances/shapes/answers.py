"""The shapes of answers, in the contract's order of keys.

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

from balances.ground import MAX_DIGITS, go_time, short
from balances.models import ApiKey, Balance, Identity
from balances.shapes.rendering import ZERO_TIME


@extend_schema_field({"type": "integer", "description": "Minor units, of any size"})
class MinorUnits(serializers.Field[Any, Any, Any, Any]):
    """A bare integer of any size."""

    def to_representation(self, value: int | Decimal) -> int | Decimal | str:
        """Return the number itself; a fraction, or a text such as NaN, only where a database holds that."""
        return str(value) if isinstance(value, Decimal) and not value.is_finite() else value


@extend_schema_field(OpenApiTypes.NUMBER)
class Number(serializers.Field[Any, Any, Any, Any]):
    """A decimal number without a needless fraction: ``100``, never ``100.0``."""

    def to_representation(self, value: int | Decimal) -> int | Decimal | str:
        """Return an ``int`` where that is exact; a text such as ``NaN`` where a database holds that."""
        number = Decimal(value)
        return short(number) if number.is_finite() else str(number)


@extend_schema_field(OpenApiTypes.DATETIME)
class Instant(serializers.Field[Any, Any, Any, Any]):
    """RFC 3339 in UTC; the zero time where nothing is set."""

    def to_representation(self, value: datetime | None) -> str:
        """Return the text."""
        return ZERO_TIME if value is None else go_time(value)

    def get_attribute(self, instance: Any) -> Any:
        """Return the instant; a row that does not keep it has none."""
        name = str(self.source)
        return instance.get(name) if isinstance(instance, dict) else getattr(instance, name, None)


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
    """Return a JSON value as the original writes it: keys sorted by their bytes, ``1`` for ``1.0``."""
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
        """Return the body for an instance. The fields are bound once, not for each answer."""
        return _bound(cls).to_representation(instance)

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        return tuple(Part(name, field, name in self.omitted_when_empty) for name, field in self.fields.items())

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the keys in order, without the empty ones that the contract omits."""
        body = {}
        is_mapping = isinstance(instance, dict)
        for part in self._parts:
            source = part.source
            value = instance.get(source, ABSENT) if is_mapping else getattr(instance, source, ABSENT)
            if type(value) is not part.shown_as_is:
                value = part.unset if value is ABSENT and part.unset is not ABSENT else part.shown(instance, value)
            if not (part.is_omitted and (value is None or value is False or value in EMPTY)):
                body[part.name] = value
        return body


ABSENT: Any = object()
EMPTY: tuple[Any, ...] = ("", {}, [])
AS_IS: dict[type, type] = {
    serializers.CharField: str,
    serializers.IntegerField: int,
    serializers.BooleanField: bool,
    serializers.ChoiceField: str,
    MinorUnits: int,
    Number: int,
}
"""The type of the values that a field shows as they are: nearly all, so that the field is not called for them."""


class Part:
    """One key of an answer, with all that is known about it before there is an instance."""

    __slots__ = ("field", "is_omitted", "name", "shown_as_is", "source", "unset")

    def __init__(self, name: str, field: serializers.Field[Any, Any, Any, Any], is_omitted: bool) -> None:
        """Take from a field what does not change."""
        self.name, self.field, self.is_omitted = name, field, is_omitted
        self.source = str(field.source)
        self.shown_as_is = AS_IS.get(type(field))
        self.unset = ABSENT
        """What is shown of an instance without the attribute, if that is always the same."""
        if type(field).get_attribute not in (serializers.Field.get_attribute, Instant.get_attribute):
            self.source = ""  # no attribute has this name: the field is asked
        default = field.default
        if isinstance(field, Instant):
            self.unset = ZERO_TIME
        elif self.source.isidentifier() and (default is None or isinstance(default, (str, int, tuple))):
            self.unset = None if default is None else field.to_representation(default)

    def shown(self, instance: Any, value: Any) -> Any:
        """Return what the field shows of a value that is not shown as it is."""
        if value is ABSENT or callable(value):
            value = self.field.get_attribute(instance)
        return None if value is None and not isinstance(self.field, Instant) else self.field.to_representation(value)


@cache
def _bound(shape: type[Answer]) -> Answer:
    return shape()


class LedgerAnswer(Answer):
    ledger_id = serializers.CharField()
    name = serializers.CharField()
    created_at = Instant()
    meta_data = Metadata()


class IdentityAnswer(Answer):
    """An identity; a tokenized field shows its token."""

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

    def to_representation(self, instance: Identity | dict[str, Any]) -> dict[str, Any]:
        """Return the body; what is not known is an empty text, or the zero time."""
        body = super().to_representation(instance)
        absent = {"dob": ZERO_TIME, "meta_data": None}
        return {name: absent.get(name, "") if value is None else value for name, value in body.items()}


class BalanceAnswer(Answer):
    """A flat balance; amounts in minor units."""

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

    def to_representation(self, instance: Balance | dict[str, Any]) -> dict[str, Any]:
        """Return the body; no identity is an empty string."""
        body = super().to_representation(instance)
        body["identity_id"] = body["identity_id"] or ""
        return body


class MetadataAnswer(serializers.Serializer[Any]):
    meta_data = Metadata()


class ApiKeyAnswer(Answer):
    """A key; ``key`` itself is there only in the answer that issues it, its hash never."""

    api_key_id = serializers.CharField()
    key = serializers.CharField(source="plaintext")
    name = serializers.CharField()
    owner_id = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    expires_at = Instant()
    created_at = Instant()
    last_used_at = Instant()
    is_revoked = serializers.BooleanField()
    revoked_at = Instant(required=False, help_text="Left out until the key is revoked")

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


class HealthAnswer(serializers.Serializer[Any]):
    """The server takes requests."""

    status = serializers.CharField(help_text="UP")
    worker = serializers.CharField(
        required=False,
        help_text="DOWN while no background worker has a heartbeat of the last 30 s: what is queued waits. Else absent",
    )


class DownAnswer(serializers.Serializer[Any]):
    """The server has no database."""

    reason = serializers.CharField()
    status = serializers.CharField(help_text="DOWN")


class ErrorAnswer(serializers.Serializer[Any]):
    """Every refusal; validation failures say ``errors`` instead of ``error``."""

    error = serializers.CharField(required=False)
    errors = serializers.JSONField(required=False, help_text="A text, or a list of what is wrong with a query")  # type: ignore[assignment]  # the base class has a property of this name
    error_detail = ErrorDetail()
