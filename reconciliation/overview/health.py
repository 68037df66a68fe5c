"""Whether the ledger is right: what is open by the newest measurement of each balance, and how old the proof is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from reconciliation.alerting import last_proof, sweep_overdue
from reconciliation.casework import with_assignment
from reconciliation.models import Finding, Sweep
from reconciliation.sweeping import State, drift_stays, out_of_balance, proved, state_of, still_open, waits

COUNTED = 1_000
"""Open findings that are counted for a page; where there are more, it says so."""
DAY = timedelta(days=1)


class Verdict(StrEnum):
    """What can be said of the whole ledger."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_PROVED = "not proved"


class Age(StrEnum):
    """How long ago a balance went wrong, or was found where that is not known."""

    DAY = "within a day"
    WEEK = "within a week"
    MONTH = "within 30 days"
    OLDER = "longer ago"


AGES = ((DAY, Age.DAY), (7 * DAY, Age.WEEK), (30 * DAY, Age.MONTH))


@dataclass
class Drift:
    """Balances that drift for one cause: by currency the gross drift in minor units, and how long ago it began."""

    cause: str
    """Empty where none was looked for yet."""
    balances: int = 0
    units: Counter[str] = field(default_factory=Counter)
    ages: Counter[Age] = field(default_factory=Counter)


@dataclass(frozen=True)
class Health:
    """Whether the ledger is right, and by what that is known."""

    verdict: Verdict
    drifts: list[Drift]
    """By cause, most balances first. Accepted drift is left out."""
    accepted: Drift
    """Findings that people accepted as they are: their balances are as wrong as the others."""
    faulty: int
    """Balances on which something else than drift was found."""
    not_judged: int
    """Balances that could not be measured."""
    unexplained: int
    """Drifted balances of which no known cause explains all."""
    is_counted: bool
    """Whether every open finding was counted, not only the newest ``COUNTED``."""
    out_of_balance: list[str]
    """Where credits and debits of a currency differ, in sentences."""
    proof: Sweep | None
    """The sweep of all balances that finished last."""
    is_overdue: bool
    assignments: list[tuple[str, date | None]]
    """Who looks at each open finding that somebody looks at, and until when."""

    def waiting_for(self, who: str, today: date) -> tuple[int, int]:
        """Return how many open findings a person looks at, and how many of these are overdue."""
        due = [due_on for assignee, due_on in self.assignments if assignee == who]
        return len(due), sum(1 for each in due if each and each < today)

    @property
    def drifted(self) -> int:
        """Return the number of balances that drift and that no one accepted."""
        return sum(each.balances for each in self.drifts)

    @property
    def units(self) -> Counter[str]:
        """Return the gross drift in minor units by currency."""
        return sum((each.units for each in self.drifts), Counter())


def health(at: datetime) -> Health:
    """Return how the ledger stands, from findings and sweeps alone."""
    open_now = with_assignment(still_open(Finding.objects.all()))
    found = list(open_now.order_by("-found_at", "balance_id")[: COUNTED + 1])
    counted = found[:COUNTED]
    accepted = [each for each in counted if state_of(each) is State.ACCEPTED]
    standing = [each for each in counted if drift_stays(each)]
    drifted = [each for each in standing if state_of(each) is not State.ACCEPTED]
    others = [each for each in counted if each.has_fault]
    proof = last_proof()
    apart = out_of_balance(proof) if proof else []
    if found or apart:
        verdict = Verdict.WRONG if standing or apart or any(each.faults for each in others) else Verdict.NOT_PROVED
    else:
        verdict = Verdict.RIGHT if proof and proved(proof) else Verdict.NOT_PROVED
    return Health(
        verdict=verdict,
        drifts=_by_cause(drifted, at),
        accepted=_accepted(accepted),
        faulty=sum(1 for each in others if each.faults and state_of(each) is not State.ACCEPTED),
        not_judged=sum(1 for each in counted if each.not_proved and state_of(each) is not State.ACCEPTED),
        unexplained=sum(1 for each in drifted if each.unexplained),
        is_counted=len(found) <= COUNTED,
        out_of_balance=apart,
        proof=proof,
        is_overdue=sweep_overdue(at, proof) is not None,
        assignments=[
            (each.assignee, each.due_on) for each in counted if each.assignee and state_of(each) is not State.ACCEPTED
        ],
    )


def _by_cause(drifted: Iterable[Finding], at: datetime) -> list[Drift]:
    found: dict[str, Drift] = defaultdict(lambda: Drift(""))
    for each in drifted:
        cause = "" if waits(each) else each.cause
        drift = found[cause]
        drift.cause = cause
        drift.balances += 1
        drift.units[each.currency] += each.difference.moved
        drift.ages[_age(at - (each.first_wrong_at or each.found_at))] += 1
    return sorted(found.values(), key=lambda each: (-each.balances, each.cause))


def _accepted(findings: list[Finding]) -> Drift:
    """Return accepted findings as one: all of them counted, and the drift of those that drift."""
    drift = Drift("", balances=len(findings))
    for each in findings:
        drift.units[each.currency] += each.difference.moved if each.drifted else 0
    return drift


def of_age(findings: QuerySet[Finding], age: Age, at: datetime) -> QuerySet[Finding]:
    """Narrow findings to those that went wrong, or were found where that is not known, so long ago."""
    dated = findings.alias(began=Coalesce("first_wrong_at", "found_at"))
    edges = [timedelta(0), *(most for most, _ in AGES)]
    place = list(Age).index(age)
    if place:
        dated = dated.filter(began__lt=at - edges[place])
    return dated.filter(began__gte=at - AGES[place][0]) if place < len(AGES) else dated


def _age(since: timedelta) -> Age:
    return next((age for most, age in AGES if since <= most), Age.OLDER)
