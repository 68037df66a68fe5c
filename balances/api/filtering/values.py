"""One value of a filter, from a body or a query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from balances.ground import MAX_EXPONENT, plain

INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,4})?", re.ASCII | re.IGNORECASE)
DAY = re.compile(r"\d{4}([-/])\d{2}\1\d{2}", re.ASCII)
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", re.ASCII)
RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Given:
    """A value in the forms that columns compare with."""

    value: Any
    """The JSON value, with exact numbers."""
    text: str | None
    """The text that the database reads as a number, an instant or JSON; ``None`` is NULL."""
    written: str | None
    """The text for columns of text: exactly the characters that the client sent."""
    span: tuple[str, str] | None = None
    """Start and end, where a query names a day, a minute, a second or a fraction of one."""

    @property
    def is_composite(self) -> bool:
        """Return whether it is an object or an array, which no column can be compared with."""
        return isinstance(self.value, (dict, list))

    @property
    def is_number(self) -> bool:
        """Return whether it is a number."""
        return isinstance(self.value, (int, Decimal)) and not isinstance(self.value, bool)


def from_json(value: Any) -> Given:
    """Return a value from a body, with its JSON type."""
    text: str | None
    match value:
        case None | dict() | list():
            text = None
        case bool():
            text = "true" if value else "false"
        case Decimal():
            text = plain(value)
        case _:
            text = str(value)
    return Given(value, text, text)


def from_text(text: str) -> Given:
    """Return a value from a query, typed in the contract's order: integer, decimal, boolean, date, text."""
    if INTEGER.fullmatch(text):
        return Given(int(text), str(int(text)), text)
    if DECIMAL.fullmatch(text) and abs((number := Decimal(text)).adjusted()) <= MAX_EXPONENT:
        return Given(number, plain(number), text)
    if text in ("true", "false"):
        return Given(text == "true", text, text)
    instant = _instant(text)
    if instant is None:
        return Given(text, text, text)
    return Given(text, instant.isoformat(), text, _span(instant, text))


def _instant(text: str) -> datetime | None:
    """Return the instant in a text, in UTC unless it has an offset; ``None`` where it is none."""
    if not any(layout.fullmatch(text) for layout in (DAY, MOMENT, RFC_3339)):
        return None
    try:
        read = datetime.fromisoformat(text.replace("/", "-"))
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _span(instant: datetime, text: str) -> tuple[str, str]:
    """Return start and end of the unit that was written: ``2026-02-01`` is that day."""
    fraction = re.search(r"\.(\d+)", text)
    if fraction:
        width = timedelta(microseconds=1) if len(fraction[1]) >= 6 else MILLISECOND
    elif ":" not in text:
        width = timedelta(days=1)
    else:
        width = timedelta(seconds=1) if text.count(":") > 1 else timedelta(minutes=1)
    if width == MILLISECOND:
        instant = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    try:
        return instant.isoformat(), (instant + width).isoformat()
    except OverflowError:  # the last unit of the year 9999
        return instant.isoformat(), "infinity"
