"""Months, where they lie, and the manifest that says what is in each file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, Self

from balances.ground import LedgerError

WRITTEN = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
MANIFEST, CHECKPOINT = "manifest.json", "checkpoint.parquet"
FORMAT = 1


class NoMonth(LedgerError):
    """A text is no month."""

    code = "GEN_VALIDATION_ERROR"


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the month written as ``2026-01``. Raises ``NoMonth``."""
        found = WRITTEN.fullmatch(text)
        if found is None or found[1] == "0000":
            raise NoMonth(f"{text!r} is no month; write it as 2026-01.")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, instant: datetime) -> Self:
        """Return the month of an instant."""
        there = instant.astimezone(UTC)
        return cls(there.year, there.month)

    @property
    def begin(self) -> datetime:
        """Return its first instant."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """Return the first instant after it."""
        return self.next.begin

    @property
    def next(self) -> Month:
        """Return the month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


@dataclass(frozen=True)
class Entry:
    """What a manifest says of a file of legs: sums in minor units, as texts, by currency and side."""

    name: str
    sha256: str
    rows: int
    first: str
    last: str
    first_id: str
    last_id: str
    sums: dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True)
class Manifest:
    """What is in the directory of a month. ``previous`` is the digest of the manifest before, or nothing."""

    month: str
    previous: str
    checkpoint: str
    """SHA-256 of what every balance adds up to until the end of the month."""
    files: list[Entry] = field(default_factory=list)
    format: int = FORMAT

    def as_bytes(self) -> bytes:
        """Return it as it is stored."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def read(cls, stored: bytes) -> Self:
        """Return what was stored, as it was when its digest was sealed."""
        given = json.loads(stored)
        return cls(**given | {"files": [Entry(**each) for each in given["files"]]})

    @property
    def legs(self) -> int:
        """Return how many legs there are."""
        return sum(entry.rows for entry in self.files)

    def figures(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return applied and inflight sums by currency and side, over all files."""
        added: dict[tuple[str, str], tuple[int, int]] = {}
        for entry in self.files:
            for currency, sides in entry.sums.items():
                for side, sums in sides.items():
                    applied, inflight = added.get((currency, side), (0, 0))
                    added[currency, side] = (applied + int(sums["applied"]), inflight + int(sums["inflight"]))
        return added


def figures_of(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the same from rows of a statement."""
    return {(row["currency"], row["side"]): (int(row["applied"]), int(row["inflight"])) for row in rows}


def sha256_of(path: Path) -> str:
    """Return the digest of a file, read in portions."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
