"""Our own routes on balances: reconstruct, its history, and totals straight from the transactions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import PreviewedView, actor, decode, listing
from balances.api import views as core
from balances.ground import BalanceNotFound, Mode
from balances.models import TOTALS, Balance
from reconciliation.api.serializers import AskReconstruction, ReconstructionAnswer
from reconciliation.correcting import rebuilding
from reconciliation.measuring import measure
from reconciliation.models import Origin, Reconstruction

HISTORY = listing.Paging(default=20, refusal="invalid", cap=100, beyond_cap=100)


class BalanceView(core.BalanceView):
    """The core's balance; ``from_source=true`` answers with what the transactions say, and writes nothing.

    The original documents that parameter and ignores it.
    """

    def find(self, request: Request, balance_id: str) -> Any:
        """Return the balance, its totals replaced by the recalculated ones where that was asked for."""
        balance = super().find(request, balance_id)
        if request.query_params.get("from_source") == "true":
            recalculated = measure([balance_id])[0].recalculated
            for total in TOTALS:
                setattr(balance, total, getattr(recalculated, total))
        return balance


class ReconstructionsView(PreviewedView):
    needs = Mode.REPAIR

    @extend_schema(
        parameters=[core.LIMIT, core.OFFSET], responses={200: ReconstructionAnswer(many=True)} | core.REFUSED
    )
    def get(self, request: Request, balance_id: str) -> Response:
        """List the reconstructions of a balance, newest first."""
        if not Balance.objects.filter(balance_id=balance_id).exists():
            raise BalanceNotFound(balance_id)
        page = HISTORY.page(Reconstruction.objects.filter(balance_id=balance_id), request)
        return Response([ReconstructionAnswer.body(record) for record in page])

    @extend_schema(
        request=AskReconstruction, responses={201: ReconstructionAnswer, 200: ReconstructionAnswer} | core.REFUSED
    )
    def post(self, request: Request, balance_id: str) -> Response:
        """Rebuild a balance from its transactions (201), or only preview that with ``dry_run`` (200)."""
        fields = decode(request, AskReconstruction) if request._request.body else {}
        reconstruction = rebuilding.Request(actor=actor(request._request), origin=Origin.API, **fields)
        record = rebuilding.reconstruct(balance_id, reconstruction)
        return Response(ReconstructionAnswer.body(record), status=200 if reconstruction.dry_run else 201)
