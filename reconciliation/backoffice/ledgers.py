"""The pages of ledgers, with what is open in them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from balances.backoffice import LedgerAdmin
from balances.models import Ledger
from reconciliation.alerting import last_proof
from reconciliation.models import Finding
from reconciliation.sweeping import still_open

COUNTED = 1_000
"""Open findings that are counted for a page; where there are more, it says so."""

admin.site.unregister(Ledger)


@admin.register(Ledger)
class JudgedLedgerAdmin(LedgerAdmin):
    """Ledgers with a verdict."""

    change_form_template = "admin/reconciliation/ledger_change_form.html"

    def shown(self, request: HttpRequest, ledger: Ledger) -> dict[str, Any]:
        """Add what is open, and when all was proved."""
        shown = super().shown(request, ledger)
        if not request.user.has_perm("reconciliation.view_finding"):
            return shown
        found = len(still_open(Finding.objects.filter(ledger_id=ledger.pk)).values_list("pk")[: COUNTED + 1])
        return shown | {
            "may_see_findings": True,
            "open_findings": min(found, COUNTED),
            "more_findings": found > COUNTED,
            "proof": last_proof(),
        }
