"""JSON without floats: numbers are read as ``int`` or ``Decimal`` and written back digit for digit.

Incoming JSON is limited, so that whatever was accepted can be stored and read again; stored JSON is read as it is.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import simplejson

MAX_DIGITS = 1000
"""Longest number accepted, written out without exponent; far beyond any money."""
MAX_EXPONENT = 308
"""Largest decimal exponent accepted, that of a 64-bit float, as in the original."""
LARGEST_WRITTEN_OUT = 20
"""Decimal exponent up to which a round number is written without one, as in the original."""
MAX_DEPTH = 100
"""Deepest nesting accepted, which readers in every language can follow."""
ESCAPED = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})
"""Characters that the original escapes; in JSON they occur in strings only."""


class NumberOutOfRange(ValueError):
    """A number has more digits or a larger exponent than is read; ``literal`` is its text."""

    def __init__(self, literal: str) -> None:
        self.literal = literal if len(literal) <= 40 else f"{literal[:40]}…"
        super().__init__(self.literal)


class TooDeep(ValueError):
    """Objects and arrays are nested more than ``MAX_DEPTH`` deep."""


def _integer(literal: str) -> int:
    if len(literal) > MAX_DIGITS:
        raise NumberOutOfRange(literal)
    return int(literal)


def _decimal(literal: str) -> Decimal:
    if len(literal) <= MAX_EXPONENT and "e" not in literal and "E" not in literal:
        return Decimal(literal)  # the usual case: too short to be out of range
    if len(literal) > MAX_DIGITS:
        raise NumberOutOfRange(literal)
    try:
        value = Decimal(literal)
    except InvalidOperation as error:  # an exponent of more than 18 digits
        raise NumberOutOfRange(literal) from error
    if abs(value.adjusted()) > MAX_EXPONENT or len(format(value, "f")) > MAX_DIGITS:
        raise NumberOutOfRange(literal)
    return value


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise TooDeep


class ExactDecoder(simplejson.JSONDecoder):
    """Reads incoming JSON, with exact numbers and within limits.

    Raises ``JSONDecodeError``, ``NumberOutOfRange`` or ``TooDeep``, each a ``ValueError``, or ``RecursionError``.
    """

    def __init__(self, **options: Any) -> None:
        """Accept the options that Django passes, of which there are none."""
        super().__init__(parse_float=_decimal, parse_int=_integer, **options)

    def raw_decode(self, s: str, idx: int = 0, *args: Any, **options: Any) -> tuple[Any, int]:
        """Return the first value and where it ends."""
        value, end = super().raw_decode(s, idx, *args, **options)
        if s.count("[") + s.count("{") > MAX_DEPTH:
            _refuse_depth(value)
        return value, end


class StoredDecoder(simplejson.JSONDecoder):
    """Reads stored JSON, with exact numbers and without limits."""

    def __init__(self, **options: Any) -> None:
        """Accept the options that Django passes, of which there are none."""
        super().__init__(parse_float=Decimal, parse_int=_stored_integer, **options)


def _stored_integer(literal: str) -> int | Decimal:
    return int(literal) if len(literal) <= MAX_DIGITS else Decimal(literal)


class ExactEncoder(simplejson.JSONEncoder):
    """Writes ``Decimal`` as a bare number and every character as itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"use_decimal": False, "ensure_ascii": False}))

    def default(self, o: Any) -> Any:
        """Return a ``Decimal`` as the original writes it: ``1e-13``, ``0.000001``, ``1000``."""
        if not isinstance(o, Decimal):
            return super().default(o)
        text = str(o)
        if "E" in text:
            text = format(o, "f") if 0 < o.adjusted() <= LARGEST_WRITTEN_OUT else text.lower()
        return simplejson.RawJSON(text)


COMPACT = ExactEncoder(separators=(",", ":"))


def dumps(value: Any) -> str:
    """Return compact JSON text; object keys keep their order."""
    return COMPACT.encode(value)


def loads(text: str) -> Any:
    """Return the value of a JSON text. Raises ``ValueError``."""
    return ExactDecoder().decode(text)
