"""What a browser may do on our pages: the headers that say so.

Nothing is loaded from another host, no script or style stands in a page, nothing frames a page. Answers of the API have
headers of their own, by the contract: ``balances.api.gate``.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

SCRIPTS, EVALUATED = "script-src 'self'", " 'unsafe-eval'"
"""Alpine compiles the expressions in unfold's attributes with ``Function``, which needs the second. Its other build
takes neither the arrow functions nor the globals that these expressions have."""
POLICY = (
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self' data:",  # unfold's style sheets draw arrows and ticks of fields
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
UNUSED = (
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "screen-wake-lock",
    "serial",
    "sync-xhr",
    "usb",
    "xr-spatial-tracking",
)
"""Abilities of a browser that no page needs."""
PERMISSIONS = ", ".join(f"{name}=()" for name in UNUSED)
WITH_ALPINE = "/admin/"


class PageHeaders:
    """Middleware that adds the policies to answers that do not bring their own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response with the policies."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy_of(request.path))
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response


def policy_of(path: str) -> str:
    """Return the policy of a page; only those of the back-office may compile expressions."""
    scripts = SCRIPTS + (EVALUATED if path.startswith(WITH_ALPINE) else "")
    return "; ".join([*POLICY, scripts])
