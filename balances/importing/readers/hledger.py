"""Reads the CSV of ``hledger print -O csv`` and of Ledger's ``ledger csv``: a line is a posting, not an entry."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from balances.ground import EXACT, plain
from balances.importing.readers.legs import JournalEntry, Posting, movements
from balances.importing.readers.reading import MAX_DECIMALS, Digests, How, Place, Reading, decimals_of, indicator_of
from balances.importing.readers.texts import decoded
from balances.importing.refusing import ImportRefused, shown
from balances.importing.style import Style

HLEDGER = ("txnidx", "date", "code", "description", "account", "amount", "commodity")
LEDGER_FIELDS = 8
"""Date, code, payee, account, commodity, amount, cleared, note; without a header."""
SLASHED = re.compile(r"([0-9]{4})/([0-9]{2})/([0-9]{2})")


@dataclass(frozen=True)
class Line:
    """A posting as in the file, and the mark of the entry that it belongs to."""

    place: Place
    key: tuple[str, ...]
    day: date
    description: str
    posting: Posting


@dataclass
class Lines:
    """The postings of an entry so far."""

    found: list[Line] = field(default_factory=list)

    def sums(self) -> dict[str, Decimal]:
        """Return the sums that do not balance, by currency."""
        sums: dict[str, Decimal] = {}
        for line in self.found:
            currency = line.posting.currency
            sums[currency] = EXACT.add(sums.get(currency, Decimal(0)), line.posting.amount)
        return {currency: rest for currency, rest in sums.items() if rest}


def is_like(start: bytes) -> bool:
    """Return whether a file begins like such a CSV."""
    return start.lstrip(b"\xef\xbb\xbf").startswith((b'"txnidx"', b"txnidx,"))


def read(path: Path, data: bytes, how: How) -> Reading:
    """Return the entries of a journal. Raises ``ImportRefused``."""
    lines = list(_lines(path, decoded(path, data, how.style.encoding), how.style))
    decimals: dict[str, int] = {}
    for line in lines:
        currency = line.posting.currency
        decimals[currency] = max(decimals.get(currency, 0), decimals_of(line.posting.amount))
        if decimals[currency] > MAX_DECIMALS and not how.precisions:
            raise line.place.refusal(f"an amount of {shown(currency)} has more than {MAX_DECIMALS} decimals")
    precisions = {currency: how.precision_of(currency, places) for currency, places in decimals.items()}
    _refuse_look_alikes(lines)
    reading, digests = Reading(), Digests()
    for entry in _entries(lines, digests):
        reading.transactions += movements(entry, precisions, how.counterpart)
    if not reading.transactions:
        raise ImportRefused(f"{path} holds no postings")
    return reading


def _refuse_look_alikes(lines: list[Line]) -> None:
    """Refuse accounts that differ in the journal but would be one balance here."""
    names: dict[str, str] = {}
    for line in lines:
        account = line.posting.account
        if (other := names.setdefault(indicator_of(account), account)) != account:
            raise line.place.refusal(f"{shown(account)} and {shown(other)} would both be {indicator_of(account)}")


def _lines(path: Path, text: str, style: Style) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] = []
    try:
        for cells in reader:
            place = Place(path, reader.line_num)
            if not cells:
                continue
            if not names and cells[0] == HLEDGER[0]:
                names = cells
                if missing := [name for name in HLEDGER if name not in names]:
                    raise place.refusal(f"column {missing[0]} is missing; hledger print -O csv writes it")
                continue
            yield _of_hledger(place, names, cells, style) if names else _of_ledger(place, cells, style)
    except csv.Error as error:
        raise Place(path, reader.line_num).refusal(f"this is not CSV ({error})") from error


def _of_hledger(place: Place, names: list[str], cells: list[str], style: Style) -> Line:
    if len(cells) != len(names):
        raise place.refusal(f"{len(cells)} fields where the header has {len(names)}")
    row = dict(zip(names, cells, strict=True))
    posting = Posting(row["account"].strip("()[]"), row["commodity"], place.styled_number(row["amount"], style))
    return _line(place, (row["txnidx"],), row["date"], row["description"], posting)


def _of_ledger(place: Place, cells: list[str], style: Style) -> Line:
    if len(cells) != LEDGER_FIELDS:
        raise place.refusal(f"{len(cells)} fields where ledger csv writes {LEDGER_FIELDS}")
    day, code, payee, account, commodity, amount, *_ = cells
    posting = Posting(account.strip("()[]"), commodity, place.styled_number(amount, style))
    return _line(place, (day, code, payee), day, payee, posting)


def _line(place: Place, key: tuple[str, ...], day: str, description: str, posting: Posting) -> Line:
    if not posting.account:
        raise place.refusal("the account is missing")
    if not posting.currency:
        raise place.refusal("the commodity is missing; amounts need one")
    try:
        return Line(place, key, date.fromisoformat(SLASHED.sub(r"\1-\2-\3", day)), description, posting)
    except ValueError as error:
        raise place.refusal(f"{shown(day)} is not a date such as 2024-01-31") from error


def _entries(lines: list[Line], digests: Digests) -> Iterator[JournalEntry]:
    """Yield the entries: hledger numbers them, Ledger's end where every commodity sums to zero."""
    for key, group in groupby(lines, key=lambda line: line.key):
        is_numbered = len(key) == 1
        so_far = Lines()
        for line in group:
            so_far.found.append(line)
            if not is_numbered and not so_far.sums():
                yield _entry(so_far.found, digests)
                so_far = Lines()
        if so_far.found:
            rest = so_far.sums()
            if len(rest) == 1:
                (currency, amount), place = next(iter(rest.items())), so_far.found[0].place
                raise place.refusal(f"the entry that begins here does not sum to zero: {amount} {currency} are left")
            yield _entry(so_far.found, digests)


def _entry(lines: list[Line], digests: Digests) -> JournalEntry:
    first, postings = lines[0], [line.posting for line in lines]
    legs = (f"{each.account} {plain(each.amount)} {each.currency}" for each in postings)
    return JournalEntry(
        place=first.place,
        reference=digests.reference("journal:", first.day, first.description, *legs),
        day=first.day,
        description=first.description,
        postings=postings,
    )
