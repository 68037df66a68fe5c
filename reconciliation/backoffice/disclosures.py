"""Who was shown what, in the back-office."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from balances.backoffice import DaysFilter, LedgerModelAdmin, moment
from reconciliation.models import Disclosure


@admin.register(Disclosure)
class DisclosureAdmin(LedgerModelAdmin):
    """Records, to be read."""

    list_display = ("disclosed", "actor", "identity_id", "field_names", "door", "address")
    list_filter = (("disclosed_at", DaysFilter),)
    search_fields = ("identity_id",)
    search_help_text = "Identity id"
    sortable_by = ("disclosed",)
    fields = (("disclosed", "actor"), "identity_id", "field_names", ("door", "address"), "disclosure_id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the identity whose data was shown, or the record's own id."""
        term = term.strip()
        wanted = Q(identity_id=term) | Q(disclosure_id=term)
        return (queryset.filter(wanted) if term else queryset), False

    disclosed = moment("disclosed_at", "When (UTC)", ordering="disclosed_at")
