"""The live proof in the back-office: the state that a page follows, and the commits that did not add up."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import CurrencyFilter, DaysFilter, LedgerModelAdmin, column, display, moment
from balances.models import TOTALS
from balances.templatetags.ids import short_id
from balances.templatetags.money import listed_difference
from reconciliation.backoffice.columns import InMajorUnits, balance_link, of_balance, precision_of, row_link
from reconciliation.models import Break
from reconciliation.proving import standing
from reconciliation.records import LABELS

STATE_COLOURS = {
    Break.State.WAITING: "warning",
    Break.State.OPEN: "danger",
    Break.State.SETTLED: "success",
    Break.State.TAKEN_BACK: "success",
    Break.State.CORRECTED: "success",
    Break.State.MEASURED: "info",
    Break.State.ON_RECORD: "info",
}
TRANSACTION = "admin:balances_transaction_change"
NETS = ("balance", "inflight_balance")


@admin.register(Break)
class BreakAdmin(InMajorUnits, LedgerModelAdmin):
    """Commits in which totals did not move as their transactions say."""

    filled_by = "No commit broke the ledger while commits were proved; see docs/live-proof.md."

    change_form_template = "admin/reconciliation/break_change_form.html"
    list_display = ("committed", "name", "what", "state_label", "net", "who")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        CurrencyFilter,
        ("committed_at", DaysFilter),
    )
    search_fields = ("break_id",)
    search_help_text = "Balance id, indicator or break id"
    sortable_by = ()
    ordering = ("-committed_at", "-break_id")
    fieldsets = (
        (
            "Break",
            {
                "fields": (
                    ("balance_page", "currency"),
                    ("what", "state"),
                    ("committed", "found"),
                    ("lsn", "xid"),
                    ("who", "program"),
                    ("closed", "closed_by"),
                    ("finding", "record"),
                    "break_id",
                )
            },
        ),
    )

    def get_urls(self) -> list[Any]:
        live = path("live/", self.admin_site.admin_view(self.live), name="reconciliation_break_live")
        return [live, *super().get_urls()]

    def live(self, request: HttpRequest) -> HttpResponse:
        """Show the state of the live proof as a part of a page, which asks for it every few seconds."""
        if not request.user.has_perm("reconciliation.view_finding"):
            raise PermissionDenied
        return TemplateResponse(request, "admin/reconciliation/live.html", {"live": standing()})

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by balance, indicator or the break's own id."""
        return queryset.filter(break_id=term) if term.startswith("brk_") else of_balance(queryset, term, "balance_id")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add what the commit did to each total, its rows and what was changed in them."""
        found = context["original"]
        context |= {
            "totals": [(LABELS[total], units) for total in TOTALS if (units := getattr(found, total))],
            "rows": [(each, reverse(TRANSACTION, args=[each["transaction_id"]])) for each in found.rows],
            "more_rows": found.row_count - len(found.rows),
            "details": sorted(found.details.items()) if isinstance(found.details, dict) else [],
        }
        return super().render_change_form(request, context, *args, **options)

    committed = column("Committed (UTC)", lambda found: f"{found.committed_at:%Y-%m-%d %H:%M:%S.%f}")
    found = moment("found_at", "Found (UTC)")
    closed = moment("closed_at", "Closed (UTC)")
    name = column(
        "Balance",
        lambda found: found.indicator or (found.balance_id and short_id(found.balance_id)) or "all of the table",
    )
    what = column("What the commit did", lambda found: found.get_kind_display())
    state_label = column("State", lambda found: (found.state, found.get_state_display()), label=STATE_COLOURS)
    finding = column("Finding", lambda found: row_link("finding", found.finding_id))
    record = column("Record", lambda found: row_link("reconstruction", found.record_id))
    who = column("Database user", lambda found: found.author.get("database_user") or "–")
    program = column("Program", lambda found: found.author.get("application_name") or "–")

    @display(description="Balance")
    def balance_page(self, found: Break) -> SafeString | str:
        return balance_link(found) if found.balance_id else "All of the table"

    @display(description="Drift")
    def net(self, found: Break) -> SafeString | str:
        """Show what the commit added to the drift: the balance, or where that is right the totals that are not."""
        if found.balance:
            return listed_difference(found.balance, precision_of(found), found.currency)
        sides = ((LABELS[total].lower(), getattr(found, total)) for total in TOTALS if total not in NETS)
        wrong = (
            (label, listed_difference(units, precision_of(found), found.currency)) for label, units in sides if units
        )
        return format_html_join("", '<span class="ledger-besides">{} {}</span>', wrong) or "–"
