"""The queue in the back-office: what waits, since when and why. By permission, entries can be applied at once."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import queue_warning
from balances.backoffice.pages import LedgerModelAdmin, action, allowed, column, display, link, moment
from balances.ground import LedgerError
from balances.models import Entry, Transaction
from balances.queueing import draining
from balances.templatetags.ids import short_id

APPLIED_AT_ONCE = 500
"""Most entries that one click applies, because the user waits for it."""


@admin.register(Entry)
class EntryAdmin(LedgerModelAdmin):
    """Entries in the order in which workers apply them."""

    filled_by = "Nothing waits: what is queued, held or scheduled stands here until its turn."

    list_display = ("what", "about", "due", "tries", "last_error")
    list_filter = (("action", ChoicesDropdownFilter), "is_timer")
    search_fields = ("transaction_id",)
    search_help_text = "Transaction id, split parent or batch id"
    sortable_by = ()
    ordering = ("due_at", "pk")
    actions = ("apply_now",)
    fieldsets = (
        ("Waits for", {"fields": (("what", "about"), ("due", "is_timer"), "group_id")}),
        ("Terms", {"fields": (("inflight", "units"), ("allow_overdraft", "overdraft_limit"))}),
        ("Failures", {"fields": ("tries", "last_error")}),
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Warn above the list where no worker will apply it."""
        if request.method == "GET":
            queue_warning.warn(request)
        return super().changelist_view(request, extra_context)

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by id, which has an index."""
        members = queryset.filter(group_id=term, group_id__gt="").order_by()
        rows = queryset.filter(transaction_id=term).order_by()
        return queryset.filter(pk__in=members.union(rows, all=True).values("pk"))

    @action(description="Apply now", permissions=["apply"])
    def apply_now(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Apply queued transactions ahead of the queue, with the rest of their atomic requests."""
        waiting = queryset.filter(action=Entry.Action.APPLY).values_list("transaction_id", flat=True)
        ids = list(waiting[: APPLIED_AT_ONCE + 1])
        if len(ids) > APPLIED_AT_ONCE:
            self.message_user(request, f"Select at most {APPLIED_AT_ONCE}; a worker applies the rest.", messages.ERROR)
            return
        try:
            draining.apply_now(ids)
        except LedgerError as error:
            self.message_user(request, f"Nothing was applied: {error.message}", messages.ERROR)
            return
        rejected = Transaction.objects.filter(parent_transaction__in=ids, status=Transaction.Status.REJECTED).count()
        sentence = f"{len(ids)} were taken out of the queue; {rejected} of them were rejected."
        self.message_user(request, sentence, messages.WARNING if rejected else messages.SUCCESS)

    has_apply_permission = allowed("queueing.apply_entry")

    @display(description="Action", label={"apply": "info", "commit": "success", "void": "warning"})
    def what(self, entry: Entry) -> tuple[str, str]:
        return entry.action, entry.get_action_display()

    @display(description="Transaction")
    def about(self, entry: Entry) -> SafeString | str:
        """Link to the row; a split parent or a batch has none."""
        if not entry.transaction_id.startswith("txn_"):
            return short_id(entry.transaction_id)
        return link(Transaction(transaction_id=entry.transaction_id), short_id(entry.transaction_id))

    due = moment("due_at", "Due (UTC)")
    tries = column("Failed attempts", lambda entry: str(entry.attempts or "–"))
