"""Schedules, alerts and their deliveries in the back-office; only a schedule can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from balances.backoffice import DaysFilter, LedgerModelAdmin, allowed, column, display, link, moment
from balances.ground import LedgerError, dumps
from balances.templatetags.money import instant
from reconciliation.measuring import Scope, ScopeRefused
from reconciliation.models import Alert, AlertDelivery, Schedule
from reconciliation.watching import change_schedule, next_start

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Schedule]
else:
    ModelForm = forms.ModelForm

SHOWN_DELIVERIES = 50
"""Attempts on the page of an alert."""


NO_SCOPE = 'A scope is an object of words and texts, such as {"everything": true} or {"ledger": "Wallets"}.'


class ScheduleForm(ModelForm):
    """The form of a schedule."""

    class Meta:
        model = Schedule
        fields = ("cron", "enabled", "scope", "deep")
        widgets = {"cron": UnfoldAdminTextInputWidget, "scope": UnfoldAdminTextareaWidget}

    def clean_scope(self) -> Any:
        """Refuse a scope that sweeps would refuse, with the same error text."""
        scope = self.cleaned_data["scope"] or {}
        if self.instance.name != Schedule.Name.SWEEP:
            return {}
        try:
            if "\\u0000" in dumps(scope):  # PostgreSQL can neither keep nor look for that character
                raise ScopeRefused("No balance is called by the character U+0000.")
            requested = Scope.from_json(scope)
            requested.balances()
        except LedgerError as error:
            raise ValidationError(error.message) from error
        except (TypeError, AttributeError) as error:  # a word is not of the kind that the scope takes
            raise ValidationError(NO_SCOPE) from error
        return requested.as_json()


@admin.register(Schedule)
class ScheduleAdmin(LedgerModelAdmin):
    """When sweeps and snapshots start by themselves."""

    filled_by = "Add a schedule to have sweeps run on their own."

    needs = None

    form = ScheduleForm
    list_display = ("name", "cron", "enabled", "last_due", "next_due", "changed", "refusal")
    readonly_fields = ("name", "last_due", "next_due", "changed", "refusal")
    fields = (("name", "enabled"), "cron", "scope", "deep", ("last_due", "next_due"), "changed", "refusal")

    has_change_permission = allowed("reconciliation.change_schedule")

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        """Store the change with who made it."""
        change_schedule(obj, request.user.get_username())

    last_due = moment("last_due_at", "Last due (UTC)")

    @display(description="Next due (UTC)")
    def next_due(self, schedule: Schedule) -> str:
        due = next_start(schedule)
        return instant(due) if due else "switched off"

    changed = column("Changed", lambda schedule: f"{schedule.changed_by}, {instant(schedule.changed_at)}")


@admin.register(Alert)
class AlertAdmin(LedgerModelAdmin):
    """What is wrong, or was."""

    filled_by = "Nothing needs attention: a sweep or a proof that finds something opens an alert."

    list_display = ("opened", "kind_in_words", "title", "current_state", "resolved")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("opened_at", DaysFilter),
    )
    sortable_by = ("opened",)
    readonly_fields = (
        "opened",
        "kind_in_words",
        "current_state",
        "seen",
        "notified",
        "resolved",
        "figures",
        "attempts",
    )
    fields = (
        "title",
        ("kind_in_words", "current_state"),
        ("opened", "resolved"),
        ("seen", "notified"),
        "figures",
        "attempts",
    )

    opened = moment("opened_at", "Opened (UTC)", ordering="opened_at")
    resolved = column("Resolved (UTC)", lambda alert: instant(alert.resolved_at) if alert.resolved_at else "—")
    seen = moment("seen_at", "Last seen (UTC)")
    notified = moment("notified_at", "Last notified (UTC)")
    kind_in_words = column("Kind", lambda alert: alert.get_kind_display())

    @display(description="State", label={"open": "danger", "resolved": "success"})
    def current_state(self, alert: Alert) -> tuple[str, str]:
        return alert.state, alert.get_state_display()

    @display(description="Figures (minor units)")
    def figures(self, alert: Alert) -> SafeString:
        return format_html_join(
            "", "<div>{}: {}</div>", ((name, dumps(value)) for name, value in alert.details.items())
        )

    @display(description="Notifications")
    def attempts(self, alert: Alert) -> SafeString:
        tried = alert.deliveries.all()[:SHOWN_DELIVERIES]
        return format_html_join("", "<div>{} {}</div>", ((instant(each.attempted_at), link(each)) for each in tried))


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(LedgerModelAdmin):
    """The list of all notifications that were attempted."""

    filled_by = "Each attempt to notify someone of an alert stands here."

    list_display = ("attempted", "event", "channel", "recipient", "attempt", "current_outcome", "answer")
    list_filter = (
        ("outcome", ChoicesDropdownFilter),
        ("channel", ChoicesDropdownFilter),
        ("attempted_at", DaysFilter),
    )
    sortable_by = ("attempted",)
    readonly_fields = ("alert_page", "attempted", "current_outcome")
    fields = (
        "alert_page",
        ("attempted", "attempt"),
        ("event", "channel"),
        "recipient",
        ("current_outcome", "answer"),
    )

    alert_page = column("Alert", lambda delivery: link(delivery.alert))
    attempted = moment("attempted_at", "Attempted (UTC)", ordering="attempted_at")

    @display(description="Outcome", label={"delivered": "success", "failed": "danger"})
    def current_outcome(self, delivery: AlertDelivery) -> tuple[str, str]:
        return delivery.outcome, delivery.get_outcome_display()
