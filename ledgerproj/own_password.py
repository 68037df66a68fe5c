"""The admin's page on which people change their own password, and when they must: after somebody else has set it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from balances.ground import HIDDEN
from ledgerproj.models import GivenPassword
from ledgerproj.sessions import end
from ledgerproj.signing_in import report_user

GIVEN = "password_was_given"
"""What the session keeps: that it was begun with a password that somebody else knows."""


def change_own_password(request: HttpRequest) -> HttpResponse:
    """Answer the admin's page, send ``changed`` where the password was changed, and end the other sessions."""
    before = request.session.session_key  # a new password gives the session a new key, which its row gets later
    with transaction.atomic():
        response: HttpResponse = admin.site.password_change(request)
        if request.method == "POST" and response.status_code == HttpResponseRedirect.status_code:
            report_user(request, request.user, "changed", before={"password": HIDDEN}, after={"password": HIDDEN})
            end([request.user], except_key=before)
            GivenPassword.objects.filter(user__pk=str(request.user.pk)).delete()
            request.session.pop(GIVEN, None)
    return response


def note_given(user: Any, by: str) -> None:
    """Note that somebody set another user's password; the user must choose another one at the next sign-in."""
    if user.has_usable_password() and user.get_username() != by:
        GivenPassword.objects.update_or_create(user=user, defaults={"by": by})


def remember_given(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Keep in a session that has begun whether its password was given."""
    if GivenPassword.objects.filter(user=user).exists():
        request.session[GIVEN] = True


class OwnPasswords:
    """Middleware that shows the back-office only to who has chosen their password themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or send the user to the page on which a password is chosen."""
        if request.path.startswith(reverse("admin:index")) and GIVEN in request.session:
            open_to_all = tuple(reverse(f"admin:{name}") for name in ("login", "logout", "password_change", "jsi18n"))
            if not request.path.startswith(open_to_all):
                messages.warning(request, "Somebody else set your password. Choose one that only you know to go on.")
                return HttpResponseRedirect(reverse("admin:password_change"))
        return self.get_response(request)
