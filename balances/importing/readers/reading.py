"""The input and output of readers, and the form of amounts and days in cells."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from balances.ground import amounts
from balances.importing import refusing
from balances.importing.files import Record
from balances.importing.readers.currencies import precision_by_standard
from balances.importing.refusing import ImportRefused, shown
from balances.importing.style import Style

NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?|[-+]?\.[0-9]+")
MAX_DECIMALS = 18
"""With more decimals, the precision would not fit into the column."""
UNSPEAKABLE = re.compile(r"[\s/]+")


@dataclass(frozen=True, kw_only=True)
class How:
    """The options for files of any format."""

    zone: str = "UTC"
    """The time zone in which a day begins."""
    style: Style = field(default_factory=Style)
    """How text and numbers are written where the format leaves that open."""
    precisions: Mapping[str, int] = field(default_factory=dict)
    """Minor units in a major one by currency, under ``""`` for others: from options, or from stored rows."""
    counterpart: str = ""
    """The indicator of the other side of bank entries, and of conversions between currencies."""
    opening_from: str = ""
    """The indicator of the balances that opening balances come from."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Indicators of bank accounts by number; other accounts are named after their numbers."""
    digests: bool = False
    """Whether references are digests of the entries, even where the bank gave them ids."""
    is_trusted: bool = True
    """Whether a file may name other files."""

    def indicator_of(self, number: str) -> str:
        """Return the indicator of a bank account."""
        return self.accounts.get("".join(number.split())) or indicator_of(number)

    def precision_of(self, currency: str, decimals: int = 0) -> int:
        """Return the minor units in a major one: from the options, else by the standard, but as many as needed."""
        said = self.precisions.get(currency, self.precisions.get(""))
        return said if said is not None else max(precision_by_standard(currency), int(10**decimals))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A balance that a statement states: an amount of major units, on a day."""

    line: int
    amount: Decimal
    currency: str
    day: date


@dataclass(kw_only=True)
class Statement:
    """A statement of one account, whose entries are records already."""

    path: Path
    account: str
    """Its indicator."""
    openings: list[Figure] = field(default_factory=list)
    closings: list[Figure] = field(default_factory=list)
    days: dict[str, date] = field(default_factory=dict)
    """The first day on which an entry was booked, by currency."""


@dataclass(kw_only=True)
class Reading:
    """The content of a file: movements, stated balances, statements whose balances follow each other, and notes."""

    transactions: list[Record] = field(default_factory=list)
    assertions: list[Record] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Place:
    """A place in a file, for refusals."""

    path: Path
    line: int

    def refusal(self, problem: str) -> ImportRefused:
        """Return the error that names file, line and problem."""
        return ImportRefused(f"{self.path}, line {self.line}: {problem}")

    def units(self, amount: Decimal, currency: str, precision: int) -> int:
        """Return an amount of major units as whole minor ones. Raises ``ImportRefused``."""
        exact = amounts.EXACT.multiply(amount, Decimal(precision))
        if exact != exact.to_integral_value():
            more = f"{currency}={10 ** decimals_of(amount)}" if decimals_of(amount) <= MAX_DECIMALS else ""
            advice = f"; use --precision {more}" if more else ""
            figure = f"{amounts.plain(amount)} {currency}"
            raise self.refusal(f"{figure} has a fraction of a minor unit at precision {precision}{advice}")
        return int(exact)

    def number(self, text: str) -> Decimal:
        """Return a number with a decimal point. Raises ``ImportRefused``."""
        if not NUMBER.fullmatch(text):
            raise self.refusal(f"{shown(text)} is not an amount such as 12.50")
        return Decimal(text)

    def styled_number(self, text: str, style: Style) -> Decimal:
        """Return a number written in the style of the file. Raises ``ImportRefused`` with the likely cause."""
        try:
            number = style.number(text) if style.decimal or style.thousands else text
        except ValueError as error:
            raise self.refusal(str(error)) from error
        if not NUMBER.fullmatch(number):
            raise self.refusal(f"{shown(text)} is not an amount such as 12.50{refusing.of_number(text)}")
        return Decimal(number)


def decimals_of(amount: Decimal) -> int:
    """Return the decimals of an amount without trailing zeros."""
    text = amounts.plain(amount)
    return len(text.partition(".")[2])


def indicator_of(name: str) -> str:
    """Return the indicator of an account by its name or number; what a URL cannot hold becomes a hyphen."""
    return "@" + UNSPEAKABLE.sub("-", name.strip()).removeprefix("@")


class Digests:
    """References for entries without an id: digests of their content, numbered where it occurs several times."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def reference(self, head: str, *content: object) -> str:
        """Return the reference of the next entry with this content, which is the same in every file that has it."""
        digest = hashlib.sha256("\x1f".join(str(part) for part in content).encode()).hexdigest()[:20]
        self._seen[digest] += 1
        return f"{head}{digest}-{self._seen[digest]}"
