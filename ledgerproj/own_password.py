"""The admin's page on which people change their own password, with a record of it."""

from __future__ import annotations

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from balances.ground import HIDDEN
from ledgerproj.sessions import end
from ledgerproj.signing_in import report_user


def change_own_password(request: HttpRequest) -> HttpResponse:
    """Answer the admin's page, send ``changed`` where the password was changed, and end the other sessions."""
    before = request.session.session_key  # a new password gives the session a new key, which its row gets later
    with transaction.atomic():
        response: HttpResponse = admin.site.password_change(request)
        if request.method == "POST" and response.status_code == HttpResponseRedirect.status_code:
            report_user(request, request.user, "changed", before={"password": HIDDEN}, after={"password": HIDDEN})
            end([request.user], except_key=before)
    return response
