"""Movements of tracked funds in the back-office; by permission, those that were given up are traced again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import auditing
from balances.backoffice.pages import LedgerModelAdmin, action, allowed, column, display, link, moment
from balances.lineage import outbox
from balances.models import Balance, LineageOutbox, Transaction
from balances.templatetags.ids import short_id

Status = LineageOutbox.Status
STATUS_COLOURS = {
    Status.PENDING: "info",
    Status.PROCESSING: "info",
    Status.COMPLETED: "success",
    Status.FAILED: "danger",
}
SETTLED = ("_shadow_commit", "_shadow_void")


@action(description="Trace again", permissions=["retry_lineageoutbox"])
def trace_again(model_admin: Any, request: HttpRequest, queryset: QuerySet[LineageOutbox]) -> None:
    """Have the worker trace the selected movements that were given up, and report."""
    failed = list(queryset.filter(status=Status.FAILED))
    count = outbox.retry([each.pk for each in failed])
    if not count:
        model_admin.message_user(request, "None of these was given up, so there is nothing to do.", messages.INFO)
        return
    auditing.acted(request, failed, "Traced again.")
    noun = "movement" if count == 1 else "movements"
    model_admin.message_user(request, f"The background worker traces {count} {noun} again.", messages.SUCCESS)


@admin.register(LineageOutbox)
class LineageOutboxAdmin(LedgerModelAdmin):
    """The outbox, newest first."""

    filled_by = "Movements of balances that track their funds stand here until they are traced."

    actions = (trace_again,)
    list_display = ("noted", "about", "what", "provider", "state", "tries", "last_error")
    list_filter = (("status", ChoicesDropdownFilter), ("lineage_type", ChoicesDropdownFilter))
    search_fields = ("transaction_id",)
    search_help_text = "Transaction id"
    sortable_by = ()
    ordering = ("-id",)
    fieldsets = (
        ("Movement", {"fields": (("about", "what"), ("source", "destination"), ("provider", "inflight"), "payload")}),
        ("Tracing", {"fields": (("noted", "traced"), ("status", "tries"), ("due", "last_error"))}),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the id of the row that moved money, which for a settlement is the commit or void."""
        rows = [term, *(f"{term}{ending}" for ending in SETTLED)]
        return queryset.filter(transaction_id__in=rows)

    has_retry_lineageoutbox_permission = allowed("balances.retry_lineageoutbox")
    noted = moment("created_at", "Noted (UTC)")

    @display(description="Transaction")
    def about(self, row: LineageOutbox) -> SafeString:
        transaction_id = row.transaction_id
        for ending in SETTLED:
            transaction_id = transaction_id.removesuffix(ending)
        return link(Transaction(transaction_id=transaction_id), short_id(transaction_id))

    what = column("Traced as", lambda row: row.get_lineage_type_display())
    state = column("Status", lambda row: (row.status, row.get_status_display()), label=STATUS_COLOURS)
    tries = column("Failed attempts", lambda row: f"{row.attempts} of {row.max_attempts}" if row.attempts else "–")
    traced = moment("processed_at", "Traced (UTC)")
    due = moment("locked_until", "Not before (UTC)")
    source = column("From", lambda row: _balance(row.source_balance_id))
    destination = column("To", lambda row: _balance(row.destination_balance_id))


def _balance(balance_id: str | None) -> SafeString | str:
    return link(Balance(balance_id=balance_id), balance_id) if balance_id else "–"
