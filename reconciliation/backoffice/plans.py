"""Plans in the back-office: what would be corrected, who decided, how it ended for each balance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter, TextFilter

from balances.backoffice import DaysFilter, EstimatingPaginator, LedgerModelAdmin, column, display, moment
from balances.ground import Mode, require_mode, why_not_approving
from balances.ground import may as within_mode
from reconciliation.backoffice.buttons import button_route, press
from reconciliation.backoffice.columns import (
    BESIDES,
    InMajorUnits,
    by_currency,
    certainty_of,
    in_currencies,
    row_link,
    short,
    title_of,
)
from reconciliation.backoffice.work import Worked
from reconciliation.correcting import (
    NEEDED,
    apply_in_background,
    approve,
    cancel,
    outcomes,
    reject,
    why_not_second,
)
from reconciliation.measuring import SIDES
from reconciliation.models import Finding, Origin, Plan, PlanItem, Step, Subject
from reconciliation.records import Comparison

SHOWN_ITEMS = 20
"""Balances on one page of a plan."""
SHOWN_STEPS = 200
"""Steps on the page of a plan; refused attempts leave some as well."""
SHOWN_CURRENCIES = 50
WAITING = "waiting"
SETTING = re.compile(r" \(LEDGER_\w+\)")
"""The name of a setting, which texts of policies had before 0.3."""
State = Plan.State
TONES = {
    State.PROPOSED: "not-proved",
    State.APPROVED: "unfinished",
    State.REJECTED: "findings",
    State.APPLYING: "unfinished",
    State.APPLIED: "healthy",
    State.CANCELLED: "findings",
}
"""The colours of a sweep's verdict, for the states of a plan."""
STATE_COLOURS = {
    State.PROPOSED: "warning",
    State.APPROVED: "info",
    State.REJECTED: "danger",
    State.APPLYING: "info",
    State.APPLIED: "success",
    State.CANCELLED: "danger",
}


class ActorFilter(TextFilter):  # type: ignore[misc]  # unfold has no type hints
    """Narrows a list to what one person, key or program did."""

    title = "who"
    parameter_name = "actor"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Compare whole names, as the rows have them."""
        wanted = (self.value() or "").strip()
        return queryset.filter(actor=wanted) if wanted else queryset


@admin.register(Plan)
class PlanAdmin(Worked, InMajorUnits, LedgerModelAdmin):
    """Plans are approved, rejected, applied and cancelled here; the background worker applies them."""

    work_on = Subject.PLAN
    filled_by = "Propose a plan from a finding, an incident, a sweep, or a balance that is wrong."

    change_form_template = "admin/reconciliation/plan_change_form.html"
    list_display = (
        "requested",
        "state_label",
        "balances",
        "amounts",
        "who",
        "decided",
        "why",
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("undoing", BooleanRadioFilter),
        ActorFilter,
        ("requested_at", DaysFilter),
    )
    search_fields = ("plan_id",)
    search_help_text = "Id of a plan, ticket, or who asked"
    sortable_by = ("requested",)
    ordering = ("-requested_at", "-plan_id")
    fieldsets = (
        (
            "Plan",
            {
                "fields": (
                    ("kind", "state"),
                    ("who", "origin"),
                    ("requested", "ticket"),
                    "reason",
                    "policy_in_words",
                    ("decided", "decided_on"),
                    ("started", "finished"),
                    ("from_sweep", "from_incident"),
                    ("balances", "amounts"),
                    ("snapshots", "monitors"),
                    ("allow_incomplete", "plan_id"),
                    "fingerprint",
                )
            },
        ),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by the beginning of an id, or by a whole ticket or name of who asked."""
        if term.startswith("pln_"):
            return queryset.filter(plan_id__startswith=term)
        return queryset.filter(Q(ticket=term, ticket__gt="") | Q(actor=term))

    def get_urls(self) -> list[Any]:
        routes = {"approve": self._approve, "reject": self._reject, "apply": self._apply, "cancel": self._cancel}
        return [*(button_route(self, name, view) for name, view in routes.items()), *super().get_urls()]

    def _approve(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        _require(request, "approve_plan")
        who = _who(request)
        return press(self, request, plan_id, lambda note: approve(plan_id, *who, note), "The plan is approved.")

    def _reject(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        _require(request, "approve_plan")
        who = _who(request)
        return press(self, request, plan_id, lambda note: reject(plan_id, *who, note), "The plan is rejected.")

    def _apply(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        _require(request, "apply_plan")
        who = _who(request)
        done = "The background worker applies the plan."
        return press(self, request, plan_id, lambda note: apply_in_background(plan_id, *who), done)

    def _cancel(self, request: HttpRequest, plan_id: str) -> HttpResponse:
        own = Plan.objects.filter(pk=plan_id, actor=request.user.get_username())
        if not own.exists():
            _require(request, "approve_plan")
        who = _who(request)
        return press(self, request, plan_id, lambda note: cancel(plan_id, *who, note), "The plan is cancelled.")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add the decisions that this user may take now, the items, the trial balance and the steps."""
        plan = context["original"]
        changed = _changed_currencies(plan)
        known = plan.precisions
        context |= _buttons(request, plan) | _items(request, plan, known)
        context |= {
            "amount": in_currencies(plan.drift, known),
            "policy": SETTING.sub("", plan.policy),
            "tone": TONES[plan.state],
            "unbalancing": plan.undoing and _unbalances(plan),
            "trial_balance": changed[:SHOWN_CURRENCIES],
            "more_currencies": len(changed[SHOWN_CURRENCIES:]),
            "sides": [side.replace("_", " ") for side in SIDES],
            "steps": Step.objects.filter(plan_id=plan.pk)[:SHOWN_STEPS],
            "precision": None,
            "reloads": plan.state == State.APPLYING,
        }
        return super().render_change_form(request, context, *args, **options)

    requested = moment("requested_at", "Requested (UTC)", ordering="requested_at")
    state_label = column("State", lambda plan: (plan.state, plan.get_state_display()), label=STATE_COLOURS)
    kind = column("What", lambda plan: "Takes back" if plan.undoing else "Corrects")
    amounts = column("Drift", lambda plan: by_currency(plan, plan.drift))
    who = column("Who", lambda plan: plan.actor)

    @display(description="Decided by")
    def decided(self, plan: Plan) -> SafeString:
        """Show who decided, and below it why a second person is needed."""
        by = plan.decided_by or ("the policy" if plan.decided_at else "–")
        why = (
            short(SETTING.sub("", plan.policy.removeprefix(NEEDED))) if plan.needs_approval else "one person is enough"
        )
        return format_html("{}{}", by, format_html(BESIDES, why, ""))

    @display(description="Reason")
    def why(self, plan: Plan) -> str:
        words = (self.kind(plan) if plan.undoing else "", plan.ticket, plan.reason)
        return short(": ".join(word for word in words if word))

    policy_in_words = column("Policy", lambda plan: SETTING.sub("", plan.policy))
    decided_on = moment("decided_at", "Decided (UTC)")
    started = moment("started_at", "Applying started (UTC)")
    finished = moment("finished_at", "Applying finished (UTC)")
    from_sweep = column("Sweep", lambda plan: row_link("sweep", plan.sweep_id))
    from_incident = column("Incident", lambda plan: row_link("incident", plan.incident_id))


def _who(request: HttpRequest) -> tuple[str, Origin]:
    return request.user.get_username(), Origin.ADMIN


def _require(request: HttpRequest, codename: str) -> None:
    if not request.user.has_perm(f"reconciliation.{codename}"):
        raise PermissionDenied
    if codename == "apply_plan":
        require_mode(Mode.REPAIR)


def _buttons(request: HttpRequest, plan: Plan) -> dict[str, Any]:
    """Return what this user may do with the plan in its current state; the services check again."""
    may: Callable[[str], bool] = lambda codename: request.user.has_perm(f"reconciliation.{codename}")  # noqa: E731
    mine = request.user.get_username() == plan.actor
    waits = plan.state == State.PROPOSED
    could = waits and may("approve_plan") and not why_not_second(request.user.get_username(), plan.actor)
    refusal = why_not_approving(request.user.get_username(), plan.actor) if could else ""
    return {
        "may_approve": could and not refusal,
        "why_not_approving": refusal,
        "may_reject": waits and may("approve_plan"),
        "may_apply": plan.state == State.APPROVED and may("apply_plan") and within_mode(Mode.REPAIR),
        "may_cancel": plan.state in (State.PROPOSED, State.APPROVED) and (mine or may("approve_plan")),
        "waits_for_another": waits and mine and plan.needs_approval,
    }


def _items(request: HttpRequest, plan: Plan, known: Mapping[str, int | None]) -> dict[str, Any]:
    """Return one page of the items, of one outcome where one is chosen, and the number of items by outcome."""
    counted = outcomes(plan)
    wanted = request.GET.get("outcome", "")
    rows = plan.items.order_by("balance_id", "undoes")
    if wanted in counted:
        rows = rows.filter(outcome=None if wanted == WAITING else wanted)
    page = EstimatingPaginator(rows, SHOWN_ITEMS).get_page(request.GET.get("page"))
    return {
        "outcomes": [
            {"name": name, "title": _outcome(name), "count": count, "active": name == wanted}
            for name, count in counted.items()
            if count
        ],
        "outcome": wanted if wanted in counted else "",
        "items": list(_shown(list(page), known)),
        "page": page,
    }


def _shown(items: list[PlanItem], known: Mapping[str, int | None]) -> Iterator[dict[str, Any]]:
    """Yield each item with before and after, and the finding that gives the cause where it saw the same drift."""
    newest = Finding.objects.filter(balance_id__in=[item.balance_id for item in items], drifted=True)
    found = {each.balance_id: each for each in newest.order_by("balance_id", "-found_at").distinct("balance_id")}
    for item in items:
        finding = found.get(item.balance_id)
        same = finding is not None and not item.undoes and finding.difference == item.difference
        yield {
            "item": item,
            "each": Comparison.of_row(item),
            "precision": known.get(item.currency),
            "ended": _outcome(item.outcome or WAITING),
            "finding": finding if same else None,
            "cause": title_of(finding.cause) if same and finding else "",
            "certainty": certainty_of(finding) if same and finding else "",
        }


def _unbalances(plan: Plan) -> bool:
    """Return whether the sides of a currency are equal before the plan and differ after it."""
    before, after = (plan.trial_balance.get(when, {}) for when in ("before", "after"))
    return any(before[name]["agrees"] and not sums["agrees"] for name, sums in after.items() if name in before)


def _outcome(name: str) -> str:
    return "Not applied yet" if name == WAITING else str(PlanItem.Outcome(name).label)


def _changed_currencies(plan: Plan) -> list[dict[str, Any]]:
    """Return the currencies whose sums the plan changes, each with before and after of the four sides."""
    before, after = plan.trial_balance.get("before", {}), plan.trial_balance.get("after", {})
    return [
        {
            "currency": currency,
            "before": [before[currency][side] for side in SIDES],
            "after": [sums[side] for side in SIDES],
            "agreed": before[currency]["agrees"],
            "agrees": sums["agrees"],
        }
        for currency, sums in sorted(after.items())
        if currency in before and before[currency] != sums
    ]
