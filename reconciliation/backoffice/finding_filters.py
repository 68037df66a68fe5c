"""How lists of findings and incidents are narrowed: by state, cause, age, sweep, and who looks at them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from balances.models import now
from balances.templatetags.money import instant
from reconciliation.casework import assigned_to, overdue
from reconciliation.explaining import CAUSES, NOT_YET
from reconciliation.measuring import Scope
from reconciliation.models import Sweep
from reconciliation.overview import Age, of_age
from reconciliation.sweeping import OPEN, State, in_state

LAST_SWEEPS = 20
"""Sweeps that a filter offers; any other can be reached from its page."""
WAITS = "waits"
"""What stands in an address for findings that no cause was looked for yet."""
ALL = "all"
MINE, UNASSIGNED, OVERDUE = "me", "none", "overdue"


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


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Findings in one state; those that are open, unless a state, a sweep, an incident or a balance is chosen."""

    title = "state"
    parameter_name = "state"
    all_option = ["", "Open"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer each state, and all."""
        named = [
            (state, "Found, and nothing done yet" if state == State.OPEN else state.capitalize()) for state in State
        ]
        return [*named, (ALL, "All")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Compare states, by what an index has where that is possible."""
        if self.value() in set(State):
            return in_state(queryset, State(self.value()))
        if self.value() == ALL or any(request.GET.get(name) for name in ("sweep", "incident", "q")):
            return queryset
        return in_state(queryset, *OPEN)


class AssignedFilter(DropdownFilter):  # type: ignore[misc]
    """Findings by who looks at them."""

    title = "assigned to"
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the one who looks at the list, and no one."""
        return [(MINE, "Me"), (UNASSIGNED, "No one")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Compare the newest assignment of each case."""
        if self.value() in (MINE, UNASSIGNED):
            return assigned_to(queryset, request.user.get_username() if self.value() == MINE else "")
        return queryset


class DueFilter(DropdownFilter):  # type: ignore[misc]
    """Findings that should have been dealt with."""

    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer what is late."""
        return [(OVERDUE, "Overdue")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Compare days in UTC."""
        return overdue(queryset) if self.value() == OVERDUE else queryset


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
