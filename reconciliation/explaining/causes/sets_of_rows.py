"""Few rows that are missing together: the last ones of an imported day, or two neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.causes.wrong_numbers import rounding_bound
from reconciliation.explaining.drift import Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import Pair, Row, mirrored

CAUSES = (
    Cause(
        "cut_off",
        "Last day cut off",
        "The stored totals were taken before the last transactions of the last day, or with that day in another order.",
    ),
)
SECOND = timedelta(seconds=1)
MOST_ROWS = 12
"""Rows of a last day among which sets are looked for; more of them would fit anything."""
EXACT = {1: Rank.LAST_ROW_CUT_OFF, 2: Rank.LAST_TWO_CUT_OFF, 3: Rank.LAST_THREE_CUT_OFF}
ROUNDED = {1: Rank.LAST_ROW_CUT_OFF_ROUNDED, 2: Rank.LAST_TWO_CUT_OFF_ROUNDED}
"""By the number of rows. With three rows and a rest, too much would fit."""


def propose(case: Case) -> Iterator[Explanation]:
    """Propose sets of the last day where totals were imported, and pairs of rows where they are kept."""
    if case.imported and 0 < len(case.recent) <= MOST_ROWS:
        yield from _cut_off(case)
    for pair in case.pairs:
        yield from _lost_together(case, pair)


def _net(drift: Drift) -> Drift:
    """Return a drift as a source without sides shows it: all of it in the credits."""
    return Drift(credit=drift.credit - drift.debit)


def _cut_off(case: Case) -> Iterator[Explanation]:
    """Compare side by side, and nets where the source kept no sides: a side that is right has all its rows."""
    seen = _net if case.net_only else (lambda drift: drift)
    rest, (_, bound) = seen(case.rest), rounding_bound(case)
    for size, rank in EXACT.items():
        for rows in combinations(case.recent, size):
            lacking = seen(sum((row.effect for row in rows), Drift()).times(-1))
            rounded = (rest - lacking).gross
            if lacking.sides.keys() != rest.sides.keys() or _is_nowhere(case, rows):
                continue
            if not rounded:
                yield _explain_cut(case, rows, rank, 0)
            elif size in ROUNDED and rounded <= bound < lacking.gross:
                yield _explain_cut(case, rows, ROUNDED[size], rounded)


def _is_nowhere(case: Case, rows: tuple[Row, ...]) -> bool:
    """Return whether the other balance lacks the same row, and was not cut off there as well."""
    [row, *more] = rows
    other = case.peers.get(row.other or "", Drift())
    return not more and mirrored(row.effect).times(-1).fits(other) and not row.is_last_of_both


def _explain_cut(case: Case, rows: tuple[Row, ...], rank: Rank, rounded: int) -> Explanation:
    names = ", ".join(row.name for row in rows)
    rounding = f"; the other {rounded} is rounding" if rounded else ""
    totals = "net (its source kept no sides) lacks" if case.net_only else "totals lack"
    return Explanation(
        "cut_off",
        f"The stored {totals} {names} of the last day{rounding}.",
        case.rest,
        Certainty.LIKELY if rounded or len(rows) > 1 else Certainty.STRONG,
        rows=tuple(row.transaction_id for row in rows),
        evidence={"last_day_rows": len(case.recent), "rounding": rounded, "net_only": case.net_only},
        rank=rank,
        since=min(row.created_at for row in rows),
    )


def _lost_together(case: Case, pair: Pair) -> Iterator[Explanation]:
    drift = Drift.on(pair.side, -pair.units)
    if not drift.fits(case.rest):
        return
    apart = abs(pair.second_at - pair.first_at)
    sure = case.lag == 2 or (apart <= SECOND and case.lag in (None, 0))
    sure = sure and not case.mirrors.get((pair.side, -pair.units))
    yield Explanation(
        "lost_update",
        f"{pair.first_id} ({pair.first_reference}) and {pair.second_id} ({pair.second_reference}), one after the "
        f"other, are both missing from the stored {pair.side}.",
        drift,
        Certainty.LIKELY if sure else Certainty.POSSIBLE,
        rows=(pair.first_id, pair.second_id),
        evidence={"apart_seconds": f"{apart.total_seconds():.3f}", "version_lag": case.lag},
        rank=Rank.TWO_LOST if sure else Rank.TWO_LOST_IN_DOUBT,
        since=min(pair.first_at, pair.second_at),
    )
