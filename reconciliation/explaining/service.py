"""Why does a balance differ: explanations with their evidence, best first, and what stays unexplained.

Facts first: what the edit journal saw is subtracted from the drift. The rest is matched exactly, with the number of
alternatives; a cause that many rows fit is a hint and counts for nothing. A wrong cause is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from balances.ground import BalanceNotFound, Statement, UnreadableTotals, dumps
from reconciliation.explaining import evidence
from reconciliation.explaining.case import Case
from reconciliation.explaining.causes import (
    CAUSES,
    FAMILIES,
    UNEXPLAINED,
    facts,
    silent_settlements,
    summary,
    with_breaks,
)
from reconciliation.explaining.choosing import choose, within_lag
from reconciliation.explaining.drift import SIDES, Drift
from reconciliation.explaining.explanation import Explanation
from reconciliation.explaining.observations import Point
from reconciliation.measuring import Measurement, chunks, measure, units
from reconciliation.models import COPIED, Finding, Sweep

EXPLAIN_FINDINGS = Statement.beside(__file__, "explain_findings.sql")
WINDOW_ROWS = Statement.beside(__file__, "window_rows.sql")
EXPLAINED_AT_ONCE = 500
"""Balances explained by one set of statements."""
HINTS = 5
"""Hints kept for each balance."""


@dataclass(frozen=True)
class Explained:
    """Why one balance differs: what counts, then hints, best first; how much is unexplained; since when."""

    measurement: Measurement
    drift: Drift
    explanations: list[Explanation]
    unexplained: int
    last_right_at: datetime | None = None
    first_wrong_at: datetime | None = None
    history: tuple[Point, ...] = ()
    """The moments at which the drift of the balance is known, in order."""

    @property
    def explained(self) -> int:
        """Return the gross drift that is accounted for; with ``unexplained`` it adds up to the whole."""
        return max(self.drift.gross - self.unexplained, 0)

    @property
    def cause(self) -> str:
        """Return the slug of the best explanation that counts, else ``unexplained``; "" without drift."""
        if not self.drift:
            return UNEXPLAINED.slug if self.unexplained else ""
        return next((each.cause for each in self.explanations if each.counts), UNEXPLAINED.slug)

    @property
    def summary(self) -> str:
        """Return in a sentence or two why the balance differs."""
        return summary(self.cause, self.as_json(), self.unexplained)

    @property
    def blocks(self) -> bool:
        """Return whether transactions are incomplete or damaged, so that rebuilding would do damage."""
        causes = [CAUSES[each.cause] for each in self.explanations if each.counts]
        gone = any("counted_on_both" in each.evidence for each in self.explanations)
        return self.measurement.is_empty or gone or any(cause.blocks for cause in causes)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the explanations as findings store them."""
        return [each.as_json() for each in self.explanations]


def explain(
    measurements: Iterable[Measurement], *, peers: evidence.Peers = evidence.drift_now, sweep_id: str | None = None
) -> dict[str, Explained]:
    """Explain the drift of up to 500 balances by a fixed number of statements, and return it by balance id.

    ``peers`` returns the drift of other balances; by default it is measured. With ``sweep_id``, other balances that
    drift by the same amount are looked up in the findings of that sweep.
    """
    measured = list(measurements)
    cases = evidence.open_cases([each for each in measured if each.is_whole and each.has_drift])
    known: dict[str, list[Explanation]] = {}
    evidence.find_rows(cases)
    evidence.find_silent_settlements(cases)
    for case in cases:
        known[case.balance_id] = with_breaks(case, [*facts(case), *silent_settlements.facts(case)])
        case.rest = case.drift - sum((fact.drift for fact in known[case.balance_id]), Drift())
    after_facts = [case for case in cases if case.rest]
    if any(known.values()):
        for case in after_facts:
            case.rows, case.holds = [], []
        evidence.find_rows(after_facts)
    evidence.find_surroundings(after_facts, peers, sweep_id)
    evidence.find_missing_spans(after_facts, peers)
    evidence.find_repointed(after_facts, sweep_id)
    evidence.find_gone(after_facts, sweep_id)
    explained = {case.balance_id: _explained(case, known[case.balance_id]) for case in cases}
    return {each.balance_id: explained.get(each.balance_id) or _without_words(each) for each in measured}


def _without_words(measurement: Measurement) -> Explained:
    """Return a balance without drift, or whose drift is no whole amount, which no row can account for."""
    drift = Drift.of(measurement.recalculated, measurement.stored) if measurement.is_readable else Drift()
    return Explained(measurement, drift, [], drift.gross)


def _explained(case: Case, found: list[Explanation]) -> Explained:
    chosen, hints, rest = choose(case.rest, _proposals(case)) if case.rest else ([], [], Drift())
    chosen = within_lag(case, chosen)
    explanations = [*found, *chosen]
    unexplained = sum(min(abs(getattr(rest, side)), abs(getattr(case.drift, side))) for side in SIDES)
    if not case.drift:  # a net that is wrong beside right sides, which no posting leaves
        difference, at = case.measurement.difference, case.measurement.executed_at
        return Explained(case.measurement, case.drift, [], difference.moved, None, at)
    ranked = sorted(explanations, key=lambda each: -each.drift.gross)
    return Explained(
        case.measurement,
        case.drift,
        ranked + hints[:HINTS],
        unexplained,
        *_since(case, explanations, unexplained),
        tuple(case.points),
    )


def _proposals(case: Case) -> list[Explanation]:
    return [each for family in FAMILIES for each in family(case)]


def _since(case: Case, explanations: list[Explanation], unexplained: int) -> tuple[datetime | None, datetime | None]:
    """Return when the balance was last right and first wrong: exactly, where dated evidence explains all of it."""
    right = case.last_right
    wrong = [point.at for point in case.points if point.drift and (right is None or point.at > right.at)]
    first_wrong = min(wrong, default=case.measurement.executed_at)
    instants = [each.since for each in explanations if each.since is not None]
    if not unexplained and instants and len(instants) == len(explanations):
        began = min(instants)
        if (right is None or began > right.at) and began <= first_wrong:
            first_wrong = began
    return (right.at if right else None), first_wrong


@dataclass(frozen=True)
class WindowRow:
    """A row of a balance, for people; ``units`` are minor units."""

    transaction_id: str
    reference: str | None
    status: str
    source: str | None
    destination: str | None
    units: int
    created_at: datetime


@dataclass(frozen=True)
class SinceWhen:
    """One balance explained, and the rows written while it went wrong."""

    explained: Explained
    window: list[WindowRow]


def explain_balance(balance_id: str) -> SinceWhen:
    """Measure one balance now and explain it, with the rows written while it went wrong.

    Raises ``BalanceNotFound``, or ``UnreadableTotals`` where a total is no number.
    """
    measurements = measure([balance_id])
    if not measurements:
        raise BalanceNotFound(balance_id)
    if not measurements[0].is_readable:
        raise UnreadableTotals(balance_id)
    explained = explain(measurements)[balance_id]
    if not explained.drift:
        return SinceWhen(explained, [])
    return SinceWhen(explained, window(balance_id, explained.last_right_at, explained.first_wrong_at))


def window(balance_id: str, after: datetime | None, until: datetime | None) -> list[WindowRow]:
    """Return the newest 50 rows of a balance written after one moment and until another."""
    rows = WINDOW_ROWS.rows(balance_id=balance_id, after=after, until=until)
    return [WindowRow(**row | {"units": units(row["units"])}) for row in rows]


def explain_many(balance_ids: Iterable[str]) -> Iterator[Explained]:
    """Measure balances now, in chunks; yield those that drift, explained, and those that cannot be judged.

    Unknown ids are left out.
    """
    for chunk in chunks(balance_ids, EXPLAINED_AT_ONCE):
        for each in explain(measure(chunk)).values():
            if each.drift or each.unexplained or not each.measurement.is_readable:
                yield each


def explain_findings(sweep_id: str, limit: int = EXPLAINED_AT_ONCE) -> int:
    """Explain the next findings of a sweep that drift and are not explained yet; return their number."""
    with transaction.atomic():
        sweep = Sweep.objects.get(pk=sweep_id)
        waiting = Finding.objects.filter(sweep=sweep, explained_at=None, drifted=True).order_by("balance_id")
        findings = list(waiting.select_for_update(of=("self",))[:limit])
        explained = explain(
            [_measured(finding) for finding in findings], peers=evidence.drift_in(sweep), sweep_id=sweep_id
        )
        if findings:
            _write(findings, [explained[finding.balance_id] for finding in findings])
    return len(findings)


def _write(findings: list[Finding], reasons: list[Explained]) -> None:
    """Write explanations into their findings, in one statement."""
    EXPLAIN_FINDINGS.rows(
        finding_ids=[finding.finding_id for finding in findings],
        explanations=[dumps(reason.as_json()) for reason in reasons],
        causes=[reason.cause for reason in reasons],
        explained=[Decimal(reason.explained) for reason in reasons],
        unexplained=[Decimal(reason.unexplained) for reason in reasons],
        last_right_at=[reason.last_right_at for reason in reasons],
        first_wrong_at=[reason.first_wrong_at for reason in reasons],
    )


def _measured(finding: Finding) -> Measurement:
    """Return what the sweep measured, so that the finding is explained as of then."""
    return Measurement(
        **{name: getattr(finding, name) for name in COPIED},
        version=finding.version,
        stored=finding.previous,
        recalculated=finding.recalculated,
        credit_rows=finding.credit_rows,
        debit_rows=finding.debit_rows,
        hold_rows=finding.hold_rows,
        executed_at=finding.found_at,
        executed_at_text=finding.found_at.isoformat(),
        snapshot=finding.snapshot,
    )
