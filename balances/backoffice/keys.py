"""API keys in the back-office: issue, list and revoke them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

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


class ApiKeyForm(KeyForm):
    """Issues a new key; scopes that no request could need are refused as typing errors."""

    name = forms.CharField(
        max_length=LONGEST, widget=UnfoldAdminTextInputWidget, help_text="Shown in records of what the key does."
    )
    owner_id = forms.CharField(
        label="Owner",
        max_length=LONGEST,
        widget=UnfoldAdminTextInputWidget,
        help_text="The team or service that holds the key; with api-keys scopes it manages all keys of this owner.",
    )
    scopes = forms.CharField(
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text="One per line: resource:action, such as balances:read. * stands for any. "
        f"Resources: {', '.join(sorted(RESOURCES))}. Actions: read, write, delete; and reconstructions:{APPROVE}.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "owner_id", "scopes", "expires_at")
        labels = {"expires_at": "Expires (UTC)"}

    def clean_scopes(self) -> list[str]:
        """Return the scopes without repetitions. Raises ``ValidationError`` for an unknown one."""
        scopes = list(dict.fromkeys(re.split(r"[\s,]+", self.cleaned_data["scopes"].strip())))
        if unknown := [scope for scope in scopes if not _is_known(scope)]:
            raise ValidationError(f"No request needs {', '.join(unknown)}: write resource:action, as listed below.")
        return scopes

    def clean_expires_at(self) -> Any:
        """Return the instant. Raises ``ValidationError`` where it has passed."""
        if self.cleaned_data["expires_at"] <= timezone.now():
            raise ValidationError("The key would have expired already.")
        return self.cleaned_data["expires_at"]


def _is_known(scope: str) -> bool:
    resource, _, wanted = scope.partition(":")
    actions = {*ACTIONS.values(), "*"} | ({APPROVE} if resource in {"reconstructions", "*"} else set())
    return resource in RESOURCES | {"*"} and wanted in actions


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
