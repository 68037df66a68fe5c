"""What an import is asked to do, and the sources that it reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from balances.importing.files import Columns, CsvFile, Record, Source
from balances.importing.refusing import ImportRefused, shown
from balances.importing.style import ALL_COLUMNS, Style

STATED_BALANCES = Columns(
    required=("currency", "credit_balance", "debit_balance", "balance", "created_at"),
    either=("indicator", "balance_id"),
    optional=(
        "inflight_credit_balance",
        "inflight_debit_balance",
        "inflight_balance",
        "opening_balance",
        "precision",
        "meta_data",
    ),
)
SUMMED_BALANCES = Columns(
    required=("currency",),
    either=("indicator", "balance_id"),
    optional=(
        "opening_balance",
        "balance",
        "credit_balance",
        "debit_balance",
        "created_at",
        "precision",
        "meta_data",
    ),
)
TRANSACTIONS = Columns(
    required=("reference", "source", "destination", "precision", "currency", "effective_date"),
    either=("precise_amount", "amount"),
    optional=("description", "status", "parent", "entry", "created_at", "meta_data"),
)
ASSERTIONS = Columns(
    required=("currency", "balance"),
    either=("indicator", "balance_id"),
    optional=("at", "credit_balance", "debit_balance", "tolerance", "subaccounts", "precision", "description"),
)


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """Which files go into which ledger, and how. Raises ``ImportRefused`` where that contradicts itself."""

    name: str
    balances: Path | None = None
    transactions: Path | None = None
    assertions: Path | None = None
    style: Style = field(default_factory=Style)
    from_rows: bool = False
    """Whether totals follow from the rows; then stated ones are assertions. Else they are stored as they are stated."""
    append: bool = False
    """Whether the rows go into a ledger that exists."""
    opening_from: str = ""
    """The indicator of the balances that opening balances come from."""
    refuse_failing: bool = False
    """Whether an assertion that does not hold refuses the import."""
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not self.name.strip():
            raise ImportRefused("The ledger needs a name")
        if not (self.balances or self.transactions):
            raise ImportRefused("There is no file to import")
        if self.transactions is None and self.balances is None:
            raise ImportRefused("An import needs a file of balances, of transactions, or both")
        if self.balances is None and not self.totals_from_rows:
            raise ImportRefused("Without a file of balances nothing states their totals; use --totals from-rows")

    @property
    def totals_from_rows(self) -> bool:
        """Return whether totals move by the rows that come in: always where there are totals already."""
        return self.from_rows or self.append


@dataclass(frozen=True, kw_only=True)
class Intake:
    """The sources of an import: any of them may be missing."""

    balances: Source | None = None
    transactions: tuple[Source, ...] = ()
    assertions: tuple[Source, ...] = ()
    fingerprints: Mapping[str, str]
    """SHA-256 of what comes in, by kind of file, in hex."""

    @classmethod
    def of(cls, request: ImportRequest) -> Intake:
        """Open the files of a request and check their headers. Raises ``ImportRefused``."""
        balances = SUMMED_BALANCES if request.totals_from_rows else STATED_BALANCES
        asked = (
            ("balances", request.balances, balances),
            ("transactions", request.transactions, TRANSACTIONS),
            ("assertions", request.assertions, ASSERTIONS),
        )
        style = request.style
        files = {
            kind: CsvFile(path, _columns(columns, style), style) for kind, path, columns in asked if path is not None
        }
        _check_names(files, style)
        for file in files.values():
            file.check()
        return cls(
            balances=files.get("balances"),
            transactions=tuple(file for kind, file in files.items() if kind == "transactions"),
            assertions=tuple(file for kind, file in files.items() if kind == "assertions"),
            fingerprints={kind: file.fingerprint() for kind, file in files.items() if kind != "assertions"},
        )


class Listing:
    """Records that were made, not read from a CSV file: they are few enough to be held in memory, and canonical."""

    def __init__(self, path: Path, records: list[Record]) -> None:
        """Keep the records and the file that they came from."""
        self.path, self._records, self.style = path, records, Style()

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


def _columns(columns: Columns, style: Style) -> Columns:
    """Return the columns that a file must have when the options say what is not in it."""
    said = {"currency": bool(style.currency), "precision": bool(style.precisions)}
    return columns.without(*(name for name, given in said.items() if given))


def _check_names(files: Mapping[str, CsvFile], style: Style) -> None:
    """Refuse a name of a column that means nothing: a misspelt one would leave its column out without a word."""
    known = {name for file in files.values() for name in file.columns.known}
    if unknown := sorted(set(style.columns) - known):
        raise ImportRefused(f"{shown(unknown[0])} is not one of our columns: {', '.join(sorted(known))}")
    if style.columns or style.ignored:
        header = {name for file in files.values() for name in file.header()}
        for theirs in (*style.columns.values(), *sorted(style.ignored - {ALL_COLUMNS})):
            if theirs not in header:
                raise ImportRefused(f"No file has a column {shown(theirs)}")
