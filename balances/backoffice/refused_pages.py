"""Shows refusals of the ledger as messages on pages, because a refusal is no server error."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import ResolverMatch, reverse
from django.utils.translation import gettext as _

from balances.backoffice import error_pages
from balances.ground import DatabaseUnavailable, LedgerError, NotFound, forbidden

NOT_FOUND, CONFLICT = 404, 409


class RefusedPages:
    """Middleware that turns a ``LedgerError`` of the back-office into a message, or into a page of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response unchanged."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a form with a message on its page, and any other request with a page that gives the reason."""
        match = request.resolver_match
        exception = forbidden(exception) or exception
        if not isinstance(exception, LedgerError) or match is None or match.app_name != "admin":
            return None
        if isinstance(exception, DatabaseUnavailable):
            return None  # balances.backoffice.refusing answers with a page that needs no database
        is_missing = isinstance(exception, NotFound)
        if request.method == "POST" and not (is_missing and match.kwargs):
            messages.error(request, exception.message)
            return HttpResponseRedirect(_page_of(request, match))
        status = NOT_FOUND if is_missing else CONFLICT
        return error_pages.page(request, status, _("That is not possible"), [exception.message])


def _page_of(request: HttpRequest, match: ResolverMatch) -> str:
    """Return the page that a form was sent from: that of the row, or the target of the form."""
    if match.url_name and (row := match.kwargs.get("object_id")):
        return reverse(f"admin:{match.url_name.rpartition('_')[0]}_change", args=[row])
    return request.get_full_path()
