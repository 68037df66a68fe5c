"""Records of reconstructions in the back-office, and the balances' pages with reconstruction on them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.admin import BalanceAdmin, known_precision, last_transactions
from balances.backoffice import CurrencyFilter, DaysFilter, LedgerModelAdmin, display
from balances.models import Balance
from balances.templatetags.money import difference, instant, money
from reconciliation.actions import preview_reconstruction, reconstruct_balances
from reconciliation.comparison import Comparison, last_result
from reconciliation.models import Reconstruction
from reconciliation.watching import admin as watching_admin

__all__ = ["ReconstructableBalanceAdmin", "ReconstructionAdmin", "watching_admin"]

SHOWN_RECORDS = 10
"""Reconstructions on the page of a balance."""

admin.site.unregister(Balance)


@admin.register(Balance)
class ReconstructableBalanceAdmin(BalanceAdmin):
    """Balances with the two actions, the last result and the history."""

    actions = (preview_reconstruction, reconstruct_balances)
    change_form_template = "admin/reconciliation/balance_change_form.html"

    def has_preview_reconstruction_permission(self, request: HttpRequest) -> bool:
        """Tell who may preview."""
        return request.user.has_perm("balances.preview_reconstruction")

    def has_reconstruct_balance_permission(self, request: HttpRequest) -> bool:
        """Tell who may reconstruct."""
        return request.user.has_perm("balances.reconstruct_balance")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Refuse an action that was not offered; Django alone would show the list as if nothing had been asked."""
        if set(request.POST.getlist("action")) - {""} - set(self.get_actions(request)):
            raise PermissionDenied
        if "\x00" in "".join(request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("No balance has such an id.")
        return super().changelist_view(request, extra_context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add the last result, the history and the actions that this person may take."""
        balance = context["original"]
        context |= {
            "result": last_result(balance),
            "history": [
                (record, Comparison.of_record(record))
                for record in Reconstruction.objects.filter(balance_id=balance.pk)[:SHOWN_RECORDS]
            ],
            "balance_actions": [
                {"name": name, "title": offered[2]} for name, offered in self.get_actions(request).items() if offered
            ],
        }
        return super().render_change_form(request, context, *args, **options)


BESIDES = '<span class="ledger-besides">{} {}</span>'
OUTCOME_COLOURS = {
    Reconstruction.Outcome.PREVIEWED: "info",
    Reconstruction.Outcome.CORRECTED: "warning",
    Reconstruction.Outcome.NO_DRIFT: "success",
}


@admin.register(Reconstruction)
class ReconstructionAdmin(LedgerModelAdmin):
    """The record: append-only, so only to be looked at."""

    change_form_template = "admin/reconciliation/reconstruction_change_form.html"
    list_display = ("executed", "name", "currency", "state", "net_difference", "after", "who", "why")
    list_filter = (
        ("outcome", ChoicesDropdownFilter),
        ("origin", ChoicesDropdownFilter),
        CurrencyFilter,
        ("executed_at", DaysFilter),
    )
    search_fields = ("reconstruction_id",)
    search_help_text = "Balance id, indicator or record id"
    sortable_by = ("executed",)
    ordering = ("-executed_at", "-reconstruction_id")
    fieldsets = (
        (
            "Reconstruction",
            {
                "fields": (
                    ("balance_page", "currency"),
                    ("ledger_name", "outcome"),
                    ("executed", "origin"),
                    ("who", "versions"),
                    "rows",
                    "reconstruction_id",
                    "reason",
                )
            },
        ),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by balance or by the record's own id; an indicator leads to its balances first, by their index."""
        term = term.strip()
        if term.startswith("rcn_"):
            queryset = queryset.filter(reconstruction_id=term)
        elif term.startswith("bln_"):
            queryset = queryset.filter(balance_id=term)
        elif term:
            named = Balance.objects.filter(Q(indicator=term) | Q(indicator=f"@{term}"))
            queryset = queryset.filter(balance_id__in=named.values("balance_id"))
        return queryset, False

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add the six totals before and after."""
        record = context["original"]
        context |= {
            "each": Comparison.of_record(record),
            "precision": known_precision(last_transactions(record.balance_id)),
        }
        return super().render_change_form(request, context, *args, **options)

    @display(description="Executed (UTC)", ordering="executed_at")
    def executed(self, record: Reconstruction) -> str:
        """Show when it ran."""
        return instant(record.executed_at)

    @display(description="Balance")
    def name(self, record: Reconstruction) -> str:
        """Show the indicator, or the id."""
        return record.indicator or record.balance_id

    @display(description="Balance")
    def balance_page(self, record: Reconstruction) -> SafeString:
        """Link to the balance; its name is the record's own copy."""
        url = reverse("admin:balances_balance_change", args=[record.balance_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, self.name(record))

    @display(description="Outcome", label=OUTCOME_COLOURS)
    def state(self, record: Reconstruction) -> tuple[str, str]:
        """Show the outcome in its colour."""
        return record.outcome, record.outcome.replace("_", " ")

    @display(description="Difference")
    def net_difference(self, record: Reconstruction) -> SafeString:
        """Show what the balance changed by, or would have, in minor units, and what else did."""
        besides = Comparison.of_record(record).besides
        return format_html(
            "{}{}",
            difference(record.recalculated_balance - record.previous_balance),
            format_html_join("", BESIDES, ((line.label.lower(), f"{line.difference:+}") for line in besides)),
        )

    @display(description="Recalculated")
    def after(self, record: Reconstruction) -> SafeString:
        """Show the balance that the transactions gave, in minor units."""
        return money(record.recalculated_balance)

    @display(description="Who")
    def who(self, record: Reconstruction) -> str:
        """Show the person, key or program that asked."""
        return record.actor

    @display(description="Reason")
    def why(self, record: Reconstruction) -> str:
        """Show the beginning of the reason."""
        return record.reason if len(record.reason) <= 60 else f"{record.reason[:60]}…"

    @display(description="Transactions read")
    def rows(self, record: Reconstruction) -> str:
        """Show how many rows the totals were rebuilt from."""
        return f"{record.credit_rows} credits, {record.debit_rows} debits, {record.hold_rows} holds and releases"

    @display(description="Version")
    def versions(self, record: Reconstruction) -> str:
        """Show the balance's version before and after."""
        if record.version_before == record.version_after:
            return f"{record.version_before}, unchanged"
        return f"{record.version_before}, then {record.version_after}"
