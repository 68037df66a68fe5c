"""What people accepted, and which lists left as files, in the back-office."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import CurrencyFilter, DaysFilter, LedgerModelAdmin, column, moment
from balances.models import TOTALS
from reconciliation.backoffice.columns import (
    InMajorUnits,
    balance_link,
    in_list,
    named,
    of_balance,
    row_link,
    short,
)
from reconciliation.backoffice.plans import ActorFilter
from reconciliation.models import Acceptance, Export
from reconciliation.records import LABELS

TONES = {Acceptance.Kind.ACCEPTED: "warning", Acceptance.Kind.WITHDRAWN: "info"}


@admin.register(Acceptance)
class AcceptanceAdmin(InMajorUnits, LedgerModelAdmin):
    """Records, to be read; findings are accepted on their own pages."""

    filled_by = "A finding that is accepted as it is leaves a record here, and so does taking that back."

    list_display = ("decided", "what", "name", "drift", "actor", "why")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ActorFilter,
        CurrencyFilter,
        ("decided_at", DaysFilter),
    )
    search_fields = ("acceptance_id",)
    search_help_text = "Balance id, indicator, or id of a finding or of the record"
    sortable_by = ()
    ordering = ("-decided_at", "-acceptance_id")
    fields = (
        ("decided", "what"),
        ("balance_page", "finding_page"),
        "totals",
        "found_by",
        ("actor", "origin"),
        "reason",
        "acceptance_id",
    )

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the record's own id, the finding's, or the balance."""
        if term.startswith("acc_"):
            return queryset.filter(acceptance_id=term)
        if term.startswith("fnd_"):
            return queryset.filter(finding_id=term)
        return of_balance(queryset, term, "balance_id")

    decided = moment("decided_at", "When (UTC)")
    what = column("What", lambda row: (row.kind, row.get_kind_display()), label=TONES)
    name = column("Balance", lambda row: named(row))
    drift = column("Drift", lambda row: in_list(row, row.balance))
    why = column("Reason", lambda row: short(row.reason))
    balance_page = column("Balance", lambda row: balance_link(row))
    finding_page = column("Finding", lambda row: row_link("finding", row.finding_id))
    totals = column(
        "Drift, minor units",
        lambda row: (
            ", ".join(f"{LABELS[total].lower()} {units:+}" for total in TOTALS if (units := getattr(row, total)))
            or "none"
        ),
    )
    found_by = column("Found besides", lambda row: ", ".join(row.checks).replace("_", " ") or "nothing")


@admin.register(Export)
class ExportAdmin(LedgerModelAdmin):
    """Records, to be read."""

    filled_by = "Each list that leaves as a file leaves a record here."

    list_display = ("exported", "actor", "listed", "shown_rows", "file_kind", "words", "address")
    list_filter = (ActorFilter, ("exported_at", DaysFilter))
    search_fields = ("export_id",)
    search_help_text = "Name of a list, such as balances.balance, or id of a record"
    sortable_by = ()
    ordering = ("-exported_at", "-export_id")
    fields = (("exported", "actor"), ("listed", "file_kind"), "filters", ("shown_rows", "address"), "export_id")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the list, or the record's own id."""
        return queryset.filter(Q(listed=term) | Q(export_id=term))

    exported = moment("exported_at", "When (UTC)")
    shown_rows = column("Rows", lambda row: f"{row.rows:,}")
    words = column("Filters", lambda row: short(row.filters) or "–")
