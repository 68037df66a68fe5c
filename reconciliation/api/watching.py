"""Routes of watching: alerts and schedules to read, and the page of metrics with its own key."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import listing
from balances.api import views as core
from balances.ground import LedgerError
from balances.shapes import Answer, ErrorAnswer, Instant, Metadata
from reconciliation.alerting import exposition
from reconciliation.models import Alert, Schedule
from reconciliation.watching import next_start

ALERTS = listing.Paging(default=20, refusal="invalid", cap=100, beyond_cap=100)
STATE = OpenApiParameter("state", str, enum=Alert.State.values)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
BEARER = "Bearer "


class MetricsDisabled(LedgerError):
    text = "Metrics endpoint unavailable: metrics_bearer_token must be configured when secure mode is enabled"
    code = "AUTH_METRICS_DISABLED"


class MetricsTokenRequired(LedgerError):
    text = "Authorization required for metrics endpoint"
    code = "AUTH_METRICS_TOKEN_REQUIRED"


class InvalidBearerToken(LedgerError):
    text = "Invalid bearer token"
    code = "AUTH_INVALID_BEARER_TOKEN"


class AlertAnswer(Answer):
    """One alert; amounts in ``details`` are minor units."""

    alert_id = serializers.CharField()
    kind = serializers.ChoiceField(choices=Alert.Kind.choices)
    state = serializers.ChoiceField(choices=Alert.State.choices)
    title = serializers.CharField()
    details = Metadata()
    opened_at = Instant()
    seen_at = Instant()
    told_at = Instant(source="notified_at")
    resolved_at = Instant()


class ScheduleAnswer(Answer):
    """When something starts by itself; people change it in the admin."""

    name = serializers.ChoiceField(choices=Schedule.Name.choices)
    cron = serializers.CharField(help_text="Five fields, in UTC")
    enabled = serializers.BooleanField()
    scope = Metadata()
    deep = serializers.BooleanField()
    last_due_at = Instant()
    next_due_at = Instant()
    refusal = serializers.CharField(allow_blank=True, help_text="Why the last start was refused")
    changed_by = serializers.CharField()
    changed_at = Instant()


class AlertsView(core.ApiView):
    @extend_schema(parameters=[core.LIMIT, core.OFFSET, STATE], responses={200: AlertAnswer(many=True)} | core.REFUSED)
    def get(self, request: Request) -> Response:
        """List alerts, newest first; with ``state`` only the open or the resolved ones."""
        alerts = Alert.objects.all()
        state = request.query_params.get("state")
        if state is not None:
            if state not in Alert.State.values:
                raise listing.InvalidParameter("state must be open or resolved")
            alerts = alerts.filter(state=state)
        return Response([AlertAnswer.body(alert) for alert in ALERTS.page(alerts, request)])


class SchedulesView(core.ApiView):
    @extend_schema(responses={200: ScheduleAnswer(many=True)})
    def get(self, request: Request) -> Response:
        """List the schedules of sweeps and snapshots."""
        schedules = list(Schedule.objects.all())
        for schedule in schedules:
            schedule.next_due_at = next_start(schedule)  # type: ignore[attr-defined]  # counted, not stored
        return Response([ScheduleAnswer.body(schedule) for schedule in schedules])


class MetricsView(core.ApiView):
    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR, 401: ErrorAnswer, 403: ErrorAnswer}, auth=[])
    def get(self, request: Request) -> HttpResponse:
        """Show the metrics to Prometheus, which sends ``Authorization: Bearer`` and its token."""
        if not settings.BLNK_ENABLE_OBSERVABILITY:
            raise Http404
        check_bearer(request.headers.get("Authorization", ""))
        return HttpResponse(exposition(), content_type=TEXT)


def check_bearer(given: str) -> None:
    """Raise the contract's refusal unless this ``Authorization`` may read the metrics."""
    token: Any = settings.BLNK_METRICS_BEARER_TOKEN
    if not token:
        if settings.BLNK_SERVER_SECURE:
            raise MetricsDisabled
        return
    if not given:
        raise MetricsTokenRequired
    if not given.startswith(BEARER):
        raise MetricsTokenRequired("Authorization header must use Bearer scheme")
    if not secrets.compare_digest(given.removeprefix(BEARER).encode(), token.encode()):
        raise InvalidBearerToken
