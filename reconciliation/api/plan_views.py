"""Routes of plans, their decisions and their applying, of single records and of undoing them."""

from __future__ import annotations

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import actor, decode
from balances.api import views as core
from balances.ground import Mode
from balances.shapes import ErrorAnswer
from reconciliation.api.plan_answers import (
    AskNote,
    AskPlan,
    AskRejection,
    AskUndo,
    PlanAnswer,
    PlanDetailAnswer,
    PlanItemAnswer,
)
from reconciliation.api.serializers import ReconstructionAnswer
from reconciliation.api.sweep_views import CONFLICT, PAGES, filtered, parameters
from reconciliation.correcting import applying, deciding, find_record, planning, propose_rebooking, propose_undo
from reconciliation.models import Origin, Plan, PlanItem

DECIDED: dict[Any, Any] = {200: PlanDetailAnswer, 403: ErrorAnswer} | CONFLICT
CHOICE = ("balance_ids", "finding_ids", "sweep_id", "incident_id", "cause")


class PlanFilter(django_filters.FilterSet):  # type: ignore[misc]  # it has no type hints
    """Plans by state, by who asked and by what they are about."""

    state = django_filters.MultipleChoiceFilter(choices=Plan.State.choices)
    actor = django_filters.CharFilter()
    sweep_id = django_filters.CharFilter()
    incident_id = django_filters.CharFilter()
    undoing = django_filters.BooleanFilter()


class PlanItemFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Items by how they ended."""

    outcome = django_filters.MultipleChoiceFilter(choices=PlanItem.Outcome.choices)
    balance_id = django_filters.CharFilter()


class PlansView(core.ApiView):
    needs = Mode.REPAIR

    @extend_schema(parameters=parameters(PlanFilter), responses={200: PlanAnswer(many=True)} | core.REFUSED)
    def get(self, request: Request) -> Response:
        """List plans, newest first."""
        page = PAGES.page(filtered(PlanFilter, Plan.objects.all(), request), request)
        return Response([PlanAnswer.body(plan) for plan in page])

    @extend_schema(request=AskPlan, responses={201: PlanDetailAnswer} | CONFLICT)
    def post(self, request: Request) -> Response:
        """Plan corrections, measured again; balances without drift are left out. It changes no balance."""
        fields = decode(request, AskPlan)
        about = {name: fields.pop(name) for name in CHOICE if name in fields}
        about |= {name: tuple(ids) for name, ids in about.items() if isinstance(ids, list)}
        deleted = fields.pop("transaction_ids", None)
        if deleted is not None and about:
            raise planning.ChoiceRefused
        proposal = _proposal(request, fields)
        if deleted is not None:
            return Response(PlanDetailAnswer.body(propose_rebooking(deleted, proposal)), status=201)
        plan = planning.propose(planning.Choice(**about), proposal)
        return Response(PlanDetailAnswer.body(plan), status=201)


class PlanView(core.ApiView):
    @extend_schema(responses={200: PlanDetailAnswer} | core.REFUSED)
    def get(self, request: Request, plan_id: str) -> Response:
        """Read a plan: the trial balance before and after, how its items ended, each step."""
        return Response(PlanDetailAnswer.body(deciding.find_plan(plan_id)))


class PlanItemsView(core.ApiView):
    @extend_schema(parameters=parameters(PlanItemFilter), responses={200: PlanItemAnswer(many=True)} | core.REFUSED)
    def get(self, request: Request, plan_id: str) -> Response:
        """List the balances of a plan in key order, with before and after of every total."""
        rows = PlanItem.objects.filter(plan=deciding.find_plan(plan_id)).order_by("balance_id", "undoes")
        page = PAGES.page(filtered(PlanItemFilter, rows, request), request)
        return Response([PlanItemAnswer.body(item) for item in page])


class ApproveView(core.ApiView):
    needs = Mode.REPAIR

    @extend_schema(request=AskNote, responses=DECIDED)
    def post(self, request: Request, plan_id: str) -> Response:
        """Approve a plan as the second person; the one who proposed it is refused, and so is an unknown caller."""
        return _decided(deciding.approve(plan_id, *_who(request), **_note(request)))


class RejectView(core.ApiView):
    needs = None

    @extend_schema(request=AskRejection, responses=DECIDED)
    def post(self, request: Request, plan_id: str) -> Response:
        """Reject a plan, with a reason."""
        reason = decode(request, AskRejection).get("reason", "") if request._request.body else ""
        return _decided(deciding.reject(plan_id, *_who(request), reason))


class CancelView(core.ApiView):
    needs = None

    @extend_schema(request=AskNote, responses=DECIDED)
    def post(self, request: Request, plan_id: str) -> Response:
        """Cancel a plan that is not being applied yet."""
        return _decided(deciding.cancel(plan_id, *_who(request), **_note(request)))


class ApplyView(core.ApiView):
    needs = Mode.REPAIR

    @extend_schema(request=None, responses={202: PlanDetailAnswer} | CONFLICT)
    def post(self, request: Request, plan_id: str) -> Response:
        """Let the background worker apply an approved plan, or go on with one that was cut short."""
        return Response(PlanDetailAnswer.body(applying.apply_in_background(plan_id, *_who(request))), status=202)


class ReconstructionView(core.ApiView):
    @extend_schema(responses={200: ReconstructionAnswer} | core.REFUSED)
    def get(self, request: Request, reconstruction_id: str) -> Response:
        """Read one record."""
        return Response(ReconstructionAnswer.body(find_record(reconstruction_id)))


class UndoView(core.ApiView):
    needs = Mode.REPAIR

    @extend_schema(request=AskUndo, responses={201: PlanDetailAnswer} | CONFLICT)
    def post(self, request: Request, reconstruction_id: str) -> Response:
        """Plan to take a correction back by difference; approve and apply that plan like any other."""
        fields = decode(request, AskUndo) if request._request.body else {}
        plan = propose_undo([reconstruction_id], _proposal(request, fields))
        return Response(PlanDetailAnswer.body(plan), status=201)


def _who(request: Request) -> tuple[str, Origin]:
    return actor(request._request), Origin.API


def _proposal(request: Request, fields: dict[str, Any]) -> planning.Proposal:
    who, origin = _who(request)
    return planning.Proposal(actor=who, origin=origin, **{"reason": ""} | fields)


def _note(request: Request) -> dict[str, Any]:
    return decode(request, AskNote) if request._request.body else {}


def _decided(plan: Plan) -> Response:
    return Response(PlanDetailAnswer.body(plan))
