"""Instants as text, as the contract writes them."""

from __future__ import annotations

from datetime import datetime


def go_time(instant: datetime) -> str:
    """Return an instant as RFC 3339, trailing zeros of the fraction removed, ``Z`` for UTC."""
    text = instant.isoformat()
    head, offset = text[:19], text[19:]
    fraction = ""
    if offset.startswith("."):
        fraction, offset = offset[:7].rstrip("0").rstrip("."), offset[7:]
    return f"{head}{fraction}{'Z' if offset == '+00:00' else offset}"
