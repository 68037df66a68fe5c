"""JSON without floats: numbers are read as ``int`` or ``Decimal`` and written back digit for digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import simplejson

MAX_DIGITS = 1000
"""Longest integer that is read; far beyond any money, far below what would cost time to parse."""
MAX_EXPONENT = 308
"""Largest decimal exponent that is read, that of a 64-bit float, as in the original (conventions 5.5)."""


class NumberOutOfRange(ValueError):
    """A number has more digits or a larger exponent than is read; ``literal`` is its text."""

    def __init__(self, literal: str) -> None:
        """Keep the literal for the message."""
        self.literal = literal if len(literal) <= 40 else f"{literal[:40]}…"
        super().__init__(self.literal)


def _integer(literal: str) -> int:
    if len(literal) > MAX_DIGITS:
        raise NumberOutOfRange(literal)
    return int(literal)


def _decimal(literal: str) -> Decimal:
    value = Decimal(literal)
    if len(literal) > MAX_DIGITS or abs(value.adjusted()) > MAX_EXPONENT:
        raise NumberOutOfRange(literal)
    return value


class ExactDecoder(simplejson.JSONDecoder):
    """Reads numbers exactly. Raises ``JSONDecodeError`` or ``NumberOutOfRange``, both ``ValueError``."""

    def __init__(self, **options: Any) -> None:
        """Accept the options that Django passes, of which there are none."""
        super().__init__(parse_float=_decimal, parse_int=_integer, **options)


class ExactEncoder(simplejson.JSONEncoder):
    """Writes ``Decimal`` as a bare number and every character as itself."""

    def __init__(self, **options: Any) -> None:
        """Accept the options that Django and psycopg pass."""
        super().__init__(**(options | {"use_decimal": True, "ensure_ascii": False}))


def dumps(value: Any) -> str:
    """Return compact JSON text; object keys keep their order."""
    return ExactEncoder(separators=(",", ":")).encode(value)


def loads(text: str) -> Any:
    """Return the value of a JSON text. Raises ``ValueError``."""
    return ExactDecoder().decode(text)
