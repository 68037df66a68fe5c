"""Maps refusals to HTTP: the status by code, and the body by contract.

docs/design/wire.md states the rules under "Errors".
"""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import TooManyFieldsSent
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.response import Response
from rest_framework.views import set_rollback

from balances.api.caller import principal, report_refusal
from balances.api.filtering import InvalidFilterParameters
from balances.api.go import InvalidBody, MalformedBody
from balances.api.replies import JSON, NOT_FOUND, Reply, json_reply
from balances.books import BatchRefused
from balances.events import HookError
from balances.ground import RETRY_AFTER_SECONDS, DatabaseUnavailable, LedgerError, OutcomeUnknown, forbidden, outage_of
from balances.shapes import rendered

logger = logging.getLogger(__name__)

FORBIDDEN = 403
READING = {"GET", "HEAD"}
STATUSES = {
    code: status
    for status, codes in {
        400: """
            GEN_MALFORMED_REQUEST GEN_VALIDATION_ERROR GEN_MISSING_PARAMETER GEN_BAD_REQUEST
            APIKEY_OWNER_REQUIRED APIKEY_INVALID
            TXN_INSUFFICIENT_FUNDS TXN_INVALID_AMOUNT TXN_PRECISION_NOT_INTEGER TXN_INVALID_DISTRIBUTION
            TXN_NOT_INFLIGHT TXN_COMMIT_AMOUNT_EXCEEDED TXN_INVALID_STATUS_ACTION TXN_BULK_EMPTY
            TXN_BULK_LIMIT_EXCEEDED TXN_VALIDATION_ERROR
            BAL_INVALID_TIMESTAMP BAL_VALIDATION_ERROR
            IDT_VALIDATION_ERROR IDT_FIELD_NOT_TOKENIZABLE IDT_FIELD_NOT_TOKENIZED IDT_FIELD_NOT_FOUND
            RECON_UPLOAD_FAILED RECON_UPLOAD_URL_INVALID RECON_UPLOAD_HOST_NOT_ALLOWED RECON_RULE_INVALID
            RECON_MATCHING_RULES_REQUIRED RECON_EXTERNAL_TXNS_REQUIRED
            META_UNSUPPORTED_ENTITY META_INVALID_ENTITY_ID HOOK_INVALID SRCH_QUERY_INVALID
        """,
        401: """
            AUTH_MISSING_API_KEY AUTH_INVALID_API_KEY AUTH_EXPIRED_API_KEY AUTH_MISSING_PRINCIPAL
            AUTH_METRICS_TOKEN_REQUIRED AUTH_INVALID_BEARER_TOKEN
        """,
        403: """
            AUTH_INSUFFICIENT_PERMISSIONS AUTH_UNKNOWN_RESOURCE AUTH_MASTER_KEY_REQUIRED AUTH_CROSS_OWNER_ACCESS
            AUTH_SCOPE_ESCALATION AUTH_METRICS_DISABLED IDT_TOKENIZATION_DISABLED
        """,
        404: """
            GEN_NOT_FOUND APIKEY_NOT_FOUND TXN_NOT_FOUND BAL_NOT_FOUND BAL_HISTORY_NOT_FOUND BAL_MONITOR_NOT_FOUND
            LGR_NOT_FOUND ACC_NOT_FOUND IDT_NOT_FOUND RECON_NOT_FOUND RECON_RULE_NOT_FOUND META_ENTITY_NOT_FOUND
            HOOK_NOT_FOUND SRCH_REINDEX_NOT_STARTED
        """,
        409: """
            GEN_CONFLICT TXN_DUPLICATE_REFERENCE TXN_ALREADY_COMMITTED TXN_ALREADY_VOIDED LGR_DUPLICATE ACC_DUPLICATE
            IDT_FIELD_ALREADY_TOKENIZED SRCH_REINDEX_IN_PROGRESS
        """,
        413: "GEN_PAYLOAD_TOO_LARGE",
        423: "GEN_RESOURCE_LOCKED",
        429: "GEN_RATE_LIMITED",
        500: """
            GEN_INTERNAL ACC_GENERATION_FAILED RECON_UPLOAD_PROCESSING_FAILED RECON_START_FAILED HOOK_OPERATION_FAILED
            SRCH_FAILED ADMIN_BACKUP_FAILED
        """,
        501: "GEN_NOT_IMPLEMENTED",
        503: "QUEUE_BACKPRESSURE GEN_UNAVAILABLE",
    }.items()
    for code in codes.split()
}
"""Status by code. Two codes are not Blnk's: GEN_NOT_IMPLEMENTED, for what this server does not do, and
GEN_UNAVAILABLE, for a database that is away."""


def error_body(code: str, message: str, *, details: Any = None, key: str = "error") -> dict[str, Any]:
    """Return the contract's error body; ``key`` is the legacy field beside ``error_detail``."""
    detail: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        detail["details"] = details
    return dict(sorted({key: message, "error_detail": detail}.items()))


def headers_of(code: str) -> dict[str, str]:
    """Return the headers that belong to a code."""
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if code == DatabaseUnavailable.code else {}


def error_reply(code: str, message: str) -> Reply:
    """Return the answer to a request that meets no view."""
    return json_reply(STATUSES[code], error_body(code, message), headers_of(code))


def reply_to(error: Exception, request: HttpRequest) -> Reply:
    """Return the answer of a view to an exception, where no view is involved."""
    response: Any = answer(error, {"request": SimpleNamespace(method=request.method, _request=request)})
    kind = ("Content-Type", response.content_type) if response.content_type else JSON
    others = [(name, value) for name, value in response.items() if name != "Content-Type"]
    return Reply(response.status_code, rendered(response.data), (kind, *others))


def refusal_of(error: Exception, method: str | None) -> Exception:
    """Return the refusal for an outage of the database, or any other error unchanged."""
    found = None if isinstance(error, LedgerError) else outage_of(error)
    if found is None and (forbids := forbidden(error)):
        return forbids
    if isinstance(found, OutcomeUnknown) and method in READING:
        return DatabaseUnavailable()  # a read has no unknown outcome
    if found and type(found) is not DatabaseUnavailable:  # which the pool logs, once
        logger.warning("A request failed: %s", found.message)
    return found or error


def not_found() -> HttpResponse:
    """Return the answer to an unknown path or a wrong method."""
    return NOT_FOUND.response()


def answer(error: Exception, context: dict[str, Any]) -> HttpResponseBase:
    """Turn an exception of a view into an answer. An unexpected one is logged with its traceback, never shown."""
    set_rollback()
    error = refusal_of(error, context["request"].method)
    match error:
        case MethodNotAllowed() | Http404():
            return not_found()
        case TooManyFieldsSent():
            return _response("GEN_BAD_REQUEST", "The query has too many parameters.")
        case MalformedBody():
            content_type = "text/plain; charset=utf-8" if error.as_text else None
            return _response("GEN_MALFORMED_REQUEST", error.message, key=error.key, content_type=content_type)
        case InvalidBody():
            return _response(error.code, error.message, details=error.details, key="errors")
        case InvalidFilterParameters():
            body = error_body(error.code, error.message, details=error.details, key="errors")
            return Response(body | {"errors": error.details}, status=STATUSES[error.code])
        case BatchRefused():
            body = error_body(error.code, error.message, details=error.details)
            return Response({"batch_id": error.batch_id} | body, status=STATUSES[error.code])
        case HookError():
            detail = {"code": error.code, "message": error.message, "details": error.details}
            body = {"code": error.legacy, "details": error.details, "error_detail": detail, "message": error.message}
            return Response(body, status=STATUSES[error.code])
        case LedgerError():
            if STATUSES[error.code] == FORBIDDEN:
                request = context["request"]._request
                report_refusal(request, principal(request), error)
            return _response(error.code, error.message, details=error.details)
        case _:
            logger.error("A request failed unexpectedly", exc_info=error)
            return _response("GEN_INTERNAL", "internal server error")


def _response(
    code: str, message: str, *, details: Any = None, key: str = "error", content_type: str | None = None
) -> Response:
    body = error_body(code, message, details=details, key=key)
    return Response(body, status=STATUSES[code], headers=headers_of(code), content_type=content_type)
