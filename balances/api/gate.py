"""The middleware in front of every API route: redirects, rate limit, headers, keys, plain 404s.

docs/design/wire.md states the rules under "Routing".
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.core.handlers.exception import convert_exception_to_response
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import ResolverMatch, resolve
from django.utils import timezone
from django.utils.encoding import escape_uri_path
from django.utils.html import escape

from balances.api.caller import admit, report_refusal
from balances.api.errors import STATUSES, error_reply, not_found
from balances.api.replies import NOT_FOUND, Header, Reply
from balances.api.views import ApiView
from balances.ground import (
    ANYBODY,
    MASTER,
    DatabaseUnavailable,
    LedgerError,
    OutcomeUnknown,
    Principal,
    Question,
    RateLimiter,
    Result,
    bucket_of,
    deadline,
    exceptions,
    is_costly,
    is_outage,
    is_read,
)
from balances.ground import headers_of as rate_headers_of
from balances.keys import keyring, permissions
from balances.models import ApiKey

logger = logging.getLogger(__name__)

PAGES = {"admin", "static", "docs", "schema"}
"""First segments of the paths of pages, which have protections of their own; every other path is the API's."""
OPEN = {"/", "/health", "/metrics"}
"""API paths that need no key."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
LEFT = "ledger.tokens_left"
"""Names, in ``META``, the tokens left after this request took its own, once, whichever way it goes afterwards."""
MOST_HOSTS = 256
_allowed: set[tuple[Any, ...]] = set()
TOO_MANY = "You have reached maximum request limit."
STRICT_TRANSPORT = (("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),)


class ApiGate:
    """Middleware that answers all requests but those for pages: only with a valid key and within the rate limit.

    What follows it in ``MIDDLEWARE`` serves people: sessions, forms and static files are nothing to an API request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the layers of the pages, and start with full buckets."""
        self.answer_by_page = get_response
        self.answer_by_route: Any = convert_exception_to_response(_answer_by_route)
        self.limiter = RateLimiter(
            rate=settings.BLNK_RATE_LIMIT_RPS,
            burst=settings.BLNK_RATE_LIMIT_BURST,
            idle_seconds=settings.BLNK_RATE_LIMIT_CLEANUP_INTERVAL_SEC,
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with a page, or in the order of the contract: redirect, limit the rate, add headers, check the key."""
        if request.path.split("/", 2)[1] in PAGES:
            with _in_time(request):
                return _nothing_unstorable(request) or self.answer_by_page(request)
        return _without_trailing_slash(request) or self._answer(request)

    def check(self, request: HttpRequest, caller: Principal | None = None) -> tuple[Reply | None, list[Header]]:
        """Take a token for a request and check its key, unless ``caller`` is known; return refusal and headers.

        The refusal is the answer, if there is one; the headers are for any answer.
        """
        left = self.take(request)
        limits = rate_headers_of(self.limiter, request, left)
        if left is None:
            return error_reply("GEN_RATE_LIMITED", TOO_MANY), [*limits]
        secure = request.is_secure() or request.META.get("HTTP_X_FORWARDED_PROTO", "").lower() == "https"
        return _refusal(request, caller), [*HEADERS.items(), *(STRICT_TRANSPORT if secure else ()), *limits]

    def take(self, request: HttpRequest) -> int | None:
        """Take a token for a request, once; return how many are left, or ``None`` where there was none."""
        if LEFT not in request.META:
            request.META[LEFT] = self.limiter.take(*bucket_of(request))
        left: int | None = request.META[LEFT]
        return left

    def _answer(self, request: HttpRequest) -> HttpResponse:
        """Refuse or answer, with the headers of the contract."""
        refusal, headers = self.check(request)
        if refusal:
            response = refusal.response()
        else:
            with _in_time(request):
                response = _in_contract(self.answer_by_route(request))
        for header, value in headers:
            response.headers[header] = value
        response.headers["Content-Length"] = str(len(response.content))
        return response


class Knock(HttpRequest):
    """A request as far as the gate looks at it, which costs a tenth of a whole one."""

    def __init__(self, method: str, path: str, meta: dict[str, Any]) -> None:
        """Take the headers, under their names in WSGI; everything that Django keeps beside them is left out."""
        self.method, self.path, self.META = method, path, meta
        self.begun: Any = None
        """What a lane already knows of it, for the next one."""

    def _get_scheme(self) -> str:
        scheme: str = self.META["wsgi.url_scheme"]
        return scheme


def gate_of(handler: Any) -> ApiGate:
    """Return the gate of a handler of Django, whose outermost middleware it is. Raises ``ImproperlyConfigured``."""
    gate = getattr(handler._middleware_chain, "__wrapped__", None)
    if not isinstance(gate, ApiGate):
        raise ImproperlyConfigured("ApiGate must be the first of MIDDLEWARE.")
    return gate


@contextmanager
def _in_time(request: HttpRequest) -> Iterator[None]:
    """Limit the time of a request that may read much, and end it when its client goes away."""
    method, query = request.method or "", request.META.get("QUERY_STRING", "")
    if not (is_read(method, request.path) and is_costly(method, request.path, query)):
        yield
        return
    when_gone = request.META.get("ledger.when_gone", lambda _: lambda: None)  # balances.api tests have no server
    with deadline(settings.LEDGER_READ_TIMEOUT, f"{method} {request.path}") as given:
        forget = when_gone(given.end_now)
        try:
            yield
        finally:
            forget()


def _answer_by_route(request: HttpRequest) -> HttpResponse:
    """Return the answer of the route of a path."""
    match = request.resolver_match = _route(request.path_info)
    if match is None:
        return not_found()
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    render = getattr(response, "render", None)
    return _let_go(render()) if render else response


def _let_go(response: Any) -> HttpResponse:
    """Break the reference cycles between a rendered answer, its view and its request.

    Python looks for rings seldom (``processes.collect_rarely``): until then long lists and bodies would stay in memory.
    """
    if context := response.renderer_context:
        view = context["view"]
        view.request.parser_context.clear()
        vars(view).clear()
        context.clear()
    rendered: HttpResponse = response
    return rendered


def _route(path: str) -> ResolverMatch | None:
    """Return the route of a path, which must be one of the API."""
    try:
        match = resolve(path)
    except Http404:
        return None
    return match if issubclass(getattr(match.func, "cls", object), ApiView) else None


def _nothing_unstorable(request: HttpRequest) -> HttpResponse | None:
    """Refuse requests for pages with the character NUL, which PostgreSQL cannot look up."""
    if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
        return HttpResponse("400 bad request", status=400, content_type="text/plain")
    return None


def _without_trailing_slash(request: HttpRequest) -> HttpResponse | None:
    """Redirect a known path with a trailing slash to the one without, before anything is checked."""
    bare = request.path.removesuffix("/")
    if bare == request.path or not bare:
        return None
    match = _route(bare)
    view: Any = match and match.func
    method = (request.method or "").lower()
    if not view or method not in view.cls.http_method_names or not hasattr(view.cls, method):
        return None
    query = request.META.get("QUERY_STRING")
    location = f"{escape_uri_path(bare)}?{query}" if query else escape_uri_path(bare)
    if request.method != "GET":
        kept = HttpResponse(status=307, headers={"Location": location})
        del kept["Content-Type"]
        return kept
    body = f'<a href="{escape(location)}">Moved Permanently</a>.\n\n'
    return HttpResponse(body, status=301, headers={"Location": location}, content_type="text/html; charset=utf-8")


def _refusal(request: HttpRequest, caller: Principal | None) -> Reply | None:
    """Return the answer to a request that may not pass, or ``None``."""
    try:
        _require_host(request)
    except DisallowedHost:
        return error_reply("GEN_BAD_REQUEST", "This host name is not among those in ALLOWED_HOSTS.")
    if "\x00" in request.path:
        return NOT_FOUND  # no id or name has that character, and PostgreSQL cannot look it up
    try:
        admit(request, caller or _caller(request))
    except LedgerError as error:
        return error_reply(error.code, error.message)
    if "\x00" in unquote(request.META.get("QUERY_STRING", "")):
        return error_reply("GEN_BAD_REQUEST", "The query contains the character U+0000, which nothing stored can hold.")
    return None


def _require_host(request: HttpRequest) -> None:
    """Raise ``DisallowedHost``. What was allowed is kept: to check a host takes Django as long as to read a row."""
    given = request._get_raw_host()  # type: ignore[attr-defined]  # what get_host checks
    host = (given, settings.DEBUG, *settings.ALLOWED_HOSTS)
    if host not in _allowed:
        request.get_host()
        if len(_allowed) >= MOST_HOSTS:
            _allowed.clear()
        _allowed.add(host)


def _caller(request: HttpRequest) -> Principal:
    """Return the authorized caller. Raises a ``LedgerError`` with the contract's code."""
    given = request.META.get("HTTP_X_BLNK_KEY", "")
    if known := _without_lookup(request, given):
        return known
    key = _stored_key(given)
    caller = _owner_of(key)
    try:
        _require(key, request)
    except LedgerError as error:
        report_refusal(request, caller, error)
        raise
    keyring.note_use(key)
    return caller


def _without_lookup(request: HttpRequest, given: str) -> Principal | None:
    """Return the caller where no key has to be looked up. Raises ``MissingApiKey``."""
    if not settings.BLNK_SERVER_SECURE or request.path in OPEN:
        return ANYBODY
    if not given:
        raise exceptions.MissingApiKey
    master = settings.BLNK_SERVER_SECRET_KEY
    return MASTER if master and secrets.compare_digest(given.encode(), master.encode()) else None


def _owner_of(key: ApiKey) -> Principal:
    return Principal(
        actor=f"key {key.name} ({key.api_key_id})",
        api_key_id=key.api_key_id,
        name=key.name,
        owner_id=key.owner_id,
        scopes=tuple(key.scopes),
    )


def _require(key: ApiKey, request: HttpRequest) -> None:
    """Raise ``ExpiredApiKey``, or as ``permissions.check``, unless a key lets a request in."""
    if not key.is_valid(timezone.now()):
        raise exceptions.ExpiredApiKey
    permissions.check(tuple(key.scopes), request.method or "", request.path)


def key_question(request: HttpRequest) -> Question | None:
    """Return what the database has to be asked about the key of a request, if anything."""
    given = request.META.get("HTTP_X_BLNK_KEY", "")
    try:
        return None if _without_lookup(request, given) else keyring.question(given)
    except LedgerError:
        return None


def caller_at_once(request: HttpRequest, result: Result) -> Principal | None:
    """Return the caller for what it answered; ``None`` where that takes more, such as a report that the key is refused.

    The rest is for ``ApiGate.check``, which may wait for the database.
    """
    key = keyring.found_at_once(request.META["HTTP_X_BLNK_KEY"], result)
    try:
        if key:
            _require(key, request)
    except LedgerError:
        return None
    return _owner_of(key) if key else None


def _stored_key(given: str) -> ApiKey:
    """Return the key that was sent. Raises ``InvalidApiKey``, also where the lookup fails, as in the contract.

    An outage says nothing about a key and raises ``DatabaseUnavailable``: a client may throw an invalid key away.
    """
    try:
        key = keyring.find(given)
    except DatabaseError as error:
        if is_outage(error):
            raise DatabaseUnavailable from error
        logger.exception("An API key could not be looked up")
        raise exceptions.InvalidApiKey from error
    if key is None:
        raise exceptions.InvalidApiKey
    return key


def _in_contract(response: HttpResponse) -> HttpResponse:
    """Replace Django's error page, which is for people, with an answer for API clients."""
    for_people = response.headers.get("Content-Type", "").startswith("text/html")
    if for_people and response.status_code >= 500 and not settings.DEBUG:
        if response.status_code == STATUSES[OutcomeUnknown.code]:
            return error_reply(OutcomeUnknown.code, OutcomeUnknown().message).response()
        return error_reply("GEN_INTERNAL", "internal server error").response()
    return response
