"""What sweeps found, and why: findings with their explanations, and incidents, the findings that share a cause."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter, DropdownFilter, TextFilter

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
from balances.models import now
from balances.templatetags.money import instant
from reconciliation.backoffice.columns import (
    BESIDES,
    CERTAINTY,
    balance_link,
    by_currency,
    list_link,
    net_difference,
    of_balance,
    row_link,
    title_of,
)
from reconciliation.backoffice.plan_actions import book_again, propose_plan, propose_plan_for_incident
from reconciliation.checks import CHECKS
from reconciliation.explaining import CAUSES, NOT_YET, window
from reconciliation.measuring import Scope
from reconciliation.models import Finding, Incident, Sweep
from reconciliation.overview import Age, of_age
from reconciliation.records import Comparison
from reconciliation.sweeping import MEASURED, State, state_of, still_open, waits, with_state

LAST_SWEEPS = 20
"""Sweeps that a filter offers; any other can be reached from its page."""
SHOWN_FINDINGS = 50
"""Findings on the page of an incident; its list has all."""
WAITS = "waits"
"""What stands in an address for findings that no cause was looked for yet."""
SHOWN_CHARACTERS = 4_000
"""Characters of a piece of evidence on a page."""
STATE_COLOURS = {
    State.OPEN: "danger",
    State.FAULT_OPEN: "warning",
    State.GONE: "success",
    State.MEASURED_AGAIN: "info",
}


class CauseFilter(DropdownFilter):  # type: ignore[misc]  # unfold has no type hints
    """Narrows a list to one cause."""

    title = "cause"
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, cause.title) for slug, cause in CAUSES.items()] + [(WAITS, NOT_YET.rstrip("."))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == WAITS:
            return queryset.filter(cause="", drifted=True, explained_at=None)
        return queryset.filter(cause=self.value()) if self.value() else queryset


class SweepFilter(DropdownFilter):  # type: ignore[misc]
    """Rows of one sweep."""

    title = "sweep"
    parameter_name = "sweep"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the last ones, and the chosen one."""
        sweeps = Sweep.objects.all()[:LAST_SWEEPS]
        offered = {each.pk: f"{instant(each.requested_at)} {Scope.from_json(each.scope)}" for each in sweeps}
        chosen = request.GET.get(self.parameter_name, "")
        return list((offered if not chosen else offered | {chosen: offered.get(chosen, chosen)}).items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(sweep=self.value()) if self.value() else queryset


class OpenFilter(SweepFilter):
    """Findings still open by the newest measurement, unless a sweep, an incident or a balance is chosen."""

    all_option = ["", "All open findings"]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Filter by sweep, or leave out findings that a later measurement has answered."""
        if self.value() or request.GET.get("incident") or request.GET.get("q"):
            return super().queryset(request, queryset)
        return still_open(queryset)


class IncidentFilter(TextFilter):  # type: ignore[misc]
    """Findings of one incident."""

    title = "incident"
    parameter_name = "incident"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Compare whole ids."""
        wanted = (self.value() or "").strip()
        return queryset.filter(incident=wanted) if wanted else queryset


class LedgerFilter(TextFilter):  # type: ignore[misc]
    """Findings of one ledger."""

    title = "ledger"
    parameter_name = "ledger"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Compare whole names and ids."""
        wanted = (self.value() or "").strip()
        return queryset.filter(Q(ledger_id=wanted) | Q(ledger_name=wanted)) if wanted else queryset


class AgeFilter(DropdownFilter):  # type: ignore[misc]
    """Findings by how long ago the balance went wrong."""

    title = "wrong since"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(age, age.capitalize()) for age in Age]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return of_age(queryset, Age(self.value()), now()) if self.value() in set(Age) else queryset


class ExplainedFilter(DropdownFilter):  # type: ignore[misc]
    """Findings whose drift is wholly explained, or not."""

    title = "what is explained"
    parameter_name = "explained"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer both."""
        return [("yes", "All of the drift"), ("no", "Not all of it")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Look at what is left."""
        if self.value() == "yes":
            return queryset.filter(drifted=True, unexplained=0)
        return queryset.filter(unexplained__gt=0) if self.value() == "no" else queryset


class CaseAdmin(LedgerModelAdmin):
    """A page from which plans are proposed."""

    needs = Mode.REPAIR

    has_propose_plan_permission = allowed("reconciliation.propose_plan")


@admin.register(Finding)
class FindingAdmin(CaseAdmin):
    """One balance of a sweep: both totals, what is wrong, why, and since when."""

    filled_by = "No finding is open. Run a sweep to look again: what it finds wrong stands here."

    change_form_template = "admin/reconciliation/finding_change_form.html"
    actions = (propose_plan, book_again)
    list_display = (
        "name_and_state",
        "ledger_name",
        "currency",
        "net_difference",
        "why",
        "unexplained",
        "since",
    )
    list_filter = (
        OpenFilter,
        CauseFilter,
        AgeFilter,
        ExplainedFilter,
        ("drifted", BooleanRadioFilter),
        CurrencyFilter,
        LedgerFilter,
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
        """Annotate each finding with whether it is open."""
        return with_state(super().get_queryset(request))

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Order a sweep, or an incident, by its index; all others newest first."""
        of_a_sweep = request.GET.get("sweep") or request.GET.get("incident")
        # "sweep" would join the sweeps and order by theirs
        return ("sweep_id", "balance_id") if of_a_sweep else ("-found_at", "balance_id")

    def searched(self, queryset: Any, term: str) -> Any:
        """Find by balance, indicator or the finding's own id."""
        if term.startswith("fnd_"):
            return queryset.filter(finding_id=term)
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
            and state_of(finding) not in (State.GONE, State.FAULT_OPEN)
            and self.has_propose_plan_permission(request),
        }
        return super().render_change_form(request, context, *args, **options)

    state = column("State", lambda finding: state_of(finding), label=STATE_COLOURS)

    @display(description="Balance")
    def name_and_state(self, finding: Finding) -> SafeString:
        state = state_of(finding)
        shown = "" if state == State.OPEN else format_html('<span class="ledger-besides">{}</span>', state)
        return format_html("{}{}", finding.indicator or finding.balance_id, shown)

    @display(description="Difference")
    def net_difference(self, finding: Finding) -> SafeString:
        """Show what a correction would add, in minor units."""
        return net_difference(Comparison.of_row(finding))

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

    since = moment("first_wrong_at", "Wrong since (UTC)")
    balance_page = column("Balance", lambda finding: balance_link(finding))
    from_sweep = column("Sweep", lambda finding: row_link("sweep", finding.sweep_id))
    from_incident = column("Incident", lambda finding: row_link("incident", finding.incident_id))
    found = moment("found_at", "Found (UTC)")

    @display(description="Transactions read")
    def rows(self, finding: Finding) -> str:
        return f"{finding.credit_rows} credits, {finding.debit_rows} debits, {finding.hold_rows} holds and releases"


@admin.register(Incident)
class IncidentAdmin(CaseAdmin):
    """Findings that share a cause, to be explained, planned and corrected as one case."""

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
    amounts = column("Drift, minor units", lambda incident: by_currency(incident.drift))
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
