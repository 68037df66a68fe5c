"""The core tables in the back-office. No money is edited here: totals and transactions are read-only."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from balances.backoffice import balance_panels, balance_parts, holdings, identities, movement, searching, statement
from balances.backoffice.balance_panels import SHOWN_TRANSACTIONS, known_precision, last_transactions
from balances.backoffice.metadata_form import ExactJSONFormField, MetadataForm
from balances.backoffice.pages import (
    CurrencyFilter,
    DaysFilter,
    LedgerModelAdmin,
    allowed,
    column,
    display,
    link,
    moment,
)
from balances.ground import Mode, may
from balances.models import Balance, Ledger, Transaction, hashed
from balances.posting import open_ledger, rename_ledger
from balances.templatetags.ids import short_id
from balances.templatetags.money import listed, major, money

STATUS_COLOURS = {
    Transaction.Status.APPLIED: "success",
    Transaction.Status.INFLIGHT: "info",
    Transaction.Status.QUEUED: "info",
    Transaction.Status.SCHEDULED: "info",
    Transaction.Status.VOID: "warning",
    Transaction.Status.REJECTED: "danger",
}


@admin.register(Ledger)
class LedgerAdmin(LedgerModelAdmin):
    """Ledgers can be opened and renamed; their metadata changes through the API."""

    filled_by = "Open the first ledger here, with POST /ledgers, or by an import."
    change_form_template = "admin/balances/ledger/change_form.html"

    list_display = ("name", "short_key", "created")
    search_fields = ("ledger_id",)
    search_help_text = "Ledger id, or words of the name"
    sortable_by = ("created",)
    ordering = ("-created_at", "-ledger_id")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Show only the fields to fill in when a ledger is opened."""
        return ("name", "meta_data") if obj is None else ("name", "ledger_id", "created", "meta_data")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Make all but the name of a stored ledger read-only."""
        return () if obj is None else ("ledger_id", "created", "meta_data")

    def formfield_for_dbfield(self, db_field: Any, request: Any, **options: Any) -> Any:
        """Use a line for the name, and exact JSON for the metadata of a new ledger."""
        if db_field.name == "meta_data":
            return ExactJSONFormField(label="Metadata")
        options["widget"] = UnfoldAdminTextInputWidget
        return super().formfield_for_dbfield(db_field, request, **options)

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the beginning of an id, or by words of the name."""
        return queryset.filter(ledger_id__startswith=term) if term.startswith("ldg_") else queryset.named(term)

    has_add_permission = allowed("balances.add_ledger")
    has_change_permission = allowed("balances.change_ledger")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write through posting, the one writer."""
        if change:
            rename_ledger(ledger_id=obj.pk, name=obj.name)
        else:
            obj.ledger_id = open_ledger(name=obj.name, meta_data=obj.meta_data).pk

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add what the page shows besides the form."""
        if context.get("original"):
            context |= self.shown(request, context["original"])
        return super().render_change_form(request, context, *args, **options)

    def shown(self, request: HttpRequest, ledger: Ledger) -> dict[str, Any]:
        """Return the totals of its balances by currency."""
        query = urlencode({"ledger__ledger_id__exact": ledger.pk})
        return holdings.holdings(request, ledger.pk, holdings.OF_LEDGER, query)

    short_key = column("Ledger id", lambda ledger: short_id(ledger.pk))
    created = moment("created_at", "Created (UTC)", ordering="created_at")


@admin.register(Balance)
class BalanceAdmin(LedgerModelAdmin):
    """Balances, with read-only totals and editable metadata."""

    audited_after_commit = True

    filled_by = (
        "A balance is made with POST /balances, by an import, or by the first transaction that names its indicator."
    )

    needs = Mode.REPAIR

    parts = balance_parts.PARTS
    """What its page loads when somebody looks at it."""
    form = MetadataForm
    change_form_template = "admin/balances/balance/change_form.html"
    list_display = ("name", "ledger", "currency", "credit", "debit", "net", "inflight", "created")
    list_filter = (("ledger", AutocompleteSelectFilter), CurrencyFilter, ("created_at", DaysFilter))
    search_fields = ("balance_id",)
    search_help_text = (
        "Id or indicator, or its beginning; name of the holder or of the ledger (of many the newest 100). "
        "For amounts: Transactions"
    )
    sortable_by = ("created",)
    ordering = ("-created_at", "-balance_id")
    readonly_fields = ("balance_id", "ledger_link", "identity_link", "indicator", "currency", "version", "created")
    fieldsets = (
        (
            "Balance",
            {
                "fields": (
                    "balance_id",
                    ("ledger_link", "indicator"),
                    ("currency", "version"),
                    ("identity_link", "created"),
                )
            },
        ),
        ("Metadata", {"fields": ("meta_data", "seen")}),
    )

    def get_urls(self) -> list[Any]:
        """Add the pages under a balance."""
        return [*statement.routes(self), *balance_parts.routes(self, self.parts), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch ledger and identity along, without a join that would hide balances whose ledger is missing."""
        return super().get_queryset(request).select_related("identity").prefetch_related("ledger")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Find by id, indicator, ledger, and by holder for those who may see holders.

        Totals have no index, which each posting would have to write.
        """
        term, may_see_holders = search_term.strip(), request.user.has_perm("balances.view_identity")
        return (searching.balances(queryset, term, may_see_holders) if term else queryset), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Lock the row to save, so that no one writes between the form's check and the save."""
        if connection.in_atomic_block and request.method == "POST" and self.has_change_permission(request):
            Balance.objects.locked([object_id]).values_list("balance_id").first()
        return super().get_object(request, object_id, from_field)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """Return a form that knows whether the user may set the reconstruction flag."""
        form: type[ModelForm[Any]] = super().get_form(request, obj, change, **options)
        allowed = request.user.has_perm("balances.reconstruct_balance")
        return type(form.__name__, (form,), {"may_reconstruct": allowed})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the hidden field of the form for users without a form."""
        facts, metadata = self.fieldsets
        if self.has_change_permission(request, obj):
            return facts, metadata
        return facts, ("Metadata", {"fields": ("meta_data",)})

    has_change_permission = allowed("balances.change_balance")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save only the metadata, naming the user; the model reacts to the flag."""
        obj.changed_by, obj.changed_through = request.user.get_username(), "admin"
        obj.save(update_fields=["meta_data"])

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add what the page shows besides the form."""
        context |= self.shown(request, context["original"])
        return super().render_change_form(request, context, *args, **options)

    def shown(self, request: HttpRequest, balance: Balance) -> dict[str, Any]:
        """Return the last transactions, the precision if they all share one, and the panels."""
        movements = last_transactions(balance.pk)
        precision = known_precision(movements)
        shown: dict[str, Any] = {"movements": movements, "precision": precision, "curl": balance_panels.curl(balance)}
        shown["totals"] = balance_panels.totals(balance, precision)
        shown |= balance_panels.past(request, balance) | balance_panels.monitors(request, balance)
        return shown | balance_panels.lineage(balance)

    name = column("Indicator or id", lambda balance: balance.indicator or short_id(balance.balance_id))

    @display(description="Ledger")
    def ledger_link(self, balance: Balance) -> SafeString | str:
        try:
            return link(balance.ledger)
        except Ledger.DoesNotExist:
            return f"{balance.ledger_id} (no such ledger)" if balance.ledger_id else "–"

    @display(description="Identity")
    def identity_link(self, balance: Balance) -> SafeString | str:
        return "–" if balance.identity is None else identities.name_of(balance.identity)

    @display(description="Credit")
    def credit(self, balance: Balance) -> SafeString:
        return self.listed(balance, balance.credit_balance)

    @display(description="Debit")
    def debit(self, balance: Balance) -> SafeString:
        return self.listed(balance, balance.debit_balance)

    @display(description="Balance")
    def net(self, balance: Balance) -> SafeString:
        """Show credits less debits."""
        return self.listed(balance, balance.balance)

    @display(description="Inflight")
    def inflight(self, balance: Balance) -> SafeString:
        """Show what open holds would change."""
        return self.listed(balance, balance.inflight_balance)

    def listed(self, balance: Balance, units: int) -> SafeString:
        """Show an amount in major units where the precision of its currency is known."""
        return listed(units, getattr(balance, "precisions", {}).get(balance.currency))

    created = column("Created (UTC)", lambda balance: f"{balance.created_at:%Y-%m-%d %H:%M}", ordering="created_at")


BY_HAND = {
    Transaction.Status.INFLIGHT: (("commit", "Commit"), ("void", "Void")),
    Transaction.Status.APPLIED: (("refund", "Refund"),),
}
"""What can be done by hand with a row, by its status."""


@admin.register(Transaction)
class TransactionAdmin(LedgerModelAdmin):
    """Transactions, read-only because they are append-only."""

    filled_by = "A transaction is posted with POST /transactions, or comes with an import."
    change_form_template = "admin/balances/transaction/change_form.html"

    list_display = ("short_reference", "state", "from_balance", "to_balance", "listed_amount", "created")
    list_select_related = ("source", "destination")
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter, ("created_at", DaysFilter))
    search_fields = ("transaction_id",)
    search_help_text = "Reference, id, amount (1,250.34 or minor units), or id or indicator of a balance"
    sortable_by = ("created",)
    ordering = ("-created_at", hashed("transaction_id").desc())  # type: ignore[assignment]  # an expression is allowed
    fieldsets = (
        (
            "Transaction",
            {
                "fields": (
                    ("reference", "status"),
                    ("from_balance", "to_balance"),
                    ("major_units", "minor_units"),
                    ("currency", "precision"),
                    "description",
                )
            },
        ),
        (
            "Record",
            {
                "fields": (
                    "transaction_id",
                    ("parent", "children"),
                    ("created", "effective"),
                    "scheduled",
                    "meta_data",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch both balances along."""
        return super().get_queryset(request).select_related("source", "destination")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by what has an index."""
        return searching.transactions(queryset, term)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add what the page shows besides the fields."""
        context |= movement.shown(context["original"])
        if may(Mode.SERVE) and request.user.has_perm("instructions.move_money"):
            context["by_hand"] = BY_HAND.get(context["original"].status, ())
        return super().render_change_form(request, context, *args, **options)

    short_reference = column("Reference", lambda row: row.reference or short_id(row.transaction_id))
    state = column("Status", lambda row: (row.status or "", row.get_status_display() or "–"), label=STATUS_COLOURS)
    from_balance = column("From", lambda row: _balance(row.source))
    to_balance = column("To", lambda row: _balance(row.destination))

    @display(description="Amount")
    def major_units(self, row: Transaction) -> SafeString | str:
        units = row.precise_amount
        shown = "–" if units is None else major(units, row.precision) or f"{units}"
        return f"{shown} {row.currency or ''}"

    listed_amount = column("Amount", lambda row: listed(row.precise_amount, row.precision or 1, row.currency or ""))
    minor_units = column("Minor units", lambda row: money(row.precise_amount))

    @display(description="Parent transaction")
    def parent(self, row: Transaction) -> SafeString | str:
        """Link to the parent row; a split parent or a batch has no page."""
        parent = Transaction.objects.filter(pk=row.parent_transaction).first() if row.parent_transaction else None
        return link(parent, f"{parent.get_status_display()}: {parent}") if parent else row.parent_transaction or "–"

    @display(description="Resulting transactions")
    def children(self, row: Transaction) -> SafeString | str:
        rows = Transaction.objects.filter(parent_transaction=row.pk, parent_transaction__gt="")
        shown = [
            (link(child, f"{child.get_status_display()}: {child}"),)
            for child in rows.order_by("created_at", "pk")[:SHOWN_TRANSACTIONS]
        ]
        return format_html_join(mark_safe("<br>"), "{}", shown) or "–"

    created = moment("created_at", "Created (UTC)", ordering="created_at")
    effective = moment("effective_date", "Effective (UTC)")
    scheduled = moment("scheduled_for", "Scheduled for (UTC)")


def _balance(balance: Balance | None) -> SafeString | str:
    return "–" if balance is None else link(balance, balance.indicator or short_id(balance.balance_id))
