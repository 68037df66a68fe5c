"""Records of reconstructions in the back-office, and the balances' pages with reconstruction on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import (
    BalanceAdmin,
    CurrencyFilter,
    DaysFilter,
    LedgerModelAdmin,
    allowed,
    column,
    display,
    known_precision,
    last_transactions,
    moment,
)
from balances.ground import Mode
from balances.models import Balance, BalanceSnapshot
from balances.templatetags.money import amount, listed
from reconciliation.backoffice import balance_course, findings
from reconciliation.backoffice.actions import preview_reconstruction, reconstruct_balances
from reconciliation.backoffice.columns import (
    BESIDES,
    InMajorUnits,
    balance_link,
    named,
    net_difference,
    of_balance,
    precision_of,
    row_link,
    short,
)
from reconciliation.backoffice.evidence import changes
from reconciliation.backoffice.plan_actions import propose_plan_for_chosen, take_back
from reconciliation.backoffice.verdict import verdict
from reconciliation.backoffice.work import Worked
from reconciliation.correcting import undone
from reconciliation.models import BalanceEdit, Break, Finding, Plan, Reconstruction, Subject
from reconciliation.overview import precisions
from reconciliation.records import Comparison, last_result
from reconciliation.sweeping import state_of, with_state

SHOWN_RECORDS = 10
"""Reconstructions, and edits past the posting path, on the page of a balance."""
PROPOSE = propose_plan_for_chosen.__name__
"""The action that stands beside the verdict of a balance that is wrong, and nowhere else on its page."""
SHOWN_SNAPSHOTS = 5
"""Snapshots on the page of a balance."""

admin.site.unregister(Balance)


@admin.register(Balance)
class ReconstructableBalanceAdmin(Worked, BalanceAdmin):
    """Balances with preview and reconstruction, the last result and the history."""

    work_on = Subject.BALANCE
    needs_else = {"has_preview_reconstruction_permission": None}
    parts = BalanceAdmin.parts | {"course": balance_course.shown}

    actions = (preview_reconstruction, reconstruct_balances, propose_plan_for_chosen)
    change_form_template = "admin/reconciliation/balance_change_form.html"

    def precisions(self) -> Mapping[str, int | None]:
        """Return what postings of the last 30 days say."""
        return precisions()

    has_preview_reconstruction_permission = allowed("balances.preview_reconstruction")
    has_propose_plan_permission = allowed("reconciliation.propose_plan")
    has_reconstruct_balance_permission = allowed("balances.reconstruct_balance")

    def shown(self, request: HttpRequest, balance: Balance) -> dict[str, Any]:
        """Add the verdict, the last result, the history and the actions that this user may take."""
        shown = super().shown(request, balance) | _evidence(request, balance)
        checked = verdict(balance.pk, shown["precision"], shown["finding"])
        history = list(Reconstruction.objects.filter(balance_id=balance.pk)[:SHOWN_RECORDS])
        offered = {name: each[2] for name, each in self.get_actions(request).items() if each}
        return shown | {
            "amount": amount(balance.balance, shown["precision"], balance.currency),
            "verdict": checked,
            "may_propose": checked.is_wrong and PROPOSE in offered,
            "result": last_result(balance),
            "taken_back_since": _newest_takes_back(history),
            "history": [(record, Comparison.of_row(record)) for record in history],
            "balance_actions": [{"name": name, "title": title} for name, title in offered.items() if name != PROPOSE],
        }


def _newest_takes_back(history: list[Reconstruction]) -> bool:
    """Return whether the newest record, previews left out, undid a correction."""
    newest = next((record for record in history if not record.dry_run), None)
    return newest is not None and newest.outcome == Reconstruction.Outcome.UNDONE and not newest.transaction_id


def _evidence(request: HttpRequest, balance: Balance) -> dict[str, Any]:
    """Return the newest finding and why, the last snapshots and edits, each where this user may see it."""
    may = {name: request.user.has_perm(f"{name.replace('.', '.view_')}") for name in (FINDING, SNAPSHOT, EDIT, BREAK)}
    rows = with_state(Finding.objects.filter(balance_id=balance.pk)).order_by("-found_at")
    finding = rows.first() if may[FINDING] else None
    snapshots = BalanceSnapshot.objects.filter(balance=balance.pk)
    breaks = Break.objects.filter(balance_id=balance.pk).order_by("-position")
    edits = BalanceEdit.objects.filter(balance_id=balance.pk).order_by("-edited_at")
    return {
        "may_see_findings": may[FINDING],
        "finding": finding,
        "found": Comparison.of_row(finding) if finding else None,
        "explanations": findings.explained(finding)[:1] if finding else [],
        "finding_state": state_of(finding) if finding else "",
        "may_see_snapshots": may[SNAPSHOT],
        "snapshots": snapshots[:SHOWN_SNAPSHOTS] if may[SNAPSHOT] else [],
        "may_see_edits": may[EDIT],
        "breaks": breaks[:SHOWN_RECORDS] if may[BREAK] else [],
        "edits": [(edit, changes(edit)) for edit in edits[:SHOWN_RECORDS]] if may[EDIT] else [],
    }


FINDING, SNAPSHOT = "reconciliation.finding", "balances.balancesnapshot"
EDIT, BREAK = "reconciliation.balanceedit", "reconciliation.break"
OUTCOME_COLOURS = {
    Reconstruction.Outcome.PREVIEWED: "info",
    Reconstruction.Outcome.CORRECTED: "warning",
    Reconstruction.Outcome.NO_DRIFT: "success",
    Reconstruction.Outcome.UNDONE: "danger",
}


@admin.register(Reconstruction)
class ReconstructionAdmin(InMajorUnits, LedgerModelAdmin):
    """Records of reconstructions: append-only, so read-only here. A correction can be undone by a plan."""

    filled_by = "A preview or a correction of a balance leaves a record here."

    needs = Mode.REPAIR

    actions = (take_back,)
    change_form_template = "admin/reconciliation/reconstruction_change_form.html"
    list_display = ("executed", "name", "state", "net_difference", "after", "who", "why")
    list_filter = (
        ("outcome", ChoicesDropdownFilter),
        ("origin", ChoicesDropdownFilter),
        CurrencyFilter,
        ("executed_at", DaysFilter),
    )
    search_fields = ("reconstruction_id",)
    search_help_text = "Balance id, indicator, record id, or ticket of the plan"
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
                    ("rows", "from_plan"),
                    ("undoes_record", "undone_by"),
                    "reconstruction_id",
                    "reason",
                    "note",
                )
            },
        ),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the record's own id, the ticket of its plan, or the balance, each by its index."""
        if term.startswith("rcn_"):
            return queryset.filter(reconstruction_id=term)
        if plans := list(Plan.objects.filter(ticket=term, ticket__gt="").values_list("pk", flat=True)):
            return queryset.filter(plan_id__in=plans)
        return of_balance(queryset, term, "balance_id")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add the six totals before and after, and whether this user may undo the correction."""
        record = context["original"]
        context |= {
            "may_take_back": self.has_undo_reconstruction_permission(request) and _can_be_taken_back(record),
            "each": Comparison.of_row(record),
            "precision": known_precision(last_transactions(record.balance_id)),
        }
        return super().render_change_form(request, context, *args, **options)

    has_undo_reconstruction_permission = allowed("reconciliation.undo_reconstruction")
    from_plan = column("Plan", lambda record: row_link("plan", record.plan_id))
    undoes_record = column("Takes back", lambda record: row_link("reconstruction", record.undoes))
    undone_by = column("Taken back by", lambda record: row_link("reconstruction", undone([record.pk]).get(record.pk)))
    executed = moment("executed_at", "Executed (UTC)", ordering="executed_at")

    @display(description="Balance")
    def name(self, record: Reconstruction) -> SafeString:
        return format_html("{}{}", named(record), format_html(BESIDES, record.ledger_name, ""))

    balance_page = column("Balance", lambda record: balance_link(record))

    @display(description="Outcome", label=OUTCOME_COLOURS)
    def state(self, record: Reconstruction) -> tuple[str, str]:
        """Show the outcome in its colour. “Undone” is the record that undid a correction, not the undone one."""
        undone = record.outcome == Reconstruction.Outcome.UNDONE
        return record.outcome, "takes back" if undone else record.outcome.replace("_", " ")

    @display(description="Difference")
    def net_difference(self, record: Reconstruction) -> SafeString:
        """Show what the balance changed by, or would have, and what else did."""
        return net_difference(record, Comparison.of_row(record))

    @display(description="Recalculated")
    def after(self, record: Reconstruction) -> SafeString:
        """Show the balance that the transactions gave."""
        units = None if record.by_transactions is None else record.recalculated_balance
        return listed(units, precision_of(record))

    who = column("Who", lambda record: record.actor)
    why = column("Reason", lambda record: short(record.reason))

    @display(description="Transactions read")
    def rows(self, record: Reconstruction) -> str:
        return f"{record.credit_rows} credits, {record.debit_rows} debits, {record.hold_rows} holds and releases"

    @display(description="Version")
    def versions(self, record: Reconstruction) -> str:
        if record.version_before == record.version_after:
            return f"{record.version_before}, unchanged"
        return f"{record.version_before}, then {record.version_after}"


def _can_be_taken_back(record: Reconstruction) -> bool:
    booked = record.outcome == Reconstruction.Outcome.REBOOKED
    moved = bool(record.difference) and record.transaction_id is None
    return not record.dry_run and (moved or booked) and not undone([record.pk])
