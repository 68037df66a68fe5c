"""The one map from refusals to HTTP: status by code, body by contract (conventions 7)."""

from __future__ import annotations

import logging
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.response import Response
from rest_framework.views import set_rollback

from balances.api.body import InvalidBody, MalformedBody
from balances.api.caller import principal, tell_refusal
from balances.api.filtering.grammar import InvalidFilterParameters
from balances.exceptions import LedgerError
from balances.hooks.exceptions import HookError

logger = logging.getLogger(__name__)

FORBIDDEN = 403
STATUSES = {
    "GEN_MALFORMED_REQUEST": 400,
    "GEN_VALIDATION_ERROR": 400,
    "GEN_BAD_REQUEST": 400,
    "APIKEY_OWNER_REQUIRED": 400,
    "TXN_INSUFFICIENT_FUNDS": 400,
    "TXN_VALIDATION_ERROR": 400,
    "META_INVALID_ENTITY_ID": 400,
    "IDT_VALIDATION_ERROR": 400,
    "IDT_FIELD_NOT_TOKENIZABLE": 400,
    "IDT_FIELD_NOT_TOKENIZED": 400,
    "IDT_FIELD_NOT_FOUND": 400,
    "HOOK_INVALID": 400,
    "AUTH_MISSING_API_KEY": 401,
    "AUTH_INVALID_API_KEY": 401,
    "AUTH_EXPIRED_API_KEY": 401,
    "AUTH_MISSING_PRINCIPAL": 401,
    "AUTH_METRICS_TOKEN_REQUIRED": 401,
    "AUTH_INVALID_BEARER_TOKEN": 401,
    "AUTH_METRICS_DISABLED": 403,
    "AUTH_MASTER_KEY_REQUIRED": 403,
    "AUTH_INSUFFICIENT_PERMISSIONS": 403,
    "AUTH_UNKNOWN_RESOURCE": 403,
    "AUTH_CROSS_OWNER_ACCESS": 403,
    "AUTH_SCOPE_ESCALATION": 403,
    "IDT_TOKENIZATION_DISABLED": 403,
    "APIKEY_NOT_FOUND": 404,
    "GEN_NOT_FOUND": 404,
    "LGR_NOT_FOUND": 404,
    "BAL_NOT_FOUND": 404,
    "TXN_NOT_FOUND": 404,
    "META_ENTITY_NOT_FOUND": 404,
    "IDT_NOT_FOUND": 404,
    "ACC_NOT_FOUND": 404,
    "HOOK_NOT_FOUND": 404,
    "GEN_CONFLICT": 409,
    "IDT_FIELD_ALREADY_TOKENIZED": 409,
    "ACC_DUPLICATE": 409,
    "TXN_DUPLICATE_REFERENCE": 409,
    "GEN_RESOURCE_LOCKED": 423,
    "GEN_INTERNAL": 500,
    "HOOK_OPERATION_FAILED": 500,
    "GEN_NOT_IMPLEMENTED": 501,
}


def error_body(code: str, message: str, *, details: Any = None, key: str = "error") -> dict[str, Any]:
    """Return the contract's error body; ``key`` is the legacy field beside ``error_detail``."""
    detail: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        detail["details"] = details
    return dict(sorted({key: message, "error_detail": detail}.items()))


def not_found() -> HttpResponse:
    """Return the answer to an unknown path or a wrong method (conventions 1.1)."""
    return HttpResponse("404 page not found", status=404, content_type="text/plain")


def answer(error: Exception, context: dict[str, Any]) -> HttpResponseBase:
    """Turn what a view raised into an answer. A surprise is logged with its traceback, never shown."""
    set_rollback()
    match error:
        case MethodNotAllowed() | Http404():
            return not_found()
        case MalformedBody():
            return _response("GEN_MALFORMED_REQUEST", error.message, key=error.key)
        case InvalidBody():
            return _response(error.code, error.message, key="errors")
        case InvalidFilterParameters():
            body = error_body(error.code, error.message, details=error.details, key="errors")
            return Response(body | {"errors": error.details}, status=STATUSES[error.code])
        case HookError():
            detail = {"code": error.code, "message": error.message, "details": error.details}
            body = {"code": error.legacy, "details": error.details, "error_detail": detail, "message": error.message}
            return Response(body, status=STATUSES[error.code])
        case LedgerError():
            if STATUSES[error.code] == FORBIDDEN:
                request = context["request"]._request
                tell_refusal(request, principal(request), error)
            return _response(error.code, error.message, details=error.details)
        case _:
            logger.error("A request failed unexpectedly", exc_info=error)
            return _response("GEN_INTERNAL", "internal server error")


def _response(code: str, message: str, *, details: Any = None, key: str = "error") -> Response:
    return Response(error_body(code, message, details=details, key=key), status=STATUSES[code])
