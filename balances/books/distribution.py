"""Shares an amount out among several balances, exactly and in the order of the request.

docs/design/posting.md states the rules under "Sharing out".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from balances.books.orders import Share
from balances.books.posting_exceptions import InvalidDistribution
from balances.ground import EXACT, FractionOfUnit, whole_units

LEFT = "left"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
LARGEST = 2**63 - 1
"""Precise distributions are 64-bit integers in the original."""


@dataclass
class Part:
    """The part of one share; ``number`` is its place in the request, from 0."""

    number: int
    identifier: str
    units: Decimal


def distribute(total: int, shares: Sequence[Share], precision: int) -> list[Part]:
    """Return the part of each share of ``total`` minor units, except for fixed shares of zero.

    What rounding or the shares leave goes to the largest part, the first of equal ones, if any part is above zero.
    A part may be zero or less, where its share says so. Raises ``InvalidDistribution``.
    """
    for share in shares:
        _refuse_doubt(share, precision)
    if total in (0, 1):  # one unit cannot be divided
        return [Part(n, share.identifier, Decimal(total if n == 0 else 0)) for n, share in enumerate(shares)]
    fixed = _fixed(total, shares, precision)
    percentages = _percentages(total, shares)
    remaining = _rest(total, [*fixed, *percentages])
    if _sum(fixed) > total:
        raise InvalidDistribution("total distributions exceed 100% or total amount")
    parts = [*fixed, *percentages]
    for part in parts:
        part.units = part.units.to_integral_value(ROUND_DOWN, EXACT)
    parts += _leftover(shares, remaining, {part.identifier for part in parts})
    if not parts:
        raise InvalidDistribution("nothing is given to anybody")
    _give_largest(parts, _rest(total, parts))
    return sorted(parts, key=lambda part: part.number)


def _refuse_doubt(share: Share, precision: int) -> None:
    """Refuse a share without a part, or with two that differ, of which the original takes one."""
    said = share.distribution, share.precise_distribution
    if not any(said):
        raise InvalidDistribution(f"{share.identifier} has neither distribution nor precise_distribution")
    if not all(said) or set(said) == {LEFT}:
        return
    is_fixed = not _is_left(share) and not _is_percentage(share)
    if not is_fixed or _major(share.distribution, precision) != _precise(share.precise_distribution):
        raise InvalidDistribution(f"distribution and precise_distribution of {share.identifier} contradict each other")


def _give_largest(parts: Sequence[Part], units: Decimal) -> None:
    """Add units to the largest part, if any is above zero."""
    largest = max(parts, key=lambda part: part.units)
    if largest.units > 0:
        largest.units = EXACT.add(largest.units, units)


def _sum(parts: Sequence[Part]) -> Decimal:
    total = Decimal(0)
    for part in parts:
        total = EXACT.add(total, part.units)
    return total


def _rest(total: int, parts: Sequence[Part]) -> Decimal:
    """Return a total less its parts; a plain operator would round to 28 digits."""
    return EXACT.subtract(Decimal(total), _sum(parts))


def _is_left(share: Share) -> bool:
    return LEFT in (share.distribution, share.precise_distribution)


def _is_percentage(share: Share) -> bool:
    return not _is_left(share) and share.distribution.endswith("%")


def _fixed(total: int, shares: Sequence[Share], precision: int) -> list[Part]:
    remaining, parts = Decimal(total), []
    for number, share in enumerate(shares):
        if _is_left(share) or _is_percentage(share):
            continue
        units = _fixed_units(share, precision)
        if units > remaining:
            raise InvalidDistribution("fixed amount exceeds remaining transaction amount")
        remaining = EXACT.subtract(remaining, units)
        if units:
            parts.append(Part(number, share.identifier, units))
    return parts


def _fixed_units(share: Share, precision: int) -> Decimal:
    if share.precise_distribution:
        return _precise(share.precise_distribution)
    return _major(share.distribution, precision)


def _precise(text: str) -> Decimal:
    if not INTEGER.fullmatch(text) or abs(int(text)) > LARGEST:
        raise InvalidDistribution("invalid precise_distribution format: must be an integer value in minor units")
    return Decimal(text)


def _major(text: str, precision: int) -> Decimal:
    if not NUMBER.fullmatch(text):
        raise InvalidDistribution("invalid fixed amount format")
    try:
        return Decimal(whole_units(Decimal(text), precision))
    except FractionOfUnit as error:
        raise InvalidDistribution(error.message) from error


def _percentages(total: int, shares: Sequence[Share]) -> list[Part]:
    """Return the parts of percentages, unrounded; those below one unit go to the largest of them."""
    parts, percent, lost = [], Decimal(0), Decimal(0)
    for number, share in enumerate(shares):
        if not _is_percentage(share):
            continue
        text = share.distribution[:-1]
        if not NUMBER.fullmatch(text):
            raise InvalidDistribution("invalid percentage format")
        percent = EXACT.add(percent, Decimal(text))
        units = EXACT.divide(EXACT.multiply(Decimal(total), Decimal(text)), Decimal(100))
        if 0 < units < 1:
            lost, units = EXACT.add(lost, units), Decimal(0)
        parts.append(Part(number, share.identifier, units))
    if percent > 100:
        raise InvalidDistribution("total distributions exceed 100% or total amount")
    if lost:
        _give_largest(parts, lost)
    return parts


def _leftover(shares: Sequence[Share], remaining: Decimal, taken: set[str]) -> list[Part]:
    """Return the part of the first share that takes what is left; further ones get nothing."""
    for number, share in enumerate(shares):
        if _is_left(share):
            if share.identifier in taken:
                raise InvalidDistribution("multiple identifiers with 'left' distribution")
            return [Part(number, share.identifier, remaining.to_integral_value(ROUND_DOWN, EXACT))]
    return []
