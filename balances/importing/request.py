"""The request for an import, and the sources that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from balances.ground import lookalikes
from balances.importing.files import Columns, CsvFile, Record, Source
from balances.importing.readers import FORMATS, How
from balances.importing.refusing import ImportRefused, shown
from balances.importing.statements import read_all
from balances.importing.style import ALL_COLUMNS, Style
from balances.importing.values import INDICATOR

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
    """Which files to import into which ledger, and how. Raises ``ImportRefused`` for contradictions."""

    name: str
    balances: Path | None = None
    transactions: Path | None = None
    assertions: Path | None = None
    style: Style = field(default_factory=Style)
    from_rows: bool = False
    """Whether totals follow from the rows; then stated ones are assertions. Else they are stored as they are stated."""
    append: bool = False
    """Whether the rows go into a ledger that exists."""
    statements: tuple[Path, ...] = ()
    """Files of other formats: bank statements and journals. Totals follow from their rows."""
    format: str = ""
    """The format of the statements, a key of ``readers.FORMATS``; empty to recognize it."""
    opening_from: str = ""
    """The indicator of the balances that opening balances come from."""
    counterpart: str = ""
    """The indicator of the other side of bank entries, and of conversions between currencies in journals."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Indicators of bank accounts by their numbers."""
    digests: bool = False
    """Whether references are digests of bank entries, even where the bank gave them ids."""
    is_trusted: bool = True
    """Whether files may name other files."""
    refuse_failing: bool = False
    """Whether an assertion that does not hold refuses the import."""
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Raise ``ImportRefused`` for contradictions."""
        if not self.name.strip():
            raise ImportRefused("The ledger needs a name")
        if not (self.balances or self.transactions or self.statements):
            raise ImportRefused("There is no file to import")
        self._check_format()
        for name in (self.counterpart, self.opening_from, *self.accounts.values()):
            if name and not INDICATOR.fullmatch(name):
                raise ImportRefused(f"{shown(name)} is not an indicator such as @world")
        for name in (self.counterpart, self.opening_from, *self.accounts.values(), "" if self.append else self.name):
            if why := lookalikes.problem(name):
                raise ImportRefused(f"{shown(name)} {why}")
        if self.balances is None and not self.totals_from_rows:
            raise ImportRefused("Without a file of balances nothing states their totals; use --totals from-rows")

    def _check_format(self) -> None:
        """Refuse options that do not apply to statements and journals, or only to them."""
        if self.statements and (self.balances or self.transactions):
            raise ImportRefused("Statements and journals come in alone, without CSV files of balances or transactions")
        if not self.statements and (self.format or self.counterpart or self.accounts or self.digests):
            raise ImportRefused("Format, counterpart, accounts and references are said of bank statements and journals")
        if self.format and self.format not in FORMATS:
            raise ImportRefused(f"{shown(self.format)} is not a format: {', '.join(FORMATS)}")

    @property
    def totals_from_rows(self) -> bool:
        """Return whether totals move by the imported rows, as they always do where totals exist."""
        return self.from_rows or self.append or bool(self.statements)


@dataclass(frozen=True, kw_only=True)
class Intake:
    """The sources of an import, any of which may be missing."""

    balances: Source | None = None
    transactions: tuple[Source, ...] = ()
    assertions: tuple[Source, ...] = ()
    openings: tuple[Record, ...] = ()
    """Rows of opening balances, for balances that have none yet."""
    notes: tuple[str, ...] = ()
    fingerprints: Mapping[str, str]
    """SHA-256 of the content, by kind of file, in hex."""

    @classmethod
    def of(cls, request: ImportRequest, known_precisions: Mapping[str, int] | None = None) -> Intake:
        """Open the files of a request and check their headers. Raises ``ImportRefused``.

        ``known_precisions`` are those of the ledger to add to, by currency.
        """
        files = _csv_files(request)
        found = None
        if request.statements:
            found = read_all(request.statements, request.format, _how(request, known_precisions or {}))
        fingerprints = {kind: file.fingerprint() for kind, file in files.items() if kind != "assertions"}
        moved, asserted = (
            tuple(file for kind, file in files.items() if kind == wanted) for wanted in ("transactions", "assertions")
        )
        return cls(
            balances=files.get("balances"),
            transactions=found.transactions if found else moved,
            assertions=(*found.assertions, *asserted) if found else asserted,
            openings=found.openings if found else (),
            notes=found.notes if found else (),
            fingerprints={"statements": found.fingerprint} if found else fingerprints,
        )


def _csv_files(request: ImportRequest) -> dict[str, CsvFile]:
    balances = SUMMED_BALANCES if request.totals_from_rows else STATED_BALANCES
    asked = (
        ("balances", request.balances, balances),
        ("transactions", request.transactions, TRANSACTIONS),
        ("assertions", request.assertions, ASSERTIONS),
    )
    style = request.style
    files = {kind: CsvFile(path, _columns(columns, style), style) for kind, path, columns in asked if path is not None}
    _check_names(files, style)
    for file in files.values():
        file.check()
    return files


def _how(request: ImportRequest, known: Mapping[str, int]) -> How:
    style = request.style
    return How(
        zone=style.zone or "UTC",
        style=style,
        precisions={**known, **style.precisions},
        counterpart=request.counterpart,
        opening_from=request.opening_from,
        accounts=request.accounts,
        digests=request.digests,
        is_trusted=request.is_trusted,
    )


def _columns(columns: Columns, style: Style) -> Columns:
    """Return the columns that a file must have, without those that options replace."""
    said = {"currency": bool(style.currency), "precision": bool(style.precisions)}
    return columns.without(*(name for name, given in said.items() if given))


def _check_names(files: Mapping[str, CsvFile], style: Style) -> None:
    """Refuse unknown names of columns in options, because a misspelt one would silently leave its column out."""
    known = {name for file in files.values() for name in file.columns.known}
    if unknown := sorted(set(style.columns) - known):
        raise ImportRefused(f"{shown(unknown[0])} is not one of our columns: {', '.join(sorted(known))}")
    if style.columns or style.ignored:
        header = {name for file in files.values() for name in file.header()}
        for theirs in (*style.columns.values(), *sorted(style.ignored - {ALL_COLUMNS})):
            if theirs not in header:
                raise ImportRefused(f"No file has a column {shown(theirs)}")
