"""Refusals of people who are signed in: shown as Django shows them, and told to whoever listens.

Strangers are only logged, by Django: they could fill a disk.
"""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import csrf, defaults

from balances.ground import RETRY_AFTER_SECONDS, client_address, outage_of, refused


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer to a form that did not come from our own page, or from one too old."""
    _tell(request, f"Forged or outdated form: {reason}")
    return csrf.csrf_failure(request, reason)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer to what this person may not do."""
    _tell(request, str(exception) or "No permission")
    return defaults.permission_denied(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer to a surprise. Where the database is away, that is no surprise, and people are told to come back."""
    error = sys.exc_info()[1]
    found = outage_of(error) if error else None
    if found is None:
        return defaults.server_error(request)
    page = render_to_string("503.html", {"refusal": found})  # without a request: it would ask who is signed in
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _tell(request: HttpRequest, why: str) -> None:
    """Let listeners know; the refusal stands whatever becomes of them, and Django logs it."""
    if not request.user.is_authenticated:
        return
    action = request.POST.get("action", "")[:100]
    refused.send_robust(
        sender=permission_denied,
        actor=request.user.get_username(),
        door="admin",
        what=f"{request.method} {request.path}{f' ({action})' if action else ''}",
        why=why,
        address=client_address(request),
    )
