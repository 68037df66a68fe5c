"""Chooses which of the proposed explanations account for a drift."""

from __future__ import annotations

from dataclasses import replace

from reconciliation.explaining.case import Case
from reconciliation.explaining.drift import Drift
from reconciliation.explaining.explanation import Certainty, Explanation

FEW = 3
"""Equally good alternatives with which an explanation still counts."""


def choose(rest: Drift, proposals: list[Explanation]) -> tuple[list[Explanation], list[Explanation], Drift]:
    """Choose the best explanation that fits exactly, then the next; return these, hints, and the drift that is left.

    One of the whole drift goes before one of a part of it, whatever their ranks. So where the only reading of the whole
    is a hint, a reading of a part is no more than that.
    """
    pool = [_counted(each, proposals) for each in proposals]
    hints = [each for each in pool if not each.counts]
    wholes = {each.drift for each in hints}
    chosen: list[Explanation] = []
    pool = [each for each in pool if each.counts]
    while rest and (best := max(_fitting(pool, rest), key=lambda each: _rank(each, rest), default=None)):
        if best.drift != rest and rest in wholes:
            hints += [each.as_hint() for each in _fitting(pool, rest)]
            break
        sides = best.drift.sides.keys()
        equals = [each for each in pool if _rank(each, rest) == _rank(best, rest) and each.drift.sides.keys() & sides]
        others = {each.rows or (each.cause,) for each in equals} - {best.rows or (best.cause,)}
        if len(others) > FEW:
            hints += [each.as_hint() for each in equals]
            pool = [each for each in pool if each not in equals]
            continue
        if any(each.drift == best.drift and each.cause != best.cause and each.rows != best.rows for each in pool):
            best = _less_sure(best)
        chosen.append(_with_equals(best, others) if others else best)
        rest -= best.drift
        pool = _fitting(pool, rest)
    return chosen, sorted(hints, key=lambda each: _rank(each, rest), reverse=True), rest


def within_lag(case: Case, chosen: list[Explanation]) -> list[Explanation]:
    """Make rows that never arrived less sure where there are more than ``version`` is behind: not all can be right."""
    never = [each for each in chosen if each.cause == "half_applied"]
    if not case.lag or len(never) <= case.lag:
        return chosen
    return [_less_sure(each) if each in never else each for each in chosen]


def _fitting(proposals: list[Explanation], rest: Drift) -> list[Explanation]:
    return [each for each in proposals if each.drift.fits(rest)]


def _rank(each: Explanation, rest: Drift) -> tuple[bool, int]:
    return each.drift == rest, each.rank


def _counted(each: Explanation, proposals: list[Explanation]) -> Explanation:
    """Return a proposal with the number of other readings of the same drift, however sure they are."""
    readings = {(other.cause, other.rows) for other in proposals if other.drift == each.drift}
    return replace(each, alternatives=each.alternatives + len(readings - {(each.cause, each.rows)}))


def _with_equals(best: Explanation, others: set[tuple[str, ...]]) -> Explanation:
    """Return a proposal with those that fit equally well as evidence; then it is no longer strong."""
    named = {"fits_equally": sorted(row for rows in others for row in rows)}
    return replace(_less_sure(best), evidence=best.evidence | named)


def _less_sure(best: Explanation) -> Explanation:
    """Return a proposal as likely at most: another one, sure enough to count by itself, fits as well."""
    return replace(best, certainty=Certainty.LIKELY) if best.certainty is Certainty.STRONG else best
