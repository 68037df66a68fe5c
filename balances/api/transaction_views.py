"""The routes of transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import durations, hot_reads, transaction_requests, transaction_shapes, validation
from balances.api.filtering import query_of, resources
from balances.api.go import MalformedBody, decode
from balances.api.preview_shapes import BulkPreviewAnswer, PreviewAnswer
from balances.api.views import REFUSED, ApiView
from balances.books import Part, Settlement, posting_exceptions
from balances.ground import LedgerError, loads
from balances.models import Transaction
from balances.posting import (
    Batch,
    Outcome,
    Posting,
    Refund,
    enqueue,
    new_batch_id,
    post,
    post_batch,
    preview_batch,
    preview_posting,
    preview_refund,
    preview_settlement,
    preview_settlements,
    refund,
    request_batch,
    request_each,
    settle,
    settle_each,
)
from balances.posting import request as request_settlement
from balances.queueing import LEAST_AGE, recover
from balances.shapes import answers, transactions

PREVIEWED = OpenApiResponse(PreviewAnswer, "A dry run: what the call would do; nothing is written")
BULK_PREVIEWED = OpenApiResponse(BulkPreviewAnswer, PREVIEWED.description)
CREATED: dict[Any, Any] = {
    200: PREVIEWED,
    201: transactions.TransactionAnswer,
    409: answers.ErrorAnswer,
} | REFUSED
CHANGED: dict[Any, Any] = {
    200: PolymorphicProxySerializer(
        component_name="TransactionOrPreview",
        serializers=[transactions.TransactionAnswer, PreviewAnswer],
        resource_type_field_name=None,
    ),
    409: answers.ErrorAnswer,
} | REFUSED
BULK_SETTLED: dict[Any, Any] = {
    200: PolymorphicProxySerializer(
        component_name="BulkSettledOrPreview",
        serializers=[transactions.BulkSettledAnswer, BulkPreviewAnswer],
        resource_type_field_name=None,
    )
} | REFUSED
ITEM_CODES = {
    "TXN_NOT_FOUND": "NOT_FOUND",
    "TXN_ALREADY_VOIDED": "ALREADY_VOIDED",
    "TXN_ALREADY_COMMITTED": "ALREADY_COMMITTED",
    "TXN_NOT_INFLIGHT": "NOT_INFLIGHT",
    "TXN_COMMIT_AMOUNT_EXCEEDED": "INVALID_AMOUNT",
    "TXN_INVALID_AMOUNT": "INVALID_AMOUNT",
    "TXN_DUPLICATE_REFERENCE": "DUPLICATE_REFERENCE",
    "GEN_RESOURCE_LOCKED": "LOCKED",
}
"""The code of an item in the answer to a bulk settlement."""


class PreviewedView(ApiView):
    """A route whose calls can be tried out."""

    def only_previews(self, request: Request) -> bool:
        """Return whether the body asks for a dry run."""
        try:
            body = loads(request._request.body.decode())
        except (ValueError, RecursionError, LedgerError):
            return False  # decoding the body says what is wrong with it
        return isinstance(body, dict) and body.get("dry_run") is True


Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Wanted(Generic[Asked]):
    """What a client asks for, whether at once, and whether only to say what would happen."""

    asked: Asked
    skip_queue: bool
    dry_run: bool


def posting_of(request: Request) -> Wanted[Posting]:
    """Return what a request asks to record. Raises ``MalformedBody`` or ``InvalidBody``."""
    try:
        fields = decode(request, transaction_requests.RecordTransaction)
    except MalformedBody as error:
        raise MalformedBody("Invalid input") from error
    return _wanted(validation.posting_from(fields), fields)


def settlement_of(request: Request, transaction_id: str) -> Wanted[Settlement]:
    """Return how a request asks to settle what an id holds. Raises what decoder and checks raise."""
    fields = decode(request, transaction_requests.UpdateInflight, as_text=True)
    settlement = Settlement(
        transaction_id=transaction_id,
        action=validation.settlement_action(fields),
        part=_part(fields),
        reference=validation.own_reference(fields),
    )
    return _wanted(settlement, fields)


def _wanted(asked: Asked, fields: dict[str, Any]) -> Wanted[Asked]:
    return Wanted(asked, fields.get("skip_queue", False), fields.get("dry_run", False))


class TransactionsView(PreviewedView):
    @extend_schema(
        parameters=query_of(resources.TransactionFilters),
        responses={200: transactions.TransactionAnswer(many=True)} | REFUSED,
    )
    def get(self, request: Request) -> Response:
        """List transactions, newest first."""
        return hot_reads.TRANSACTIONS.listed(request)

    @extend_schema(request=transaction_requests.RecordTransaction, responses=CREATED)
    def post(self, request: Request) -> Response:
        """Record a transaction: stored and applied by a worker, or applied at once (``skip_queue``)."""
        wanted = posting_of(request)
        if wanted.dry_run:
            return Response(PreviewAnswer.body(preview_posting(wanted.asked, skip_queue=wanted.skip_queue)))
        item = post(wanted.asked) if wanted.skip_queue else enqueue(wanted.asked)
        return Response(transaction_shapes.created(item), status=201)


class BulkView(PreviewedView):
    @extend_schema(
        request=transaction_requests.BulkTransactions,
        responses={200: BULK_PREVIEWED, 201: dict, 202: dict} | REFUSED,
    )
    def post(self, request: Request) -> Response:
        """Record up to 10,000 transactions in order."""
        fields = decode(request, transaction_requests.BulkTransactions, prefix="Invalid request body: ", as_text=True)
        batch = Batch(
            batch_id=new_batch_id(),
            postings=validation.postings_from(fields),
            **{name: fields.get(name, False) for name in ("inflight", "skip_queue", "atomic")},
        )
        if fields.get("dry_run"):
            return Response(BulkPreviewAnswer.body(preview_batch(batch, run_async=fields.get("run_async", False))))
        if fields.get("run_async"):
            request_batch(batch)
            started = {"message": "Bulk transaction processing started", "status": "processing"}
            return Response({"batch_id": batch.batch_id} | started, status=202)
        left_out = post_batch(batch)
        count = len(batch.postings)
        body: dict[str, Any] = {"batch_id": batch.batch_id, "status": batch.status, "transaction_count": count}
        return Response(body | left_out, status=201)


class TransactionView(ApiView):
    @extend_schema(responses={200: transactions.TransactionAnswer} | REFUSED)
    def get(self, request: Request, transaction_id: str) -> Response:
        """Read a transaction."""
        return Response(hot_reads.TRANSACTION.body(transaction_id))


class ReferenceView(ApiView):
    @extend_schema(responses={200: transactions.TransactionAnswer} | REFUSED)
    def get(self, request: Request, reference: str) -> Response:
        """Read a transaction by its reference."""
        return Response(hot_reads.TRANSACTION_OF_REFERENCE.body(reference))


class InflightView(PreviewedView):
    @extend_schema(request=transaction_requests.UpdateInflight, responses=CHANGED)
    def put(self, request: Request, transaction_id: str) -> Response:
        """Commit or void what an id holds: by a worker, or at once (``skip_queue``)."""
        wanted = settlement_of(request, transaction_id)
        if wanted.dry_run:
            return Response(PreviewAnswer.body(preview_settlement(wanted.asked, skip_queue=wanted.skip_queue)))
        if wanted.skip_queue:
            return Response(transaction_shapes.recorded(settle(wanted.asked)))
        row = request_settlement(wanted.asked)
        return Response(transactions.TransactionAnswer.body(row) | {"queued": True})


class BulkCommitView(PreviewedView):
    @extend_schema(request=transaction_requests.BulkCommit, responses=BULK_SETTLED)
    def post(self, request: Request) -> Response:
        """Commit up to 100 holds."""
        fields = decode(request, transaction_requests.BulkCommit, as_text=True)
        items = validation.commit_items(fields)
        settlements = [
            Settlement(
                transaction_id=item["transaction_id"],
                action="commit",
                part=_part(item),
                reference=item.get("reference", ""),
            )
            for item in items
        ]
        return _settled(settlements, fields)


class BulkVoidView(PreviewedView):
    @extend_schema(request=transaction_requests.BulkVoid, responses=BULK_SETTLED)
    def post(self, request: Request) -> Response:
        """Void up to 100 holds."""
        fields = decode(request, transaction_requests.BulkVoid, as_text=True)
        ids = validation.void_ids(fields)
        settlements = [Settlement(transaction_id=transaction_id, action="void") for transaction_id in ids]
        return _settled(settlements, fields)


class RefundView(PreviewedView):
    @extend_schema(request=transaction_requests.RefundTransaction, responses=CREATED)
    def post(self, request: Request, transaction_id: str) -> Response:
        """Give back what was moved under an id: by a worker, or at once (``skip_queue``)."""
        fields = decode(request, transaction_requests.RefundTransaction) if request._request.body.strip() else {}
        skip_queue = fields.get("skip_queue", False)
        wanted = Refund(
            transaction_id=transaction_id,
            part=validation.refund_part(fields),
            reference=validation.own_reference(fields),
            queued=not skip_queue,
            description=fields.get("description", ""),
            meta_data=fields.get("meta_data", {}),
        )
        if fields.get("dry_run"):
            return Response(PreviewAnswer.body(preview_refund(wanted)))
        return Response(transaction_shapes.refunded(refund(wanted), skip_queue=skip_queue), status=201)


class RecoverView(ApiView):
    @extend_schema(
        parameters=[OpenApiParameter("threshold", str, description="Age such as 90s, 5m or 24h; at least 2m")],
        request=None,
        responses={200: dict} | REFUSED,
    )
    def post(self, request: Request) -> Response:
        """Have queued transactions applied that wait for longer than a threshold."""
        threshold = durations.parse(request.query_params.get("threshold") or "2m")
        recovered = recover(max(threshold, LEAST_AGE))
        return Response({"recovered": recovered, "threshold": durations.text(threshold)})


def _part(fields: dict[str, Any]) -> Part:
    return Part(amount=fields.get("amount") or None, precise_amount=fields.get("precise_amount"))


def _settled(settlements: Sequence[Settlement], fields: dict[str, Any]) -> Response:
    skip_queue = fields.get("skip_queue", False)
    if fields.get("dry_run"):
        return Response(BulkPreviewAnswer.body(preview_settlements(settlements, skip_queue=skip_queue)))
    results = [
        _settled_item(each, outcome) for each, outcome in zip(settlements, settle_each(settlements), strict=True)
    ] if skip_queue else [
        _queued_item(each, result) for each, result in zip(settlements, request_each(settlements), strict=True)
    ]  # fmt: skip
    failed = sum(result["status"] == "failed" for result in results)
    return Response({"succeeded": len(results) - failed, "failed": failed, "results": results})


def _settled_item(settlement: Settlement, outcome: Outcome) -> dict[str, Any]:
    if outcome.errors:
        return _failed_item(settlement, outcome.errors[0])
    return {"transaction_id": settlement.transaction_id, "status": "succeeded"}


def _queued_item(settlement: Settlement, result: Transaction | LedgerError) -> dict[str, Any]:
    if isinstance(result, posting_exceptions.AlreadyQueued):
        reason = {"code": "ALREADY_QUEUED", "message": result.message}
        return {"transaction_id": settlement.transaction_id, "status": "queued"} | reason
    if isinstance(result, LedgerError):
        return _failed_item(settlement, result)
    return {"transaction_id": settlement.transaction_id, "status": "queued", "code": "QUEUED"}


def _failed_item(settlement: Settlement, error: LedgerError) -> dict[str, Any]:
    message = error.message
    if isinstance(error, posting_exceptions.TransactionNotFound):
        message = f"NOT_FOUND: {message.removeprefix('NOT_FOUND: ')}"
    code = ITEM_CODES.get(error.code, "INTERNAL_ERROR")
    item: dict[str, Any] = {"transaction_id": settlement.transaction_id, "status": "failed"}
    item |= {"code": code, "message": message}
    return item | ({"details": error.details} if isinstance(error, posting_exceptions.DuplicateReference) else {})
