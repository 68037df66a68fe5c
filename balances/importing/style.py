"""How the CSV files of an import are written: delimiters, encoding, number and date formats, and defaults.

Files are canonical unless a style says otherwise: commas, UTF-8, ``.`` before decimals, times with a zone. A style
converts cells to that form and refuses what fits neither; it never guesses.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from balances.importing.refusing import ImportRefused, shown

TOTALS = (
    "credit_balance",
    "debit_balance",
    "balance",
    "inflight_credit_balance",
    "inflight_debit_balance",
    "inflight_balance",
)
MONEY = frozenset({"precise_amount", "amount", "opening_balance", *TOTALS})
NUMBERS = MONEY | {"precision"}
INSTANTS = frozenset({"created_at", "effective_date"})
SPACES = "\u0020\u00a0\u2009\u202f"
"""Characters that count as a space between groups of three digits."""
MARKS = {".": ".", ",": ",", "'": "'\u2019", " ": SPACES, "_": "_"}
ALL_COLUMNS = "*"

Convert = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Style:
    """The meaning of a file's cells. Raises ``ImportRefused`` where the options contradict each other."""

    delimiter: str = ","
    encoding: str = "utf-8"
    skip_lines: int = 0
    """Lines before the header."""
    decimal: str = ""
    """The decimal mark, ``.`` or ``,``; empty means ``.`` by default."""
    thousands: str = ""
    """The separator of groups of three digits; empty for none."""
    major: bool = False
    """Whether amounts and totals are major units, which are converted exactly."""
    zone: str = ""
    """The time zone of times that name none, such as ``Europe/Prague``; empty refuses them."""
    date_format: str = ""
    """The form of times as ``strptime`` reads it; empty means ISO 8601."""
    precisions: Mapping[str, int] = field(default_factory=dict)
    """Minor units in a major one for rows without a precision, by currency; under ``""`` for all others."""
    currency: str = ""
    """The currency of rows in a file without that column."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of the file's columns, by ours."""
    ignored: frozenset[str] = frozenset()
    """Columns of the file to leave out; ``*`` for all unknown ones."""

    def __post_init__(self) -> None:
        """Raise ``ImportRefused`` for impossible options."""
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0':
            raise ImportRefused(f"The delimiter must be one character, not {shown(self.delimiter)}")
        try:
            codecs.lookup(self.encoding).incrementaldecoder(errors="strict").decode(b"", final=True).encode()
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise ImportRefused(f"{shown(self.encoding)} is not an encoding of text") from error
        if self.decimal not in ("", ".", ","):
            raise ImportRefused(f"The decimal mark is '.' or ',', not {shown(self.decimal)}")
        if self.thousands and self.thousands not in MARKS:
            raise ImportRefused(
                f"Groups of thousands are separated by '.', ',', ' ', '_' or \"'\", not {shown(self.thousands)}"
            )
        if self.thousands == (self.decimal or "."):
            raise ImportRefused(f"{shown(self.thousands)} cannot mark both decimals and thousands; give both options")
        if self.zone:
            self.timezone  # noqa: B018 - an unknown zone is refused here, not at the first row
        if self.skip_lines < 0:
            raise ImportRefused("A file cannot begin before its first line")

    @property
    def timezone(self) -> tzinfo | None:
        """Return the default time zone, if there is one. Raises ``ImportRefused``."""
        if not self.zone:
            return None
        try:
            return ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:  # an unknown name, a path out of the folder, a folder
            raise ImportRefused(f"{shown(self.zone)} is not a time zone such as UTC or Europe/Prague") from error

    def precision_of(self, currency: str) -> int | None:
        """Return the minor units in a major one of a currency, if an option says so."""
        return self.precisions.get(currency, self.precisions.get(""))

    def converters(self, columns: Iterable[str]) -> dict[str, Convert]:
        """Return the functions that convert cells of these columns to canonical form, where they are needed."""
        found: dict[str, Convert] = {}
        for column in columns:
            if column in NUMBERS and (self.decimal or self.thousands):
                is_major = column == "amount" or (self.major and column in MONEY)
                found[column] = self.major_number if is_major else self.number
            elif column in INSTANTS and (self.zone or self.date_format):
                found[column] = self.instant
        return found

    def number(self, cell: str) -> str:
        """Return a number with ``.`` before its decimals and nothing between its digits. Raises ``ValueError``."""
        if not cell:
            return cell
        decimal, group = re.escape(self.decimal or "."), f"[{re.escape(MARKS.get(self.thousands, ''))}]"
        whole = rf"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]+" if self.thousands else "[0-9]+"
        match = re.fullmatch(rf"([-+]?)({whole})(?:{decimal}([0-9]+))?", cell)
        if match is None:
            raise ValueError(f"{shown(cell)} is not a number {self._number_in_words()}")
        sign, digits, fraction = match.groups()
        digits = re.sub(r"[^0-9]", "", digits)
        return f"{'-' if sign == '-' else ''}{digits}{f'.{fraction}' if fraction else ''}"

    def major_number(self, cell: str) -> str:
        """Return ``number`` without trailing zeros: with an explicit decimal mark, ``1.000`` means one."""
        number = self.number(cell)
        return number.rstrip("0").rstrip(".") if "." in number else number

    def _number_in_words(self) -> str:
        example = f"1{self.thousands}234{self.decimal or '.'}50"
        return f"such as {example}, which the options decimal and thousands describe"

    def instant(self, cell: str) -> str:
        """Return a time in ISO 8601, with its offset where that is known. Raises ``ValueError``."""
        return _instant(cell, self.date_format, self.zone)

    def day(self, cell: str) -> str:
        """Return a day as ISO 8601 writes it. Raises ``ValueError``."""
        return _instant(cell, self.date_format, "")[:10]

    def local(self, cell: str) -> str:
        """Return a time that is in ISO 8601 already, with its offset where the zone is known."""
        return _instant(cell, "", self.zone)


@lru_cache(maxsize=4096)
def _instant(cell: str, date_format: str, zone: str) -> str:
    if not cell.strip():
        return cell
    try:
        read = datetime.strptime(cell, date_format) if date_format else datetime.fromisoformat(cell)  # noqa: DTZ007
    except ValueError as error:
        raise ValueError(f"{shown(cell)} is not a time {_form_in_words(date_format)}") from error
    if read.tzinfo is None and zone:
        read = _in_zone(read, ZoneInfo(zone), cell)
    return read.isoformat()


def _form_in_words(date_format: str) -> str:
    return f"of the form {date_format}" if date_format else "such as 2024-01-31T09:30:00"


def _in_zone(read: datetime, zone: tzinfo, cell: str) -> datetime:
    """Return a local time in its zone. Raises ``ValueError`` where a change of clocks skips or repeats it."""
    first, second = read.replace(tzinfo=zone, fold=0), read.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    skipped = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != read
    happened = "did not happen" if skipped else "happened twice"
    raise ValueError(f"{shown(cell)} {happened} in {zone}: the clocks were changed; write the offset from UTC")
