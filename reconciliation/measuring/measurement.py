"""What balances ought to be, from their transactions alone (docs/design/reconstruction.md). It only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Any, Self, TypeVar

from balances.ground import Statement
from balances.models import TOTALS

MEASURE = Statement.beside(__file__, "measure.sql")
MEASURED_AT_ONCE = 5_000
"""Balances in one measuring statement."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Totals:
    """The six totals of a balance, in minor units, or six differences between such totals."""

    credit_balance: int
    debit_balance: int
    balance: int
    inflight_credit_balance: int
    inflight_debit_balance: int
    inflight_balance: int

    @classmethod
    def net(cls, *, credit: int, debit: int, inflight_credit: int, inflight_debit: int) -> Self:
        """Build totals whose nets follow from their sides."""
        return cls(credit, debit, credit - debit, inflight_credit, inflight_debit, inflight_credit - inflight_debit)

    def __sub__(self, other: Totals) -> Totals:
        return Totals(**{total: getattr(self, total) - getattr(other, total) for total in TOTALS})

    def __add__(self, other: Totals) -> Totals:
        return Totals(**{total: getattr(self, total) + getattr(other, total) for total in TOTALS})

    @property
    def gross(self) -> int:
        """Return the sum of the absolute sides: of a difference, the gross drift that it takes away."""
        sides = (self.credit_balance, self.debit_balance, self.inflight_credit_balance, self.inflight_debit_balance)
        return sum(map(abs, sides))

    @property
    def moved(self) -> int:
        """Return how much a correction moves: in a foreign database a net may be wrong beside right sides."""
        return max(self.gross, abs(self.balance) + abs(self.inflight_balance))

    @property
    def are_finite(self) -> bool:
        """Return whether every total is a number."""
        return all(Decimal(getattr(self, total)).is_finite() for total in TOTALS)

    @property
    def are_whole(self) -> bool:
        """Return whether every total is a whole number: ``units`` leaves anything else a ``Decimal``."""
        return all(isinstance(getattr(self, total), int) for total in TOTALS)

    def __bool__(self) -> bool:
        """Return whether any total differs from zero."""
        return any(getattr(self, total) for total in TOTALS)


@dataclass(frozen=True)
class Measurement:
    """One balance in one snapshot: what is stored and what its transactions say."""

    balance_id: str
    indicator: str | None
    currency: str
    ledger_id: str
    ledger_name: str
    version: int
    stored: Totals
    recalculated: Totals
    credit_rows: int
    debit_rows: int
    hold_rows: int
    executed_at: datetime
    executed_at_text: str
    snapshot: str = ""
    """What was visible: a transaction is included in it or not."""

    @cached_property
    def difference(self) -> Totals:
        """Return recalculated less stored: what a correction adds, the negative of the drift."""
        return self.recalculated - self.stored

    @property
    def has_drift(self) -> bool:
        """Return whether any of the six totals is wrong; a right net can hide equal errors on both sides."""
        return bool(self.difference)

    @property
    def drift_in_words(self) -> str:
        """Say what is stored less what is recalculated, side by side; the nets where they alone are off."""
        drift = self.stored - self.recalculated
        nets = ("balance", "inflight_balance")
        shown = nets if not drift.gross else (total for total in TOTALS if total not in nets)
        named = {total.removesuffix("_balance") if drift.gross else total: getattr(drift, total) for total in shown}
        return ", ".join(f"{name.replace('_', ' ')} {units:+,}" for name, units in named.items() if units)

    @property
    def is_readable(self) -> bool:
        """Return whether it can be rebuilt: every stored total is a number, and the transactions give whole ones.

        PostgreSQL's ``numeric`` also knows NaN and infinity; a foreign database may hold NULL and fractions.
        """
        return self.stored.are_finite and self.recalculated.are_whole

    @property
    def is_whole(self) -> bool:
        """Return whether its stored totals are whole minor units too, so that its drift is an amount of money."""
        return self.is_readable and self.stored.are_whole

    @property
    def is_empty(self) -> bool:
        """Return whether the balance has totals but not one row that they could come from."""
        return bool(self.stored) and not (self.credit_rows or self.debit_rows or self.hold_rows)

    @property
    def counted_more(self) -> bool:
        """Return whether ``version`` is higher than its rows account for; corrections raise it as well."""
        return self.version > 1 + self.credit_rows + self.debit_rows + self.hold_rows

    @property
    def result(self) -> dict[str, str]:
        """Return the eight strings that Blnk leaves in the metadata."""
        return {
            "difference": str(self.difference.balance),
            "executed_at": self.executed_at_text,
            "previous_debit": str(self.stored.debit_balance),
            "previous_credit": str(self.stored.credit_balance),
            "previous_balance": str(self.stored.balance),
            "recalculated_debit": str(self.recalculated.debit_balance),
            "recalculated_credit": str(self.recalculated.credit_balance),
            "recalculated_balance": str(self.recalculated.balance),
        }


def measure(balance_ids: list[str]) -> list[Measurement]:
    """Measure balances in one snapshot, in key order; ids that do not exist are left out."""
    return [_measurement(row) for row in MEASURE.rows(balance_ids=balance_ids)]


def measure_all(balance_ids: Iterable[str]) -> Iterator[Measurement]:
    """Measure any number of balances, each portion in one snapshot, in the order of the portions."""
    for portion in chunks(balance_ids, MEASURED_AT_ONCE):
        yield from measure(portion)


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Return items in lists of at most ``size``, read as they are needed."""
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _measurement(row: dict[str, Any]) -> Measurement:
    sums = {name: units(row.pop(name)) for name in ("credit", "debit", "inflight_credit", "inflight_debit")}
    stored = {total: units(row.pop(total)) for total in TOTALS}
    row = {item.name: row[item.name] for item in fields(Measurement) if item.name in row}
    row["hold_rows"] = int(row["hold_rows"])
    return Measurement(stored=Totals(**stored), recalculated=Totals.net(**sums), **row)


def units(value: Decimal | None) -> int:
    """Return a sum as an ``int``; the fraction that a foreign database may hold stays, to be corrected exactly.

    A missing value or one that is no number becomes NaN, which differs from everything; check ``is_readable``.
    """
    if value is None or not value.is_finite():
        return Decimal("NaN")  # type: ignore[return-value]
    return int(value) if value == value.to_integral_value() else value  # type: ignore[return-value]
