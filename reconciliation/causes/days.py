"""Small sets within a window: what the last day brought after the books were cut, and rows that were lost together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from reconciliation.causes.arithmetic import rounding_bound
from reconciliation.causes.model import SECOND, Case, Cause, Drift, Explanation, Pair, Row

CAUSES = (
    Cause(
        "cut_off",
        "Last day cut off",
        "The stored totals were taken before the last transactions of the last day, or in another order of that day.",
    ),
)
MOST_ROWS = 12
"""Rows of a last day among which sets are looked for; more of them would fit anything."""
SCORES = {1: 195, 2: 158, 3: 154}
"""By the number of rows: one row of the last day ranks above an equal older one, sets below single rows."""


def propose(case: Case) -> Iterator[Explanation]:
    """Propose sets of the last day where totals were imported, and pairs of rows where they are kept."""
    if case.imported and 0 < len(case.recent) <= MOST_ROWS:
        yield from _cut_off(case)
    for pair in case.pairs:
        yield from _lost_together(case, pair)


def _net(drift: Drift) -> int:
    return drift.credit - drift.debit


def _cut_off(case: Case) -> Iterator[Explanation]:
    """Compare sides, and nets: an importer may have known the net only, so that a credit shows as too little debit."""
    net_only = len(case.rest.sides) == 1 and bool(_net(case.rest))
    _, bound = rounding_bound(case)
    for size, score in SCORES.items():
        for rows in combinations(case.recent, size):
            lacking = sum((row.effect for row in rows), Drift()).times(-1)
            if lacking == case.rest:
                yield _explain_cut(case, rows, score, 0)
            elif net_only:
                rounded = _net(case.rest) - _net(lacking)
                if not rounded:
                    yield _explain_cut(case, rows, score - 2, 0)
                elif abs(rounded) <= bound and size <= 2 and abs(_net(lacking)) > bound:
                    yield _explain_cut(case, rows, score - 40 if size == 1 else score - 20, rounded)


def _explain_cut(case: Case, rows: tuple[Row, ...], score: int, rounded: int) -> Explanation:
    names = ", ".join(row.name for row in rows)
    besides = f"; the other {abs(rounded)} is rounding" if rounded else ""
    return Explanation(
        "cut_off",
        f"The stored totals lack {names} of the last day{besides}.",
        case.rest,
        "likely" if rounded or len(rows) > 1 else "strong",
        rows=tuple(row.transaction_id for row in rows),
        evidence={"last_day_rows": len(case.recent), "rounding": rounded},
        score=score,
        since=min(row.created_at for row in rows),
    )


def _lost_together(case: Case, pair: Pair) -> Iterator[Explanation]:
    drift = Drift(**{pair.side: -pair.units})
    if not drift.fits(case.rest):
        return
    apart = abs(pair.second_at - pair.first_at)
    sure = case.lag == 2 or (apart <= SECOND and case.lag is None)
    sure = sure and not case.mirrors.get((pair.side, -pair.units))
    yield Explanation(
        "lost_update",
        f"{pair.first_id} ({pair.first_reference}) and {pair.second_id} ({pair.second_reference}), one after the "
        f"other, are both missing in the stored {pair.side}.",
        drift,
        "likely" if sure else "possible",
        rows=(pair.first_id, pair.second_id),
        evidence={"apart_seconds": f"{apart.total_seconds():.3f}", "version_lag": case.lag},
        score=150 if sure else 12,
        since=min(pair.first_at, pair.second_at),
    )
