"""The result of an import or a dry run: counts, sums by currency and the first rows, for display."""

from __future__ import annotations

from dataclasses import dataclass, field

from balances.importing.asserting import Assertion

FIRST_ROWS = 10
"""Transactions that a report shows as they were understood."""


@dataclass(frozen=True, kw_only=True)
class FirstRow:
    """A transaction as it was understood."""

    line: int
    reference: str
    source: str
    destination: str
    amount: str
    """Major units."""
    currency: str
    effective_date: str
    """UTC, ISO 8601."""
    description: str


@dataclass(kw_only=True)
class Moved:
    """The transactions of one currency at one precision: how many, and what they move in minor units."""

    rows: int = 0
    units: int = 0


@dataclass
class Tally:
    """Counts of rows, made while they are read."""

    moved: dict[tuple[str, int], Moved] = field(default_factory=dict)
    """By currency and precision."""
    first: list[FirstRow] = field(default_factory=list)

    def add(self, currency: str, precision: int, units: int | None) -> None:
        """Count a row; one from before minor units existed moves none."""
        moved = self.moved.get((currency, precision))
        if moved is None:
            moved = self.moved[currency, precision] = Moved()
        moved.rows += 1
        moved.units += units or 0


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The result of an import, or of a dry run."""

    ledger_id: str
    name: str
    balances: int
    transactions: int
    """Rows that were imported, opening rows included."""
    skipped: int = 0
    """Rows that were imported before, with the same content."""
    openings: int = 0
    """Rows of stated opening balances."""
    opened: tuple[str, ...] = ()
    """The first of the new balances that rows name."""
    assertions: tuple[Assertion, ...] = ()
    """Balances that files state, compared with the rows."""
    notes: tuple[str, ...] = ()
    """Sentences about what was left out."""
    already: bool = False
    """Whether the same files were imported before."""
    dry_run: bool = False
    """Whether nothing was written."""
    tally: Tally = field(default_factory=Tally)

    @property
    def failing(self) -> list[Assertion]:
        """Return the assertions that do not hold."""
        return [each for each in self.assertions if not each.holds]
