"""API keys in the back-office: issue, list and revoke them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from balances.backoffice import auditing
from balances.backoffice.pages import LedgerModelAdmin, action, allowed, column, display, moment, url_of
from balances.keys import ACTIONS, APPROVE, RESOURCES, keyring
from balances.models import NEVER_USED, ApiKey
from balances.templatetags.money import instant

if TYPE_CHECKING:
    KeyForm = forms.ModelForm[ApiKey]
else:
    KeyForm = forms.ModelForm

LONGEST = 200
"""Most characters of a name or an owner."""
STATE_COLOURS = {"valid": "success", "expired": "warning", "revoked": "danger"}


LIFE = timedelta(days=90)
"""How long a key lasts that is given no other end."""
OVERLAPS = {1: "1 hour", 24: "1 day", 168: "7 days", 0: "not at all"}
"""Hours for which a key that is replaced stays valid, in words."""
ACTS = {
    "read": "read",
    "write": "add and change",
    "delete": "delete",
    "*": "everything",
    APPROVE: "approve and reject plans",
}
"""What each action lets the holder of a key do."""


def offered() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the scopes that a request could need, with what each allows, by resource; all resources come first."""
    usual = [*dict.fromkeys(ACTIONS.values()), "*"]
    groups = [("All resources", "*", usual)]
    groups += [(name.replace("-", " ").capitalize().replace("Api", "API"), name, usual) for name in sorted(RESOURCES)]
    return [
        (
            title,
            [
                (f"{name}:{each}", f"{ACTS[each]} ({name}:{each})")
                for each in (*acts, *((APPROVE,) * (name == "reconstructions")))
            ],
        )
        for title, name, acts in groups
    ]


class ApiKeyForm(KeyForm):
    """Issues a new key, with the scopes that are ticked."""

    name = forms.CharField(
        max_length=LONGEST, widget=UnfoldAdminTextInputWidget, help_text="Shown in records of what the key does."
    )
    owner_id = forms.CharField(
        label="Owner",
        max_length=LONGEST,
        widget=UnfoldAdminTextInputWidget,
        help_text="The team or service that holds the key; with api-keys scopes it manages all keys of this owner.",
    )
    scopes = forms.MultipleChoiceField(
        choices=offered,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Tick no more than the holder needs: what is not ticked is refused.",
        error_messages={"invalid_choice": "No request needs %(value)s."},
    )

    class Meta:
        model = ApiKey
        fields = ("name", "owner_id", "scopes", "expires_at")
        labels = {"expires_at": "Expires (UTC)"}

    def clean_expires_at(self) -> Any:
        """Return the instant. Raises ``ValidationError`` where it has passed."""
        if self.cleaned_data["expires_at"] <= timezone.now():
            raise ValidationError("The key would have expired already.")
        return self.cleaned_data["expires_at"]


@action(description="Revoke", permissions=["revoke_api_key"])
def revoke_keys(model_admin: Any, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
    """Revoke the selected keys, log who did, and report."""
    revoked = keyring.revoke(queryset.values_list("pk", flat=True))
    if not revoked:
        model_admin.message_user(request, "The selected keys were already revoked.", messages.INFO)
        return
    auditing.acted(request, revoked, "Revoked.")
    noun = "key" if len(revoked) == 1 else "keys"
    model_admin.message_user(request, f"Revoked {len(revoked)} {noun}, for good.", messages.SUCCESS)


@admin.register(ApiKey)
class ApiKeyAdmin(LedgerModelAdmin):
    """Keys are issued and revoked, never changed; the key itself is shown once, when it is issued."""

    filled_by = "A key is issued here or with POST /api-keys."

    form = ApiKeyForm
    change_form_template = "admin/balances/apikey/rotate.html"
    actions = (revoke_keys,)
    list_display = ("name", "owner_id", "shown_prefix", "shown_scopes", "state", "expires", "last_used", "revoked")
    list_filter = (("is_revoked", BooleanRadioFilter),)
    search_fields = ("api_key_id",)
    search_help_text = "Id, owner, first 16 characters of the key, or beginning of the name"
    sortable_by = ("expires", "last_used")
    ordering = ("-created_at", "-api_key_id")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Show only the fields to fill in when a key is issued."""
        if obj is None:
            return ("name", "owner_id", "scopes", "expires_at")
        return (
            ("name", "owner_id"),
            ("shown_prefix", "state"),
            "shown_scopes",
            ("created", "expires"),
            ("last_used", "revoked"),
            "shown_id",
        )

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by whole id, owner or prefix, or by the beginning of the name."""
        wanted = Q(api_key_id=term) | Q(owner_id=term) | Q(key_prefix=term) | Q(name__istartswith=term)
        return queryset.filter(wanted)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with a key that ends."""
        return {"expires_at": timezone.now() + LIFE}

    def get_urls(self) -> list[Any]:
        """Add the route that replaces a key."""
        view = self.admin_site.admin_view(self.rotate)
        return [path("<str:object_id>/rotate/", view, name="balances_apikey_rotate"), *super().get_urls()]

    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Issue a successor with the same scopes, shown once; the old key ends by itself after the overlap."""
        if not (self.has_add_permission(request) and self.has_revoke_api_key_permission(request)):
            raise PermissionDenied
        hours = request.POST.get("overlap", "")
        if request.method != "POST" or hours not in map(str, OVERLAPS):
            raise BadRequest("Say for how long the old key stays valid.")
        with transaction.atomic():
            old, new = keyring.rotate(object_id, timedelta(hours=int(hours)))
            stored = auditing.stored(old)
            before, after = auditing.state(old), auditing.state(stored)
            auditing.report(request, "changed", old, before, after | {"replaced by": new.api_key_id})
            auditing.report(request, "added", new, {}, auditing.state(new))
        return self.response_add(request, new)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Offer to replace a key that is valid."""
        key = context.get("original")
        may = self.has_add_permission(request) and self.has_revoke_api_key_permission(request)
        context["overlaps"] = OVERLAPS if key and may and key.is_valid(timezone.now()) else {}
        return super().render_change_form(request, context, *args, **options)

    has_add_permission = allowed("balances.add_apikey")
    has_revoke_api_key_permission = allowed("balances.revoke_api_key")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Issue the key, and keep it on the instance for the answer."""
        issued = keyring.issue(**form.cleaned_data)
        obj.api_key_id, obj.plaintext = issued.api_key_id, issued.plaintext

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key in this response only, because a message would be stored in a cookie or in the session."""
        request.current_app = self.admin_site.name
        context = self.admin_site.each_context(request) | {
            "opts": self.model._meta,
            "title": "API key issued",
            "issued": obj,
            "page": url_of(obj) if self.has_view_permission(request) else None,
        }
        return _shown_once(request, context)

    shown_id = column("Id", lambda key: key.api_key_id)
    shown_prefix = column("Prefix", lambda key: f"{key.key_prefix}…" if key.key_prefix else "–")
    shown_scopes = column("Scopes", lambda key: ", ".join(key.scopes) or "none")

    @display(description="State", label=STATE_COLOURS)
    def state(self, key: ApiKey) -> str:
        if key.is_revoked:
            return "revoked"
        return "valid" if key.is_valid(timezone.now()) else "expired"

    created = moment("created_at", "Created (UTC)")
    expires = moment("expires_at", "Expires (UTC)", ordering="expires_at")

    @display(description="Last used (UTC)", ordering="last_used_at")
    def last_used(self, key: ApiKey) -> str:
        return "never" if key.last_used_at == NEVER_USED else instant(key.last_used_at)

    revoked = moment("revoked_at", "Revoked (UTC)")


@never_cache
def _shown_once(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, "admin/balances/apikey/issued.html", context)
