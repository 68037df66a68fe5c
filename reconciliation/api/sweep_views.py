"""Routes of sweeps, their findings and incidents."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import actor, decode, listing
from balances.api import views as core
from balances.ground import NotFound
from balances.shapes import ErrorAnswer
from reconciliation.api.sweep_answers import (
    AskSweep,
    FindingAnswer,
    IncidentAnswer,
    SweepAnswer,
    SweepDetailAnswer,
)
from reconciliation.measuring import Scope
from reconciliation.models import Finding, Incident, Origin, Sweep
from reconciliation.sweeping import service, tasks

PAGES = listing.Paging(default=20, refusal="invalid", cap=100, beyond_cap=100)
CONFLICT: dict[Any, Any] = core.REFUSED | {409: ErrorAnswer}


class IncidentNotFound(NotFound):
    text = "No incident has this id"


class SweepFilter(django_filters.FilterSet):  # type: ignore[misc]  # it has no type hints
    """Sweeps by state."""

    state = django_filters.MultipleChoiceFilter(choices=Sweep.State.choices)


class FindingFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Findings by what is wrong and where."""

    balance_id = django_filters.CharFilter()
    currency = django_filters.CharFilter()
    ledger_id = django_filters.CharFilter()
    cause = django_filters.CharFilter()
    incident_id = django_filters.CharFilter()
    drifted = django_filters.BooleanFilter()
    is_explained = django_filters.BooleanFilter(field_name="unexplained", method="explained")

    def explained(self, rows: Any, name: str, wanted: bool) -> Any:
        """Return findings whose drift is explained wholly, or those with some that is not."""
        return rows.filter(unexplained=0) if wanted else rows.filter(unexplained__gt=0)


def filtered(shape: type[Any], rows: Any, request: Request) -> Any:
    """Return the rows that the query asks for. Raises ``InvalidParameter``."""
    chosen = shape(request.query_params, queryset=rows)
    if not chosen.is_valid():
        name, reasons = next(iter(chosen.errors.items()))
        raise listing.InvalidParameter(f"invalid {name} value: {reasons[0]}")
    return chosen.qs


def parameters(shape: type[Any]) -> list[Any]:
    """Describe the filters of a list in the OpenAPI document."""
    kinds: dict[type[Any], Any] = {django_filters.BooleanFilter: bool}
    described = [OpenApiParameter(name, kinds.get(type(item), str)) for name, item in shape.base_filters.items()]
    return [core.LIMIT, core.OFFSET, *described]


class SweepsView(core.ApiView):
    needs = None

    @extend_schema(parameters=parameters(SweepFilter), responses={200: SweepAnswer(many=True)} | core.REFUSED)
    def get(self, request: Request) -> Response:
        """List sweeps, newest first."""
        page = PAGES.page(filtered(SweepFilter, Sweep.objects.all(), request), request)
        return Response([SweepAnswer.body(sweep) for sweep in page])

    @extend_schema(request=AskSweep, responses={201: SweepDetailAnswer} | CONFLICT)
    def post(self, request: Request) -> Response:
        """Request a sweep; the background worker runs it. It changes no balance."""
        fields = decode(request, AskSweep)
        how = {"deep": fields.pop("deep", False), "reason": fields.pop("reason", "")}
        scope = Scope.from_json(fields)
        sweep = tasks.request_sweep(scope, actor=actor(request._request), origin=Origin.API, **how)
        return Response(SweepDetailAnswer.body(sweep), status=201)


class SweepView(core.ApiView):
    @extend_schema(responses={200: SweepDetailAnswer} | core.REFUSED)
    def get(self, request: Request, sweep_id: str) -> Response:
        """Read a sweep: progress, verdict, what it did not prove, its checks and the trial balance."""
        return Response(SweepDetailAnswer.body(service.find_sweep(sweep_id)))


class PauseView(core.ApiView):
    needs = None

    @extend_schema(request=None, responses={200: SweepAnswer} | CONFLICT)
    def post(self, request: Request, sweep_id: str) -> Response:
        """Let a sweep stop after its present chunk."""
        return Response(SweepAnswer.body(service.pause_sweep(sweep_id)))


class ResumeView(core.ApiView):
    needs = None

    @extend_schema(request=None, responses={200: SweepAnswer} | CONFLICT)
    def post(self, request: Request, sweep_id: str) -> Response:
        """Let the background worker go on with a sweep where it stopped."""
        return Response(SweepAnswer.body(tasks.request_resume(sweep_id)))


class CancelView(core.ApiView):
    needs = None

    @extend_schema(request=None, responses={200: SweepAnswer} | CONFLICT)
    def post(self, request: Request, sweep_id: str) -> Response:
        """End a sweep for good; what it found stays."""
        return Response(SweepAnswer.body(service.cancel_sweep(sweep_id)))


class FindingsView(core.ApiView):
    @extend_schema(parameters=parameters(FindingFilter), responses={200: FindingAnswer(many=True)} | core.REFUSED)
    def get(self, request: Request, sweep_id: str) -> Response:
        """List what a sweep found, in key order."""
        rows = Finding.objects.filter(sweep=service.find_sweep(sweep_id)).order_by("balance_id")
        page = PAGES.page(filtered(FindingFilter, rows, request), request)
        return Response([FindingAnswer.body(finding) for finding in page])


class IncidentsView(core.ApiView):
    parameters = [core.LIMIT, core.OFFSET, OpenApiParameter("sweep_id", str), OpenApiParameter("cause", str)]

    @extend_schema(parameters=parameters, responses={200: IncidentAnswer(many=True)} | core.REFUSED)
    def get(self, request: Request) -> Response:
        """List incidents, newest first."""
        wanted = {name: request.query_params[name] for name in ("sweep_id", "cause") if name in request.query_params}
        page = PAGES.page(Incident.objects.filter(**wanted), request)
        return Response([IncidentAnswer.body(incident) for incident in page])


class IncidentView(core.ApiView):
    @extend_schema(responses={200: IncidentAnswer} | core.REFUSED)
    def get(self, request: Request, incident_id: str) -> Response:
        """Read an incident; its findings are those of its sweep with this ``incident_id``."""
        incident = Incident.objects.filter(pk=incident_id).first()
        if incident is None:
            raise IncidentNotFound
        return Response(IncidentAnswer.body(incident))
