"""Money moved by hand: asked for with a preview, decided by a second person where the policy asks, and listed."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.crypto import constant_time_compare
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice.instruction_forms import InstructionForm, PartForm, PaymentForm
from balances.backoffice.pages import DaysFilter, LedgerModelAdmin, allowed, column, display, link, moment, url_of
from balances.books import Preview
from balances.ground import LedgerError, client_address, dumps, why_not_approving
from balances.instructing import (
    Amount,
    Person,
    approve,
    ask,
    go_on,
    order_of,
    preview,
    reject,
    request_of,
    require_within_bounds,
    why_second_person,
    withdraw,
)
from balances.keys import is_same_person
from balances.models import Instruction, Transaction
from balances.templatetags.money import listed

State = Instruction.State
COLOURS = {
    State.WAITING: "warning",
    State.STARTED: "info",
    State.DONE: "success",
    State.REFUSED: "danger",
    State.REJECTED: "danger",
}
PARTS = ("commit", "void", "refund")
TITLES = {"commit": "Commit a hold", "void": "Void a hold", "refund": "Refund a transaction"}


@admin.register(Instruction)
class InstructionAdmin(LedgerModelAdmin):
    """Instructions: who asked for what, who decided, and what came of it."""

    filled_by = "A payment, commit, void or refund by hand leaves a row here."

    change_form_template = "admin/instructions/instruction_change_form.html"
    list_display = ("asked", "kind_label", "state_label", "amount", "who", "why", "decided")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter), ("asked_at", DaysFilter))
    search_fields = ("instruction_id",)
    search_help_text = "Whole id of an instruction or of a transaction, or the name of a person"
    sortable_by = ("asked",)
    ordering = ("-asked_at", "-instruction_id")
    fields = (
        ("kind_label", "state_in_words"),
        ("amount", "subject_page"),
        ("asked", "who"),
        "reason",
        "second_person_note",
        ("decided", "decider"),
        "note_shown",
        "result_page",
        "asked_for",
        "instruction_id",
    )

    has_add_permission = allowed("instructions.move_money")
    has_approve_permission = allowed("instructions.approve_instruction")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by whole ids, or by who asked."""
        if term.startswith("ins_"):
            return queryset.filter(pk=term)
        return queryset.filter(subject=term) if term.startswith("txn_") else queryset.filter(asked_by=term)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (
            super().has_view_permission(request, obj)
            or request.user.has_perm("instructions.move_money")
            or request.user.has_perm("instructions.approve_instruction")
        )

    def get_urls(self) -> list[Any]:
        """Add the pages of commits, voids and refunds, and the routes of the buttons."""
        part = self.admin_site.admin_view(self.part_view)
        press, name = self.admin_site.admin_view(self._press), "instructions_instruction"
        buttons = [
            path(f"<str:instruction_id>/{each}/", press, {"name": each}, f"{name}_{each}")
            for each in ("approve", "reject", "withdraw", "go-on")
        ]
        pages = [path("<str:kind>/of/<str:transaction_id>/", part, name="instructions_instruction_part")]
        return [*pages, *buttons, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for a payment or a hold."""
        self._require(request)
        return self._asked(request, PaymentForm(request.POST or None), "Move money by hand")

    def part_view(self, request: HttpRequest, kind: str, transaction_id: str) -> HttpResponse:
        """Ask for a commit, a void or a refund of a transaction."""
        self._require(request)
        row = Transaction.objects.filter(pk=transaction_id).first()
        if kind not in PARTS or row is None:
            raise Http404("There is no such transaction.")
        return self._asked(request, PartForm(request.POST or None, kind=kind, row=row), TITLES[kind], row)

    def _require(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    def _asked(
        self, request: HttpRequest, form: PaymentForm | PartForm, title: str, row: Transaction | None = None
    ) -> HttpResponse:
        """Show the form, then what it would do, and do it once that was seen and confirmed."""
        seen: Preview | None = None
        if form.is_valid():
            try:
                looked = preview(form.order(), form.cleaned_data["instruction_id"])
                require_within_bounds(looked.currency, looked.units or 0)
                seen = looked
            except LedgerError as error:
                form.add_error(None, error.message)
        fingerprint = _fingerprint(form) if seen is not None else ""
        confirmed = bool(fingerprint) and constant_time_compare(request.POST.get("confirmed", ""), fingerprint)
        if seen is not None and seen.would_apply and confirmed:
            return self._done(request, form, seen)
        request.current_app = self.admin_site.name
        second_person = ""
        if seen is not None:
            second_person = why_second_person(seen.currency, seen.units or 0, request.user.get_username())
        context = self.admin_site.each_context(request) | {
            "opts": self.model._meta,
            "title": title,
            "form": form,
            "fields": [field for field in form if not field.is_hidden],
            "row": row,
            "seen": seen,
            "fingerprint": fingerprint,
            "second_person": second_person,
        }
        return TemplateResponse(request, "admin/instructions/instruction_new.html", context)

    def _done(self, request: HttpRequest, form: InstructionForm, seen: Preview) -> HttpResponse:
        amount = Amount(units=seen.units or 0, currency=seen.currency, precision=seen.precision or 1)
        instruction = ask(
            form.cleaned_data["instruction_id"],
            form.order(),  # type: ignore[attr-defined]  # each of the two has one
            amount=amount,
            reason=form.cleaned_data["reason"],
            by=_person(request),
        )
        self._say(request, instruction)
        return HttpResponseRedirect(url_of(instruction))

    def _say(self, request: HttpRequest, instruction: Instruction) -> None:
        words = {
            State.DONE: ("Done.", messages.SUCCESS),
            State.WAITING: (f"Nothing was moved yet. {instruction.second_person}", messages.INFO),
            State.REFUSED: (f"Nothing was moved. {instruction.note}", messages.ERROR),
        }
        text, level = words.get(State(instruction.state), (f"{instruction.get_state_display()}.", messages.INFO))
        self.message_user(request, text, level)

    def _press(self, request: HttpRequest, instruction_id: str, name: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        may = self.has_approve_permission if name in ("approve", "reject") else self.has_add_permission
        if not may(request):
            raise PermissionDenied
        note, by = request.POST.get("note", "").replace("\0", "")[:500], _person(request)
        try:
            match name:
                case "approve":
                    instruction = approve(instruction_id, note=note, by=by)
                case "reject":
                    instruction = reject(instruction_id, note=note, by=by)
                case "withdraw":
                    instruction = withdraw(instruction_id, by=by)
                case _:
                    instruction = go_on(instruction_id, by=by)
        except LedgerError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self._say(request, instruction)
        found = Instruction.objects.filter(pk=instruction_id).first()
        return HttpResponseRedirect(url_of(found) if found else "../../")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add what can be decided by this person, and what it would do now."""
        instruction: Instruction = context["original"]
        is_own = is_same_person(request.user.get_username(), instruction.asked_by)
        is_waiting = instruction.state == State.WAITING
        context["may_decide"] = is_waiting and not is_own and self.has_approve_permission(request)
        who, asked_by = request.user.get_username(), instruction.asked_by
        context["why_not_approving"] = why_not_approving(who, asked_by) if context["may_decide"] else ""
        context["may_withdraw"] = is_waiting and is_own and self.has_add_permission(request)
        context["may_go_on"] = instruction.state == State.STARTED and self.has_add_permission(request)
        if is_waiting:
            try:
                context["seen"] = preview(order_of(instruction), instruction.pk)
            except LedgerError as error:
                context["seen_error"] = error.message
        return super().render_change_form(request, context, *args, **options)

    asked = moment("asked_at", "Asked (UTC)", ordering="asked_at")
    decided = moment("decided_at", "Decided (UTC)")
    who = column("By", lambda each: each.asked_by)
    why = column("Reason", lambda each: each.reason)
    decider = column("Decided by", lambda each: each.decided_by or "–")
    kind_label = column("Kind", lambda each: each.get_kind_display())
    state_in_words = column("State", lambda each: each.get_state_display())
    state_label = column("State", lambda each: (each.state, each.get_state_display()), label=COLOURS)
    second_person_note = column("Second person", lambda each: each.second_person or "Not needed.")
    note_shown = column("Note", lambda each: each.note or "–")
    asked_for = column("Asked for", lambda each: dumps(each.request))

    @display(description="Amount")
    def amount(self, instruction: Instruction) -> SafeString:
        return listed(instruction.units, instruction.precision, instruction.currency)

    @display(description="Of transaction")
    def subject_page(self, instruction: Instruction) -> SafeString | str:
        return _row(instruction.subject)

    @display(description="Transaction")
    def result_page(self, instruction: Instruction) -> SafeString | str:
        return _row(instruction.result)


def _row(transaction_id: str) -> SafeString | str:
    row = Transaction.objects.filter(pk=transaction_id).first() if transaction_id else None
    return link(row) if row else transaction_id or "–"


def _fingerprint(form: PaymentForm | PartForm) -> str:
    """Return what stands for an order as it was previewed, so that nothing else can be confirmed."""
    return sha256(dumps([form.cleaned_data["instruction_id"], request_of(form.order())]).encode()).hexdigest()


def _person(request: HttpRequest) -> Person:
    return Person(request.user.get_username(), client_address(request))
