"""The routes of balance monitors."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import listing
from balances.api import monitor_shapes as shapes
from balances.api.filtering import rows_of
from balances.api.go import InvalidBody, decode
from balances.api.identity_shapes import MessageAnswer
from balances.api.validation import BLANK
from balances.api.views import REFUSED, ApiView
from balances.models import BalanceMonitor, Operator, Watched
from balances.monitors import monitoring

MONITORS = OpenApiResponse(rows_of(shapes.MonitorAnswer, or_null=True))
CHANGED: dict[Any, Any] = {200: MessageAnswer} | REFUSED
CHOICES = {"field": Watched.values, "operator": Operator.values}
ZERO = Decimal(0)


class MonitorsView(ApiView):
    @extend_schema(operation_id="balance_monitors_list", responses={200: MONITORS})
    def get(self, request: Request) -> Response:
        """List all monitors, newest first; an empty list is ``null``."""
        return _listed(BalanceMonitor.objects.all(), "read those of one balance at /balance-monitors/balances/{id}")

    @extend_schema(request=shapes.CreateBalanceMonitor, responses={201: shapes.MonitorAnswer} | REFUSED)
    def post(self, request: Request) -> Response:
        """Watch a total of a balance."""
        fields = decode(request, shapes.CreateBalanceMonitor)
        condition = fields.get("condition", {})
        blank = {name: BLANK for name in ("precision", "value") if not condition.get(name)}
        _check(fields, condition, blank)
        monitor = monitoring.watch(
            balance_id=fields["balance_id"],
            description=fields.get("description", ""),
            call_back_url=fields.get("call_back_url", ""),
            **condition,
        )
        return Response(shapes.MonitorAnswer.body(monitor), status=201)


class MonitorView(ApiView):
    @extend_schema(responses={200: shapes.MonitorAnswer} | REFUSED)
    def get(self, request: Request, monitor_id: str) -> Response:
        """Read a monitor."""
        return Response(shapes.MonitorAnswer.body(monitoring.find(monitor_id)))

    @extend_schema(request=shapes.ReplaceBalanceMonitor, responses=CHANGED)
    def put(self, request: Request, monitor_id: str) -> Response:
        """Put another condition, balance and description in place of what is there."""
        fields = decode(request, shapes.ReplaceBalanceMonitor)
        if not BalanceMonitor.objects.filter(monitor_id=monitor_id).exists():
            raise monitoring.MonitorGone(monitor_id)
        condition = fields.get("condition", {})
        _check(fields, condition, {})
        monitoring.revise(
            monitor_id,
            balance_id=fields["balance_id"],
            field=condition["field"],
            operator=condition["operator"],
            value=condition.get("value", ZERO),
            precision=condition.get("precision"),
            description=fields.get("description", ""),
            call_back_url=fields.get("call_back_url"),
        )
        return Response({"message": "BalanceMonitor updated successfully"})

    @extend_schema(responses=CHANGED)
    def delete(self, request: Request, monitor_id: str) -> Response:
        """Delete a monitor."""
        monitoring.remove(monitor_id)
        return Response({"message": "BalanceMonitor deleted successfully"})


class MonitorsOfBalanceView(ApiView):
    @extend_schema(operation_id="balance_monitors_of_balance", responses={200: MONITORS})
    def get(self, request: Request, balance_id: str) -> Response:
        """List the monitors of a balance, newest first; none, or no such balance, is ``null``."""
        return _listed(BalanceMonitor.objects.filter(balance=balance_id), "read single ones by their id")


def _listed(monitors: Any, instead: str) -> Response:
    return Response([shapes.MonitorAnswer.body(monitor) for monitor in listing.whole(monitors, instead)] or None)


def _check(fields: dict[str, Any], condition: dict[str, Any], blank: dict[str, str]) -> None:
    """Raise ``InvalidBody`` for what no monitor can be; ``blank`` says which numbers are missing."""
    inner = dict(blank)
    for name, choices in CHOICES.items():
        if not condition.get(name):
            inner[name] = BLANK
        elif condition[name] not in choices:
            inner[name] = "must be a valid value"
    if condition.get("precision", ZERO) < 0:
        inner["precision"] = "precision cannot be negative"
    reasons = {} if fields.get("balance_id") else {"balance_id": BLANK}
    if inner:
        reasons["condition"] = f"({InvalidBody(inner).message})"
    if reasons:
        raise InvalidBody(reasons)
