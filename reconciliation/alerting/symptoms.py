"""What a condition returns where something is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Symptom:
    """What is wrong: a sentence for people and the figures behind it, amounts in minor units."""

    title: str
    details: dict[str, Any] = field(default_factory=dict)
