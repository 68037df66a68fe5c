"""Refusals and errors of pages: in the frame of the back-office, and sent to receivers of ``refused``.

Refusals of those who are not signed in are only logged by Django, because they could fill a disk. Other addresses are
answered as Django answers them.
"""

from __future__ import annotations

import logging
import secrets
import sys

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views import csrf, defaults

from balances.backoffice import error_pages
from balances.ground import RETRY_AFTER_SECONDS, client_address, outage_of, refused

logger = logging.getLogger(__name__)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that did not come from our own page, or came from an outdated one."""
    _report(request, f"Forged or outdated form: {reason}")
    if not error_pages.is_ours(request):
        return csrf.csrf_failure(request, reason)
    said = (
        _("This form is out of date, or it did not come from this site. Nothing was done."),
        _("Open the page again, and send the form from there. It also needs cookies, which your browser may refuse."),
        _("If you did not send a form, another site tried to do it in your name: report that to an administrator."),
    )
    return error_pages.page(request, 403, _("The form was not accepted"), said)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request without permission."""
    _report(request, str(exception) or "No permission")
    if not error_pages.is_ours(request):
        return defaults.permission_denied(request, exception)
    return error_pages.forbidden(request, str(exception))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that no page of ours makes, with its reason where that is written for people."""
    if not isinstance(exception, BadRequest) or not error_pages.is_ours(request):
        return defaults.bad_request(request, exception)
    said = [str(exception)] if str(exception) else []
    said.append(_("Nothing was done. Go back to the page that you came from, and try it again from there."))
    return error_pages.page(request, 400, _("That was not understood"), said)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for a page that does not exist."""
    if not error_pages.is_ours(request):
        return defaults.page_not_found(request, exception)
    said = _("There is no page at %s. The address may be mistyped, or from an older version.") % request.path
    return error_pages.not_found(request, _("No such page"), said)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an error with a number that the log has, or ask users to come back later where the database is away."""
    error = sys.exc_info()[1]
    outage = outage_of(error) if error else None
    if outage is not None:
        page = render_to_string("503.html", {"refusal": outage})  # without a request, which would query the user
        return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if not error_pages.is_ours(request):
        return defaults.server_error(request)
    reference = secrets.token_hex(4).upper()
    logger.error("Error %s is what follows: %s %s", reference, request.method, request.path)
    page = render_to_string("500.html", {"reference": reference})  # what failed may be what a frame needs
    return HttpResponse(page, status=500)


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
