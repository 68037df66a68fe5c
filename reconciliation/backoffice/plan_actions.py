"""The actions that propose plans: show before and after, ask for a reason, store the plan; correct nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from balances.backoffice import COUNTED, action
from balances.ground import LedgerError
from balances.models import Balance
from reconciliation.correcting import (
    BOOKED_AT_ONCE,
    MAX_REASON,
    MAX_TICKET,
    Choice,
    Missing,
    Proposal,
    changed_by,
    corrections,
    look_up,
    propose,
    propose_rebooking,
    propose_undo,
)
from reconciliation.measuring import measure
from reconciliation.models import Finding, Incident, Origin, Plan, PlanItem, Reconstruction, Sweep, TransactionEdit
from reconciliation.records import Comparison

AT_ONCE = 500
"""Rows ticked one by one: what fits into one form."""
MOST_ROWS = BOOKED_AT_ONCE + 1
SHOWN = 50
"""Balances shown with before and after; the rest is counted."""
AS_PLAN = "as_plan"
"""The field of the form that is sent where a plan is proposed instead of a reconstruction at once."""


class ProposalForm(forms.Form):
    """Reason and ticket, and an explicit yes where transactions are incomplete or damaged."""

    reason = forms.CharField(
        label="Reason",
        max_length=MAX_REASON,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="Kept for ever with the plan and with the record of each corrected balance.",
        error_messages={"required": "Say why: the reason is kept with the plan."},
    )
    ticket = forms.CharField(
        label="Ticket", required=False, max_length=MAX_TICKET, widget=UnfoldAdminTextInputWidget, help_text="Optional"
    )
    allow_incomplete = forms.BooleanField(
        label="Yes, follow transactions that are known to be incomplete or damaged as well",
        required=False,
        widget=UnfoldBooleanWidget,
    )


@action(description="Propose plan", permissions=["propose_plan"])
def propose_plan(model_admin: Any, request: HttpRequest, queryset: QuerySet[Finding]) -> HttpResponse | None:
    """Plan the correction of the chosen findings."""
    ids = _ticked(model_admin, request, queryset, "findings")
    return _propose(model_admin, request, Choice(finding_ids=tuple(ids)), ids) if ids else None


@action(description="Propose plan", permissions=["propose_plan"])
def propose_plan_for_sweep(model_admin: Any, request: HttpRequest, queryset: QuerySet[Sweep]) -> HttpResponse | None:
    """Plan the correction of all that a sweep found."""
    sweep_id = _only_one(model_admin, request, queryset)
    return sweep_id and _propose(model_admin, request, Choice(sweep_id=sweep_id), [sweep_id])


@action(description="Propose plan", permissions=["propose_plan"])
def propose_plan_for_incident(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Incident]
) -> HttpResponse | None:
    """Plan the correction of an incident as one case."""
    incident_id = _only_one(model_admin, request, queryset)
    return incident_id and _propose(model_admin, request, Choice(incident_id=incident_id), [incident_id])


@action(description="Book deleted transactions again", permissions=["propose_plan"])
def book_again(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Finding] | QuerySet[TransactionEdit]
) -> HttpResponse | None:
    """Propose booking deleted transactions again: those of chosen entries of the journal, or of chosen findings."""
    chosen = [str(pk) for pk in queryset.order_by().values_list("pk", flat=True)[: AT_ONCE + 1]]
    deleted = sorted(_deleted_rows(queryset))
    if not 0 < len(deleted) <= BOOKED_AT_ONCE or len(chosen) > AT_ONCE:
        text = f"Choose 1 to {BOOKED_AT_ONCE} deleted transactions, or findings that name them; nothing was done."
        model_admin.message_user(request, text, messages.ERROR)
        return None
    rows = look_up(deleted)
    page = {"ids": chosen, "count": len(deleted), "rebooking": True, "undoing": False, "shown": _booked(rows)[:SHOWN]}
    return _ask(model_admin, request, page, lambda proposal: propose_rebooking(deleted, proposal))


def _deleted_rows(queryset: QuerySet[Any]) -> set[str]:
    """Return the deleted transactions that entries of the journal are about, or that explanations of findings name."""
    if queryset.model is TransactionEdit:
        return set(queryset.filter(operation="DELETE").order_by().values_list("transaction_id", flat=True)[:MOST_ROWS])
    explanations = queryset.order_by().values_list("explanations", flat=True)[: AT_ONCE + 1]
    return {row for each in explanations for why in each if why["cause"] == "deleted_row" for row in why["rows"]}


def _booked(rows: dict[str, Missing | str]) -> list[tuple[Comparison, str]]:
    """Return each balance of the rows, unchanged, with a note of what is booked. Confirming reports what cannot be."""
    return [
        (Comparison.of(replace(each, recalculated=each.stored)), missing.note)
        for missing in rows.values()
        if isinstance(missing, Missing)
        for each in missing.measured
    ]


@action(description="Propose plan", permissions=["propose_plan"])
def propose_plan_for_chosen(model_admin: Any, request: HttpRequest, queryset: QuerySet[Balance]) -> HttpResponse | None:
    """Plan the correction of the chosen balances, as they are measured then."""
    ids = _ticked(model_admin, request, queryset, "balances")
    return _propose(model_admin, request, Choice(balance_ids=tuple(ids)), ids) if ids else None


def propose_plan_for_balances(model_admin: Any, request: HttpRequest, ids: list[str], why: str) -> HttpResponse:
    """Propose correcting single balances that one person alone may not reconstruct; ``why`` is shown on the page."""
    about = {"direct": True, "why": why}
    return _propose(model_admin, request, Choice(balance_ids=tuple(ids)), ids, about)


@action(description="Take these corrections back", permissions=["undo_reconstruction"])
def take_back(model_admin: Any, request: HttpRequest, queryset: QuerySet[Reconstruction]) -> HttpResponse | None:
    """Propose undoing the chosen corrections."""
    records = list(queryset.order_by("balance_id", "reconstruction_id")[: AT_ONCE + 1])
    if len(records) > AT_ONCE:
        text = f"At most {AT_ONCE} corrections at a time, and nothing was done. Narrow the selection."
        model_admin.message_user(request, text, messages.ERROR)
        return None
    ids = [record.pk for record in records]
    page = {"ids": ids, "count": len(records), "undoing": True, "shown": _taken_back(records[:SHOWN])}
    return _ask(model_admin, request, page, lambda proposal: propose_undo(ids, proposal))


def _ticked(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any], noun: str) -> list[str]:
    """Return the keys of the chosen rows; none, and a message, where there are too many for one form."""
    ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: AT_ONCE + 1])
    if len(ids) <= AT_ONCE:
        return ids
    text = f"At most {AT_ONCE} {noun} at a time here, and nothing was done. Plan a whole sweep or an incident."
    model_admin.message_user(request, text, messages.ERROR)
    return []


def _only_one(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
    chosen = list(queryset.order_by().values_list("pk", flat=True)[:2])
    if len(chosen) == 1:
        return chosen[0]
    model_admin.message_user(request, "A plan is about one of these at a time; nothing was done.", messages.ERROR)
    return None


def _propose(
    model_admin: Any, request: HttpRequest, choice: Choice, ids: list[str], about: dict[str, Any] | None = None
) -> HttpResponse:
    """Show what would be corrected as things are now; the plan itself measures everything again."""
    balance_ids = list(islice(choice.ids(), COUNTED + 1))
    planned = corrections(balance_ids[:SHOWN], allow_incomplete=False)
    page = {
        "ids": ids,
        "count": f"more than {COUNTED:,}" if len(balance_ids) > COUNTED else len(balance_ids),
        "undoing": False,
        "shown": [(Comparison.of_row(each.item), each.item.note) for each in planned],
        "agreeing": len(balance_ids[:SHOWN]) - len(planned),
        "incomplete": any(each.item.outcome == PlanItem.Outcome.REFUSED for each in planned),
    }
    return _ask(model_admin, request, page | (about or {}), lambda proposal: propose(choice, proposal))


def _taken_back(records: list[Reconstruction]) -> list[tuple[Comparison, str]]:
    measured = {each.balance_id: each for each in measure(sorted({record.balance_id for record in records}))}
    return [
        (
            Comparison.of(changed_by(measured[record.balance_id], record.previous - record.recalculated)),
            f"{record.get_outcome_display()} by {record.actor} at {record.executed_at:%Y-%m-%d %H:%M:%S} UTC",
        )
        for record in records
        if record.balance_id in measured
    ]


def _ask(
    model_admin: Any, request: HttpRequest, page: dict[str, Any], write_down: Callable[[Proposal], Plan]
) -> HttpResponse:
    """Ask for a reason; once the form is sent, store the plan and show it."""
    answered = "post" in request.POST and ("direct" not in page or AS_PLAN in request.POST)
    form = ProposalForm(request.POST if answered else None)
    if form.is_valid():
        proposal = Proposal(actor=request.user.get_username(), origin=Origin.ADMIN, **form.cleaned_data)
        try:
            plan = write_down(proposal)
        except LedgerError as refusal:
            form.add_error(None, refusal.message)
        else:
            model_admin.message_user(request, f"The plan was saved. {plan.policy}", messages.SUCCESS)
            return HttpResponseRedirect(_page_after(request, plan))
    meta = model_admin.model._meta
    request.current_app = model_admin.admin_site.name
    context = model_admin.admin_site.each_context(request) | page
    context |= {
        "opts": meta,
        "media": model_admin.media,
        "form": form,
        "precision": None,
        "action": request.POST["action"],
        "action_checkbox_name": ACTION_CHECKBOX_NAME,
        "way_back": reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"),
        "not_shown": page["count"] - SHOWN if isinstance(page["count"], int) and page["count"] > SHOWN else 0,
    }
    return TemplateResponse(request, "admin/reconciliation/proposal.html", context)


def _page_after(request: HttpRequest, plan: Plan) -> str:
    """Redirect to the plan, if this user may see it."""
    if request.user.has_perm("reconciliation.view_plan"):
        return reverse("admin:reconciliation_plan_change", args=[plan.pk])
    return reverse("admin:index")
