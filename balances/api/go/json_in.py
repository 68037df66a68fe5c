"""Reads the first JSON value of a text, or raises the error of the original's decoder."""

from __future__ import annotations

import re
from typing import Any

import simplejson

from balances.api.go.syntax import fault_of
from balances.ground import ExactDecoder, NumberOutOfRange, TooDeep

DECODER = ExactDecoder()
SURROGATE = re.compile("[\ud800-\udfff]")
MOST_VALUES = 100_000
"""Most values in one body, counting members of objects and items of arrays: reading, storing and answering more of them
would keep a processor busy for more than a second."""
TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A string, or the rest of a text that ends within one, so that each character is scanned once."""


class Unreadable(Exception):
    """A body cannot be read; the message is that of the original's decoder."""


def refuse_many(text: str, most: int = MOST_VALUES) -> None:
    """Raise ``Unreadable`` for a JSON text of more than ``most`` values, without reading it."""
    if _values_in(text) > most and _values_in(TEXT.sub("", text)) > most:
        raise Unreadable(f"json: more than {most:,} values")


def _values_in(text: str) -> int:
    """Return how many values a text without strings holds, or a few more."""
    return sum(map(text.count, ",[{"))


def first_value(text: str, **options: Any) -> Any:
    """Return the first JSON value of a text; what follows it is ignored, as in the original. Raises ``Unreadable``.

    ``options`` are those of the decoder.
    """
    stripped = text.lstrip(" \t\r\n")
    if not stripped:
        raise Unreadable("EOF")
    if stripped.startswith("\ufeff"):  # simplejson would skip a byte order mark
        raise Unreadable("invalid character 'ï' looking for beginning of value")
    try:
        value, _ = (ExactDecoder(**options) if options else DECODER).raw_decode(stripped)
    except simplejson.JSONDecodeError as error:
        raise Unreadable(fault_of(stripped)) from error
    except NumberOutOfRange as error:
        raise Unreadable(f"json: cannot unmarshal number {error.literal} into Go value of type float64") from error
    except (RecursionError, TooDeep) as error:
        raise Unreadable("invalid character '[' exceeded max depth") from error
    return _storable(value) if "\\u" in stripped or "\x00" in stripped else value


def _storable(value: Any) -> Any:
    """Return a value whose strings PostgreSQL can store: lone surrogates replaced, as Go does; NUL refused."""
    if isinstance(value, str):
        if "\x00" in value:
            raise Unreadable("a string contains the character \\u0000, which cannot be stored")
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return value
