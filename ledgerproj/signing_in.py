"""Limits on signing in (django-axes), and records of refused attempts.

After some failures one user name is closed to one network, so an attacker elsewhere cannot lock a user out. Unknown
names count as one and are never stored: people type passwords into that field.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from balances.ground import RateLimiter, changed, client_address, network_of, refused

UNKNOWN = "unknown"
DOOR = "sign-in"
ATTEMPTS_A_MINUTE = 30
"""Of one network, whatever the user names: each costs the time to hash a password."""
TOO_MANY_ATTEMPTS = 429


def username_of(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return the user name that is tried, or ``UNKNOWN`` where no user has it."""
    given = str((credentials or request.POST).get("username") or "")
    known: dict[str, bool] = request.__dict__.setdefault("known_usernames", {})
    if given not in known:
        known[given] = "\x00" not in given and get_user_model().objects.filter(username=given).exists()
    return given if known[given] else UNKNOWN


def network_of_client(request: HttpRequest) -> str | None:
    """Return the network that a client comes from, as its address; ``None`` where it has none."""
    try:
        return str(ipaddress.ip_address(network_of(client_address(request))))
    except ValueError:
        return None


def report_failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Send the signal ``refused`` for a failed sign-in."""
    if request is not None and not getattr(request, "axes_locked_out", False):
        name = username_of(request, credentials)
        wrong = request.__dict__.get("refused_because", "Wrong password, or not active")
        _report(request, name, "No user has this name" if name == UNKNOWN else wrong)


def report_locked_out(sender: Any, request: HttpRequest, username: str, **_: Any) -> None:
    """Send the signal ``refused`` for a user name that is closed."""
    _report(request, username, f"Too many failed attempts: closed to this network for {waiting_time()}")


def report_signed_in(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    """Send ``changed`` for a sign-in; a session that a program makes without a request is none."""
    _report_session(request, user, "signed in")


def report_signed_out(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    """Send ``changed`` for a sign-out."""
    _report_session(request, user, "signed out")


def _report_session(request: HttpRequest | None, user: Any, done: str) -> None:
    if user is not None and request is not None and "REMOTE_ADDR" in request.META:
        used = request.__dict__.get("signed_in_with", "")
        report_user(request, user, done, **({"after": {"second factor": used}} if used else {}))


def report_user(request: HttpRequest, user: Any, done: str, **sides: dict[str, str]) -> None:
    """Send ``changed`` for what somebody did with their own user."""
    name = user.get_username()
    changed.send(
        sender=type(user),
        actor=name,
        action=done,
        subject="user",
        subject_id=str(user.pk),
        name=name,
        address=client_address(request),
        **sides,
    )


def page_context(request: HttpRequest, title: str) -> dict[str, Any]:
    """Return what every page of the admin is made with, and its title."""
    request.__dict__["current_app"] = admin.site.name
    return {**admin.site.each_context(request), "title": title, "subtitle": None}


def _report(request: HttpRequest, name: str, why: str) -> None:
    address = client_address(request)
    actor = f"{name} (not signed in)"
    refused.send_robust(sender=report_failed, actor=actor, door=DOOR, what="Sign-in", why=why, address=address)


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """Answer to an attempt to sign in as a user who has to wait."""
    return _refusal(request, int(settings.AXES_COOLOFF_TIME.total_seconds()), failures=settings.AXES_FAILURE_LIMIT)


def waiting_time() -> str:
    """Return for how long a user name is closed, in words."""
    cooloff: timedelta = settings.AXES_COOLOFF_TIME
    return f"{cooloff // timedelta(minutes=1)} minutes"


def _refusal(request: HttpRequest, seconds: int, **context: Any) -> HttpResponse:
    page = render_to_string("admin/locked_out.html", context | {"waiting_time": waiting_time()}, request)
    return HttpResponse(page, status=TOO_MANY_ATTEMPTS, headers={"Retry-After": str(seconds)})


class SignInLimit:
    """Middleware that lets one network try only so many passwords and codes a minute, before any of them is hashed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.limiter = RateLimiter(rate=ATTEMPTS_A_MINUTE / 60, burst=ATTEMPTS_A_MINUTE, idle_seconds=60)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or refuse where there were too many attempts."""
        doors = (reverse("admin:login"), reverse("second_factor_check"))
        is_attempt = request.method == "POST" and request.path in doors
        if is_attempt and self.limiter.take(network_of(client_address(request))) is None:
            return _refusal(request, 60)
        return self.get_response(request)
