"""What the front answers itself, in the contract's body; people get the sentence alone."""

from __future__ import annotations

from granian.rsgi import HTTPProtocol, Scope

from balances.api import HEADERS, PAGES, error_body
from balances.ground import RETRY_AFTER_SECONDS, DatabaseUnavailable, dumps

RETRY_AFTER = ("Retry-After", str(RETRY_AFTER_SECONDS))
CLOSE = ("Connection", "close")


def busy(scope: Scope, proto: HTTPProtocol) -> None:
    """Answer that the server is too busy; nothing has been done."""
    message = "The server has more requests than it can answer. Nothing was done; try again in a moment."
    _answer(scope, proto, 503, DatabaseUnavailable.code, message, RETRY_AFTER)


def slow(scope: Scope, proto: HTTPProtocol, seconds: int) -> None:
    """Answer that the body has not come in time."""
    message = f"The body did not arrive within {seconds} s. Nothing was done."
    _answer(scope, proto, 408, "GEN_REQUEST_TIMEOUT", message, CLOSE)


def broken_off(scope: Scope, proto: HTTPProtocol) -> None:
    """Answer that the body was cut short or has trailers; granian reports both in the same way."""
    message = "The body broke off, or has trailers, which are not taken. Nothing was done."
    _answer(scope, proto, 400, "GEN_MALFORMED_REQUEST", message, CLOSE)


def too_large(scope: Scope, proto: HTTPProtocol, most: int) -> None:
    """Answer that a form is too large."""
    message = f"What was sent is larger than {most // 1024 // 1024} MB. Nothing was done."
    _answer(scope, proto, 413, "GEN_PAYLOAD_TOO_LARGE", message, CLOSE)


def down(proto: HTTPProtocol) -> None:
    """Answer a question for the server's health that the database has not answered in time."""
    body = dumps({"reason": "database ping failed", "status": "DOWN"})
    proto.response_str(503, [("Content-Type", "application/json; charset=utf-8"), *HEADERS.items()], body)


def is_page(scope: Scope) -> bool:
    """Return whether a path is a page for people rather than a route of the API."""
    return scope.path.split("/", 2)[1:2] in ([page] for page in PAGES)


def _answer(scope: Scope, proto: HTTPProtocol, status: int, code: str, message: str, *headers: tuple[str, str]) -> None:
    kind, body = ("text/plain", message) if is_page(scope) else ("application/json", dumps(error_body(code, message)))
    proto.response_str(status, [("Content-Type", f"{kind}; charset=utf-8"), *HEADERS.items(), *headers], body)
