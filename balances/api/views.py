"""The core routes. A view decodes, calls one function, answers; the rules are elsewhere."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from django.http import Http404, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from balances import posting
from balances.api import hot_reads, listing, requests, validation
from balances.api.caller import actor, is_admitted
from balances.api.filtering import query_of, resources, rows_of
from balances.api.go import MalformedBody, decode, refuse_in_query
from balances.ground import Mode, Statement, may, require_mode
from balances.history import tasks
from balances.queueing import pulse
from balances.shapes import answers

QUEUED = Statement.beside(__file__, "queued.sql")
REFUSED: dict[Any, Any] = {400: answers.ErrorAnswer, 404: answers.ErrorAnswer}
LIMIT = OpenApiParameter("limit", int)
OFFSET = OpenApiParameter("offset", int)


class ApiView(APIView):
    """A route of the API: no method exists that is not written out."""

    http_method_names = ["get", "post", "put", "delete"]
    needs: Mode | None = Mode.SERVE
    """The mode that an adopted database must be in for any method but GET."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what came past the gate by a path that only looks like a page for people."""
        if not is_admitted(request._request):
            raise Http404
        if request.method in ("POST", "PUT") and request.META.get("QUERY_STRING"):
            refuse_in_query(request.query_params)
        needs = None if request.method == "GET" else self.needs
        if needs is not None and not may(needs) and not self.only_previews(request):
            require_mode(needs)
        super().initial(request, *args, **kwargs)

    def only_previews(self, request: Request) -> bool:
        """Return whether the request changes nothing, whatever its method."""
        return False

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        """Answer as to an unknown path; to ``POST /{anything}/metadata`` as its own route does."""
        match request.method, request._request.path.split("/"):
            case "POST", ["", entity_id, "metadata"]:
                answered: HttpResponseBase = MetadataView.as_view()(request._request, entity_id=entity_id)
                return answered
        raise Http404

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Return none: the original has no ``Allow`` and no ``Vary``."""
        return {}


class RootView(ApiView):
    @extend_schema(responses={200: str}, auth=[])
    def get(self, request: Request) -> Response:
        """Say that the server runs."""
        return Response("server running...")


class HealthView(ApiView):
    @extend_schema(responses={200: answers.HealthAnswer, 503: answers.DownAnswer}, auth=[])
    def get(self, request: Request) -> Response:
        """Say whether the database answers, and whether a background worker is missing.

        Without a worker the server still takes requests, and what is queued stays stored: this is 200 as well.
        """
        try:
            alive = pulse.is_worker_alive()
        except DatabaseError:
            return Response({"reason": "database unreachable", "status": "DOWN"}, status=503)
        return Response({"status": "UP"} if alive else {"status": "UP", "worker": "DOWN"})


class LedgersView(ApiView):
    @extend_schema(
        parameters=query_of(resources.LedgerFilters), responses={200: answers.LedgerAnswer(many=True)} | REFUSED
    )
    def get(self, request: Request) -> Response:
        """List ledgers, newest first."""
        return hot_reads.LEDGERS.listed(request)

    @extend_schema(request=requests.CreateLedger, responses={201: answers.LedgerAnswer} | REFUSED)
    def post(self, request: Request) -> Response:
        """Create a ledger."""
        fields = decode(request, requests.CreateLedger, key="errors")
        validation.check_ledger(fields)
        ledger = posting.open_ledger(name=fields["name"], meta_data=fields.get("meta_data"))
        return Response(answers.LedgerAnswer.body(ledger), status=201)


class LedgerView(ApiView):
    @extend_schema(responses={200: answers.LedgerAnswer} | REFUSED)
    def get(self, request: Request, ledger_id: str) -> Response:
        """Read a ledger."""
        return Response(hot_reads.LEDGER.body(ledger_id))

    @extend_schema(request=requests.UpdateLedger, responses={200: answers.LedgerAnswer} | REFUSED)
    def put(self, request: Request, ledger_id: str) -> Response:
        """Rename a ledger."""
        fields = decode(request, requests.UpdateLedger, key="errors")
        validation.check_ledger(fields)
        ledger = posting.rename_ledger(ledger_id=ledger_id, name=fields["name"])
        return Response(answers.LedgerAnswer.body(ledger))


class BalancesView(ApiView):
    @extend_schema(
        operation_id="balances_list",
        parameters=query_of(resources.BalanceFilters),
        responses={200: OpenApiResponse(rows_of(answers.BalanceAnswer, or_null=True))} | REFUSED,
    )
    def get(self, request: Request) -> Response:
        """List balances, newest first; an empty list is ``null``, as in the original."""
        return hot_reads.BALANCES.listed(request)

    @extend_schema(request=requests.CreateBalance, responses={201: answers.BalanceAnswer} | REFUSED)
    def post(self, request: Request) -> Response:
        """Open a balance."""
        fields = decode(request, requests.CreateBalance)
        validation.check_balance(fields)
        balance = posting.open_balance(
            ledger_id=fields["ledger_id"],
            currency=fields["currency"],
            indicator=fields["indicator"],
            identity_id=fields.get("identity_id") or None,
            track_fund_lineage=fields.get("track_fund_lineage", False),
            allocation_strategy=fields["allocation_strategy"],
            meta_data=fields.get("meta_data"),
        )
        # The original answers with version 0 here and shows the stored 1 from the first read on.
        return Response(answers.BalanceAnswer.body(balance) | {"version": 0}, status=201)


class BalanceView(ApiView):
    parameters = [
        OpenApiParameter("with_queued", bool, description="Add the amounts that wait in the queue"),
        OpenApiParameter("include", str, many=True, description="identity, ledger"),
        OpenApiParameter("from_source", bool, description="Answer with totals summed from the transactions"),
    ]

    @extend_schema(parameters=parameters, responses={200: answers.BalanceAnswer} | REFUSED)
    def get(self, request: Request, balance_id: str) -> Response:
        """Read a balance."""
        balance = self.find(request, balance_id)
        if request.query_params.get("with_queued") == "true":
            queued = QUEUED.rows(balance_id=balance_id)[0]
            balance.queued_debit_balance, balance.queued_credit_balance = int(queued["debit"]), int(queued["credit"])
        for name in {"identity", "ledger"}.intersection(request.query_params.getlist("include")):
            setattr(balance, f"included_{name}", getattr(balance, name))
        return Response(answers.BalanceAnswer.body(balance))

    def find(self, request: Request, balance_id: str) -> Any:
        """Return the balance to show. Raises ``BalanceNotFound``."""
        return hot_reads.BALANCE.find(balance_id)


class IndicatorView(ApiView):
    @extend_schema(responses={200: answers.BalanceAnswer} | REFUSED)
    def get(self, request: Request, indicator: str, currency: str) -> Response:
        """Read the balance of an indicator in a currency."""
        return Response(hot_reads.BALANCE_OF_INDICATOR.body(indicator, currency))


class SnapshotsView(ApiView):
    needs = None  # snapshots go into a table of ours

    @extend_schema(
        parameters=[OpenApiParameter("batch_size", int, description="Balances in one commit (1000)")],
        request=None,
        responses={200: dict, 400: answers.ErrorAnswer},
    )
    def post(self, request: Request) -> Response:
        """Have the snapshots of the day taken, in the background."""
        paging = listing.SNAPSHOTS
        tasks.request_snapshots(paging.number(request, "batch_size", paging.default, least=1))
        return Response({"message": "Snapshotting in progress. should be completed shortly"})


class MetadataView(ApiView):
    @property
    def needs(self) -> Mode:  # type: ignore[override]  # it depends on what the id is of
        """Return the mode that metadata needs: that of balances has results and requests of reconstructions."""
        return Mode.REPAIR if self.kwargs["entity_id"].startswith("bln_") else Mode.SERVE

    @extend_schema(request=requests.UpdateMetadata, responses={200: answers.MetadataAnswer} | REFUSED)
    def post(self, request: Request, entity_id: str) -> Response:
        """Merge metadata; ``BLNK_RUN_RECONCILIATION: "SOURCE"`` on a balance rebuilds it before this answers."""
        fields = decode(request, requests.UpdateMetadata)
        if "meta_data" not in fields:
            raise MalformedBody(validation.required("MetadataRequest", "Metadata"))
        merged = posting.merge_metadata(
            entity_id=entity_id, meta_data=fields["meta_data"], changed_by=actor(request._request)
        )
        return Response({"meta_data": answers.in_byte_order(merged)})
