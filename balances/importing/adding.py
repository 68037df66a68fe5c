"""Adds rows to a ledger and moves its totals by them: a second file into it, or a first one that states no totals.

The rows are staged, so that already imported ones can be distinguished before anything is written, and so that totals
move by the new rows only, whatever is posted meanwhile. Balances are locked for the last statement only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from django.db import OperationalError
from psycopg import errors as pg

from balances.events import publishing
from balances.ground import Statement
from balances.importing.copying import Progress, copy
from balances.importing.files import Source
from balances.importing.names import Names, Row
from balances.importing.refusing import ImportRefused, shown
from balances.importing.report import Tally
from balances.importing.rows import transaction_rows

STAGE = Statement.beside(__file__, "stage_rows.sql")
COPY_STAGED = Statement.beside(__file__, "copy_staged.sql")
ANALYZE_STAGED = Statement.beside(__file__, "analyze_staged.sql")
FIND_STAGED_PARENTS = Statement.beside(__file__, "find_staged_parents.sql")
STAGED_TWICE = Statement.beside(__file__, "staged_twice.sql")
DROP_STAGED_TWICE = Statement.beside(__file__, "drop_staged_twice.sql")
STAGED_DIFFERS = Statement.beside(__file__, "staged_differs.sql")
DROP_STAGED_KNOWN = Statement.beside(__file__, "drop_staged_known.sql")
STAGED_ORPHANS = Statement.beside(__file__, "staged_orphans.sql")
STAGED_PRECISIONS = Statement.beside(__file__, "staged_precisions.sql")
ADD_STAGED = Statement.beside(__file__, "add_staged.sql")
LOCK_STAGED = Statement.beside(__file__, "lock_staged.sql")
MOVE_TOTALS = Statement.beside(__file__, "move_totals.sql")
UNSTAGE = Statement.beside(__file__, "unstage_rows.sql")
LOCK_WAIT = "10s"
"""How long to wait for a balance that is being posted to."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """The numbers of rows that were added, and of rows that were imported before."""

    rows: int
    skipped: int


@dataclass(frozen=True)
class Stage:
    """The staged rows of an import, each with its file and line."""

    files: Sequence[Source]
    ledger_id: str

    def take(self, names: Names, tally: Tally, progress: Progress) -> None:
        """Read the files. Raises ``ImportRefused``."""
        STAGE.execute()
        for number, file in enumerate(self.files):
            copy(COPY_STAGED, self._rows(number, file, names, tally), file, progress)
        ANALYZE_STAGED.execute()

    def _rows(self, number: int, file: Source, names: Names, tally: Tally) -> Iterator[Row]:
        for record, row in transaction_rows(file, self.ledger_id, names, tally):
            yield (*row, record.text("parent"), str(number), str(record.line))

    def sort_out(self) -> int:
        """Drop rows that were imported before and return their number. Raises ``ImportRefused`` where one differs."""
        FIND_STAGED_PARENTS.execute()
        for row in STAGED_TWICE.rows():
            where = "" if row["file_number"] == row["first_file"] else f" of {self._path(row['first_file'])}"
            twice = f"{shown(row['reference'])} stands on line {row['first_line']}{where} already"
            self._refuse(row, "reference", f"{twice}{', with other content' if where else ''}")
        for row in STAGED_DIFFERS.rows():
            known = f"{shown(row['reference'])} is in already with {shown(row['stored'] or '')}"
            self._refuse(row, row["column_name"], f"{known}, not {shown(row['incoming'] or '')}")
        twice = DROP_STAGED_TWICE.rows()[0]["dropped"]
        return int(twice + DROP_STAGED_KNOWN.rows()[0]["dropped"])

    def check(self) -> None:
        """Refuse a missing parent, and a precision that makes sums of one currency meaningless."""
        for row in STAGED_ORPHANS.rows():
            self._refuse(row, "parent", f"neither the files nor the ledger have {shown(row['parent'])}")
        for row in STAGED_PRECISIONS.rows():
            other = f"{row['other']} elsewhere, so their minor units cannot be summed"
            self._refuse(row, "precision", f"{row['precision']} in {shown(row['currency'])}, but {other}")

    def add(self) -> int:
        """Write the new rows, move the totals by them, and return their number."""
        try:
            added = int(ADD_STAGED.rows()[0]["added"])
            for row in LOCK_STAGED.rows(lock_wait=LOCK_WAIT):
                if row["track_fund_lineage"]:
                    name = shown(row["indicator"] or row["balance_id"])
                    raise ImportRefused(f"Balance {name} tracks the lineage of its funds, which imported rows have not")
            moved = MOVE_TOTALS.rows()
        except (OperationalError, pg.Error) as error:
            raise self._explained(error) from error
        publishing.publish_monitors([row["balance_id"] for row in moved])
        UNSTAGE.execute()
        return added

    def _explained(self, error: Exception) -> Exception:
        """Return the refusal for data that PostgreSQL rejected, or the error where the files are not at fault."""
        cause = error if isinstance(error, pg.Error) else error.__cause__
        if isinstance(cause, (pg.LockNotAvailable, pg.DeadlockDetected)):
            return ImportRefused("Somebody kept a balance of this import locked; import once more")
        if isinstance(cause, (pg.IntegrityError, pg.DataError, pg.ProgramLimitExceeded)):
            paths = ", ".join(sorted({str(file.path) for file in self.files}))
            return ImportRefused(f"{paths}: PostgreSQL refuses it: {cause.diag.message_primary}")
        return error

    def _path(self, number: int) -> Path:
        return self.files[number].path

    def _refuse(self, row: dict[str, Any], column: str, problem: str) -> NoReturn:
        place = f"{self._path(row['file_number'])}, line {row['line']}"
        raise ImportRefused(f"{place}, column {column}: {problem}")
