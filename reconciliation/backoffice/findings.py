"""What sweeps found, and why: findings with their explanations, and incidents, the findings that share a cause."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F
from django.db.models.functions import Abs
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter

from balances.backoffice import (
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
from balances.ground import ExactEncoder, Mode
from balances.templatetags.money import listed
from reconciliation.backoffice import casework
from reconciliation.backoffice.columns import (
    BESIDES,
    CERTAINTY,
    InMajorUnits,
    balance_link,
    by_currency,
    list_link,
    named,
    net_difference,
    of_balance,
    precision_of,
    row_link,
    since_when,
    title_of,
)
from reconciliation.backoffice.finding_filters import (
    AgeFilter,
    AssignedFilter,
    CauseFilter,
    DueFilter,
    ExplainedFilter,
    IncidentFilter,
    LedgerFilter,
    StateFilter,
    SweepFilter,
)
from reconciliation.backoffice.plan_actions import book_again, propose_plan, propose_plan_for_incident
from reconciliation.backoffice.work import Worked
from reconciliation.casework import with_assignment
from reconciliation.checks import CHECKS
from reconciliation.explaining import CAUSES, NOT_YET, window
from reconciliation.models import Finding, Incident, Subject
from reconciliation.records import Comparison
from reconciliation.sweeping import MEASURED, State, state_of, waits, with_state

SHOWN_FINDINGS = 50
"""Findings on the page of an incident; its list has all."""
SHOWN_CHARACTERS = 4_000
"""Characters of a piece of evidence on a page."""
STATE_COLOURS = {
    State.OPEN: "danger",
    State.PLANNED: "info",
    State.TAKEN_BACK: "danger",
    State.FAULT_OPEN: "warning",
    State.ACCEPTED: "warning",
    State.CORRECTED: "success",
    State.MEASURED_AGAIN: "info",
    State.GONE: "success",
}


class CaseAdmin(InMajorUnits, LedgerModelAdmin):
    """A page from which plans are proposed."""

    needs = Mode.REPAIR

    has_propose_plan_permission = allowed("reconciliation.propose_plan")


@admin.register(Finding)
class FindingAdmin(CaseAdmin):
    """One balance of a sweep: both totals, what is wrong, why, and since when."""

    filled_by = "No finding is open. Run a sweep to look again: what it finds wrong stands here."

    change_form_template = "admin/reconciliation/finding_change_form.html"
    actions = (propose_plan, book_again)
    needs_else = {"has_accept_finding_permission": None, "has_assign_finding_permission": None}
    list_display = ("name", "stands_as", "net_difference", "left", "why", "since", "looked_at_by")
    list_filter = (
        StateFilter,
        CauseFilter,
        AgeFilter,
        AssignedFilter,
        DueFilter,
        ExplainedFilter,
        ("drifted", BooleanRadioFilter),
        CurrencyFilter,
        LedgerFilter,
        SweepFilter,
        IncidentFilter,
    )
    search_fields = ("finding_id",)
    search_help_text = "Balance id, indicator or finding id, of all sweeps"
    sortable_by = ()
    fieldsets = (
        (
            "Finding",
            {
                "fields": (
                    ("balance_page", "currency"),
                    ("ledger_name", "from_sweep"),
                    ("found", "state"),
                    ("from_incident", "version"),
                    "finding_id",
                    "rows",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Annotate each finding with its state, and with who looks at it."""
        return with_assignment(with_state(super().get_queryset(request)))

    def get_urls(self) -> list[Any]:
        return [*casework.routes(self), *super().get_urls()]

    has_accept_finding_permission = allowed("reconciliation.accept_finding")
    has_assign_finding_permission = allowed("reconciliation.assign_finding")

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        """Sort by amount where all are of one currency; amounts of several have no order."""
        return ("net_difference", "left") if request.GET.get("currency", "").strip() else ()

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Order a sweep, or an incident, by its index; all others newest first."""
        of_a_sweep = request.GET.get("sweep") or request.GET.get("incident")
        # "sweep" would join the sweeps and order by theirs
        return ("sweep_id", "balance_id") if of_a_sweep else ("-found_at", "balance_id")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by balance, indicator or the finding's own id."""
        if term.startswith("fnd_"):
            return queryset.filter(finding_id=term)
        if term.startswith("ldg_"):
            return queryset.filter(ledger_id=term)
        return of_balance(queryset, term, "balance_id")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add both totals, what else is wrong, the explanations, and the rows among which it went wrong."""
        finding = context["original"]
        context |= {
            "each": Comparison.of_row(finding),
            "precision": known_precision(last_transactions(finding.balance_id)),
            "explanations": explained(finding),
            "faults": _with_titles(finding.faults),
            "not_proved": _with_titles(finding.not_proved),
            "remarks": _with_titles(finding.remarks),
            "window": finding.first_wrong_at
            and window(finding.balance_id, finding.last_right_at, finding.first_wrong_at),
            "state": state_of(finding),
            "may_propose": finding.drifted
            and state_of(finding) in (State.OPEN, State.TAKEN_BACK, State.ACCEPTED, State.MEASURED_AGAIN)
            and self.has_propose_plan_permission(request),
        }
        context |= casework.shown(self, request, finding)
        return super().render_change_form(request, context, *args, **options)

    state = column("State", lambda finding: state_of(finding), label=STATE_COLOURS)

    stands_as = column("State", lambda finding: state_of(finding), label=STATE_COLOURS)

    @display(description="Balance")
    def name(self, finding: Finding) -> SafeString:
        return format_html("{}{}", named(finding), format_html(BESIDES, finding.ledger_name, ""))

    @display(description="Difference", ordering=Abs(F("recalculated_balance") - F("previous_balance")))
    def net_difference(self, finding: Finding) -> SafeString:
        """Show what a correction would add."""
        return net_difference(finding, Comparison.of_row(finding))

    @display(description="Unexplained", ordering="unexplained")
    def left(self, finding: Finding) -> SafeString:
        """Show the gross drift that no known cause accounts for."""
        return listed(finding.unexplained, precision_of(finding))

    @display(description="Looked at by")
    def looked_at_by(self, finding: Any) -> SafeString | str:
        """Show who looks at it, and until when."""
        due = format_html(BESIDES, "due", finding.due_on) if finding.due_on else ""
        return format_html("{}{}", finding.assignee or "–", due)

    @display(description="Cause")
    def why(self, finding: Finding) -> SafeString:
        """Show the title of the cause, and under it how much else is wrong, was not proved or was remarked on."""
        counted = (
            (len(finding.faults), "fault", "faults"),
            (len(finding.not_proved), "not proved", "not proved"),
            (len(finding.remarks), "remark", "remarks"),
        )
        lines = [(count, one if count == 1 else many) for count, one, many in counted if count]
        title = NOT_YET.rstrip(".") if waits(finding) else title_of(finding.cause)
        return format_html("{}{}", title, format_html_join("", BESIDES, lines))

    since = column("Wrong since (UTC)", lambda finding: since_when(finding.first_wrong_at))
    balance_page = column("Balance", lambda finding: balance_link(finding))
    from_sweep = column("Sweep", lambda finding: row_link("sweep", finding.sweep_id))
    from_incident = column("Incident", lambda finding: row_link("incident", finding.incident_id))
    found = moment("found_at", "Found (UTC)")

    @display(description="Transactions read")
    def rows(self, finding: Finding) -> str:
        return f"{finding.credit_rows} credits, {finding.debit_rows} debits, {finding.hold_rows} holds and releases"


@admin.register(Incident)
class IncidentAdmin(Worked, CaseAdmin):
    """Findings that share a cause, to be explained, planned and corrected as one case."""

    work_on = Subject.INCIDENT
    filled_by = "A sweep groups findings with a common cause into an incident."

    change_form_template = "admin/reconciliation/incident_change_form.html"
    actions = (propose_plan_for_incident,)
    list_display = ("title", "balances", "amounts", "opened")
    list_filter = (CauseFilter, SweepFilter, ("opened_at", DaysFilter))
    search_fields = ("incident_id",)
    search_help_text = "Whole id of an incident"
    sortable_by = ()
    ordering = ("-opened_at", "-balances", "incident_id")
    fieldsets = (
        (
            "Incident",
            {"fields": ("title", ("why", "opened"), ("balances", "amounts"), ("from_sweep", "incident_id"))},
        ),
    )

    def searched(self, queryset: Any, term: str) -> Any:
        return queryset.filter(incident_id=term)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> HttpResponse:
        """Add what the findings have in common, and the first of them."""
        incident = context["original"]
        # The sweep is named as well, so that the findings of a large incident can be read in the order of its index.
        findings = Finding.objects.filter(incident=incident, sweep=incident.sweep_id).order_by("balance_id")
        cause = CAUSES.get(incident.cause)
        context |= {
            "description": cause.description if cause else "",
            "shared_kind": incident.shared.get("kind", ""),
            "shared_what": [_in_words(part) for part in incident.shared.get("what", ())],
            "findings": [(finding, Comparison.of_row(finding)) for finding in findings[:SHOWN_FINDINGS]],
            "all_findings": list_link("finding", "show all", incident=incident.pk, sweep=incident.sweep_id),
            "may_propose": self.has_propose_plan_permission(request),
        }
        return super().render_change_form(request, context, *args, **options)

    why = column("Cause", lambda incident: title_of(incident.cause))
    amounts = column("Drift", lambda incident: by_currency(incident, incident.drift))
    opened = moment("opened_at", "Opened (UTC)")
    from_sweep = column("Sweep", lambda incident: row_link("sweep", incident.sweep_id))


def explained(finding: Finding) -> list[dict[str, Any]]:
    """Return the explanations of a finding for a page: titles and sentences, and evidence as shortened text."""
    return [
        each
        | {
            "title": title_of(each["cause"]),
            "description": CAUSES[each["cause"]].description if each["cause"] in CAUSES else "",
            "certainty_words": CERTAINTY.get(each["certainty"], each["certainty"]),
            "evidence_text": _indented(each["evidence"]) if each.get("evidence") else "",
        }
        for each in finding.explanations
    ]


def _indented(evidence: Any) -> str:
    text = ExactEncoder(indent=2).encode(evidence)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _in_words(part: Any) -> str:
    if isinstance(part, list):
        return " ".join(str(each).replace("_", " ") for each in part)
    return "–" if part is None else str(part)


def _with_titles(faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return faults with the title of their check, or its name where the code no longer has it."""
    titles = {name: title for name, (title, _) in MEASURED.items()}
    titles |= {name: check.title for name, check in CHECKS.items()}
    return [each | {"title": titles.get(each["check"], each["check"])} for each in faults]
