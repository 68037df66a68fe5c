"""Turns an entry of a journal, postings that sum to zero, into movements from one account to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from balances.importing.files import Record
from balances.importing.readers.reading import Place, indicator_of

CONVERSIONS = "@Equity:Conversions"


@dataclass(frozen=True)
class Posting:
    """The amount that an entry moves into an account, or out of it if negative, in major units."""

    account: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """Postings that belong together."""

    place: Place
    reference: str
    day: date
    description: str
    postings: Sequence[Posting]


def movements(entry: JournalEntry, precisions: dict[str, int], counterpart: str) -> Iterator[Record]:
    """Yield a record for each movement of an entry; several of them belong to one entry.

    Amounts of an account in one currency are netted first, because a movement has two different sides. What does not
    balance in one currency, because it was exchanged for another, goes through the balance of conversions.
    """
    moves = [
        (*move, currency)
        for currency, sums in _by_currency(entry, precisions).items()
        for move in _paired(_balanced(sums, counterpart or CONVERSIONS))
    ]
    for number, (source, destination, units, currency) in enumerate(moves, 1):
        cells = {
            "reference": entry.reference if len(moves) == 1 else f"{entry.reference}/{number}",
            "source": source,
            "destination": destination,
            "precise_amount": str(units),
            "precision": str(precisions[currency]),
            "currency": currency,
            "effective_date": entry.day.isoformat(),
            "description": entry.description,
            "entry": entry.reference if len(moves) > 1 else "",
        }
        yield Record(entry.place.path, entry.place.line, cells)


def _by_currency(entry: JournalEntry, precisions: dict[str, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for posting in entry.postings:
        units = entry.place.units(posting.amount, posting.currency, precisions[posting.currency])
        sums = found.setdefault(posting.currency, {})
        name = indicator_of(posting.account)
        sums[name] = sums.get(name, 0) + units
    return found


def _balanced(sums: dict[str, int], conversions: str) -> dict[str, int]:
    rest = sum(sums.values())
    return {**sums, conversions: sums.get(conversions, 0) - rest} if rest else sums


def _paired(sums: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    """Yield source, destination and units, the accounts taken in the order of the entry on both sides."""
    sources = [(name, -units) for name, units in sums.items() if units < 0]
    destinations = [(name, units) for name, units in sums.items() if units > 0]
    while sources and destinations:
        (source, out), (destination, into) = sources.pop(0), destinations.pop(0)
        units = min(out, into)
        yield source, destination, units
        if out > units:
            sources.insert(0, (source, out - units))
        if into > units:
            destinations.insert(0, (destination, into - units))
