"""Kinds of differences that COMPATIBILITY.md lists, each by a pattern and the words of its row there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent.parent.parent / "COMPATIBILITY.md"
KNOWN: list[tuple[str, str]] = []


def listed(kind: str) -> str:
    """Return the words of the page that list a kind of difference, or nothing."""
    return next((words for pattern, words in KNOWN if re.search(pattern, kind)), "")


def missing_words() -> list[str]:
    """Return what is said here to be listed, and is not."""
    page = PAGE.read_text()
    return [words for _, words in KNOWN if words not in page]
