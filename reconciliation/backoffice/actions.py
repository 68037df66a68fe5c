"""The actions on balances: show what would change, ask, do it, report. All arithmetic is in the services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from balances.backoffice import action, known_precision, last_transactions
from balances.ground import EmptySource, Mode, may
from balances.models import Balance
from reconciliation.backoffice.plan_actions import AS_PLAN, propose_plan_for_balances
from reconciliation.correcting import (
    MAX_REASON,
    NO_ROWS,
    Facts,
    IncompleteSource,
    Policy,
    Request,
    beside,
    reconstruct,
    reconstruct_many,
    second_person_needed,
    sources,
    why_not_directly,
)
from reconciliation.measuring import Measurement, measure
from reconciliation.models import Origin
from reconciliation.records import Comparison
from reconciliation.sweeping import balances

AT_ONCE = 500
"""Balances in one action: as many as a person can review, and as fit into one form."""
SHOWN = 100
"""Balances shown with their totals; the rest is counted."""
NAMED = 5
"""Balances named in a message, with the reason why they were left."""
BESIDE = (
    "Blnk posts to these balances as well. A correction waits a few seconds, to see that the difference stays the "
    "same. A posting without the queue that Blnk makes to the balance at that moment may be answered 409; it can be "
    "sent again."
)
TOO_MANY = (
    f"At most {AT_ONCE} balances at a time here, and nothing was done. Narrow the selection, "
    "or run “manage.py reconstruct” for a whole ledger."
)


class ReconstructForm(forms.Form):
    """Reason, and an explicit yes where transactions are missing or were changed."""

    reason = forms.CharField(
        label="Reason",
        max_length=MAX_REASON,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="Kept for ever with the record of each corrected balance.",
        error_messages={"required": "Say why: the reason is kept with the record."},
    )
    allow_empty = forms.BooleanField(
        label="Yes, set balances without any transactions to zero", required=False, widget=UnfoldBooleanWidget
    )
    allow_incomplete = forms.BooleanField(
        label="Yes, follow transactions that are known to be incomplete or damaged as well",
        required=False,
        widget=UnfoldBooleanWidget,
    )


@action(description="Preview reconstruction", permissions=["preview_reconstruction"])
def preview_reconstruction(model_admin: Any, request: HttpRequest, queryset: QuerySet[Balance]) -> HttpResponse | None:
    """Measure the chosen balances, record the dry run, and show what would change."""
    ids = _chosen(model_admin, request, queryset)
    if not ids:
        return None
    _run(ids, _request(request, dry_run=True))
    page = _page(_compared(measure(ids)))
    page["can_reconstruct"] = model_admin.has_reconstruct_balance_permission(request)
    return _render(model_admin, request, "admin/reconciliation/preview.html", page)


@action(description="Reconstruct", permissions=["reconstruct_balance"])
def reconstruct_balances(model_admin: Any, request: HttpRequest, queryset: QuerySet[Balance]) -> HttpResponse | None:
    """Show before and after and ask for a reason; once the form is sent, rebuild the chosen balances and report."""
    ids = _chosen(model_admin, request, queryset)
    if not ids:
        return None
    measured = measure(ids)
    why_not = why_not_directly(measured)
    if why_not or AS_PLAN in request.POST:
        return _propose_instead(model_admin, request, ids, why_not)
    form = ReconstructForm(request.POST if "post" in request.POST else None)
    if form.is_valid():
        try:
            done = _run(ids, _request(request, **form.cleaned_data))
        except EmptySource:
            form.add_error(
                "allow_empty", "Nothing was changed: this would set the balance to zero. Tick the box to do so."
            )
        except IncompleteSource as refusal:
            form.add_error("allow_incomplete", refusal.message)
        else:
            _report(model_admin, request, done)
            return HttpResponseRedirect(_way_back(ids))
    page = _page(_compared(measured)) | {"form": form, "policy": _policy(measured)}
    return _render(model_admin, request, "admin/reconciliation/confirm.html", page)


def _policy(measured: list[Measurement]) -> str:
    """Return why one person is enough here."""
    needed, words = second_person_needed(Facts.of(measured), Policy.of_settings())
    if not needed:
        return words
    return "A plan for this would need a second person; what is done at once does not."


def _propose_instead(model_admin: Any, request: HttpRequest, ids: list[str], why_not: str) -> HttpResponse:
    """Offer a plan where one person alone may not correct, or say that the user may not propose one."""
    if not request.user.has_perm("reconciliation.propose_plan"):
        model_admin.message_user(request, f"{why_not} Ask somebody who may propose plans.", messages.ERROR)
        return HttpResponseRedirect(_way_back(ids))
    return propose_plan_for_balances(model_admin, request, ids, why_not)


def _compared(measured: list[Measurement]) -> list[Comparison]:
    """Compare each measurement, with what is incomplete or damaged in its transactions.

    That a balance has no transactions at all is not repeated: the page shows it.
    """
    known = sources([each for each in measured if each.has_drift])
    against = {balance_id: source.gap for balance_id, source in known.items() if source.gap != NO_ROWS}
    return [Comparison.of(each, against=against.get(each.balance_id, "")) for each in measured]


def _chosen(model_admin: Any, request: HttpRequest, queryset: QuerySet[Balance]) -> list[str]:
    """Return the ids to act upon, or none, with a message, where they are too many."""
    ids = list(queryset.order_by().values_list("balance_id", flat=True)[: AT_ONCE + 1])
    if len(ids) > AT_ONCE:
        model_admin.message_user(request, TOO_MANY, messages.ERROR)
        return []
    return sorted(ids)


def _request(request: HttpRequest, **how: Any) -> Request:
    return Request(actor=request.user.get_username(), origin=Origin.ADMIN, **how)


def _run(ids: list[str], order: Request) -> list[Comparison]:
    """Run on one balance, which always leaves a record, or on many, which leaves one for each that drifted."""
    if len(ids) == 1:
        return [Comparison.of_row(reconstruct(ids[0], order))]
    return [
        Comparison.of(each.measurement, refused=each.refused, against=each.why_not)
        for each in reconstruct_many(ids, order)
    ]


def _page(compared: list[Comparison]) -> dict[str, Any]:
    """Return what both pages show: those that drifted, up to a limit, and how many there are of each kind."""
    drifted = [each for each in compared if each.differing]
    alone = compared[0] if len(compared) == 1 else None
    return {
        "ids": [each.balance_id for each in compared],
        "alone": alone,
        "shown": drifted[:SHOWN],
        "drifted": len(drifted),
        "not_shown": len(drifted[SHOWN:]),
        "agreeing": len(compared) - len(drifted),
        "empty": sum(each.is_empty for each in drifted),
        "incomplete": any(each.against for each in drifted),
        "precision": known_precision(last_transactions(alone.balance_id)) if alone else None,
        "beside": BESIDE if beside.is_beside() and may(Mode.REPAIR) else "",
    }


def _render(model_admin: Any, request: HttpRequest, template: str, page: dict[str, Any]) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    context = model_admin.admin_site.each_context(request) | page
    context |= {
        "opts": model_admin.model._meta,
        "media": model_admin.media,
        "action_checkbox_name": ACTION_CHECKBOX_NAME,
        "way_back": _way_back(page["ids"]),
    }
    return TemplateResponse(request, template, context)


def _report(model_admin: Any, request: HttpRequest, done: list[Comparison]) -> None:
    """Say what was done, with counts."""
    refused = sum(each.refused for each in done)
    corrected = sum(bool(each.differing) and not each.refused for each in done)
    agreeing = len(done) - corrected - refused
    if corrected:
        text = f"Corrected {balances(corrected)} from the transactions."
        model_admin.message_user(request, text, messages.SUCCESS)
    if agreeing:
        text = f"{balances(agreeing).capitalize()} agreed with the transactions: nothing to correct."
        model_admin.message_user(request, text, messages.INFO)
    if refused:
        why = "; ".join(f"{each.name}: {each.against}" for each in [each for each in done if each.refused][:NAMED])
        text = f"{balances(refused).capitalize()} left unchanged. {why}."
        model_admin.message_user(request, text, messages.WARNING)


def _way_back(ids: list[str]) -> str:
    """Return to the page of the one balance, or to the list."""
    if len(ids) == 1:
        return reverse("admin:balances_balance_change", args=ids)
    return reverse("admin:balances_balance_changelist")
