"""Records that do not come from a CSV file: those of opening balances, and those of readers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from balances.importing.files import Record
from balances.importing.style import Style


class Listing:
    """Records that do not come from a CSV file; they are canonical, and few enough to be held in memory."""

    def __init__(self, path: Path, records: Sequence[Record], zone: str = "") -> None:
        self.path, self._records, self.style = path, records, Style(zone=zone)

    @property
    def size(self) -> int:
        """Return how many records there are, for the progress."""
        return len(self._records)

    @property
    def position(self) -> int:
        """Return the same number, because they are written at once."""
        return len(self._records)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the records."""
        return hashlib.sha256(repr([record.cells for record in self._records]).encode()).hexdigest()

    def records(self) -> Iterator[Record]:
        """Yield the records."""
        yield from self._records
