"""Durations as Go writes and reads them: ``90s``, ``1h30m``, ``2m0s``."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import simplejson

from balances.api.listing import InvalidParameter

NANOSECONDS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)", re.ASCII)
LONGEST = 2**63 - 1
"""Most nanoseconds of a duration in the original."""


def parse(value: str) -> timedelta:
    """Parse a duration. Raises ``InvalidParameter`` with the original's message."""
    quoted = simplejson.dumps(value, ensure_ascii=False)
    text = value.removeprefix("-") if value.startswith("-") else value.removeprefix("+")
    if text == "0":
        return timedelta(0)
    parts = PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        raise _invalid(f"invalid duration {quoted}")
    total = Decimal(0)
    for number, unit in parts:
        if not unit:
            raise _invalid(f"missing unit in duration {quoted}")
        if unit not in NANOSECONDS:
            raise _invalid(f"unknown unit {simplejson.dumps(unit, ensure_ascii=False)} in duration {quoted}")
        total += Decimal(number) * NANOSECONDS[unit]
    if total > LONGEST:
        raise _invalid(f"invalid duration {quoted}")
    return timedelta(microseconds=int(total / 1000) * (-1 if value.startswith("-") else 1))


def text(duration: timedelta) -> str:
    """Return a duration as the original prints it."""
    microseconds = abs(duration) // timedelta(microseconds=1)
    sign = "-" if duration < timedelta(0) else ""
    if microseconds < 1_000_000:
        return f"{sign}{_small(microseconds)}"
    hours, rest = divmod(microseconds, 3600 * 10**6)
    minutes, rest = divmod(rest, 60 * 10**6)
    seconds = f"{format((Decimal(rest) / 10**6).normalize(), 'f')}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _small(microseconds: int) -> str:
    if microseconds >= 1000:
        return f"{format((Decimal(microseconds) / 1000).normalize(), 'f')}ms"
    return f"{microseconds}µs" if microseconds else "0s"


def _invalid(why: str) -> InvalidParameter:
    return InvalidParameter(f"invalid threshold duration: time: {why}")
