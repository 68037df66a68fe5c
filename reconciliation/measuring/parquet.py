"""Legs in Parquet files, added up by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciliation.measuring.duck import duck
from reconciliation.measuring.measures import Sums, Witness, read_sums
from reconciliation.measuring.scope import Scope

PARQUET_SUMS = "FROM sums_of($files, $balance_ids, $until) ORDER BY balance_id"


@dataclass(frozen=True)
class ParquetMeasure:
    """Files of legs. Whether they are what was archived is for ``sweep --archive`` to say, not for the sums."""

    files: tuple[Path, ...]

    def sums(self, scope: Scope, until: datetime | None = None) -> Iterator[Sums]:
        """Yield the sums of balances that have a leg in the files, in key order.

        Raises ``EngineMissing``, and ``NotProved`` where a sum has more than 38 digits or a file cannot be read.
        """
        ids = None if scope.everything else list(scope.ids())
        if not self.files:
            return
        before = None if until is None else until.astimezone(UTC).replace(tzinfo=None)
        files = [str(file) for file in self.files]
        with duck() as session:
            for row in session.rows(PARQUET_SUMS, files=files, balance_ids=ids, until=before):
                yield read_sums(row)

    def witness(self) -> Witness:
        """Return the files."""
        return Witness("parquet", tuple(str(file) for file in self.files))
