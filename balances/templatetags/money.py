"""Money and instants for display: exact digits, without rounding and without floats."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from balances.ground import amounts

register = template.Library()
LONG = 20
"""Characters of an amount from which on a column may break it."""
MIN_DECIMALS = 2
"""Trailing zeros are dropped, but ``12.50`` stays ``12.50``."""


@register.filter
def money(units: int | Decimal | None, precision: int | None = None) -> SafeString:
    """Show minor units and, where the precision is known, the major amount beside them."""
    if units is None:
        return format_html('<span class="money">{}</span>', "–")
    shown = major(units, precision)
    beside = format_html('<span class="money-major">{}</span>', shown) if shown else ""
    return format_html('<span class="money"><span class="money-minor">{}</span>{}</span>', minor(units), beside)


@register.filter
def difference(units: int | Decimal, precision: int | None = None) -> SafeString:
    """Show a difference with its sign, in green if it is zero and in red otherwise."""
    sign = "+" if Decimal(units).is_finite() and units > 0 else ""  # NaN cannot be compared
    shown = major(units, precision)
    return format_html(
        '<span class="money {}"><span class="money-minor">{}{}</span>{}</span>',
        "money-differs" if units else "money-agrees",
        sign,
        minor(units),
        format_html('<span class="money-major">{}{}</span>', sign, shown) if shown else "",
    )


def amount(units: int | Decimal | None, precision: int | None, currency: str) -> SafeString:
    """Show an amount for people: major units where the precision is known, and the exact minor units on hover."""
    if units is None:
        return format_html("{}", f"– {currency}".strip())
    shown = _in_major(units, precision)
    words = f"{shown} {currency}" if shown else f"{grouped(units)} minor units of {currency or 'no currency'}"
    return format_html('<span class="money" title="{} minor units">{}</span>', minor(units), words)


def listed(units: int | Decimal | None, precision: int | None, currency: str = "") -> SafeString:
    """Show an amount in a column: major units, or minor ones that say so, and the exact minor units on hover."""
    if units is None:
        return format_html('<span class="money">{}</span>', "–")
    shown = f"{_in_major(units, precision) or f'{grouped(units)} minor'} {currency}".rstrip()
    long = " money-long" if len(shown) > LONG else ""
    return format_html('<span class="money{}" title="{} minor units">{}</span>', long, minor(units), shown)


def listed_difference(units: int | Decimal, precision: int | None, currency: str = "") -> SafeString:
    """Show a difference in a column as ``listed`` shows amounts, with its sign, in green if it is zero, else in red."""
    sign = "+" if Decimal(units).is_finite() and units > 0 else ""  # NaN cannot be compared
    tone = "money-differs" if units else "money-agrees"
    return format_html('<span class="{}">{}{}</span>', tone, sign, listed(units, precision, currency))


def _in_major(units: int | Decimal, precision: int | None) -> str:
    """Return the major amount, also where it equals the minor units; nothing where the precision is unknown."""
    return major(units, precision) or (grouped(units) if precision == 1 else "")


def grouped(units: int | Decimal) -> str:
    """Return the digits in groups of thousands."""
    return f"{units:,}" if isinstance(units, int) else amounts.plain(units)


@register.filter
def instant(moment: datetime | None) -> str:
    """Show an instant in UTC to the second, largest unit first, so that columns are easy to read."""
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def minor(units: int | Decimal) -> str:
    """Return the digits as stored, for searching and copying."""
    return str(units) if isinstance(units, int) else amounts.plain(units)


def major(units: int | Decimal, precision: int | None) -> str:
    """Return the major amount with grouped thousands, or nothing where it equals the minor units."""
    if precision is None or precision <= 1 or not isinstance(units, int):
        return ""
    decimals = len(str(precision)) - 1
    if precision != 10**decimals:
        return amounts.plain(amounts.major_units(units, precision))
    whole, part = divmod(abs(units), precision)
    fraction = f"{part:0{decimals}}".rstrip("0").ljust(min(decimals, MIN_DECIMALS), "0")
    return f"{'-' if units < 0 else ''}{whole:,}.{fraction}"
