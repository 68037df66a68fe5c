"""The messages of the original's decoder for times that it cannot read, to the byte."""

from __future__ import annotations

import re
from calendar import monthrange
from typing import Any

import simplejson

LAYOUT = "2006-01-02T15:04:05Z07:00"
DIGITS = {"2006": r"\d{4}", "01": r"\d\d", "02": r"\d\d", "15": r"\d\d", "04": r"\d\d", "05": r"\d\d(\.\d+)?"}
PARTS = ("2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05", "Z07:00")
"""The elements of the layout, in the order of reading."""
LARGEST = {"01": ("month", 12), "15": ("hour", 23), "04": ("minute", 59), "05": ("second", 59)}
ZONE = re.compile(r"Z|[+-](\d\d):(\d\d)", re.ASCII)


def why_not(value: Any) -> str:
    """Return the message for a JSON value that is no RFC 3339 time."""
    if not isinstance(value, str):
        return "Time.UnmarshalJSON: input is not a JSON string"
    shown = simplejson.dumps(value, ensure_ascii=False)
    reason = _reason(value)
    if isinstance(reason, str):
        return f"parsing time {shown}: {reason}"
    rest, element = reason
    rest = simplejson.dumps(rest, ensure_ascii=False)
    return f'parsing time {shown} as "{LAYOUT}": cannot parse {rest} as "{element}"'


def _reason(text: str) -> str | tuple[str, str]:
    """Return what is out of range, or the rest of the text and the element that it does not begin with."""
    rest, found = text, {}
    for part in PARTS:
        pattern = ZONE.pattern if part == "Z07:00" else DIGITS.get(part, re.escape(part))
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            return rest, part
        found[part] = match
        name, largest = LARGEST.get(part, ("", 0))
        if name and not (part == "01") <= int(match[0][:2]) <= largest:
            return f"{name} out of range"
        rest = rest[match.end() :]
    hours, minutes = (int(each or 0) for each in found["Z07:00"].groups())
    if hours > 23 or minutes > 59:
        return f"time zone offset {'hour' if hours > 23 else 'minute'} out of range"
    if rest:
        return f"extra text: {simplejson.dumps(rest, ensure_ascii=False)}"
    return _day_reason(int(found["2006"][0]), int(found["01"][0]), int(found["02"][0]))


def _day_reason(year: int, month: int, day: int) -> str:
    if not 1 <= day <= monthrange(max(year, 1), month)[1]:
        return "day out of range"
    return "not between the years 1 and 9999 in UTC"  # not in the original, which reads more than can be stored
