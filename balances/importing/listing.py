"""Records that are no CSV file of ours: made of opening balances, or by a reader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from balances.importing.files import Record
from balances.importing.style import Style


class Listing:
    """Records that were made, not read from a CSV file: they are few enough to be held in memory, and canonical."""

    def __init__(self, path: Path, records: Sequence[Record], zone: str = "") -> None:
        """Keep the records, the file that they came from, and the time zone of their days."""
        self.path, self._records, self.style = path, records, Style(zone=zone)

    @property
    def size(self) -> int:
        """Return how many records there are, for the progress."""
        return len(self._records)

    @property
    def position(self) -> int:
        """Return the same: they are written at a stroke."""
        return len(self._records)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the records."""
        return hashlib.sha256(repr([record.cells for record in self._records]).encode()).hexdigest()

    def records(self) -> Iterator[Record]:
        """Yield the records."""
        yield from self._records
