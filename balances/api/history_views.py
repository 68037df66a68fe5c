"""The route of past balances."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api.go import parse_time
from balances.api.views import REFUSED, ApiView
from balances.ground import LedgerError, go_time
from balances.history import balance_at
from balances.models import now
from balances.shapes import Answer, Instant, MinorUnits


class InvalidTimestamp(LedgerError):
    text = "invalid timestamp format. Please use ISO 8601 format (e.g., 2024-01-01T15:04:05Z)"
    code = "BAL_INVALID_TIMESTAMP"


class TotalsThenAnswer(Answer):
    balance = MinorUnits()
    balance_id = serializers.CharField()
    credit_balance = MinorUnits()
    currency = serializers.CharField()
    debit_balance = MinorUnits()


class BalanceAtAnswer(serializers.Serializer[Any]):
    """What a balance was: keys in byte order, as the original sends them."""

    balance = TotalsThenAnswer()
    from_source = serializers.BooleanField(help_text="As asked; both answers are summed from the transactions")
    timestamp = Instant(help_text="As asked, cut to whole seconds")


class BalanceAtView(ApiView):
    parameters = [
        OpenApiParameter("timestamp", datetime, description="RFC 3339 with zone; now if left out"),
        OpenApiParameter("from_source", bool, description="Echoed: both answers are summed from the transactions"),
    ]

    @extend_schema(parameters=parameters, responses={200: BalanceAtAnswer} | REFUSED)
    def get(self, request: Request, balance_id: str) -> Response:
        """Read what a balance was: all applied transactions effective by then, whenever they were recorded."""
        timestamp = _first(request, "timestamp")
        instant = parse_time(timestamp) if timestamp else now()
        if instant is None:
            raise InvalidTimestamp
        totals = TotalsThenAnswer.body(balance_at(balance_id, instant))
        from_source = _first(request, "from_source") in {"true", "1"}
        shown = go_time(instant.replace(microsecond=0))
        return Response({"balance": totals, "from_source": from_source, "timestamp": shown})


def _first(request: Request, name: str) -> str:
    """Return a parameter of the query; of a repeated one the original reads the first."""
    given: list[str] = request.query_params.getlist(name)
    return given[0] if given else ""
