"""Whole totals that are wrong: swapped, negated, or a power of ten too large or too small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciliation.explaining.case import Case
from reconciliation.explaining.causes.ranking import Rank
from reconciliation.explaining.causes.wrong_numbers import FACTORS
from reconciliation.explaining.drift import OTHER_SIDE, SIDES
from reconciliation.explaining.explanation import Cause, Certainty, Explanation
from reconciliation.explaining.observations import ScalePeers

CAUSES = (
    Cause(
        "sides_swapped",
        "Credit and debit swapped",
        "The stored credit is the sum of the debits, and the stored debit the sum of the credits.",
    ),
    Cause(
        "totals_negated",
        "Totals with the sign reversed",
        "The stored totals are the sums of the transactions with the sign reversed.",
    ),
)
PAIRS = (("credit", "debit"), ("inflight_credit", "inflight_debit"))
LEAST_QUOTIENT = 100
"""What a total must be at least after a division with rounding; below that, many numbers would pass for a quotient."""


def propose(case: Case) -> Iterator[Explanation]:
    """Propose a rule that gives the stored totals from the sums of the rows."""
    yield from _swapped(case)
    yield from _negated(case)
    yield from _scaled(case)
    yield from _divided(case)


def _ought(case: Case) -> dict[str, int]:
    return {side: getattr(case.measurement.recalculated, f"{side}_balance") for side in SIDES}


def _have(case: Case) -> dict[str, int]:
    """Return the stored totals without what the edit journal accounts for."""
    return {side: ought + getattr(case.rest, side) for side, ought in _ought(case).items()}


def _rows_of(case: Case, sides: tuple[str, ...]) -> int:
    """Return how many rows the sums of these sides are made of."""
    counted = {"credit": case.measurement.credit_rows, "debit": case.measurement.debit_rows}
    held = any(side not in counted for side in sides)
    return sum(counted.get(side, 0) for side in sides) + (case.measurement.hold_rows if held else 0)


def _in_words(sides: tuple[str, ...]) -> str:
    return " and ".join(side.replace("_", " ") for side in sides)


def _swapped(case: Case) -> Iterator[Explanation]:
    """Compare each pair of totals with the sums exchanged. One row alone is no pair: it is on the wrong side."""
    have, ought = _have(case), _ought(case)
    for credit, debit in PAIRS:
        swapped = (have[credit], have[debit]) == (ought[debit], ought[credit])
        if not swapped or ought[credit] == ought[debit] or _rows_of(case, (credit, debit)) < 2:
            continue
        drift = case.rest.only(credit, debit)
        # A row whose amount is the difference, on the wrong side, leaves the same numbers.
        one_row = any(
            (row.side == credit and row.units == -drift.credit) or (row.side == debit and row.units == -drift.debit)
            for row in case.rows
        )
        yield Explanation(
            "sides_swapped",
            f"The stored {_in_words((credit, debit))} are {have[credit]:,} and {have[debit]:,}; the transactions give "
            "the same two numbers the other way round.",
            drift,
            Certainty.STRONG,
            evidence={"rows": case.rows_seen, "version_lag": case.lag},
            rank=Rank.SIDES_SWAPPED_OR_ONE_ROW if one_row else Rank.SIDES_SWAPPED,
        )


def _negated(case: Case) -> Iterator[Explanation]:
    """Look for totals that are the sums but for their sign. One row alone was subtracted instead of added."""
    have, ought = _have(case), _ought(case)
    for pair in PAIRS:
        sides = tuple(side for side in pair if ought[side] and have[side] == -ought[side])
        if not sides or _rows_of(case, sides) < 2 or _is_one_row(case, sides):
            continue
        are = "is" if len(sides) == 1 else "are"
        yield Explanation(
            "totals_negated",
            f"The stored {_in_words(sides)} {are} {' and '.join(f'{have[side]:,}' for side in sides)}: what the "
            "transactions give, with the sign reversed.",
            case.rest.only(*sides),
            Certainty.STRONG,
            evidence={"rows": case.rows_seen, "version_lag": case.lag},
            rank=Rank.TOTALS_NEGATED,
        )


def _is_one_row(case: Case, sides: tuple[str, ...]) -> bool:
    """Return whether there is one side only and one row makes it up, so that the cause is about this row."""
    [side, *others] = sides
    return not others and any(row.side == side and row.units == abs(_ought(case)[side]) for row in case.rows)


@dataclass(frozen=True)
class Scale:
    """The sides that are all too large, or too small, by one factor."""

    factor: int
    enlarged: bool
    sides: tuple[str, ...]


def scale_of(case: Case) -> Scale | None:
    """Return the power of ten by which the totals are off exactly, on one side or on all that have rows."""
    have, ought = _have(case), _ought(case)
    for factor in FACTORS:
        enlarged = tuple(side for side in SIDES if ought[side] and have[side] == ought[side] * factor)
        reduced = tuple(side for side in SIDES if ought[side] and have[side] * factor == ought[side])
        for sides in (enlarged, reduced):
            if sides and _rows_of(case, sides) > 1 and not _is_one_row(case, sides):
                return Scale(factor, sides is enlarged, sides)
    return None


def _scaled(case: Case) -> Iterator[Explanation]:
    scale = scale_of(case)
    if scale is None:
        return
    others = tuple(side for side in OTHER_SIDE if _ought(case)[side] and side not in scale.sides)
    is_whole = not others and scale.sides[0] in OTHER_SIDE
    what = "totals are" if is_whole else f"{_in_words(scale.sides)} {'is' if len(scale.sides) == 1 else 'are'}"
    by = f"{scale.factor} times the sums of the transactions"
    if not scale.enlarged:
        by = f"the sums of the transactions divided by {scale.factor}"
    unlike = f"; the stored {_in_words(others)} is not" if others else ""
    peers = case.scale_peers
    yield Explanation(
        "precision_factor",
        f"The stored {what} exactly {by}{unlike}.{_half_way(peers)}",
        case.rest.only(*scale.sides),
        Certainty.STRONG,
        evidence={"factor": scale.factor, "sides": list(scale.sides)} | _counts(peers),
        rank=Rank.TOTALS_SCALED,
    )


def _counts(peers: ScalePeers | None) -> dict[str, int]:
    if peers is None:
        return {}
    return {"balances_alike": peers.alike} | ({} if peers.right is None else {"balances_right": peers.right})


def _half_way(peers: ScalePeers | None) -> str:
    """Return in words how far a change of scale went, where several balances of a ledger and currency show it."""
    others = peers.alike - 1 if peers else 0
    if peers is None or not others:
        return ""
    are = "balance is" if others == 1 else "balances are"
    alike = f" {others:,} other {are} off by the same factor in its ledger and currency"
    if not peers.right:
        return f"{alike}."
    right = f"{peers.right:,} {'is' if peers.right == 1 else 'are'} right"
    return f"{alike}, {right}: a change of scale that ran half-way."


def _divided(case: Case) -> Iterator[Explanation]:
    """Find totals that are the sums divided by a power of ten and rounded, every one of them in the same way."""
    have, ought = _have(case), _ought(case)
    for factor in FACTORS:
        sides = tuple(side for side in OTHER_SIDE if ought[side] and case.rest.sides.get(side))
        how = _rounded(have, ought, factor, sides)
        if not how or _rows_of(case, sides) < 2:
            continue
        whole = all(side in sides for side in OTHER_SIDE if ought[side])
        yield Explanation(
            "precision_factor",
            f"The stored {_in_words(sides)} {'is' if len(sides) == 1 else 'are'} what the transactions give divided by "
            f"{factor} and rounded {how}.",
            case.rest.only(*sides),
            Certainty.LIKELY,
            evidence={"factor": factor, "sides": list(sides), "rounded": how},
            rank=Rank.TOTALS_DIVIDED if whole and len(sides) > 1 else Rank.TOTAL_DIVIDED,
        )
        return


def _rounded(have: dict[str, int], ought: dict[str, int], factor: int, sides: tuple[str, ...]) -> str:
    """Return how quotients were rounded; "" where one is no quotient, or all are exact or too small to judge."""
    left = [have[side] * factor - ought[side] for side in sides]
    if not any(left) or max(abs(have[side]) for side in sides) < LEAST_QUOTIENT:
        return ""
    if all(2 * abs(each) <= factor for each in left):
        return "to the nearest"
    if all(-factor < each <= 0 for each in left):
        return "down"
    return "up" if all(0 <= each < factor for each in left) else ""
