"""Work on balances, transactions, incidents and plans: the part of their pages, the board, and all notes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget

from balances.backoffice import DaysFilter, LedgerModelAdmin, column, moment
from balances.ground import LedgerError
from balances.models import now
from reconciliation.backoffice.buttons import button_route
from reconciliation.backoffice.casework import OFFERED_PEOPLE, SHOWN_NOTES, DayInput, TextForm, work_states
from reconciliation.casework import (
    TABLES,
    Case,
    board,
    case_of,
    kinds_seen_by,
    move,
    notes_about,
    say,
    unfinished,
    view_permission,
    who_may_look,
)
from reconciliation.models import Assignment, Note

MAY = "reconciliation.assign_finding"
MINE, OVERDUE, FINISHED = "me", "overdue", "all"


class CaseForm(forms.Form):
    """Who works on it, how far it is, and until when."""

    assignee = forms.ChoiceField(label="Assigned to", required=False, widget=UnfoldAdminSelectWidget)
    state = forms.ChoiceField(label="State", required=False, widget=UnfoldAdminSelectWidget)
    due_on = forms.DateField(label="Due", required=False, widget=DayInput)

    def __init__(self, *args: Any, kind: str, **options: Any) -> None:
        """Offer those who may see such a subject, and the states of the house."""
        super().__init__(*args, **options)
        names = who_may_look(OFFERED_PEOPLE, view_permission(kind))
        self.fields["assignee"].choices = [("", "no one"), *((each, each) for each in names)]  # type: ignore[attr-defined]
        self.fields["state"].choices = work_states()  # type: ignore[attr-defined]


class Worked:
    """A page whose subject staff assign, move and write notes on."""

    change_form_outer_after_template = "admin/reconciliation/work.html"
    work_on: str
    """The kind of subject."""

    def get_urls(self) -> list[Any]:
        """Add the routes of both buttons."""
        routes = {"work": self._move, "say": self._say_of}
        own = [button_route(self, name, view) for name, view in routes.items()]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add how work on it stands, and what was said."""
        subject, case = context.get("original"), None
        if subject is not None:
            case = case_of(self.work_on, subject.pk)
            context["work"] = {
                "case": case,
                "notes": notes_about(self.work_on, subject.pk)[:SHOWN_NOTES],
                "form": CaseForm(kind=self.work_on, initial=vars(case)) if request.user.has_perm(MAY) else None,
                "note_form": TextForm() if request.user.has_perm(MAY) else None,
                "move_url": self._route("work", subject.pk),
                "say_url": self._route("say", subject.pk),
            }
        answer: HttpResponse = super().render_change_form(request, context, *args, **options)  # type: ignore[misc]
        return answer

    def _route(self, name: str, key: str) -> str:
        meta = self.model._meta  # type: ignore[attr-defined]
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_{name}", args=[key])

    def _move(self, request: HttpRequest, key: str) -> HttpResponse:
        form = CaseForm(request.POST, kind=self.work_on)
        return self._do(request, key, form, lambda given: move(self.work_on, key, _who(request), Case(**given)))

    def _say_of(self, request: HttpRequest, key: str) -> HttpResponse:
        form = TextForm(request.POST)
        return self._do(request, key, form, lambda given: say(self.work_on, key, _who(request), given["text"]))

    def _do(self, request: HttpRequest, key: str, form: forms.Form, do: Any) -> HttpResponse:
        """Do it, or say what is wrong with the form, and return to the page."""
        if not request.user.has_perm(MAY):
            raise PermissionDenied
        wrong = ""
        if form.is_valid():
            try:
                do(form.cleaned_data)
            except LedgerError as error:
                wrong = error.message
        else:
            name, errors = next(iter(form.errors.items()))
            wrong = f"{form.fields[name].label if name in form.fields else name}: {errors[0]}"
        if wrong:
            messages.error(request, f"Nothing was done. {wrong}")
        return HttpResponseRedirect(f"{self._route('change', key)}#work")


def _who(request: HttpRequest) -> str:
    return request.user.get_username()


class WhoseFilter(DropdownFilter):  # type: ignore[misc]  # unfold has no type hints
    """Work by who does it."""

    title = "assigned to"
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(MINE, "Me"), ("none", "No one")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        whose = {MINE: _who(request), "none": ""}
        return queryset.filter(assignee=whose[self.value()]) if self.value() in whose else queryset


class WorkStateFilter(DropdownFilter):  # type: ignore[misc]
    """Work by its state; what is not finished, unless a state is chosen."""

    title = "state"
    parameter_name = "state"
    all_option = ["", "Not finished"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((each, each) for each in settings.LEDGER_WORK_STATES), (FINISHED, "All")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() in settings.LEDGER_WORK_STATES:
            return queryset.filter(state=self.value())
        return queryset if self.value() == FINISHED else unfinished(queryset)


class WorkDueFilter(DropdownFilter):  # type: ignore[misc]
    """Work that should have been done."""

    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(OVERDUE, "Overdue")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(due_on__lt=now().date()) if self.value() == OVERDUE else queryset


class AboutSubjects(LedgerModelAdmin):
    """Rows about subjects, of those kinds only that the user may see; each leads to the page of its subject."""

    needs = None
    list_display_links = None
    sortable_by = ()

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the whole id of a subject, or by the name of a person."""
        return queryset.filter(object_id=term) | queryset.filter(actor=term)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show the page of the subject, and take no form."""
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=object_id).first()
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return HttpResponseRedirect(_url(row))

    def history_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Ask for permission before the row is looked for, which those who may not see its subject do not find."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        answer: HttpResponse = super().history_view(request, object_id, *args, **options)
        return answer

    subject = column("Subject", lambda row: subject_link(row))
    who = column("By", lambda row: row.actor)


@admin.register(Assignment)
class WorkAdmin(AboutSubjects):
    """The board: how work on each subject stands."""

    filled_by = "Assign a balance, a transaction, a finding, an incident or a plan on its page."
    list_display = ("subject", "state_label", "looks", "due", "who", "since")
    list_filter = (WorkStateFilter, WhoseFilter, WorkDueFilter, ("assigned_at", DaysFilter))
    search_fields = ("object_id",)
    search_help_text = "Whole id of a subject, or the name of who assigned it"
    ordering = ("due_on", "-assigned_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave the newest of each subject."""
        return board(kinds_seen_by(request.user)).order_by(*self.ordering)

    state_label = column("State", lambda row: row.state or "–")
    looks = column("Assigned to", lambda row: row.assignee or "no one")
    due = column("Due", lambda row: row.due_on or "–")
    since = moment("assigned_at", "Since (UTC)")


@admin.register(Note)
class NoteAdmin(AboutSubjects):
    """All notes, which can be had as a file as evidence."""

    filled_by = "Write a note on the page of a balance, a transaction, a finding, an incident or a plan."
    list_display = ("subject", "who", "written", "said")
    list_filter = (("written_at", DaysFilter),)
    search_fields = ("object_id",)
    search_help_text = "Whole id of a subject, or the name of who wrote"
    ordering = ("-written_at", "-note_id")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave those on subjects that the user may see."""
        return super().get_queryset(request).filter(kind__in=kinds_seen_by(request.user))

    written = moment("written_at", "Written (UTC)")
    said = column("Note", lambda row: row.text)


def _url(row: Any) -> str:
    meta = TABLES[row.kind]._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.object_id])


def subject_link(row: Any) -> SafeString:
    """Return a link to what an assignment or a note is about."""
    return format_html('<a class="text-link" href="{}">{} {}</a>', _url(row), row.get_kind_display(), row.object_id)
