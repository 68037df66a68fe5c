"""Signing in with a second factor: the admin's page asks for the password, a second page for the rest.

Between the two no one is signed in. The session only keeps who is waiting, and for a few minutes.
"""

from __future__ import annotations

import time
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from ledgerproj.second_factor import codes, limits, passkeys
from ledgerproj.second_factor.policy import VERIFIED, has_factor
from ledgerproj.signing_in import locked_out, page_context

WAITING = "second_factor_waiting"
WAITING_SECONDS = 300
TOO_MANY = "There were too many codes for this user. Wait a few minutes, or use a passkey."
WRONG = "That was not right. A code counts once, and for a minute and a half at most."


class PasswordPage(LoginView):
    """The admin's page, which signs in only who has no second factor."""

    next_page = "admin:index"

    def form_valid(self, form: Any) -> HttpResponse:
        """Sign in, or go on to the second page."""
        user = form.get_user()
        if not has_factor(user):
            return super().form_valid(form)
        self.request.session.cycle_key()
        self.request.session[WAITING] = {
            "user": user.pk,
            "backend": user.backend,
            "hash": user.get_session_auth_hash(),
            "since": int(time.time()),
            "next": self.get_success_url(),
        }
        return HttpResponseRedirect(reverse("second_factor_check"))


def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Answer the admin's page for signing in, as ``AdminSite.login`` does."""
    site = admin.site
    if request.method == "GET" and site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    context = page_context(request, "Log in") | {"app_path": request.get_full_path(), "username": str(request.user)}
    page = PasswordPage.as_view(
        extra_context=context,
        authentication_form=site.login_form,
        template_name=site.login_template or "admin/login.html",
    )
    return page(request)


@sensitive_post_parameters()
@csrf_protect
@never_cache
def check(request: HttpRequest) -> HttpResponse:
    """Ask who has given the password for the second factor, and sign them in."""
    user = _waiting(request)
    if user is None:
        request.session.pop(WAITING, None)
        messages.info(request, "Sign in again: the password was given too long ago.")
        return HttpResponseRedirect(reverse("admin:login"))
    if limits.is_closed(request, user):
        return locked_out(request)
    error = ""
    if request.method == "POST":
        used, error = _used(request, user)
        if used:
            return _enter(request, user, used)
        limits.failed(request, user, "Wrong second factor, after the right password")
    context = page_context(request, "Second factor") | {
        "error": error,
        "question": passkeys.ask(request, user),
        "has_codes": user.factors.filter(kind="codes").exists(),
    }
    return TemplateResponse(request, "admin/people/check.html", context)


def _waiting(request: HttpRequest) -> User | None:
    """Return who has given the password a short while ago, if it still is theirs."""
    kept: dict[str, Any] = request.session.get(WAITING, {})
    if not kept or time.time() - kept["since"] > WAITING_SECONDS:
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True).first()
    return user if user and constant_time_compare(kept["hash"], user.get_session_auth_hash()) else None


def _used(request: HttpRequest, user: User) -> tuple[str, str]:
    """Return which second factor was given, or why none was."""
    if answer := request.POST.get("answer", ""):
        passkey = passkeys.check(request, user, answer)
        return (str(passkey), "") if passkey else ("", "This passkey was not accepted. Try again.")
    typed = request.POST.get("code", "")[:100]
    if not limits.take_code(user):
        return "", TOO_MANY
    if app := codes.use_code(user, typed):
        return str(app), ""
    return ("Recovery code", "") if codes.use_recovery_code(user, typed) else ("", WRONG)


def _enter(request: HttpRequest, user: User, used: str) -> HttpResponse:
    kept = request.session.pop(WAITING)
    request.__dict__["signed_in_with"] = used
    login(request, user, kept["backend"])
    request.session[VERIFIED] = used
    if used == "Recovery code":
        left = codes.recovery_codes_left(user)
        messages.warning(
            request, f"You used a recovery code; {left} are left. Set up what you lost, or make new codes."
        )
    return HttpResponseRedirect(kept["next"])
