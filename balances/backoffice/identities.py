"""Identities and accounts in the back-office, read-only. Tokenized fields show tokens, and originals by permission."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from balances.backoffice import holdings, searching
from balances.backoffice.pages import (
    DaysFilter,
    LedgerModelAdmin,
    action,
    allowed,
    column,
    display,
    link,
    moment,
    url_of,
)
from balances.ground import LedgerError, client_address
from balances.models import NO_DATE, Account, Balance, Identity
from balances.people import shown, tokenizing
from balances.templatetags.ids import short_id

MOST_AT_ONCE = 20
"""Identities whose original values are shown on one page."""


@action(description="Show original values", permissions=["detokenize_identity"])
def show_originals(model_admin: Any, request: HttpRequest, queryset: QuerySet[Identity]) -> HttpResponse | None:
    """Show the original values of the selected identities; each access is recorded first."""
    chosen = list(queryset[: MOST_AT_ONCE + 1])
    if len(chosen) > MOST_AT_ONCE:
        model_admin.message_user(request, f"Choose {MOST_AT_ONCE} identities at most.", messages.ERROR)
        return None
    by = {"actor": request.user.get_username(), "door": "admin", "address": client_address(request)}
    try:
        found = [(each, tokenizing.detokenize(each.pk, (), **by)) for each in chosen]
    except LedgerError as error:
        model_admin.message_user(request, f"Nothing is shown. {error.message}", messages.ERROR)
        return None
    context = model_admin.admin_site.each_context(request) | {
        "opts": model_admin.model._meta,
        "title": "Original values",
        "found": [(each, url_of(each), originals) for each, originals in found],
    }
    return _shown_once(request, context)


@admin.register(Identity)
class IdentityAdmin(LedgerModelAdmin):
    """Identities, read-only: they are created through the API."""

    filled_by = "An identity is created with POST /identities."
    change_form_template = "admin/balances/identity/change_form.html"

    needs = None  # showing originals leaves a record of ours

    actions = (show_originals,)
    list_display = ("name", "short_key", "identity_type", "category", "country", "tokenized", "created")
    list_filter = (("created_at", DaysFilter),)
    search_fields = ("identity_id",)
    search_help_text = "Id, words of the name, or e-mail address, unless they are tokenized"
    sortable_by = ("created",)
    ordering = ("-created_at", "-identity_id")
    fieldsets = (
        (
            "Identity",
            {
                "fields": (
                    "identity_id",
                    ("identity_type", "category"),
                    "organization_name",
                    ("first_name", "last_name"),
                    ("other_names", "gender"),
                    ("born", "nationality"),
                )
            },
        ),
        ("Contact", {"fields": (("email_address", "phone_number"), "street", ("post_code", "city"))}),
        ("Where", {"fields": (("state", "country"),)}),
        ("Record", {"fields": ("tokenized", "created", "meta_data")}),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by id, name and e-mail address, as they are stored."""
        return searching.identities(queryset, term)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add whose balances these are."""
        identity = context["original"]
        context |= holdings.holdings(request, identity.pk, holdings.OF_IDENTITY, urlencode({"q": identity.pk}))
        if context.get("count"):
            context["newest"] = holdings.newest(Balance.objects.filter(identity=identity))
        return super().render_change_form(request, context, *args, **options)

    has_detokenize_identity_permission = allowed("balances.detokenize_identity")
    name = column("Name", lambda identity: shown_name(identity))
    short_key = column("Identity id", lambda identity: short_id(identity.pk))
    tokenized = column("Tokenized", lambda identity: ", ".join(tokenizing.tokenized_fields(identity.meta_data)) or "–")

    @display(description="Date of birth")
    def born(self, identity: Identity) -> str:
        return "–" if identity.dob in {None, NO_DATE} else f"{identity.dob:%Y-%m-%d}"

    created = moment("created_at", "Created (UTC)", ordering="created_at")


@admin.register(Account)
class AccountAdmin(LedgerModelAdmin):
    """Accounts, read-only: they are opened through the API."""

    filled_by = "An account is opened with POST /accounts."

    list_display = ("number", "bank_name", "holder", "currency", "balance_link", "created")
    list_select_related = ("identity", "balance")
    list_filter = (("created_at", DaysFilter),)
    search_fields = ("number",)
    search_help_text = "Number, or account, identity or balance id"
    sortable_by = ("created",)
    ordering = ("-created_at", "-account_id")
    fields = (
        "account_id",
        ("number", "bank_name"),
        ("account_name", "currency"),
        ("holder", "balance_link"),
        "created",
        "meta_data",
    )

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by a whole number or id."""
        for prefix, field in (("acc_", "account_id"), ("idt_", "identity_id"), ("bln_", "balance_id")):
            if term.startswith(prefix):
                return queryset.filter(**{field: term})
        return queryset.filter(number=term)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the linked rows along."""
        return super().get_queryset(request).select_related("identity", "balance")

    account_name = column("Name", lambda account: account.name)
    holder = column("Identity", lambda account: name_of(account.identity))
    balance_link = column("Balance", lambda account: link(account.balance))
    created = moment("created_at", "Created (UTC)", ordering="created_at")


def shown_name(identity: Identity) -> str:
    """Return the name of an identity for display, with tokens cut to their visible parts."""
    if identity.identity_type == "organization":
        return identity.organization_name or identity.pk
    return f"{shown(identity.first_name)} {shown(identity.last_name)}".strip() or identity.pk


def name_of(identity: Identity) -> SafeString:
    """Return a link to an identity by its name."""
    return link(identity, shown_name(identity))


@never_cache
def _shown_once(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, "admin/balances/identity/originals.html", context)
