"""Refusals of signed-in users, shown as Django shows them and sent to receivers of ``refused``.

Refusals of others are only logged by Django, because they could fill a disk.
"""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import csrf, defaults

from balances.ground import RETRY_AFTER_SECONDS, client_address, outage_of, refused


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that did not come from our own page, or came from an outdated one."""
    _report(request, f"Forged or outdated form: {reason}")
    return csrf.csrf_failure(request, reason)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request without permission."""
    _report(request, str(exception) or "No permission")
    return defaults.permission_denied(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an unexpected error, or ask users to come back later where the database is away."""
    error = sys.exc_info()[1]
    outage = outage_of(error) if error else None
    if outage is None:
        return defaults.server_error(request)
    page = render_to_string("503.html", {"refusal": outage})  # without a request, which would query the user
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _report(request: HttpRequest, why: str) -> None:
    """Send ``refused``; an error in a receiver is logged by Django and does not undo the refusal."""
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
