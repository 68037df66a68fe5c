"""Arithmetic between major and minor units (transactions 10.1), exact: ``int`` and ``Decimal``, never a float."""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_UP, Context, Decimal

EXACT = Context(prec=4_000, rounding=ROUND_HALF_UP)
"""Enough digits that no product of two read numbers is ever rounded."""
ZERO = Decimal(0)
MAX_FRACTION_DIGITS = Decimal(1).scaleb(-16)
"""An amount computed from minor units has at most 16 decimals."""


def minor_units(amount: Decimal, precision: int) -> int:
    """Return ``amount`` major units as minor units, rounded half away from zero: 1.005 × 100 is 101."""
    return int(EXACT.multiply(amount, Decimal(precision)).to_integral_value(ROUND_HALF_UP, EXACT))


def major_units(precise_amount: int, precision: int) -> Decimal:
    """Return minor units as a decimal amount with at most 16 decimals and no trailing zeros."""
    digits = len(str(precise_amount)) + 20
    context = Context(prec=digits + len(str(precision)), rounding=ROUND_HALF_UP)
    return context.divide(Decimal(precise_amount), Decimal(precision)).quantize(
        MAX_FRACTION_DIGITS, ROUND_HALF_UP, context
    )


def threshold_units(value: Decimal, precision: Decimal) -> int:
    """Return value × precision in minor units, truncated toward zero: 0.29 × 100 is 29 (ledgers-balances 4.1)."""
    return int(EXACT.multiply(value, precision))


def plain(value: Decimal) -> str:
    """Return a decimal as text, without exponent or trailing zeros: ``100``, ``125.5``."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def short(value: Decimal) -> int | Decimal:
    """Return a number to be written as JSON: an ``int`` where there is no fraction, so never ``100.0``."""
    return int(value) if value == value.to_integral_value() else Decimal(plain(value))


def transaction_hash(amount: Decimal, reference: str, currency: str, source: str, destination: str) -> str:
    """Return the SHA-256 of a transaction, in hex (transactions 10.5)."""
    return hashlib.sha256(f"{plain(amount)}{reference}{currency}{source}{destination}".encode()).hexdigest()
