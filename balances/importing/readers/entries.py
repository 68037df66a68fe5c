"""Turns entries of bank statements into movements between the account and a counterpart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from balances.ground import dumps
from balances.importing.files import Record
from balances.importing.readers.reading import Digests, How, Place, Statement

NO_ID = frozenset({"", "NONREF", "NOTPROVIDED", "NOT PROVIDED", "NONE", "N/A"})


@dataclass(frozen=True, kw_only=True)
class BankEntry:
    """One entry of a statement."""

    place: Place
    day: date
    """When it was booked."""
    amount: Decimal
    """Major units, positive where money came in."""
    currency: str
    bank_id: str = ""
    """The bank's own id, unique within the account."""
    marks: tuple[str, ...] = ()
    """Other texts that distinguish entries of one day and amount, and are the same when a statement is sent again."""
    description: str = ""
    details: dict[str, str] = field(default_factory=dict)


def counterpart_of(account: str, how: How) -> str:
    """Return the indicator of the other side of an account's entries."""
    return how.counterpart or f"{account}-external"


def movement(entry: BankEntry, statement: Statement, how: How, digests: Digests) -> Record | None:
    """Return the record of an entry, and note its day in the statement; ``None`` where it moves nothing."""
    account = statement.account
    first = statement.days.get(entry.currency)
    statement.days[entry.currency] = min(first, entry.day) if first else entry.day
    precision = how.precision_of(entry.currency)
    units = entry.place.units(entry.amount, entry.currency, precision)
    if not units:
        return None
    sides = (counterpart_of(account, how), account)
    source, destination = sides if units > 0 else sides[::-1]
    head = f"{account.removeprefix('@')}:"
    if entry.bank_id.upper() in NO_ID or how.digests:
        content = (entry.currency, entry.day, units, entry.bank_id, *entry.marks)
        reference = digests.reference(f"{head}{entry.day}:", *content)
    else:
        reference = f"{head}{entry.bank_id}"
    cells = {
        "reference": reference,
        "source": source,
        "destination": destination,
        "precise_amount": str(abs(units)),
        "precision": str(precision),
        "currency": entry.currency,
        "effective_date": entry.day.isoformat(),
        "description": " ".join(entry.description.split()),
        "meta_data": dumps({name: value for name, value in entry.details.items() if value}),
    }
    return Record(entry.place.path, entry.place.line, cells)
