"""Keys that look alike but differ: references, indicators and currencies.

Keys are compared character by character. New ones with characters that cannot be seen are therefore refused; stored
ones are left as they are.
"""

from __future__ import annotations

import re
import unicodedata

INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control and format characters, zero-width ones among them, and separators of lines and paragraphs."""
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Marks and letters that show nothing: fillers, joiners, variation selectors."""


def problem(text: str) -> str | None:
    """Return what is wrong with a key, as the rest of a sentence, or ``None``."""
    if text.isascii() and text.isprintable():
        return _outer_blanks(text)
    for character in text:
        category = unicodedata.category(character)
        if category in INVISIBLE_CATEGORIES or INVISIBLE.match(character):
            return f"holds the invisible character U+{ord(character):04X}"
        if category == "Zs" and character != " ":
            return f"holds the blank U+{ord(character):04X}, which looks like another one"
    if not unicodedata.is_normalized("NFC", text):
        return "is not in Unicode's composed form (NFC), so it looks like another text"
    return _outer_blanks(text)


def _outer_blanks(text: str) -> str | None:
    return "begins or ends with a blank" if text != text.strip() else None
