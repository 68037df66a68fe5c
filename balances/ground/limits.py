"""Limits by currency, as settings give them."""

from __future__ import annotations

from collections.abc import Mapping

OTHERS = "*"
"""Stands for each currency that has no limit of its own."""


def limit_of(limits: Mapping[str, int | None], currency: str) -> int | None:
    """Return the limit of a currency in minor units: its own, that of ``*``, or zero. ``None`` is no limit."""
    return limits.get(currency, limits.get(OTHERS, 0))
