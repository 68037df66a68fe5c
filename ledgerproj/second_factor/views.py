"""The pages on which people set up and remove their own second factors."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from ledgerproj.models import Factor
from ledgerproj.second_factor import codes, passkeys
from ledgerproj.second_factor.door import check
from ledgerproj.second_factor.forms import Confirmed, NewApp, NewPasskey
from ledgerproj.second_factor.policy import VERIFIED, SecondFactorNeeded, has_factor, require_to_approve
from ledgerproj.second_factor.sealing import seal, unseal
from ledgerproj.sessions import end
from ledgerproj.signing_in import page_context, report_user

OFFERED = "second_factor_offered"
"""What the session keeps, encrypted: the secret of an app that is being set up."""
MOST = 10
"""Second factors of one user."""
RIGHTS = ("reconciliation.approve_plan", "reconciliation.accept_finding", "instructions.approve_instruction")


def own(request: HttpRequest) -> HttpResponse:
    """Show a user's second factors, and what is missing."""
    user = _user(request)
    context = page_context(request, "Second factor") | {
        "factors": user.factors.all(),
        "codes_left": codes.recovery_codes_left(user),
        "needed": _why_needed(user),
        "full": user.factors.count() >= MOST,
    }
    return TemplateResponse(request, "admin/people/second_factor.html", context)


def add_app(request: HttpRequest) -> HttpResponse:
    """Show the secret of a new app, and keep the app once it shows a right code."""
    user = _user(request)
    secret = unseal(request.session.get(OFFERED, "")) or codes.new_secret()
    form = NewApp(request, request.POST or None, initial={"name": "Phone"})
    if request.method == "POST" and form.is_valid():
        step = codes.step_of(secret, form.cleaned_data["code"].replace(" ", ""))
        if step:
            del request.session[OFFERED]
            app = Factor(user=user, kind=Factor.Kind.CODES, name=form.cleaned_data["name"], secret=seal(secret))
            app.last_step = step
            return _enrolled(request, user, app)
        form.add_error("code", "The app shows another code. Is the clock of its device right?")
    request.session[OFFERED] = seal(secret)
    context = page_context(request, "Set up an authenticator app") | {
        "form": form,
        "picture": codes.picture(codes.address(secret, user.get_username())),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    }
    return TemplateResponse(request, "admin/people/add_app.html", context)


def add_passkey(request: HttpRequest) -> HttpResponse:
    """Ask the browser for a new passkey, and keep it."""
    user = _user(request)
    form = NewPasskey(request, request.POST or None, initial={"name": "Passkey"})
    if request.method == "POST" and form.is_valid():
        try:
            passkey = passkeys.made(request, user, form.cleaned_data["name"], form.cleaned_data["answer"])
        except passkeys.NotRight as refusal:
            form.add_error(None, f"The browser's answer was not accepted. {refusal}")
        else:
            return _enrolled(request, user, passkey)
    question = passkeys.ask_for_new(request, user)
    context = page_context(request, "Set up a passkey") | {"form": form, "question": question}
    return TemplateResponse(request, "admin/people/add_passkey.html", context)


def remove(request: HttpRequest, factor_id: int) -> HttpResponse:
    """Remove one of the user's own second factors, after the password; with the last one go the recovery codes."""
    user = _user(request)
    factor = Factor.objects.filter(pk=factor_id, user=user).first()
    if factor is None:
        raise Http404
    form = Confirmed(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            name = str(factor)
            factor.delete()
            if not has_factor(user):
                user.recovery_codes.all().delete()
            report_user(request, user, "changed", before={"second factor": name}, after={"second factor": ""})
        messages.success(request, f"{name} is removed.")
        return HttpResponseRedirect(reverse("second_factor"))
    sentence = f"{factor} will no longer let you in."
    return _confirmation(request, form, f"Remove {factor}", sentence, "Remove")


def renew_codes(request: HttpRequest) -> HttpResponse:
    """Replace the user's recovery codes, after the password, and show the new ones once."""
    user = _user(request)
    if not has_factor(user):
        raise Http404
    form = Confirmed(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            made = codes.new_recovery_codes(user)
            report_user(request, user, "changed", before={"recovery codes": "old"}, after={"recovery codes": "new"})
        return _shown_once(request, made)
    sentence = "You get ten new codes. The ones that you have now will no longer let you in."
    return _confirmation(request, form, "Make new recovery codes", sentence, "Make new codes")


def _user(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    return user


def _why_needed(user: User) -> str:
    """Return why this user needs a second factor, or nothing where they have one or need none."""
    if any(user.has_perm(right) for right in RIGHTS):
        try:
            require_to_approve(user.get_username())
        except SecondFactorNeeded:
            return "You may approve, and for that a second factor is needed here. Set one up."
    return ""


def _enrolled(request: HttpRequest, user: User, factor: Factor) -> HttpResponse:
    """Keep a new second factor, and show recovery codes with the first one."""
    first = not has_factor(user)
    if user.factors.count() >= MOST:
        messages.error(request, f"You have {MOST} second factors already. Remove one first.")
        return HttpResponseRedirect(reverse("second_factor"))
    with transaction.atomic():
        factor.save()
        made = codes.new_recovery_codes(user) if first else []
        report_user(request, user, "changed", before={"second factor": ""}, after={"second factor": str(factor)})
        end([user], except_key=request.session.session_key)  # none of them was begun with it
    request.session[VERIFIED] = str(factor)
    if first:
        return _shown_once(request, made)
    messages.success(request, f"{factor} is set up.")
    return HttpResponseRedirect(reverse("second_factor"))


def _shown_once(request: HttpRequest, made: list[str]) -> HttpResponse:
    context = page_context(request, "Recovery codes") | {"codes": made}
    return TemplateResponse(request, "admin/people/recovery_codes.html", context)


def _confirmation(request: HttpRequest, form: Confirmed, title: str, sentence: str, button: str) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "sentence": sentence, "button": button}
    return TemplateResponse(request, "admin/people/confirm.html", page_context(request, title) | context)


def _page(view: Any) -> Any:
    return sensitive_post_parameters()(never_cache(admin.site.admin_view(view)))


urlpatterns: list[URLPattern] = [
    path("", _page(own), name="second_factor"),
    path("check/", check, name="second_factor_check"),
    path("app/", _page(add_app), name="second_factor_app"),
    path("passkey/", _page(add_passkey), name="second_factor_passkey"),
    path("recovery-codes/", _page(renew_codes), name="second_factor_codes"),
    path("<int:factor_id>/remove/", _page(remove), name="second_factor_remove"),
]
