"""Shares a spent amount, or the settlement of a hold, among providers, in minor units."""

from __future__ import annotations

from collections.abc import Sequence


def in_order(available: Sequence[int], units: int) -> list[int]:
    """Return what each source gives of an amount, each as much as it can in order; less where all have less."""
    given = []
    for has in available:
        given.append(min(has, units))
        units -= given[-1]
    return given


def proportional(available: Sequence[int], units: int) -> list[int]:
    """Return what each source gives of an amount, in proportion and rounded down; less where all have less.

    The last source gives what rounding leaves, and those before it where it cannot. The original loses that.
    """
    total = sum(available)
    units = min(units, total)
    given = [units * has // total if total else 0 for has in available]
    left = [has - gives for has, gives in zip(available, given, strict=True)]
    more = in_order(left[::-1], units - sum(given))[::-1]
    return [gives + adds for gives, adds in zip(given, more, strict=True)]


def share(amounts: Sequence[int], part: int, whole: int) -> list[int]:
    """Return ``part`` of ``whole`` of each amount, and all of it where they are equal.

    Rounding remainders are carried to the next, so that together they give exactly their part, rounded down, and none
    more than it has.
    """
    shared, before, seen = [], 0, 0
    for each in amounts:
        seen += each
        upto = seen * part // whole if part < whole else seen
        shared.append(upto - before)
        before = upto
    return shared
