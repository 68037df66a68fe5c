"""The audit log: who changed what in the back-office, and who signed in."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, FieldTextFilter

from balances.backoffice import DaysFilter, LedgerModelAdmin, display, moment
from reconciliation.models import AuditEntry

COLOURS = {"Added": "success", "Changed": "info", "Deleted": "danger", "Acted": "warning"}
ROW = '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>'


@admin.register(AuditEntry)
class AuditEntryAdmin(LedgerModelAdmin):
    """Sealed records, to be read."""

    filled_by = "Each sign-in, and each change of users, groups, keys, hooks and schedules, leaves a record here."

    list_display = ("done", "actor", "action_taken", "subject", "name", "differing", "address")
    list_filter = (
        ("action", ChoicesDropdownFilter),
        ("actor", FieldTextFilter),
        ("subject", FieldTextFilter),
        ("done_at", DaysFilter),
    )
    list_filter_submit = True
    search_fields = ("actor",)
    search_help_text = "Who, or the whole id of what was changed"
    sortable_by = ("done",)
    fields = (("done", "actor"), ("action_taken", "address"), ("subject", "name"), "subject_id", "changes", "audit_id")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by who did it, by the id of what was changed, or by the record's own id."""
        return queryset.filter(Q(actor=term) | Q(subject_id=term) | Q(audit_id=term))

    done = moment("done_at", "When (UTC)", ordering="done_at")

    @display(description="What", label=COLOURS)
    def action_taken(self, entry: AuditEntry) -> str:
        return entry.get_action_display()

    @display(description="Fields")
    def differing(self, entry: AuditEntry) -> str:
        return ", ".join(name for name, *_ in _sides(entry)) or "–"

    @display(description="Before and after")
    def changes(self, entry: AuditEntry) -> SafeString | str:
        rows = _sides(entry)
        if not rows:
            return "–"
        head = format_html_join("", ROW, [("Field", "Before", "After")])
        body = format_html_join("", ROW, rows)
        return SafeString(f'<table class="comparison">{head}{body}</table>')  # each cell is escaped above


def _sides(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Return each field that differs, with what it was before and after."""
    before, after = (json.loads(text or "{}") for text in (entry.before, entry.after))
    return [(name, before.get(name, "–"), after.get(name, "–")) for name in before | after]
