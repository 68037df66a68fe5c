"""Who was shown what, in the back-office."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q

from balances.backoffice import DaysFilter, LedgerModelAdmin, column, moment
from balances.templatetags.ids import short_id
from reconciliation.models import Disclosure


@admin.register(Disclosure)
class DisclosureAdmin(LedgerModelAdmin):
    """Records, to be read."""

    filled_by = "Each look at original values of tokenized fields leaves a record here."

    list_display = ("disclosed", "actor", "whose", "field_names", "door", "address")
    list_filter = (("disclosed_at", DaysFilter),)
    search_fields = ("identity_id",)
    search_help_text = "Identity id"
    sortable_by = ("disclosed",)
    fields = (("disclosed", "actor"), "identity_id", "field_names", ("door", "address"), "disclosure_id")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the identity whose data was shown, or the record's own id."""
        wanted = Q(identity_id=term) | Q(disclosure_id=term)
        return queryset.filter(wanted)

    whose = column("Identity", lambda row: short_id(row.identity_id))
    disclosed = moment("disclosed_at", "When (UTC)", ordering="disclosed_at")
