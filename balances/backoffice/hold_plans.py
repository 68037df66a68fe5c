"""Open holds by age and date, and plans that commit or void many of them at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.crypto import constant_time_compare
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import searching
from balances.backoffice.hold_plan_forms import HoldPlanForm
from balances.backoffice.lists import ShortPaginator
from balances.backoffice.pages import (
    CurrencyFilter,
    DaysFilter,
    LedgerModelAdmin,
    action,
    allowed,
    column,
    link,
    moment,
    url_of,
)
from balances.ground import LedgerError, client_address, why_not_approving
from balances.instructing import (
    MOST_HOLDS,
    Outlook,
    Person,
    approve_plan,
    ask_plan,
    look,
    reject_plan,
    withdraw_plan,
)
from balances.keys import is_same_person
from balances.models import HoldPlan, OpenHold, PlannedHold, new_hold_plan_id, now
from balances.templatetags.money import listed

State = HoldPlan.State
COLOURS = {State.WAITING: "warning", State.STARTED: "info", State.DONE: "success", State.REJECTED: "danger"}
AGES = (1, 7, 30, 90)
"""Days, by which the list of holds can be narrowed to those that are at least as old."""
SHOWN = 100
"""Holds that a page lists at a time."""


class AgeFilter(admin.SimpleListFilter):
    """Narrows the list to holds of an age."""

    title = "age"
    parameter_name = "older_than"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer days."""
        return [(str(each), f"{each} {'day' if each == 1 else 'days'} or older") for each in AGES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Compare the instant, so that its index can be used."""
        value = self.value() or ""
        days = int(value) if value in map(str, AGES) else 0
        return queryset.filter(created_at__lte=now() - timedelta(days=days)) if days else queryset


@admin.register(OpenHold)
class OpenHoldAdmin(LedgerModelAdmin):
    """Holds of which something remains, oldest first."""

    filled_by = "A transaction that is posted with inflight is held until it is committed or voided."

    list_display = ("hold", "from_balance", "to_balance", "remains", "held", "age", "created")
    list_display_links = None
    list_select_related = ("source", "destination")
    list_filter = (AgeFilter, CurrencyFilter, ("created_at", DaysFilter))
    search_fields = ("transaction_id",)
    search_help_text = "Reference, id, amount (1,250.34 or minor units), or id or indicator of a balance"
    sortable_by = ("created",)
    ordering = ("created_at",)
    actions = ("commit_holds", "void_holds")
    paginator = ShortPaginator

    has_settle_permission = allowed("instructions.move_money")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by what has an index."""
        return searching.transactions(queryset, term)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show the page of the transaction, which is the same row, and take no form."""
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:balances_transaction_change", args=[object_id]))

    @action(description="Commit the selected holds", permissions=["settle"])
    def commit_holds(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """Show what committing them would do."""
        return self._plan(request, queryset, HoldPlan.Action.COMMIT)

    @action(description="Void the selected holds", permissions=["settle"])
    def void_holds(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """Show what voiding them would do."""
        return self._plan(request, queryset, HoldPlan.Action.VOID)

    def _plan(self, request: HttpRequest, queryset: Any, chosen: str) -> HttpResponse:
        ids = list(queryset.order_by("created_at").values_list("pk", flat=True)[: MOST_HOLDS + 1])
        page: HoldPlanAdmin = self.admin_site.get_model_admin(HoldPlan)  # type: ignore[assignment]
        initial = {"plan_id": new_hold_plan_id(), "action": chosen, "holds": " ".join(ids)}
        return page.shown(request, HoldPlanForm(initial=initial), chosen, ids)

    hold = column("Reference", lambda row: _page(row.pk, row.reference or row.pk))
    from_balance = column("From", lambda row: row.source and link(row.source, str(row.source)))
    to_balance = column("To", lambda row: row.destination and link(row.destination, str(row.destination)))
    remains = column("Remains", lambda row: listed(row.remaining, row.precision or 1, row.currency or ""))
    held = column("Held at first", lambda row: listed(row.precise_amount, row.precision or 1, row.currency or ""))
    age = column("Age", lambda row: timesince(row.created_at, depth=1))
    created = moment("created_at", "Held since (UTC)", ordering="created_at")


@admin.register(HoldPlan)
class HoldPlanAdmin(LedgerModelAdmin):
    """Plans of holds: who asked for what, who decided, and how far it has come."""

    filled_by = "Select holds in the list of open holds, and commit or void them."

    change_form_template = "admin/instructions/hold_plan_change_form.html"
    list_display = ("asked", "what", "state_label", "amounts", "who", "why", "ended")
    list_filter = (("state", ChoicesDropdownFilter), ("action", ChoicesDropdownFilter), ("asked_at", DaysFilter))
    search_fields = ("plan_id",)
    search_help_text = "Whole id of a plan or of a hold, or the name of a person"
    sortable_by = ("asked",)
    ordering = ("-asked_at", "-plan_id")
    fields = (
        ("what", "state_in_words"),
        "amounts",
        ("asked", "who"),
        "reason",
        "second_person_note",
        ("decided", "decider"),
        "note_shown",
        ("ended", "plan_id"),
    )

    has_settle_permission = allowed("instructions.move_money")
    has_approve_permission = allowed("instructions.approve_instruction")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by whole ids, or by who asked."""
        if term.startswith("hpl_"):
            return queryset.filter(pk=term)
        if term.startswith("txn_"):
            return queryset.filter(pk__in=PlannedHold.objects.filter(transaction_id=term).values("plan_id"))
        return queryset.filter(asked_by=term)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or any(
            request.user.has_perm(f"instructions.{each}") for each in ("move_money", "approve_instruction")
        )

    def get_urls(self) -> list[Any]:
        """Add the page that asks, and the routes of the buttons."""
        view, name = self.admin_site.admin_view, "instructions_holdplan"
        press = view(self._press)
        buttons = [
            path(f"<str:plan_id>/{each}/", press, {"name": each}, f"{name}_{each}")
            for each in ("approve", "reject", "withdraw")
        ]
        return [path("ask/", view(self.ask_view), name=f"{name}_ask"), *buttons, *super().get_urls()]

    def ask_view(self, request: HttpRequest) -> HttpResponse:
        """Preview what was asked for again with its reason, or keep the plan where exactly that was seen before."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_settle_permission(request):
            raise PermissionDenied
        form = HoldPlanForm(request.POST)
        is_valid = form.is_valid()
        ids, chosen = form.cleaned_data.get("holds"), form.cleaned_data.get("action")
        if not ids or not chosen:
            raise BadRequest("No hold was chosen.")
        return self.shown(request, form, chosen, ids, is_confirmed=is_valid)

    def shown(
        self, request: HttpRequest, form: HoldPlanForm, chosen: str, ids: list[str], *, is_confirmed: bool = False
    ) -> HttpResponse:
        """Show what a plan would do, or keep it once that was seen and confirmed with a reason."""
        if not self.has_settle_permission(request):
            raise PermissionDenied
        try:
            outlook = look(chosen, ids)
            plan_id = form["plan_id"].value()
            fingerprint = outlook.fingerprint(plan_id)
            seen = request.POST.get("confirmed", "")
            if is_confirmed and outlook.fit and constant_time_compare(seen, fingerprint):
                plan = ask_plan(plan_id, outlook, reason=form.cleaned_data["reason"], by=_person(request))
                self._say(request, plan)
                return HttpResponseRedirect(url_of(plan))
        except LedgerError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:instructions_openhold_changelist"))
        if seen and is_confirmed:
            said = "The holds have changed since you looked. This is what it would do now."
            self.message_user(request, said, messages.WARNING)
        return self._asked(request, form, outlook, fingerprint)

    def _asked(self, request: HttpRequest, form: HoldPlanForm, outlook: Outlook, fingerprint: str) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = self.admin_site.each_context(request) | {
            "opts": self.model._meta,
            "title": f"{HoldPlan.Action(outlook.action).label} holds",
            "form": form,
            "fields": [field for field in form if not field.is_hidden],
            "verb": HoldPlan.Action(outlook.action).label,
            "chosen": len(outlook.lines),
            "fit": len(outlook.fit),
            "amounts": _amounts(outlook.totals),
            "lines": [(each, listed(each.units, each.precision, each.currency)) for each in outlook.fit[:SHOWN]],
            "more_lines": len(outlook.fit[SHOWN:]),
            "refused": outlook.refused[:SHOWN],
            "refused_count": len(outlook.refused),
            "second_person": outlook.second_person(request.user.get_username()),
            "fingerprint": fingerprint,
        }
        return TemplateResponse(request, "admin/instructions/hold_plan_new.html", context)

    def _say(self, request: HttpRequest, plan: HoldPlan) -> None:
        words = {
            State.STARTED: "Started: a worker settles the holds in batches. Load this page again to see how far it is.",
            State.WAITING: f"Nothing was settled yet. {plan.second_person}",
        }
        self.message_user(request, words.get(State(plan.state), f"{plan.get_state_display()}."), messages.INFO)

    def _press(self, request: HttpRequest, plan_id: str, name: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        may = self.has_settle_permission if name == "withdraw" else self.has_approve_permission
        if not may(request):
            raise PermissionDenied
        note, by = request.POST.get("note", "").replace("\0", "")[:500], _person(request)
        try:
            match name:
                case "approve":
                    plan = approve_plan(plan_id, note=note, by=by)
                case "reject":
                    plan = reject_plan(plan_id, note=note, by=by)
                case _:
                    plan = withdraw_plan(plan_id, by=by)
        except LedgerError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self._say(request, plan)
        found = HoldPlan.objects.filter(pk=plan_id).first()
        return HttpResponseRedirect(url_of(found) if found else "../../")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add how far it has come, hold by hold, and what this person can decide."""
        plan: HoldPlan = context["original"]
        is_own = is_same_person(request.user.get_username(), plan.asked_by)
        is_waiting = plan.state == State.WAITING
        counts = dict(plan.lines.order_by().values_list("state").annotate(Count("pk")))
        pages = Paginator(plan.lines.order_by("planned_hold_id"), SHOWN)
        page = pages.get_page(request.GET.get("page"))
        may_decide = is_waiting and not is_own and self.has_approve_permission(request)
        context |= {
            "may_decide": may_decide,
            "why_not_approving": why_not_approving(request.user.get_username(), plan.asked_by) if may_decide else "",
            "may_withdraw": is_waiting and is_own and self.has_settle_permission(request),
            "counts": [(label, counts.get(state, 0)) for state, label in PlannedHold.State.choices if state in counts],
            "is_running": plan.state == State.STARTED,
            "settled": plan.holds - counts.get(PlannedHold.State.WAITING, 0),
            "refused": plan.lines.filter(state=PlannedHold.State.REFUSED)[:SHOWN],
            "lines": [(each, listed(each.units, each.precision, each.currency)) for each in page],
            "page": page,
        }
        return super().render_change_form(request, context, *args, **options)

    asked = moment("asked_at", "Asked (UTC)", ordering="asked_at")
    decided = moment("decided_at", "Decided (UTC)")
    ended = moment("ended_at", "Ended (UTC)")
    what = column("Plan", str)
    who = column("By", lambda each: each.asked_by)
    why = column("Reason", lambda each: each.reason)
    decider = column("Decided by", lambda each: each.decided_by or "–")
    state_in_words = column("State", lambda each: each.get_state_display())
    state_label = column("State", lambda each: (each.state, each.get_state_display()), label=COLOURS)
    second_person_note = column("Second person", lambda each: each.second_person or "Not needed.")
    note_shown = column("Note", lambda each: each.note or "–")
    amounts = column("Amounts", lambda each: _amounts(each.totals))


def _amounts(totals: list[dict[str, Any]]) -> SafeString | str:
    """Return the amounts of a plan for people, one a currency."""
    shown = [listed(int(each["units"]), each["precision"], each["currency"]) for each in totals]
    return format_html(", ".join("{}" for _ in shown), *shown) if shown else "–"


def _page(transaction_id: str, text: str) -> SafeString:
    return format_html(
        '<a class="text-link" href="{}">{}</a>',
        reverse("admin:balances_transaction_change", args=[transaction_id]),
        text,
    )


def _person(request: HttpRequest) -> Person:
    return Person(request.user.get_username(), client_address(request))
