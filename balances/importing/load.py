"""The service: both files into the database in one atomic block, or a refusal and nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from django.db import connection, transaction
from psycopg import errors as pg

from balances import upkeep
from balances.importing.files import CsvFile, Record
from balances.importing.refusing import ImportRefused, shown
from balances.importing.report import Imported, Tally
from balances.importing.rows import (
    BALANCE_COLUMNS,
    TRANSACTION_COLUMNS,
    Names,
    Row,
    balance_rows,
    columns_of,
    transaction_rows,
)
from balances.importing.style import ALL_COLUMNS, Style
from balances.models import Ledger
from balances.posting import merge_metadata, open_ledger
from balances.statements import SQL, Statement

COPY_BALANCES = Statement(SQL / "copy_balances.sql")
COPY_TRANSACTIONS = Statement(SQL / "copy_transactions.sql")
SERIALISE_IMPORT = Statement(SQL / "serialise_import.sql")
ORPHANS = Statement(SQL / "orphans.sql")
IMPORT_KEY = "import"
"""Where a ledger's metadata keeps what it was imported from, by file: ``sha256`` of the content, and ``rows``."""
ROWS_PER_REPORT = 1000
"""How often the progress is told."""
COPY_LINE = re.compile(r"^COPY \w+, \D*(\d+)", re.MULTILINE)
"""Where PostgreSQL's context names the row, in whatever language it speaks."""
COPY_COLUMN = re.compile(r", column (\w+)")

Progress = Callable[[CsvFile], None]


def import_ledger(
    *,
    name: str,
    balances: Path,
    transactions: Path,
    style: Style | None = None,
    dry_run: bool = False,
    progress: Progress = lambda file: None,
) -> Imported:
    """Import a ledger of this name from a file of balances and one of transactions, written as ``style`` says.

    Totals are stored as the file says them. ``progress`` is told every so often which file is being read. A dry run
    does all of it and takes it back. Raises ``ImportRefused``, which names file, line and column, with nothing written.
    """
    if not name.strip():
        raise ImportRefused("The ledger needs a name")
    style = style or Style()
    files = (
        CsvFile(balances, columns_of(BALANCE_COLUMNS, style), style),
        CsvFile(transactions, columns_of(TRANSACTION_COLUMNS, style), style),
    )
    _check_names(files, style)
    for file in files:
        file.check()
    fingerprints = dict(zip(("balances", "transactions"), (file.fingerprint() for file in files), strict=True))
    with transaction.atomic():
        SERIALISE_IMPORT.rows(name=name)
        if earlier := _earlier_import(name, fingerprints):
            return earlier
        imported = _import(name, *files, fingerprints, progress)
        if dry_run:
            transaction.set_rollback(True)
            return replace(imported, dry_run=True)
    upkeep.mark_visible()
    return imported


def _check_names(files: Iterable[CsvFile], style: Style) -> None:
    """Refuse a name of a column that means nothing: a misspelt one would leave its column out without a word."""
    known = {name for file in files for name in file.columns.known}
    if unknown := sorted(set(style.columns) - known):
        raise ImportRefused(f"{shown(unknown[0])} is not one of our columns: {', '.join(sorted(known))}")
    if style.columns or style.ignored:
        header = {name for file in files for name in file.header()}
        for theirs in (*style.columns.values(), *sorted(style.ignored - {ALL_COLUMNS})):
            if theirs not in header:
                raise ImportRefused(f"No file has a column {shown(theirs)}")


def _earlier_import(name: str, fingerprints: dict[str, str]) -> Imported | None:
    """Return the import of the same files. Raises ``ImportRefused`` where the name or the files are taken otherwise."""
    origin = {kind: {"sha256": fingerprint} for kind, fingerprint in fingerprints.items()}
    ledger = Ledger.objects.filter(meta_data__contains={IMPORT_KEY: origin}).first()
    if ledger is None:
        if Ledger.objects.filter(name=name).exists():
            raise ImportRefused(f"A ledger {shown(name)} exists and did not come from these files; choose another name")
        return None
    if ledger.name != name or not isinstance(ledger.meta_data, dict):
        raise ImportRefused(f"These files are in already, as ledger {shown(ledger.name)}")
    rows = {kind: ledger.meta_data[IMPORT_KEY][kind].get("rows", 0) for kind in fingerprints}
    return Imported(ledger_id=ledger.ledger_id, name=name, already=True, **rows)


def _import(
    name: str, balances: CsvFile, transactions: CsvFile, fingerprints: dict[str, str], progress: Progress
) -> Imported:
    ledger_id = open_ledger(name=name).ledger_id
    names: Names = {}
    tally = Tally()
    rows: dict[str, int] = {
        "balances": _copy(COPY_BALANCES, balance_rows(balances, ledger_id, names), balances, progress),
        "transactions": _copy(
            COPY_TRANSACTIONS, transaction_rows(transactions, ledger_id, names, tally), transactions, progress
        ),
    }
    upkeep.tell_planner()
    _check_parents(transactions, ledger_id)
    origin = {kind: {"sha256": fingerprints[kind], "rows": rows[kind]} for kind in rows}
    merge_metadata(entity_id=ledger_id, meta_data={IMPORT_KEY: origin}, changed_by="import_ledger")
    return Imported(
        ledger_id=ledger_id,
        name=name,
        balances=rows["balances"],
        transactions=rows["transactions"],
        tally=tally,
    )


def _copy(statement: Statement, rows: Iterable[Row], file: CsvFile, progress: Progress) -> int:
    """Stream rows into their table and return how many they were."""
    count = 0
    try:
        with connection.cursor() as cursor, cursor.copy(statement.text) as copy:
            for count, row in enumerate(rows, 1):
                copy.write_row(row)
                if count % ROWS_PER_REPORT == 0:
                    progress(file)
            progress(file)
    except pg.DeadlockDetected as error:
        raise ImportRefused(f"{file.path}: somebody was posting to the same new balances; import once more") from error
    except (pg.IntegrityError, pg.DataError, pg.ProgramLimitExceeded) as error:
        if refusal := _explained(error, file):
            raise refusal from error
        raise
    return count


def _explained(error: pg.Error, file: CsvFile) -> ImportRefused | None:
    """Return the refusal that says in terms of the file what the database would not take, if it names a row."""
    place = COPY_LINE.search(error.diag.context or "")
    record = _find(file, lambda number, _: number == int(place[1])) if place else None
    if record is None:
        return None
    if isinstance(error, pg.UniqueViolation):
        return _duplicate(file, record, error.diag.constraint_name or "")
    column = COPY_COLUMN.search(error.diag.context or "")
    where = f", column {column[1]}" if column else ""
    return ImportRefused(f"{file.path}, line {record.line}{where}: PostgreSQL refuses it: {error.diag.message_primary}")


def _duplicate(file: CsvFile, record: Record, constraint: str) -> ImportRefused:
    if "reference" in record.cells:
        key: tuple[str, ...] = ("reference",)
    else:
        key = ("indicator", "currency") if constraint == "unique_indicator_currency" else ("balance_id",)
    first = _find(file, lambda _, other: all(other.text(column) == record.text(column) for column in key))
    value = " in ".join(shown(record.text(column)) for column in key)
    if first and first.line < record.line:
        return record.refusal(key[0], f"{value} stands on line {first.line} already")
    return record.refusal(key[0], f"{value} exists in the database already")


def _check_parents(file: CsvFile, ledger_id: str) -> None:
    """Refuse a parent that is not in the file, with one statement for all of them."""
    orphans = {row["reference"] for row in ORPHANS.rows(ledger_id=ledger_id)}
    if orphans and (record := _find(file, lambda _, other: other.text("reference") in orphans)):
        raise record.refusal("parent", f"the file has no transaction {shown(record.text('parent'))}")


def _find(file: CsvFile, wanted: Callable[[int, Record], bool]) -> Record | None:
    """Read the file again for a record, by its number or its cells: only a refusal needs this, so nothing is kept."""
    return next((record for number, record in enumerate(file.records(), 1) if wanted(number, record)), None)
