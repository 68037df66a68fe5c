"""Which months were archived, in the back-office."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q

from balances.backoffice import DaysFilter, LedgerModelAdmin, moment
from reconciliation.models import Archive


@admin.register(Archive)
class ArchiveAdmin(LedgerModelAdmin):
    """Records, to be read; whether the files are as they were is for sweep --archive to say."""

    filled_by = "Each month that manage.py archive writes to files leaves a record here."

    list_display = ("month", "archived", "legs", "files", "actor")
    list_filter = (("archived_at", DaysFilter),)
    search_fields = ("month",)
    search_help_text = "Month, as 2026-01, or a digest of a manifest"
    sortable_by = ("month",)
    fields = (("month", "archived"), ("legs", "files"), "manifest", "previous", ("actor", "origin"), "archive_id")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the month, the digest of the manifest, or the record's own id."""
        return queryset.filter(Q(month=term) | Q(manifest=term) | Q(archive_id=term))

    archived = moment("archived_at", "When (UTC)")
