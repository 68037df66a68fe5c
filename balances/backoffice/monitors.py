"""Balance monitors in the back-office, which can be added, changed and deleted by permission."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from balances.backoffice.pages import DaysFilter, LedgerModelAdmin, allowed, column, display, link, moment
from balances.ground import plain
from balances.models import BalanceMonitor, Operator, Watched
from balances.monitors import monitoring
from balances.templatetags.ids import short_id
from balances.templatetags.money import listed

if TYPE_CHECKING:
    MonitorModelForm = forms.ModelForm[BalanceMonitor]
else:
    MonitorModelForm = forms.ModelForm

MAX_DIGITS, MAX_DECIMALS = 1000, 500
"""Most digits of a number, as in the API."""


def _number(label: str, hint: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        max_digits=MAX_DIGITS,
        decimal_places=MAX_DECIMALS,
        help_text=hint,
        widget=UnfoldAdminTextInputWidget({"inputmode": "decimal"}),  # a number input rounds long numbers
    )


class MonitorForm(MonitorModelForm):
    """The condition of a monitor."""

    field = forms.ChoiceField(label="Total", choices=Watched.choices, widget=UnfoldAdminSelectWidget)
    operator = forms.ChoiceField(label="Fires when it", choices=Operator.choices, widget=UnfoldAdminSelectWidget)
    value = _number("Value", "In major units; it may be negative or a fraction.")
    precision = _number("Precision", "Minor units in a major one: 100 for two decimals. Value × precision is compared.")
    description = forms.CharField(
        required=False, max_length=1000, widget=UnfoldAdminTextInputWidget, help_text="Included in the notification."
    )

    class Meta:
        model = BalanceMonitor
        fields = ("balance", "field", "operator", "value", "precision", "description")

    def clean_precision(self) -> Decimal:
        """Return the precision. Raises ``ValidationError`` unless it is positive."""
        precision: Decimal = self.cleaned_data["precision"]
        if precision <= 0:
            raise ValidationError("The precision must be more than zero.")
        return precision


@admin.register(BalanceMonitor)
class BalanceMonitorAdmin(LedgerModelAdmin):
    """Monitors, each with its condition in words and its threshold in minor units."""

    filled_by = "A monitor is added here or with POST /balance-monitors."

    form = MonitorForm
    autocomplete_fields = ("balance",)
    list_display = ("name", "condition", "threshold", "note", "created")
    list_select_related = ("balance",)
    list_filter = (("field", ChoicesDropdownFilter), ("created_at", DaysFilter))
    search_fields = ("monitor_id",)
    search_help_text = "Monitor id, balance id or indicator"
    sortable_by = ("created",)
    ordering = ("-created_at", "-monitor_id")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show only the condition when a monitor is added."""
        comparison = ("balance" if self._may_write(request, obj) else "watched", ("field", "operator"))
        numbers = ("value", "precision") if self._may_write(request, obj) else ("shown_value", "shown_precision")
        condition = ("Condition", {"fields": (*comparison, numbers, "description")})
        record = ("Record", {"fields": (("threshold", "currency"), ("monitor_id", "created"), "call_back_url")})
        return (condition,) if obj is None else (condition, record)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Make the record read-only."""
        shown = ("watched", "shown_value", "shown_precision")
        return (*shown, "threshold", "currency", "monitor_id", "created", "call_back_url")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the balance along."""
        return super().get_queryset(request).select_related("balance")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by a whole id, or by the balance's indicator with or without its ``@``; each has an index."""
        if term.startswith("mon_"):
            return queryset.filter(monitor_id=term)
        if term.startswith("bln_"):
            return queryset.filter(balance=term)
        return queryset.filter(Q(balance__indicator=term) | Q(balance__indicator=f"@{term}"))

    has_add_permission = allowed("balances.add_balancemonitor")
    has_change_permission = allowed("balances.change_balancemonitor")
    has_delete_permission = allowed("balances.delete_balancemonitor")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write through the service, which computes the threshold."""
        values = {name: form.cleaned_data[name] for name in ("field", "operator", "value", "precision", "description")}
        if change:
            monitoring.revise(obj.pk, balance_id=obj.balance_id, **values)
        else:
            obj.monitor_id = monitoring.watch(balance_id=obj.balance_id, **values).pk

    def _may_write(self, request: HttpRequest, obj: Any) -> bool:
        return self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)

    name = column("Balance", lambda monitor: monitor.balance.indicator or short_id(monitor.balance_id))
    watched = column("Balance", lambda monitor: link(monitor.balance))
    condition = column("Condition", lambda monitor: f"{monitor.get_field_display()} {monitor.get_operator_display()}")

    @display(description="Threshold")
    def threshold(self, monitor: BalanceMonitor) -> SafeString:
        """Show the threshold in major units where the precision is a whole number."""
        precision = monitor.precision
        whole = int(precision) if precision and precision == precision.to_integral_value() else None
        return listed(monitor.threshold, whole, monitor.balance.currency)

    shown_value = column("Value", lambda monitor: plain(monitor.value))

    @display(description="Precision")
    def shown_precision(self, monitor: BalanceMonitor) -> str:
        """Show how many minor units make a major one."""
        return "–" if monitor.precision is None else plain(monitor.precision)

    currency = column("Currency", lambda monitor: monitor.balance.currency)
    note = column("Description", lambda monitor: monitor.description or "–")
    created = moment("created_at", "Created (UTC)", ordering="created_at")
