"""Rows that count with the wrong number: their sign, a factor of the precision, rounding."""

from __future__ import annotations

from collections.abc import Iterator

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.drift import OTHER_SIDE, Drift
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import Row, Status

CAUSES = (
    Cause(
        "wrong_sign",
        "Wrong sign or side",
        "A transaction was subtracted instead of added, or is on the wrong side of the balance.",
    ),
    Cause(
        "precision_factor",
        "Factor of the precision",
        "An amount was scaled to minor units once too often or not at all.",
    ),
    Cause(
        "rounding",
        "Rounding",
        "Amounts were rounded before they were added to the totals; the roundings add up to the difference.",
    ),
)
FACTORS = (10, 100, 1_000, 1_000_000, 100_000_000, 10**18)
"""Precisions that ledgers use."""


def propose(case: Case) -> Iterator[Explanation]:
    """Propose legacy rows first, then single rows, then rounding."""
    yield from _legacy_rows(case)
    for row in case.rows:
        if row.status == Status.APPLIED and not row.is_commit:
            yield from _wrong_sign(case, row)
            yield from _factor(case, row)
    yield from rounding(case)


def amounts(units: int) -> set[int]:
    """Return the amounts of rows that would account for this drift of one side: half of it, or by a factor."""
    half = {abs(units) // 2} if units % 2 == 0 else set()
    once_more = {abs(units) // (factor - 1) for factor in FACTORS if units % (factor - 1) == 0}
    not_at_all = {abs(units) * factor // (factor - 1) for factor in FACTORS if units % (factor - 1) == 0}
    return half | once_more | not_at_all


def _in_step(case: Case) -> bool:
    """Return whether every update was counted, as far as is known: a wrong number does not change the version."""
    return case.lag in (None, 0)


def _wrong_sign(case: Case, row: Row) -> Iterator[Explanation]:
    other = OTHER_SIDE[row.side]
    moved = Drift.on(row.side, -row.units) + Drift.on(other, row.units)
    if moved.fits(case.rest):
        yield _sign(
            case,
            row,
            moved,
            f"is in the stored {other} instead of the {row.side}",
            Certainty.STRONG,
            Rank.ROW_ON_OTHER_SIDE,
        )
    taken_off = Drift.on(row.side, -2 * row.units)
    if taken_off.fits(case.rest) and not case.rest.sides.get(other):
        is_whole = any(each.side == row.side and each.units == 2 * row.units for each in case.rows)
        are_two = row.twins > 1 or any(pair.side == row.side for pair in case.pairs)
        # That one row is missing, or two are, fits as well; and round amounts are those that people edit by hand.
        doubtful = is_whole or are_two or row.units % row.precision == 0
        certainty = Certainty.POSSIBLE if doubtful else Certainty.LIKELY
        what = f"was subtracted from the stored {row.side} instead of added"
        yield _sign(case, row, taken_off, what, certainty, Rank.ROW_TAKEN_OFF)


def _sign(case: Case, row: Row, drift: Drift, what: str, certainty: Certainty, rank: Rank) -> Explanation:
    doubtful = case.imported or (len(drift.sides) == 1 and case.elsewhere(row, row.side))
    sure = _in_step(case) and not doubtful and certainty != Certainty.POSSIBLE
    return Explanation(
        "wrong_sign",
        f"{row.name} {what}: {row.units} with the wrong sign.",
        drift,
        certainty if sure else Certainty.POSSIBLE,
        rows=(row.transaction_id,),
        evidence={"version_lag": case.lag},
        rank=rank if sure else Rank.ROW_WRONG_IN_DOUBT,
        since=row.created_at,
    )


def _factor(case: Case, row: Row) -> Iterator[Explanation]:
    for factor in FACTORS:
        once_more = Drift.on(row.side, row.units * (factor - 1))
        not_at_all = Drift.on(row.side, row.units // factor - row.units) if row.units % factor == 0 else Drift()
        for drift, what in ((once_more, f"{factor} times too large"), (not_at_all, f"divided by {factor}")):
            if drift.fits(case.rest):
                known = row.precision == factor and _in_step(case) and not case.elsewhere(row, row.side)
                yield Explanation(
                    "precision_factor",
                    f"{row.name} is in the stored {row.side} {what}; its precision is {row.precision}.",
                    drift,
                    Certainty.STRONG if known else Certainty.POSSIBLE,
                    rows=(row.transaction_id,),
                    evidence={"factor": factor, "precision": row.precision, "version_lag": case.lag},
                    rank=Rank.ROW_SCALED if known else Rank.ROW_WRONG_IN_DOUBT,
                    since=row.created_at,
                )


def _legacy_rows(case: Case) -> Iterator[Explanation]:
    """Propose rows from before precise amounts existed, which the totals count without their precision."""
    for side, legacy in case.legacy.items():
        drift = Drift.on(side, legacy.unscaled - legacy.units)
        if drift.fits(case.rest):
            yield Explanation(
                "precision_factor",
                f"{legacy.row_count} legacy rows without a precise amount are in the stored {side} without their "
                "precision.",
                drift,
                Certainty.STRONG,
                rows=legacy.rows,
                evidence={"rows": legacy.row_count, "scaled": legacy.units, "counted": legacy.unscaled},
                rank=Rank.LEGACY_WITHOUT_PRECISION,
            )


def rounding_bound(case: Case) -> tuple[int, int]:
    """Return the unit of rounding and the most that all roundings of this balance can add up to.

    One minor unit for each row whose amount has a fraction of it, which may have been cut. Or, where all amounts are
    multiples of ten minor units though the currency has finer ones, half of ten for each that is no multiple of a
    hundred. Nothing where the two amounts of a row differ by more than rounding: then the row was changed.
    """
    grain = case.grain
    if grain is None or grain.contradicting:
        return 1, 0
    if grain.fractional:
        return 1, grain.fractional
    if grain.row_count and not grain.not_tens and grain.precision >= 100:
        return 10, grain.not_hundreds * 10 // 2
    return 1, 0


def rounding(case: Case) -> Iterator[Explanation]:
    """Propose rounding where the applied sides are off by no more than the roundings can be."""
    off = {side: units for side, units in case.rest.sides.items() if side in OTHER_SIDE}
    unit, bound = rounding_bound(case)
    total, grain = sum(abs(units) for units in off.values()), case.grain
    if grain is None or not off or total > bound or any(units % unit for units in off.values()):
        return
    count = grain.fractional or grain.not_hundreds
    steps = "whole minor units" if unit == 1 else f"multiples of {unit} minor units"
    yield Explanation(
        "rounding",
        f"Rounding {count} transactions to {steps} can add up to {total} (at most {bound}).",
        Drift(**off),
        Certainty.LIKELY,
        rows=grain.rows,
        evidence={"rounded_rows": count, "unit": unit, "at_most": bound},
        rank=Rank.ROUNDING,
    )
