"""Hooks, and the deliveries of hooks and webhooks, in the back-office."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from balances.backoffice import auditing
from balances.backoffice.pages import DaysFilter, LedgerModelAdmin, action, allowed, column, display, moment
from balances.events import LONGEST_SECONDS, is_address, recipient, registry, retry_now
from balances.models import Delivery, Hook
from balances.templatetags.ids import short_id

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Hook]
else:
    ModelForm = forms.ModelForm

Outcome = Delivery.Outcome
PAGES = {"txn": "transaction", "bln": "balance", "ldg": "ledger", "idt": "identity"}
"""The model whose page shows an id, by the prefix of the id."""


class HookForm(ModelForm):
    """Registers and changes hooks. Unlike the API, it refuses values that could not work."""

    type = forms.ChoiceField(choices=Hook.Type.choices, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Hook
        fields = registry.EDITED
        widgets = {"name": UnfoldAdminTextInputWidget, "url": UnfoldAdminTextInputWidget}

    def clean_url(self) -> str:
        """Refuse a URL that nothing can be sent to."""
        url: str = self.cleaned_data["url"]
        if not is_address(url):
            raise ValidationError("Give an http or https address.")
        return url

    def clean_timeout(self) -> int:
        """Refuse a timeout that fails at once, or is beyond the limit of all calls."""
        seconds: int = self.cleaned_data["timeout"]
        if not 1 <= seconds <= LONGEST_SECONDS:
            raise ValidationError(f"Give 1 to {LONGEST_SECONDS} seconds.")
        return seconds

    def clean_retry_count(self) -> int:
        """Refuse numbers that the API replaces for new hooks."""
        retries: int = self.cleaned_data["retry_count"]
        if not 0 <= retries <= registry.MOST_RETRIES:
            raise ValidationError(f"Give 0 to {registry.MOST_RETRIES} attempts.")
        return retries


@admin.register(Hook)
class HookAdmin(LedgerModelAdmin):
    """Hooks. Only those who may change a hook see its whole address, which may hold a secret."""

    filled_by = "A hook is registered with POST /hooks."

    form = HookForm
    list_display = ("shown_name", "address", "type", "active", "ran", "outcome")
    list_filter = (("active", BooleanRadioFilter),)
    readonly_fields = ("address", "shown_id", "created", "ran", "outcome", "deliveries")
    sortable_by = ("ran",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Show the whole address to those who may change it."""
        fields = ("name", "url", ("type", "active"), ("timeout", "retry_count"))
        if obj is None:
            return fields
        if not self.has_change_permission(request):
            fields = ("name", "address", *fields[2:])
        attempts = ("deliveries",) if request.user.has_perm("hooks.view_delivery") else ()
        return (*fields, "shown_id", "created", ("ran", "outcome"), *attempts)

    has_add_permission = allowed("hooks.add_hook")
    has_change_permission = allowed("hooks.change_hook")
    has_delete_permission = allowed("hooks.delete_hook")

    def save_model(self, request: HttpRequest, obj: Hook, form: Any, change: bool) -> None:
        """Register or replace the hook, keeping the results of calls made meanwhile."""
        if change:
            registry.replace(obj.pk, **form.cleaned_data)
        else:
            obj.pk = registry.register(**form.cleaned_data).pk

    shown_name = column("Name", lambda hook: str(hook))
    shown_id = column("Id", lambda hook: hook.hook_id)
    address = column("Address", lambda hook: recipient(hook.url) or "none")
    created = moment("created_at", "Created (UTC)")
    ran = moment("last_run", "Last called (UTC)", ordering="last_run")

    @display(description="Last call", label={"succeeded": "success", "failed": "danger"})
    def outcome(self, hook: Hook) -> str:
        if hook.last_run is None:
            return "none yet"
        return "succeeded" if hook.last_success else "failed"

    @display(description="Deliveries")
    def deliveries(self, hook: Hook) -> SafeString:
        page = reverse("admin:hooks_delivery_changelist", query={"q": hook.pk})
        return format_html('<a class="text-link" href="{}">Attempts to call this hook</a>', page)


@action(description="Try again now", permissions=["retry_delivery"])
def try_again(model_admin: Any, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
    """Have the worker retry the selected deliveries, and report."""
    failed = list(queryset.filter(outcome=Outcome.FAILED))
    jobs = retry_now(failed)
    if not jobs:
        sentence = "Nothing to retry: already delivered, being tried right now, or given up 30 days ago."
        model_admin.message_user(request, sentence, messages.INFO)
        return
    auditing.acted(request, failed, "Tried again.")
    noun = "delivery" if jobs == 1 else "deliveries"
    model_admin.message_user(request, f"The background worker tries {jobs} {noun} again.", messages.SUCCESS)


@admin.register(Delivery)
class DeliveryAdmin(LedgerModelAdmin):
    """Every attempt to deliver, of the last thirty days."""

    filled_by = "Each attempt to deliver an event to a hook or a webhook stands here."

    actions = (try_again,)
    list_display = ("attempted", "event", "subject_in_short", "recipient", "attempt", "ended", "answer")
    list_filter = (("outcome", ChoicesDropdownFilter), ("attempted_at", DaysFilter))
    search_fields = ("subject",)
    search_help_text = "Id of a transaction, balance, ledger, identity, batch or hook"
    sortable_by = ("attempted",)
    ordering = ("-attempted_at", "-id")
    readonly_fields = ("attempted", "subject_page", "hook_page", "ended")
    fields = (("attempted", "attempt"), ("event", "subject_page"), ("hook_page", "recipient"), ("ended", "answer"))

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by whole ids; each has an index."""
        return queryset.filter(Q(subject=term) | Q(hook_id=term) & ~Q(hook_id=""))

    has_retry_delivery_permission = allowed("hooks.retry_delivery")
    attempted = moment("attempted_at", "Attempted (UTC)", ordering="attempted_at")

    @display(description="About")
    def subject_page(self, delivery: Delivery) -> SafeString | str:
        model = PAGES.get(delivery.subject.partition("_")[0])
        return _link(f"balances_{model}", delivery.subject) if model else delivery.subject

    @display(description="About")
    def subject_in_short(self, delivery: Delivery) -> SafeString | str:
        return short_id(delivery.subject)

    @display(description="Hook")
    def hook_page(self, delivery: Delivery) -> SafeString | str:
        """Link to the hook; a webhook has none."""
        return _link("hooks_hook", delivery.hook_id) if delivery.hook_id else "–"

    @display(description="Outcome", label={Outcome.DELIVERED: "success", Outcome.FAILED: "danger"})
    def ended(self, delivery: Delivery) -> str:
        return delivery.outcome


def _link(model: str, pk: str) -> SafeString:
    return format_html('<a class="text-link" href="{}">{}</a>', reverse(f"admin:{model}_change", args=[pk]), pk)
