"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_test_that_the_page_of_differences_names_exists() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", (ROOT / "COMPATIBILITY.md").read_text()))
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / "tests" / name).exists()] == []
