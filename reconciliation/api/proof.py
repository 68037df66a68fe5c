"""Routes of the live proof: how far every commit is proved, and which commits did not add up."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import views as core
from balances.ground import NotFound
from balances.models import TOTALS
from balances.shapes import Answer, Instant, Metadata
from reconciliation.api.sweep_views import PAGES, filtered, parameters
from reconciliation.models import Break
from reconciliation.proving import Light, standing


class BreakNotFound(NotFound):
    text = "No break has this id"


class ProofAnswer(Answer):
    """How the ledger stands now. Only ``green`` says that every commit is proved up to now and nothing is wrong."""

    green = serializers.BooleanField(source="is_green")
    light = serializers.ChoiceField(choices=[(each.value, each.value) for each in Light])
    state = serializers.CharField()
    sentence = serializers.CharField()
    at = Instant()
    proved_until = Instant()
    seconds_behind = serializers.FloatField(allow_null=True)
    bytes_behind = serializers.IntegerField()
    bytes_kept = serializers.IntegerField()
    commits = serializers.IntegerField(help_text="Since the full proof")
    full_proof = serializers.CharField(allow_null=True, help_text="The id of that sweep")
    full_proof_at = Instant()
    open_breaks = serializers.IntegerField()
    waiting_breaks = serializers.IntegerField()
    settled_breaks = serializers.IntegerField()
    drifting_balances = serializers.IntegerField(help_text="By an open finding; a thousand at most")
    last_break_at = Instant()
    not_proved_from = Instant()
    not_proved_because = serializers.CharField(allow_blank=True)
    warning = serializers.CharField(allow_blank=True)


class BreakAnswer(Answer):
    """One balance in one commit whose totals did not move as its rows say; amounts are texts of minor units."""

    break_id = serializers.CharField()
    kind = serializers.ChoiceField(choices=Break.Kind.choices)
    state = serializers.ChoiceField(choices=Break.State.choices)
    sentence = serializers.CharField()
    balance_id = serializers.CharField(allow_blank=True)
    indicator = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_blank=True)
    ledger_id = serializers.CharField(allow_blank=True)
    drift = serializers.SerializerMethodField(help_text="What the commit added to the drift, by total")
    lsn = serializers.CharField()
    xid = serializers.IntegerField()
    committed_at = Instant()
    found_at = Instant()
    rows = Metadata()
    row_count = serializers.IntegerField()
    details = Metadata()
    author = Metadata()
    record_id = serializers.CharField(allow_null=True)
    finding_id = serializers.CharField(allow_null=True)
    closed_at = Instant()
    closed_by = serializers.CharField(allow_blank=True)

    def get_drift(self, found: Break) -> dict[str, str]:
        """Return the six totals as texts."""
        return {total: str(getattr(found, total)) for total in TOTALS}


class BreakFilter(django_filters.FilterSet):  # type: ignore[misc]  # it has no type hints
    """Breaks by balance, kind and state."""

    balance_id = django_filters.CharFilter()
    kind = django_filters.MultipleChoiceFilter(choices=Break.Kind.choices)
    state = django_filters.MultipleChoiceFilter(choices=Break.State.choices)


class ProofView(core.ApiView):
    @extend_schema(responses={200: ProofAnswer})
    def get(self, request: Request) -> Response:
        """Say how far every commit is proved, and whether anything is wrong."""
        return Response(ProofAnswer.body(standing()))


class BreaksView(core.ApiView):
    @extend_schema(parameters=parameters(BreakFilter), responses={200: BreakAnswer(many=True)} | core.REFUSED)
    def get(self, request: Request) -> Response:
        """List the commits that did not add up, newest first."""
        rows = filtered(BreakFilter, Break.objects.order_by("-committed_at", "-break_id"), request)
        return Response([BreakAnswer.body(each) for each in PAGES.page(rows, request)])


class BreakView(core.ApiView):
    @extend_schema(responses={200: BreakAnswer} | core.REFUSED)
    def get(self, request: Request, break_id: str) -> Response:
        """Read one break."""
        found: Any = Break.objects.filter(pk=break_id).first()
        if found is None:
            raise BreakNotFound
        return Response(BreakAnswer.body(found))
