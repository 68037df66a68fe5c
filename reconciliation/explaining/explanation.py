"""What an explanation is: a known cause, how sure it is, and on what evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import TextChoices

from reconciliation.explaining.drift import Drift


class Certainty(TextChoices):
    """How sure an explanation is, the surest first."""

    CERTAIN = "certain"
    STRONG = "strong"
    LIKELY = "likely"
    POSSIBLE = "possible", "Possible (a hint; counts for nothing)"


COUNTING = (Certainty.CERTAIN, Certainty.STRONG, Certainty.LIKELY)
"""How sure an explanation must be to count as explained; the others are hints."""


@dataclass(frozen=True)
class Cause:
    """A known cause of drift, in words for people.

    ``blocks``: transactions are missing or damaged, and only the totals still hold them; rebuilding would drop them.
    """

    slug: str
    title: str
    description: str
    blocks: bool = False


@dataclass(frozen=True)
class Explanation:
    """One reason for a drift, or a part of it: which rows, how much, how sure, on what evidence.

    ``alternatives`` is the number of other readings of the same drift. ``rank`` orders proposals among themselves.
    """

    cause: str
    sentence: str
    drift: Drift
    certainty: Certainty
    rows: tuple[str, ...] = ()
    alternatives: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)
    rank: int = 0
    since: datetime | None = None
    """The instant at which the balance went wrong, where the evidence has it."""

    @property
    def counts(self) -> bool:
        """Return whether it is sure enough to count as explained."""
        return self.certainty in COUNTING

    def as_hint(self) -> Explanation:
        """Return it as a hint, which counts for nothing."""
        return replace(self, certainty=Certainty.POSSIBLE)

    def as_json(self) -> dict[str, Any]:
        """Return the form in which findings, REST and commands show it."""
        return {
            "cause": self.cause,
            "sentence": self.sentence,
            "rows": list(self.rows),
            **asdict(self.drift),
            "explains": self.drift.gross,
            "certainty": self.certainty.value,
            "alternatives": self.alternatives,
            "evidence": self.evidence,
        }
