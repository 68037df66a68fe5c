"""Sweeps in the back-office: start one, watch it, read what it found and what it did not prove."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from balances.backoffice import DaysFilter, LedgerModelAdmin, allowed, column, display, moment, url_of
from balances.ground import LedgerError, Mode
from reconciliation.backoffice.buttons import button_route, press
from reconciliation.backoffice.columns import BESIDES, duration, short
from reconciliation.backoffice.plan_actions import propose_plan_for_sweep
from reconciliation.backoffice.sweep_form import SweepForm
from reconciliation.measuring import Scope, replica
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping import cancel_sweep, pause_sweep, request_resume, request_sweep, status

SHOWN_CURRENCIES = 50
"""Currencies of the trial balance on a page."""
State = Sweep.State
STATE_COLOURS = {
    State.QUEUED: "info",
    State.RUNNING: "info",
    State.PAUSED: "warning",
    State.FINISHED: "success",
    State.FAILED: "danger",
    State.ERRORED: "danger",
    State.CANCELLED: "warning",
}
VERDICT_COLOURS = {"healthy": "success", "findings": "danger", "not proved": "warning", "unfinished": "info"}
VERDICTS = {
    "healthy": "Healthy: every balance agrees with its transactions, and every check passed.",
    "findings": "Something is wrong.",
    "not proved": "Nothing wrong was found in what was looked at; not everything was proved.",
    "unfinished": "Unfinished: nothing is proved yet.",
}
BUTTONS = {
    "pause": ("Pause", (State.QUEUED, State.RUNNING), pause_sweep, "The sweep pauses after its current chunk."),
    "resume": (
        "Resume",
        (State.PAUSED, State.FAILED, State.ERRORED),
        request_resume,
        "The background worker goes on with the sweep.",
    ),
    "cancel": (
        "Cancel",
        (*Sweep.OPEN, State.FAILED, State.ERRORED),
        cancel_sweep,
        "The sweep was cancelled; what it found stays.",
    ),
}
"""What can be done with a sweep: title, in which states, the service, and what is said afterwards."""


def _measures_on() -> str:
    """Say where sweeps measure, if not on the server of the ledger, and how far that one is behind."""
    try:
        standby = replica()
    except LedgerError as refusal:
        return refusal.message
    return f"Sweeps measure on {standby}." if standby else ""


@admin.register(Sweep)
class SweepAdmin(LedgerModelAdmin):
    """Sweeps are started, paused, resumed and cancelled here; the background worker runs them."""

    filled_by = "Start the first sweep: it measures every balance against its transactions."

    needs, needs_else = None, {"has_propose_plan_permission": Mode.REPAIR}

    change_form_template = "admin/reconciliation/sweep_change_form.html"
    actions = (propose_plan_for_sweep,)
    list_display = (
        "requested",
        "about",
        "state_label",
        "verdict",
        "share",
        "found",
        "who",
    )
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("origin", ChoicesDropdownFilter),
        ("requested_at", DaysFilter),
    )
    search_fields = ("sweep_id",)
    search_help_text = "Whole id of a sweep"
    sortable_by = ("requested",)
    ordering = ("-requested_at", "-sweep_id")
    fieldsets = (
        (
            "Sweep",
            {
                "fields": (
                    ("scope_in_words", "state"),
                    ("who", "origin"),
                    ("requested", "started"),
                    ("finished", "worked_for"),
                    ("alive", "sweep_id"),
                    "reason",
                )
            },
        ),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        return queryset.filter(sweep_id=term)

    has_add_permission = has_run_sweep_permission = allowed("reconciliation.run_sweep")
    has_propose_plan_permission = allowed("reconciliation.propose_plan")

    def get_urls(self) -> list[Any]:

        def route(name: str) -> Any:
            return button_route(self, name, lambda request, sweep_id: self._press(request, sweep_id, name))

        return [*(route(name) for name in BUTTONS), *super().get_urls()]

    def _press(self, request: HttpRequest, sweep_id: str, name: str) -> HttpResponse:
        if not self.has_run_sweep_permission(request):
            raise PermissionDenied
        _, _, service, done = BUTTONS[name]
        return press(self, request, sweep_id, lambda note: service(sweep_id), done)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for a scope and a reason, and have the background worker sweep it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = SweepForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                sweep = request_sweep(actor=request.user.get_username(), origin=Origin.ADMIN, **form.arguments())
            except LedgerError as refusal:
                form.add_error(None, refusal.message)
            else:
                self.message_user(request, "The background worker will run this sweep.", messages.SUCCESS)
                return HttpResponseRedirect(url_of(sweep))
        request.current_app = self.admin_site.name
        context = self.admin_site.each_context(request) | {
            "opts": self.model._meta,
            "media": self.media,
            "title": "New sweep",
            "form": form,
            "measures_on": _measures_on(),
        }
        return TemplateResponse(request, "admin/reconciliation/sweep_new.html", context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add the status of the sweep and the buttons that this user may use now."""
        sweep = context["original"]
        progress = status.progress(sweep)
        left = progress["seconds_left"]
        may_press = self.has_run_sweep_permission(request)
        verdict = status.verdict(sweep)
        context |= {
            "verdict": verdict,
            "verdict_words": _in_words(sweep, verdict),
            "out_of_balance": status.out_of_balance(sweep),
            "proved": status.proved(sweep),
            "unproved": status.unproved(sweep),
            "progress": progress,
            "time_left": None if left is None else duration(timedelta(seconds=left)),
            "checks": status.checks(sweep),
            "trial_balance": sweep.trial_balance[:SHOWN_CURRENCIES],
            "more_currencies": len(sweep.trial_balance[SHOWN_CURRENCIES:]),
            "buttons": [
                {"name": name, "title": title}
                for name, (title, states, _, _) in BUTTONS.items()
                if may_press and sweep.state in states
            ],
            "may_propose": bool(sweep.drifted) and self.has_propose_plan_permission(request),
            "may_see_findings": request.user.has_perm("reconciliation.view_finding"),
            "reloads": sweep.state in (State.QUEUED, State.RUNNING),
            "measures_on": _measures_on() if sweep.state in Sweep.OPEN else "",
        }
        return super().render_change_form(request, context, *args, **options)

    requested = moment("requested_at", "Requested (UTC)", ordering="requested_at")

    @display(description="Scope")
    def about(self, sweep: Sweep) -> str:
        return short(self.scope_in_words(sweep))

    scope_in_words = column("Scope", lambda sweep: str(Scope.from_json(sweep.scope)))
    state_label = column("State", lambda sweep: (sweep.state, sweep.get_state_display()), label=STATE_COLOURS)

    @display(description="Verdict", label=VERDICT_COLOURS)
    def verdict(self, sweep: Sweep) -> str:
        return status.verdict(sweep)

    @display(description="Measured")
    def share(self, sweep: Sweep) -> SafeString:
        """Show how much was measured, and in what time once it has ended."""
        percent = status.progress(sweep)["percent"]
        took = sweep.finished_at - sweep.started_at if sweep.started_at and sweep.finished_at else None
        besides = format_html(BESIDES, "in", duration(took)) if took else ""
        return format_html("{} % of {}{}", percent, f"{sweep.total:,}", besides)

    @display(description="Found")
    def found(self, sweep: Sweep) -> SafeString | str:
        """Show how many balances drifted, have other faults, or could not be judged."""
        counts = (
            (sweep.drifted, "drifted"),
            (sweep.faulty, "faulty"),
            (sweep.not_proved, "not proved"),
            (sweep.remarked, "remarks"),
        )
        lines = ((f"{count:,}", word) for count, word in counts if count)
        return format_html_join("", '<span class="ledger-amount">{} {}</span>', lines) or "–"

    who = column("Who", lambda sweep: sweep.actor)

    started = moment("started_at", "Started (UTC)")
    finished = moment("finished_at", "Finished (UTC)")
    worked_for = column("Time at work", lambda sweep: duration(sweep.worked))
    alive = moment("heartbeat_at", "Last sign of life (UTC)")


def _in_words(sweep: Sweep, verdict: str) -> str:
    """Return the verdict as a sentence, which claims nothing about balances outside the scope."""
    if verdict == "not proved" and sweep.out_of_scope:
        return f"Nothing wrong was found in what was looked at: {status.balances(sweep.measured)}."
    return VERDICTS[verdict]
