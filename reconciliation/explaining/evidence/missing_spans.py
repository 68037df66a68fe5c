"""Finds balances that lack the same span of time, as after restoring a backup of their totals.

The rule: two balances or more whose drift is, to the unit and on every side, what their rows of one span add up to.
Each of them lacks three rows or more; or two, where the balances on the other side of these lack something as well.
One that lacks a single row joins such a group where the balance on its other side is in it: two balances that both lack
one row are wrong about that row, whatever happened to others in the same span.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate

from balances.ground import Statement
from reconciliation.explaining.case import Case
from reconciliation.explaining.drift import OTHER_SIDE, SIDES, Drift
from reconciliation.explaining.evidence.peers import Peers
from reconciliation.explaining.observations import MissingSpan

SPANS = Statement.beside(__file__, "spans.sql")
MOST_ROWS = 20_000
"""The most rows of a balance whose spans are looked for: all of them are read."""
ENOUGH = 3
"""Rows that a balance must lack to count without the balances on their other side."""
BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """Rows that a balance lacks, between the last one that it has before them and the first one after them."""

    balance_id: str
    after_at: datetime
    first_at: datetime
    last_at: datetime
    next_at: datetime
    row_count: int
    rows: tuple[str, ...]
    others: frozenset[str]

    def has(self, moment: datetime, back: datetime) -> bool:
        """Return whether the totals may be those of ``moment``, with all that came after ``back``."""
        return self.after_at <= moment < self.first_at and self.last_at <= back < self.next_at


def find_missing_spans(cases: list[Case], peers: Peers) -> None:
    """Add to each case the span that it lacks together with others, by two statements at most."""
    wanted = [case for case in cases if _lacks(case.rest) and case.rows_seen <= MOST_ROWS]
    spans = _spans(wanted) if len(wanted) > 1 else []
    if len({span.balance_id for span in spans if span.row_count > 1}) < 2:
        return
    drifts = peers({other for span in spans for other in span.others})
    lacking = {balance_id for balance_id, drift in drifts.items() if _lacks(drift)}
    known = {case.balance_id: case for case in cases}
    while group := _group(spans, lacking):
        for balance_id, missing in group.items():
            known[balance_id].missing_span = missing
        spans = [span for span in spans if span.balance_id not in group]


def _lacks(drift: Drift) -> bool:
    """Return whether an applied side is too small, and none too large."""
    applied = [getattr(drift, side) for side in OTHER_SIDE]
    return drift.is_finite and max(applied) <= 0 and min(applied) < 0


def _spans(cases: list[Case]) -> list[Span]:
    lacks = {f"{side}s": [-getattr(case.rest, side) for case in cases] for side in SIDES}
    return [
        Span(
            row["balance_id"],
            row["after_at"] or BEGINNING,
            row["first_at"],
            row["last_at"],
            row["next_at"] or END,
            row["row_count"],
            tuple(row["rows"]),
            frozenset(row["others"] or ()),
        )
        for row in SPANS.rows(balance_ids=[case.balance_id for case in cases], **lacks)
    ]


def _group(spans: list[Span], lacking: set[str]) -> dict[str, MissingSpan]:
    """Return the largest group of balances that lack one span, by id; empty where there is none."""
    seeds = [span for span in spans if span.row_count >= ENOUGH or (span.row_count > 1 and _all_in(span, lacking))]
    groups = sorted(_overlaps(seeds), key=lambda group: (len(group), _common(group)), reverse=True)
    if not groups or len(groups[0]) < 2:
        return {}
    best, common = groups[0], _common(groups[0])
    inside = {span.balance_id for span in best}
    rivals = {
        _common(group)
        for group in groups[1:]
        if len(group) == len(best) and inside & {span.balance_id for span in group}
    }
    joining = [each for each in spans if each.balance_id not in inside and _all_in(each, inside) and each.has(*common)]
    return _missing([*best, *joining], lacking, len(rivals - {common}))


def _all_in(span: Span, balances: set[str]) -> bool:
    """Return whether all balances on the other side of the missing rows are among these."""
    return bool(span.others) and span.others <= balances


def _overlaps(spans: list[Span]) -> Iterator[list[Span]]:
    """Yield, for each moment worth trying, the most spans that have it and a return in common.

    The largest overlap of windows begins where one of them begins.
    """
    for moment in {span.after_at for span in spans}:
        alike = [span for span in spans if span.after_at <= moment < span.first_at]
        steps = sorted([(span.last_at, 1) for span in alike] + [(span.next_at, -1) for span in alike])
        open_now = accumulate(step for _, step in steps)
        back = max(zip(open_now, (at for at, _ in steps), strict=True))[1]
        yield [span for span in alike if span.has(moment, back)]


def _common(spans: Iterable[Span]) -> tuple[datetime, datetime]:
    """Return the earliest moment and the earliest return that all of these have in common."""
    spans = list(spans)
    return max(span.after_at for span in spans), max(span.last_at for span in spans)


def _missing(group: list[Span], lacking: set[str], rivals: int) -> dict[str, MissingSpan]:
    moment, back = _common(group)
    until, went_on = min(span.first_at for span in group), min(span.next_at for span in group)
    inside = {span.balance_id for span in group} | lacking
    outside = len({other for span in group for other in span.others} - inside)
    return {
        span.balance_id: MissingSpan(
            moment_from=None if moment == BEGINNING else moment,
            moment_until=until,
            back_from=back,
            back_until=None if went_on == END else went_on,
            balances=len(group),
            row_count=span.row_count,
            rows=span.rows,
            outside=outside,
            alternatives=rivals,
        )
        for span in group
    }
