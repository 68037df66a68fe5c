"""The shapes of payloads about balance monitors, as those in ``balances.shapes.answers``."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from balances.models import BalanceMonitor, Operator, Watched
from balances.shapes import Answer, Instant, MinorUnits, Number


class MonitorCondition(serializers.Serializer[Any]):
    """What must hold of a total: it is compared with ``value`` × ``precision``."""

    field = serializers.CharField(help_text=", ".join(Watched.values))
    operator = serializers.CharField(help_text=" ".join(Operator.values))
    value = serializers.DecimalField(None, None, help_text="Major units; may be a fraction of any size")
    precision = serializers.DecimalField(None, None, help_text="Minor units in a major one; 100 is two decimals")

    class Meta:
        go_type = "model.MonitorCondition"


class AlertCondition(MonitorCondition):
    """A condition in place of another one; without a precision, that of the other one stays."""

    value = serializers.DecimalField(None, None, required=False, help_text="Major units; 0 if left out")
    precision = serializers.DecimalField(None, None, required=False, help_text="As it is if left out")
    precise_value = serializers.IntegerField(required=False, help_text="Accepted and dropped: it is computed")

    class Meta:
        go_type = "model.AlertCondition"


class CreateBalanceMonitor(serializers.Serializer[Any]):
    balance_id = serializers.CharField()
    condition = MonitorCondition()
    description = serializers.CharField(required=False)
    call_back_url = serializers.CharField(required=False, help_text="Stored and never called")
    meta_data = serializers.DictField(required=False, help_text="Accepted and dropped")

    class Meta:
        go_type = "model.CreateBalanceMonitor"


class ReplaceBalanceMonitor(serializers.Serializer[Any]):
    monitor_id = serializers.CharField(required=False, help_text="Accepted and dropped")
    balance_id = serializers.CharField()
    condition = AlertCondition()
    description = serializers.CharField(required=False, help_text="Empty if left out")
    call_back_url = serializers.CharField(required=False, help_text="As it is if left out")
    created_at = serializers.DateTimeField(required=False, help_text="Accepted and dropped")

    class Meta:
        go_type = "model.BalanceMonitor"


# --- answers


class ConditionAnswer(Answer):
    value = Number()
    precision = Number()
    precise_value = MinorUnits(source="threshold", help_text="value × precision, truncated toward zero")
    field = serializers.ChoiceField(choices=Watched.choices)
    operator = serializers.ChoiceField(choices=Operator.choices)

    def to_representation(self, instance: BalanceMonitor) -> dict[str, Any]:
        """Return the body; a monitor from before precision existed counts in minor units."""
        body = super().to_representation(instance)
        return body | {"precision": body["precision"] or 1}


class MonitorAnswer(Answer):
    """A monitor; ``description`` is left out where there is none."""

    monitor_id = serializers.CharField()
    balance_id = serializers.CharField()
    description = serializers.CharField(required=False)
    created_at = Instant()
    condition = ConditionAnswer(source="*")

    omitted_when_empty = ("description",)
