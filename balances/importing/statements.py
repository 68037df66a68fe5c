"""Combines the readings of several files: movements, openings of new accounts, balances to check."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from balances.importing.files import Record, Source, opened
from balances.importing.listing import Listing
from balances.importing.readers import Figure, How, Place, Statement, read
from balances.importing.refusing import ImportRefused, shown


@dataclass(frozen=True, kw_only=True)
class Statements:
    """The combined content of bank statements and journals."""

    transactions: tuple[Source, ...]
    assertions: tuple[Source, ...]
    openings: tuple[Record, ...]
    """A row for the opening balance of each account and currency that is new to the ledger."""
    notes: tuple[str, ...]
    fingerprint: str


def read_all(paths: Sequence[Path], format_name: str, how: How) -> Statements:
    """Read files in the order in which they are given. Raises ``ImportRefused``."""
    readings = {path: read(path, format_name, how) for path in dict.fromkeys(paths)}
    found = [statement for reading in readings.values() for statement in reading.statements]
    if unknown := set(how.accounts.values()) - {statement.account for statement in found}:
        number = next(number for number, name in how.accounts.items() if name in unknown)
        raise ImportRefused(f"No statement is of account {shown(number)}")
    closings = _closings(found, how)
    return Statements(
        transactions=tuple(_listing(path, reading.transactions, how) for path, reading in readings.items()),
        assertions=tuple(
            _listing(path, [*reading.assertions, *closings.get(path, ())], how) for path, reading in readings.items()
        ),
        openings=tuple(_openings(found, how)),
        notes=tuple(note for reading in readings.values() for note in reading.notes),
        fingerprint=_fingerprint(paths),
    )


def _listing(path: Path, records: Sequence[Record], how: How) -> Listing:
    return Listing(path, [_in_zone(record, how) for record in records], how.zone)


def _in_zone(record: Record, how: How) -> Record:
    """Return a record whose day begins in the time zone of the options."""
    day = record.text("effective_date")
    return replace(record, cells=record.cells | {"effective_date": start_of(day, how.zone)}) if day else record


def start_of(day: str, zone: str) -> str:
    """Return the instant at which a day begins, in ISO 8601."""
    return datetime.combine(date.fromisoformat(day), time(), ZoneInfo(zone)).isoformat()


def _closings(found: Sequence[Statement], how: How) -> dict[Path, list[Record]]:
    """Return the balances at the ends of days, by file; of several statements of a day, the last one counts."""
    last: dict[tuple[str, str, date], tuple[Statement, Figure]] = {}
    for statement in found:
        for figure in statement.closings:
            last[statement.account, figure.currency, figure.day] = (statement, figure)
    closings: dict[Path, list[Record]] = {}
    for statement, figure in last.values():
        cells = _cells(statement, figure, how) | {"at": figure.day.isoformat()}
        closings.setdefault(statement.path, []).append(Record(statement.path, figure.line, cells))
    return closings


def _openings(found: Sequence[Statement], how: How) -> Iterator[Record]:
    """Yield a row for the first opening balance of each account and currency, dated before all its entries."""
    first: dict[tuple[str, str], tuple[date, Statement, Figure]] = {}
    for statement in found:
        for figure in statement.openings:
            day = min(figure.day, statement.days.get(figure.currency, figure.day))
            earlier = first.get((statement.account, figure.currency))
            if earlier is None or day < earlier[0]:
                first[statement.account, figure.currency] = (day, statement, figure)
    for day, statement, figure in first.values():
        cells = _cells(statement, figure, how)
        units, account = int(cells["balance"]), statement.account
        sides = (how.opening_from or f"{account}-opening", account)
        if units:
            row = {
                "reference": f"opening of {account} in {figure.currency}",
                "source": sides[0] if units > 0 else sides[1],
                "destination": sides[1] if units > 0 else sides[0],
                "precise_amount": str(abs(units)),
                "precision": cells["precision"],
                "currency": figure.currency,
                "effective_date": start_of(day.isoformat(), how.zone),
                "description": "Opening balance",
                "account": account,
            }
            yield Record(statement.path, figure.line, row)


def _cells(statement: Statement, figure: Figure, how: How) -> dict[str, str]:
    precision = how.precision_of(figure.currency)
    units = Place(statement.path, figure.line).units(figure.amount, figure.currency, precision)
    return {
        "indicator": statement.account,
        "currency": figure.currency,
        "balance": str(units),
        "precision": str(precision),
    }


def _fingerprint(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of a file, or of the digests of several, in hex."""
    digests = []
    for path in paths:
        with opened(path) as content:
            digests.append(hashlib.sha256(content.read()).hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
