"""The evidence, read-only: snapshots, the edit journal, refusals, steps of plans, the chain over all records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import DaysFilter, LedgerModelAdmin, allowed, column, display, link, moment
from balances.models import TOTALS, BalanceSnapshot
from balances.templatetags.ids import cut, short_id
from balances.templatetags.money import listed
from reconciliation.backoffice.columns import InMajorUnits, of_balance, precision_of, row_link, short
from reconciliation.backoffice.plan_actions import book_again
from reconciliation.backoffice.plans import ActorFilter
from reconciliation.models import BalanceEdit, Refusal, Seal, Step, TransactionEdit
from reconciliation.records import LABELS, MODELS

FINGERPRINT = re.compile(r"^Fingerprint [0-9a-f]{64}\. ?")
SHOWN_CHARACTERS = 200
"""Characters of one value of an edited transaction on its page."""


@dataclass(frozen=True)
class Change:
    """One value before and after an edit, as text."""

    label: str
    old: str
    new: str


def changes(edit: BalanceEdit | TransactionEdit) -> list[Change]:
    """Return what an edit changed, the six totals by their names for people."""
    old, new = edit.old or {}, edit.new or {}
    return [
        Change(LABELS.get(name, name), _text(old.get(name)), _text(new.get(name)))
        for name in sorted({**old, **new}, key=_place)
        if old.get(name) != new.get(name)
    ]


def _place(name: str) -> tuple[int, str]:
    """Put the six totals in their order and before anything else."""
    return (TOTALS.index(name) if name in TOTALS else len(TOTALS), name)


def _text(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


@admin.register(BalanceSnapshot)
class SnapshotAdmin(InMajorUnits, LedgerModelAdmin):
    """The totals of a balance as they were stored on one day."""

    filled_by = "POST /balances-snapshots takes a snapshot of every balance."

    list_display = ("taken", "balance_page", "currency", "credit", "debit", "net", "inflight")
    list_select_related = ("balance",)
    search_fields = ("id",)
    search_help_text = "Balance id or indicator"
    sortable_by = ()
    ordering = ("-id",)
    fieldsets = (
        (
            "Snapshot",
            {
                "fields": (
                    ("balance_page", "currency"),
                    ("taken", "created"),
                    ("credit", "debit"),
                    ("net", "inflight"),
                    ("last_tx_id", "id"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("balance")

    def searched(self, queryset: Any, term: str) -> Any:
        return of_balance(queryset, term, "balance")

    taken = moment("snapshot_time", "Snapshot of (UTC)")
    created = moment("created_at", "Written (UTC)")

    @display(description="Balance")
    def balance_page(self, snapshot: BalanceSnapshot) -> SafeString:
        return link(snapshot.balance, snapshot.balance.indicator or short_id(snapshot.balance_id))

    credit = column("Credit", lambda snapshot: listed(snapshot.credit_balance, precision_of(snapshot)))
    debit = column("Debit", lambda snapshot: listed(snapshot.debit_balance, precision_of(snapshot)))

    @display(description="Balance")
    def net(self, snapshot: BalanceSnapshot) -> SafeString:
        """Show credits less debits."""
        return listed(snapshot.net_balance, precision_of(snapshot))

    @display(description="Inflight")
    def inflight(self, snapshot: BalanceSnapshot) -> SafeString:
        """Show what holds would have changed."""
        return listed(snapshot.inflight_balance, precision_of(snapshot))


class EditAdmin(LedgerModelAdmin):
    """The edit journal: what was changed past the ledger, by whom, from where."""

    filled_by = "No row was written past the posting path."

    change_form_template = "admin/reconciliation/edit_change_form.html"
    list_filter = (("operation", ChoicesDropdownFilter),)
    sortable_by = ()
    ordering = ("-id",)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> Any:
        context["changes"] = changes(context["original"])
        return super().render_change_form(request, context, *args, **options)

    edited = moment("edited_at", "Edited (UTC)")
    where = column("From", lambda edit: edit.client_address or "local")

    @display(description="Changed")
    def changed(self, edit: BalanceEdit | TransactionEdit) -> str:
        return short(", ".join(f"{each.label.lower()} {each.old} → {each.new}" for each in changes(edit)))


@admin.register(BalanceEdit)
class BalanceEditAdmin(EditAdmin):
    """Changes of totals that came neither through posting nor through restating."""

    list_display = ("edited", "whose", "operation", "changed", "database_user", "where", "application_name")
    search_fields = ("balance_id",)
    search_help_text = "Balance id or indicator"
    fieldsets = (
        (
            "Edit",
            {
                "fields": (
                    ("balance_id", "operation"),
                    ("edited", "database_user"),
                    ("where", "application_name"),
                    "backend_pid",
                )
            },
        ),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        return of_balance(queryset, term, "balance_id")

    whose = column("Balance", lambda edit: short_id(edit.balance_id))


@admin.register(TransactionEdit)
class TransactionEditAdmin(EditAdmin):
    """Changes of transactions that got past the guard; deleted ones can be booked again from here."""

    actions = (book_again,)
    list_display = ("edited", "which", "operation", "changed", "database_user", "where", "application_name")
    search_fields = ("source",)
    search_help_text = "Balance id or indicator of one of its sides"
    fieldsets = (
        (
            "Edit",
            {
                "fields": (
                    ("transaction_id", "operation"),
                    ("source", "destination"),
                    ("edited", "database_user"),
                    ("where", "application_name"),
                    "backend_pid",
                )
            },
        ),
    )

    has_propose_plan_permission = allowed("reconciliation.propose_plan")
    which = column("Transaction", lambda edit: short_id(edit.transaction_id))

    def searched(self, queryset: Any, term: str) -> Any:
        sides = [of_balance(queryset.order_by(), term, side).values("pk") for side in ("source", "destination")]
        return queryset.filter(Q(pk__in=sides[0]) | Q(pk__in=sides[1]))


@admin.register(Refusal)
class RefusalAdmin(LedgerModelAdmin):
    """Refused attempts by known actors."""

    filled_by = "Nothing was refused."

    list_display = ("refused", "actor", "door", "what", "why", "address", "attempts")
    list_filter = (ActorFilter, ("refused_at", DaysFilter))
    search_fields = ("refusal_id",)
    search_help_text = "Whole id of a refusal"
    sortable_by = ()
    ordering = ("-refused_at", "-refusal_id")
    fieldsets = (
        ("Refusal", {"fields": (("refused", "actor"), ("door", "address"), "what", "why", ("attempts", "refusal_id"))}),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        return queryset.filter(refusal_id=term)

    refused = moment("refused_at", "Refused (UTC)")


@admin.register(Step)
class StepAdmin(LedgerModelAdmin):
    """What happened to plans, step by step."""

    filled_by = "Each step of a plan leaves a row: proposed, approved, applied."

    list_display = ("taken", "kind", "actor", "origin", "plan_page", "words")
    list_filter = (("kind", ChoicesDropdownFilter), ActorFilter, ("taken_at", DaysFilter))
    search_fields = ("plan_id",)
    search_help_text = "Whole id of a plan or of a step"
    sortable_by = ()
    ordering = ("-taken_at", "-step_id")
    fieldsets = (("Step", {"fields": (("taken", "kind"), ("actor", "origin"), ("plan_page", "step_id"), "note")}),)

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the whole id of the plan or of the step."""
        return queryset.filter(Q(plan_id=term) | Q(step_id=term))

    taken = moment("taken_at", "When (UTC)")
    plan_page = column("Plan", lambda step: row_link("plan", step.plan_id))

    @display(description="Note")
    def words(self, step: Step) -> str:
        """Show the beginning of what was said; the fingerprint before it is on the pages."""
        return short(FINGERPRINT.sub("", step.note)) or "–"


@admin.register(Seal)
class SealAdmin(LedgerModelAdmin):
    """The chain over all records, newest link first; ``manage.py verify_records`` proves it."""

    filled_by = "Each record of a correction, a refusal or a decision is sealed here."

    list_display = ("sequence", "sealed", "kind", "record_page", "short_hash")
    list_filter = ()
    search_fields = ("record_id",)
    search_help_text = "Whole id of a record or its number in the chain"
    sortable_by = ()
    ordering = ("-sequence",)
    fieldsets = (("Seal", {"fields": (("sequence", "sealed"), ("kind", "record_page"), "digest", "hash")}),)

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the record or by the place in the chain."""
        if term.isdecimal() and len(term) < 19:
            return queryset.filter(sequence=int(term))
        return queryset.filter(kind__in=MODELS, record_id=term)

    sealed = moment("sealed_at", "Sealed (UTC)")

    @display(description="Record")
    def record_page(self, seal: Seal) -> SafeString | str:
        """Link to the record, whose kind is a word and not always the name of its table."""
        if seal.kind not in MODELS:
            return cut(seal.record_id)
        return row_link(str(MODELS[seal.kind]._meta.model_name), seal.record_id)

    short_hash = column("Hash", lambda seal: short_id(seal.hash))
