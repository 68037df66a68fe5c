"""Checks balances that a file states against the rows in the database after the import."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from balances.ground import Statement, amounts
from balances.importing import values
from balances.importing.cells import currency_of, name_of, total_of
from balances.importing.files import Record, Source
from balances.importing.listing import Listing
from balances.importing.names import Names
from balances.importing.refusing import ImportRefused, shown
from balances.importing.style import Style

ASSERT_BALANCES = Statement.beside(__file__, "assert_balances.sql")
DAY_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
YES, NO = frozenset({"yes", "true", "1"}), frozenset({"", "no", "false", "0"})


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A balance that a file states, in minor units."""

    record: Record
    name: str
    currency: str
    precision: int | None
    """Minor units in a major one, where the file says so, for display."""
    balance_ids: tuple[str, ...]
    """One balance, or several whose sum is stated."""
    bound: datetime | None
    """Only rows effective before this count; ``None`` counts all."""
    balance: int
    credit: int | None = None
    debit: int | None = None
    tolerance: int = 0


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """A stated balance, compared with the rows."""

    stated: Stated
    balance: int
    """The sum of the rows, in minor units."""
    holds: bool

    def __str__(self) -> str:
        """Return one line: its place, the balance, the date, and both figures where they differ."""
        stated = self.stated
        at = stated.record.text("at")
        words = f"{stated.name} {self._shown(stated.balance)} {stated.currency}{f' at {at}' if at else ''}"
        place = f"line {stated.record.line}"
        if self.holds:
            return f"holds: {words} ({'' if stated.balance_ids else 'names no balance, '}{place})"
        off = self._shown(self.balance - stated.balance)
        if self.balance == stated.balance:
            return f"fails: {words}, and the rows agree, but not on credits and debits ({place})"
        return f"fails: {words}; the rows say {self._shown(self.balance)}, {off} off ({place})"

    def _shown(self, units: int) -> str:
        precision = self.stated.precision
        return str(units) if precision is None else amounts.plain(amounts.major_units(units, precision))


def stated_in_assertions(file: Source, names: Names) -> list[Stated]:
    """Return what a file of assertions states. Raises ``ImportRefused``, also where one names no balance.

    An account of a statement that was opened and never used may be stated to have nothing. So may all balances under a
    name; where there is none, the report says so.
    """
    found, unused = [], isinstance(file, Listing)
    for record in file.records():
        indicator, balance_id = name_of(record)
        name = balance_id or indicator or ""
        currency = currency_of(record, file.style)
        found.append(_stated(record, name, currency, _meant(record, name, currency, names, unused=unused), file.style))
    return found


def stated_in_balances(record: Record, name: str, currency: str, balance_id: str, style: Style) -> list[Stated]:
    """Return the balances that a row of a file of balances states, if any."""
    columns = ("balance", "credit_balance", "debit_balance")
    if not any(record.text(column) for column in columns):
        return []
    return [_stated(record, name, currency, (balance_id,), style)]


def _stated(record: Record, name: str, currency: str, balance_ids: tuple[str, ...], style: Style) -> Stated:
    def side(column: str) -> int | None:
        return total_of(record, column, currency, style) if record.text(column) else None

    default = style.precision_of(currency)
    return Stated(
        record=record,
        name=name,
        currency=currency,
        precision=record.read("precision", values.precision) if record.text("precision") else default,
        balance_ids=balance_ids,
        bound=record.read("at", lambda cell: _bound(cell, style)),
        balance=total_of(record, "balance", currency, style),
        credit=side("credit_balance"),
        debit=side("debit_balance"),
        tolerance=abs(side("tolerance") or 0),
    )


def _meant(record: Record, name: str, currency: str, names: Names, *, unused: bool) -> tuple[str, ...]:
    word, column = record.text("subaccounts").lower(), "balance_id" if record.text("balance_id") else "indicator"
    if word in YES:
        return tuple(names.under(name, currency))
    if word not in NO:
        raise record.refusal("subaccounts", f"{shown(word)} is neither yes nor no")
    return (names.find(record, column, currency, may_open=unused),)


def _bound(cell: str, style: Style) -> datetime | None:
    """Return the instant before which rows count: a day counts to its end, a time counts itself."""
    if not cell:
        return None
    whole_day = DAY_ONLY.fullmatch(cell) or (style.date_format and not re.search("%[HIcXTs]", style.date_format))
    try:
        if not whole_day:
            return datetime.fromisoformat(values.instant(style.instant(cell))) + timedelta(microseconds=1)
        if not style.zone:
            raise ValueError(f"{shown(cell)} has no time zone, so its end is not known; use --time-zone")
        day = datetime.fromisoformat(style.day(cell))
        return datetime.fromisoformat(values.instant(style.local((day + timedelta(days=1)).date().isoformat())))
    except OverflowError as error:
        raise ValueError(f"{shown(cell)} is beyond all dates") from error


def check(stated: Sequence[Stated]) -> list[Assertion]:
    """Compare stated balances with applied rows, with one statement and in the order of the files."""
    places = [(number, balance_id, each.bound) for number, each in enumerate(stated) for balance_id in each.balance_ids]
    rows = ASSERT_BALANCES.rows(
        numbers=[number for number, _, _ in places],
        balance_ids=[balance_id for _, balance_id, _ in places],
        bounds=[bound and bound.astimezone(UTC) for _, _, bound in places],
    )
    sums = {row["number"]: (int(row["credit"]), int(row["debit"])) for row in rows}
    return [_compared(each, *sums.get(number, (0, 0))) for number, each in enumerate(stated)]


def _compared(stated: Stated, credit: int, debit: int) -> Assertion:
    sides = ((stated.credit, credit), (stated.debit, debit))
    holds = abs(credit - debit - stated.balance) <= stated.tolerance
    holds = holds and all(said is None or said == found for said, found in sides)
    return Assertion(stated=stated, balance=credit - debit, holds=holds)


def refuse_failing(assertions: Sequence[Assertion]) -> None:
    """Raise ``ImportRefused`` with the first assertion that does not hold."""
    failing = [each for each in assertions if not each.holds]
    if failing:
        count = f"{len(failing):,} of {len(assertions):,} assertions fail"
        record = failing[0].stated.record
        raise ImportRefused(f"{record.file}, line {record.line}, column balance: {count}, the first: {failing[0]}")
