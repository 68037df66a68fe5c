"""What stands before every API route: redirects, the key, headers, plain 404s (conventions 1 to 3)."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import resolve
from django.utils.html import escape

from balances.api.errors import STATUSES, error_body, not_found
from balances.exact_json import dumps

PAGES = {"admin", "static", "docs", "schema"}
"""First segments of paths where people go, with protections of their own; every other path is the API's."""
OPEN = {"/", "/health", "/metrics"}
"""API paths that need no key."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"
MASTER_KEY_HOLDER = "master key"
ANYBODY = "anonymous (secure mode is off)"


class ApiGate:
    """Middleware that lets a request pass to the API only with a valid key, and denies by default."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Redirect, refuse or pass on; then put the contract's headers on the answer."""
        if request.path.split("/", 2)[1] in PAGES:
            return _nothing_unstorable(request) or self.get_response(request)
        redirect = _without_trailing_slash(request)
        if redirect is not None:
            return redirect
        response = _refusal(request)
        if response is None:
            request.passed_api_gate = True  # type: ignore[attr-defined]
            _take_in_chunks(request)
            response = _in_contract(self.get_response(request))
        for header, value in HEADERS.items():
            response.headers[header] = value
        if request.is_secure() or request.headers.get("X-Forwarded-Proto", "").lower() == "https":
            response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
        return response


def _nothing_unstorable(request: HttpRequest) -> HttpResponse | None:
    """Refuse what no page can have been sent for: PostgreSQL cannot even look for the character NUL."""
    if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
        return HttpResponse("400 bad request", status=400, content_type="text/plain")
    return None


def has_passed(request: HttpRequest) -> bool:
    """Tell whether the gate let a request through; a view of the API asks, whatever path led to it."""
    return getattr(request, "passed_api_gate", False)


def actor(request: HttpRequest) -> str:
    """Return whom the records are to name for a request that passed the gate."""
    return MASTER_KEY_HOLDER if settings.BLNK_SERVER_SECURE else ANYBODY


def _without_trailing_slash(request: HttpRequest) -> HttpResponse | None:
    """Redirect a known path with a trailing slash to the one without, before anything is checked."""
    bare = request.path.removesuffix("/")
    if bare == request.path or not bare:
        return None
    try:
        view: Any = resolve(bare).func
    except Http404:
        return None
    if (request.method or "").lower() not in getattr(view, "cls", view).http_method_names:
        return None
    location = f"{bare}?{request.META['QUERY_STRING']}" if request.META.get("QUERY_STRING") else bare
    if request.method != "GET":
        return HttpResponse(status=307, headers={"Location": location})
    body = f'<a href="{escape(location)}">Moved Permanently</a>.\n\n'
    return HttpResponse(body, status=301, headers={"Location": location}, content_type="text/html; charset=utf-8")


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a request that may not pass, or ``None``."""
    try:
        request.get_host()
    except DisallowedHost:
        return _error("GEN_BAD_REQUEST", "This host name is not among those in ALLOWED_HOSTS.")
    if "\x00" in request.path:
        return not_found()  # no id or name has that character, and PostgreSQL cannot even look for it
    if not settings.BLNK_SERVER_SECURE or request.path in OPEN:
        return None
    given = request.headers.get("X-Blnk-Key", "")
    if not given:
        return _error("AUTH_MISSING_API_KEY", "Authentication required. Use X-Blnk-Key header")
    master = settings.BLNK_SERVER_SECRET_KEY
    if master and secrets.compare_digest(given.encode(), master.encode()):
        return None
    return _error("AUTH_INVALID_API_KEY", "Invalid API key")


def _take_in_chunks(request: HttpRequest) -> None:
    """Read a body that was sent in chunks: Django reads only what a length announces.

    Not before the key is checked: a stranger who sends slowly would hold a thread of the server.
    """
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked" and not request.META.get("CONTENT_LENGTH"):
        body = request.META["wsgi.input"].read(settings.MAX_REQUEST_BODY_BYTES + 1)
        request.META["CONTENT_LENGTH"] = str(len(body))
        request._stream = io.BytesIO(body)


def _in_contract(response: HttpResponse) -> HttpResponse:
    """Replace Django's own pages for people by what API clients expect."""
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    if response.status_code == 404:
        return not_found()
    if response.status_code >= 500 and not settings.DEBUG:
        return _error("GEN_INTERNAL", "internal server error")
    return response


def _error(code: str, message: str) -> HttpResponse:
    return HttpResponse(
        dumps(error_body(code, message)), status=STATUSES[code], content_type="application/json; charset=utf-8"
    )
