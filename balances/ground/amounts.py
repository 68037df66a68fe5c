"""Exact arithmetic between major and minor units, in ``int`` and ``Decimal``, never in floats.

docs/design/posting.md states the rules under "Amounts".
"""

from __future__ import annotations

import hashlib
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

from balances.ground.exceptions import FractionOfUnit

EXACT = Context(prec=4_000, rounding=ROUND_HALF_UP)
"""Enough digits that no product of two read numbers is ever rounded."""
ZERO = Decimal(0)
MAX_DECIMALS = 16
"""Most decimals of an amount computed from minor units."""
NOISE, MOST_NOISE = Decimal("1e-9"), Decimal("1e-3")
"""How far a float may be off a whole number of minor units: relative to the amount, and in minor units at most.

The second bound applies from a million minor units on. Sums of floats stay within it up to about 10 ** 12 minor
units; larger ones need ``precise_amount``, because noise and an intended fraction cannot be distinguished there.
"""


def stored_units(amount: Decimal, precision: int) -> int:
    """Return the minor units of a row that was stored without them, rounded half away from zero: 1.005 × 100 is 101.

    Incoming amounts are never rounded: see ``whole_units``.
    """
    return int(EXACT.multiply(amount, Decimal(precision)).to_integral_value(ROUND_HALF_UP, EXACT))


def at_rate(units: int, rate: float) -> int:
    """Return minor units at an exchange rate, to the unit as Blnk before 0.15 credited them; a rate of 0 means 1.

    The product with the exact binary value of the rate is rounded to 64 bits, or to those of the amount, half to even,
    and what is behind the point is cut off. In an adopted database a function in SQL of this name does the same.
    """
    if rate in (0, 1) or not units:
        return units
    product = Fraction(rate) * abs(units)
    bits = product.numerator.bit_length() - product.denominator.bit_length()
    bits -= Fraction(2) ** bits > product
    scale = Fraction(2) ** (max(64, abs(units).bit_length()) - 1 - bits)
    return int(Fraction(round(product * scale)) / scale) * (1 if units > 0 else -1)


def whole_units(amount: Decimal, precision: int) -> int:
    """Return ``amount`` major units as minor units: 0.29 × 100 is 29, and so is 0.2900000000000001 × 100.

    Raises ``FractionOfUnit`` where the product is off a whole number by more than float noise.
    """
    exact = EXACT.multiply(amount, Decimal(precision))
    units = exact.to_integral_value(ROUND_HALF_UP, EXACT)
    off = EXACT.subtract(exact, units).copy_abs()
    if off > min(EXACT.multiply(exact.copy_abs(), NOISE), MOST_NOISE):
        lower = int(exact.copy_abs().to_integral_value(ROUND_DOWN, EXACT))
        sign = "-" if amount < 0 else ""
        decimals = max(MAX_DECIMALS, len(str(precision)) - 1)
        neighbours = [sign + plain(major_units(each, precision, decimals)) for each in (lower, lower + 1) if each]
        raise FractionOfUnit(plain(amount), precision, neighbours)
    return int(units)


def booked(amount: Decimal, precision: int) -> Decimal:
    """Return an amount as it is booked, without the noise of a float. Raises ``FractionOfUnit``."""
    units = whole_units(amount, precision)
    is_exact = EXACT.multiply(amount, Decimal(precision)) == units
    return amount if is_exact else major_units(units, precision)


def major_units(precise_amount: int, precision: int, decimals: int = MAX_DECIMALS) -> Decimal:
    """Return minor units as an amount of major units, rounded to ``decimals`` places."""
    digits = len(str(precise_amount)) + decimals + 4
    context = Context(prec=digits + len(str(precision)), rounding=ROUND_HALF_UP)
    return context.divide(Decimal(precise_amount), Decimal(precision)).quantize(
        Decimal(1).scaleb(-decimals), ROUND_HALF_UP, context
    )


def threshold_units(value: Decimal, precision: Decimal) -> int:
    """Return value × precision in minor units, truncated toward zero: 0.29 × 100 is 29."""
    return int(EXACT.multiply(value, precision))


def plain(value: Decimal) -> str:
    """Return a decimal as text, without exponent or trailing zeros: ``100``, ``125.5``."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def short(value: Decimal) -> int | Decimal:
    """Return a number as JSON shows it: an ``int`` where there is no fraction, so never ``100.0``."""
    return int(value) if value == value.to_integral_value() else Decimal(plain(value))


def transaction_hash(amount: Decimal, reference: str, currency: str, source: str, destination: str) -> str:
    """Return the SHA-256 of a transaction, in hex."""
    return hashlib.sha256(f"{plain(amount)}{reference}{currency}{source}{destination}".encode()).hexdigest()
