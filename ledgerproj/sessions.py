"""Sessions of people: how long one lasts, which there are, and ending them.

Two instants are kept in the session, so that no request asks the database for them; once a minute they are renewed,
there and in the row that lists the session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import logout
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from balances.ground import client_address
from ledgerproj.models import SignIn
from ledgerproj.signing_in import page_context, report_user

SINCE, SEEN = "signed_in_at", "last_seen_at"
NOTED_EVERY = 60
"""Seconds between two notes of when a session was seen."""
LONGEST_BROWSER = 200
"""Characters of what a browser says of itself."""


def begin(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Note a session that has begun; its limits count from now."""
    request.session[SINCE] = request.session[SEEN] = int(time.time())
    past = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    SignIn.objects.filter(user=user, since__lt=past).delete()
    _note(request, user)


def end(users: Iterable[AbstractBaseUser | AnonymousUser], *, except_key: str | None = None) -> int:
    """End all sessions of users but one, and return how many there were."""
    ended = SignIn.objects.filter(user__in=[user.pk for user in users]).exclude(session_key=except_key or "")
    with transaction.atomic():
        Session.objects.filter(session_key__in=list(ended.values_list("session_key", flat=True))).delete()
        return ended.delete()[0]


class SessionLimits:
    """Middleware that signs people out who did nothing for a while, or signed in too long ago."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, as to a stranger where the session is over."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return self.get_response(request)
        if why := _why_over(request):
            _forget(request.session.session_key)
            logout(request)
            messages.info(request, why)
            return self.get_response(request)
        now, key = int(time.time()), request.session.session_key
        if now - request.session.get(SEEN, 0) >= NOTED_EVERY:
            request.session.setdefault(SINCE, now)
            request.session[SEEN] = now
            _note(request, request.user)
        response = self.get_response(request)
        if request.session.session_key is None:
            _forget(key)
        elif request.session.session_key != key:
            SignIn.objects.filter(session_key=key).update(session_key=request.session.session_key)
        return response


def own(request: HttpRequest) -> HttpResponse:
    """Show a user's own sessions."""
    now = timezone.now()
    idle, age = (timedelta(seconds=each) for each in (settings.LEDGER_SESSION_IDLE, settings.SESSION_COOKIE_AGE))
    there = SignIn.objects.filter(user__pk=str(request.user.pk), last_seen__gt=now - idle, since__gt=now - age)
    context = page_context(request, "Your sessions") | {
        "sessions": there,
        "current": request.session.session_key,
        "idle_minutes": settings.LEDGER_SESSION_IDLE // 60,
        "hours": settings.SESSION_COOKIE_AGE // 3600,
    }
    return TemplateResponse(request, "admin/people/sessions.html", context)


@require_POST
def end_one(request: HttpRequest, sign_in_id: int) -> HttpResponse:
    """End one of the user's own sessions."""
    found = SignIn.objects.filter(pk=sign_in_id, user__pk=str(request.user.pk)).first()
    if found is None:
        raise Http404
    with transaction.atomic():
        Session.objects.filter(session_key=found.session_key).delete()
        found.delete()
        report_user(request, request.user, "acted", after={"done": f"Ended a session from {found.address}."})
    messages.success(request, "The session is ended.")
    return HttpResponseRedirect(reverse("sessions"))


def _why_over(request: HttpRequest) -> str:
    now, session = time.time(), request.session
    if now - session.get(SEEN, now) > settings.LEDGER_SESSION_IDLE:
        return f"You were signed out, because nothing was done for {settings.LEDGER_SESSION_IDLE // 60} minutes."
    if now - session.get(SINCE, now) > settings.SESSION_COOKIE_AGE:
        return f"You were signed out: a session lasts {settings.SESSION_COOKIE_AGE // 3600} hours at most."
    return ""


def _note(request: HttpRequest, user: Any) -> None:
    instants = {"since": request.session[SINCE], "last_seen": request.session[SEEN]}
    SignIn.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={
            "user": user,
            "address": client_address(request),
            "browser": request.META.get("HTTP_USER_AGENT", "")[:LONGEST_BROWSER].replace("\x00", ""),
            **{name: datetime.fromtimestamp(seconds, UTC) for name, seconds in instants.items()},
        },
    )


def _forget(key: str | None) -> None:
    SignIn.objects.filter(session_key=key or "").delete()


urlpatterns: list[URLPattern] = [
    path("", admin.site.admin_view(own), name="sessions"),
    path("<int:sign_in_id>/end/", admin.site.admin_view(end_one), name="session_end"),
]
