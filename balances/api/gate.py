"""What stands before every API route: redirects, the key, headers, plain 404s (conventions 1 to 3)."""

from __future__ import annotations

import io
import logging
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import resolve
from django.utils import timezone
from django.utils.html import escape
from psycopg_pool import PoolTimeout

from balances import exceptions, keyring
from balances.api import permissions
from balances.api.caller import admit, tell_refusal
from balances.api.errors import STATUSES, error_body, not_found
from balances.exact_json import dumps
from balances.exceptions import LedgerError
from balances.keys import ApiKey
from balances.principals import ANYBODY, MASTER, Principal

logger = logging.getLogger(__name__)

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


def _without_trailing_slash(request: HttpRequest) -> HttpResponse | None:
    """Redirect a known path with a trailing slash to the one without, before anything is checked."""
    bare = request.path.removesuffix("/")
    if bare == request.path or not bare:
        return None
    try:
        view: Any = resolve(bare).func
    except Http404:
        return None
    method = (request.method or "").lower()
    if method not in view.cls.http_method_names or not hasattr(view.cls, method):
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
    try:
        admit(request, _caller(request))
    except LedgerError as error:
        return _error(error.code, error.message)
    if "\x00" in unquote(request.META.get("QUERY_STRING", "")):
        return _error("GEN_BAD_REQUEST", "The query contains the character U+0000, which nothing stored can hold.")
    return None


def _caller(request: HttpRequest) -> Principal:
    """Return who asks, if that one may (conventions 2.2). Raises a ``LedgerError`` with the contract's code."""
    if not settings.BLNK_SERVER_SECURE or request.path in OPEN:
        return ANYBODY
    given = request.headers.get("X-Blnk-Key", "")
    if not given:
        raise exceptions.MissingApiKey
    master = settings.BLNK_SERVER_SECRET_KEY
    if master and secrets.compare_digest(given.encode(), master.encode()):
        return MASTER
    key = _stored_key(given)
    caller = Principal(
        actor=f"key {key.name} ({key.api_key_id})",
        api_key_id=key.api_key_id,
        name=key.name,
        owner_id=key.owner_id,
        scopes=tuple(key.scopes),
    )
    try:
        if not key.is_valid(timezone.now()):
            raise exceptions.ExpiredApiKey
        permissions.check(caller.scopes, request.method or "", request.path)
    except LedgerError as error:
        tell_refusal(request, caller, error)
        raise
    keyring.note_use(key)
    return caller


def _stored_key(given: str) -> ApiKey:
    """Return the key that was sent. Raises ``InvalidApiKey``, as the contract wants also where the lookup fails."""
    try:
        key = keyring.find(given)
    except (DatabaseError, PoolTimeout) as error:
        logger.exception("An API key could not be looked up")
        raise exceptions.InvalidApiKey from error
    if key is None:
        raise exceptions.InvalidApiKey
    return key


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
