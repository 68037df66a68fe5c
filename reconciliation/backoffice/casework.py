"""What people do on the page of a finding besides planning: accept it, have somebody look at it, write a note."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from balances.ground import why_not_approving
from reconciliation.backoffice.buttons import button_route, press
from reconciliation.casework import (
    LONGEST_NOTE,
    accept,
    acceptances,
    assign,
    notes_on,
    who_may_look,
    withdraw,
    write_note,
)
from reconciliation.models import Origin
from reconciliation.sweeping import OPEN, State, state_of

SHOWN_NOTES = 50
OFFERED_PEOPLE = 500
"""People whom the form offers."""


class DayInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold has no type hints
    """A day, chosen in the browser's own calendar."""

    input_type = "date"


def work_states() -> list[tuple[str, str]]:
    """Return the states of the house as a form offers them."""
    return [("", "–"), *((each, each) for each in settings.LEDGER_WORK_STATES)]


class AssignForm(forms.Form):
    """Who looks at it, and until when."""

    assignee = forms.ChoiceField(label="Looked at by", required=False, widget=UnfoldAdminSelectWidget)
    state = forms.ChoiceField(label="State", required=False, widget=UnfoldAdminSelectWidget)
    due_on = forms.DateField(label="Due", required=False, widget=DayInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        """Offer those who may see findings."""
        super().__init__(*args, **options)
        offered = [(each, each) for each in who_may_look(OFFERED_PEOPLE)]
        self.fields["assignee"].choices = [("", "no one"), *offered]  # type: ignore[attr-defined]
        self.fields["state"].choices = work_states()  # type: ignore[attr-defined]


class TextForm(forms.Form):
    """A note."""

    text = forms.CharField(
        label="Note",
        max_length=LONGEST_NOTE,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        error_messages={"required": "A note says something."},
    )


def routes(page: Any) -> list[Any]:
    """Return the routes of the buttons, each for those who have its permission."""

    def for_those(permission: str, view: Any) -> Any:
        def checked(request: HttpRequest, finding_id: str) -> HttpResponse:
            if not getattr(page, f"has_{permission}_permission")(request):
                raise PermissionDenied
            return view(page, request, finding_id)  # type: ignore[no-any-return]

        return checked

    views = {
        "accept": ("accept_finding", _accept),
        "withdraw": ("accept_finding", _withdraw),
        "assign": ("assign_finding", _assign),
        "note": ("assign_finding", _note),
    }
    return [button_route(page, name, for_those(*view)) for name, view in views.items()]


def _accept(page: Any, request: HttpRequest, finding_id: str) -> HttpResponse:
    done = "The finding is accepted as it is. The balance still counts as wrong."
    who = (request.user.get_username(), Origin.ADMIN)
    return press(page, request, finding_id, lambda reason: accept(finding_id, *who, reason), done)


def _withdraw(page: Any, request: HttpRequest, finding_id: str) -> HttpResponse:
    who = (request.user.get_username(), Origin.ADMIN)
    done = "The finding is open again."
    return press(page, request, finding_id, lambda reason: withdraw(finding_id, *who, reason), done)


def _assign(page: Any, request: HttpRequest, finding_id: str) -> HttpResponse:
    form = AssignForm(request.POST)
    if not form.is_valid():
        return _back(page, request, finding_id, form)
    given = form.cleaned_data
    assign(finding_id, request.user.get_username(), given["assignee"], given["due_on"], given["state"])
    said = f"{given['assignee']} looks at it now." if given["assignee"] else "No one is assigned now."
    page.message_user(request, said, messages.SUCCESS)
    return _back(page, request, finding_id)


def _note(page: Any, request: HttpRequest, finding_id: str) -> HttpResponse:
    form = TextForm(request.POST)
    if form.is_valid():
        write_note(finding_id, request.user.get_username(), form.cleaned_data["text"])
    return _back(page, request, finding_id, form)


def _back(page: Any, request: HttpRequest, finding_id: str, form: forms.Form | None = None) -> HttpResponse:
    """Return to the finding, and say what is wrong with the form, if anything."""
    for name, errors in (form.errors if form else {}).items():
        label = form.fields[name].label if form and name in form.fields else name
        page.message_user(request, f"Nothing was done. {label}: {errors[0]}", messages.ERROR)
    return HttpResponseRedirect(reverse("admin:reconciliation_finding_change", args=[finding_id]))


def shown(page: Any, request: HttpRequest, finding: Any) -> dict[str, Any]:
    """Return who looks at a finding, what was said and accepted, and what this user may do about it."""
    state = state_of(finding)
    may_assign = page.has_assign_finding_permission(request)
    may_accept = page.has_accept_finding_permission(request)
    could = may_accept and state in OPEN and state not in (State.PLANNED, State.FAULT_OPEN)
    refusal = why_not_approving(request.user.get_username()) if could else ""
    held = {"assignee": finding.assignee or "", "due_on": finding.due_on, "state": finding.work_state or ""}
    return {
        "may_assign": may_assign,
        "assign_form": AssignForm(initial=held) if may_assign else None,
        "is_mine": finding.assignee == request.user.get_username(),
        "note_form": TextForm() if may_assign else None,
        "notes": notes_on(finding.balance_id)[:SHOWN_NOTES],
        "acceptances": acceptances(finding.balance_id)[:SHOWN_NOTES],
        "may_accept": could and not refusal,
        "why_not_approving": refusal,
        "may_withdraw": may_accept and state == State.ACCEPTED,
    }
