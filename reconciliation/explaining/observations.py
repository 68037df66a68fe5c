"""What is observed about balances: rows as one of their balances sees them, holds, moments, and how they fit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from balances.models import Transaction
from reconciliation.explaining.drift import Drift

Status = Transaction.Status
Side = Literal["credit", "debit"]


@dataclass(frozen=True)
class Row:
    """A transaction as one of its two balances sees it: ``side`` is its side there, ``other`` the other balance."""

    balance_id: str
    side: Side
    transaction_id: str
    status: str
    units: int
    precision: int
    reference: str
    other: str | None
    created_at: datetime
    is_commit: bool = False
    """Whether it settles a hold."""
    has_children: bool = False
    twins: int = 1
    """Rows of this balance, side and status with the same amount, itself included."""
    is_last_of_both: bool = False
    """Whether it is of the last day of both its balances, whose totals were imported."""

    @property
    def effect(self) -> Drift:
        """Return what it adds to the totals of this balance."""
        match self.status:
            case Status.APPLIED:
                taken = {f"inflight_{self.side}": -self.units} if self.is_commit else {}
                return Drift(**{self.side: self.units} | taken)
            case Status.INFLIGHT:
                return Drift.on(f"inflight_{self.side}", self.units)
            case Status.VOID:
                return Drift.on(f"inflight_{self.side}", -self.units)
            case _:
                return Drift()

    @property
    def name(self) -> str:
        """Return how sentences name it."""
        return f"{self.transaction_id} ({self.reference}, {self.created_at:%Y-%m-%d %H:%M:%S} UTC)"


def mirrored(effect: Drift) -> Drift:
    """Return what a row adds to the balance on its other side."""
    return Drift(effect.debit, effect.credit, effect.inflight_debit, effect.inflight_credit)


@dataclass(frozen=True)
class Hold:
    """A hold with what settled it; ``commits`` and ``voids`` are pairs of transaction id and units."""

    balance_id: str
    side: Side
    transaction_id: str
    units: int
    created_at: datetime
    commits: tuple[tuple[str, int], ...]
    voids: tuple[tuple[str, int], ...]

    @property
    def open_units(self) -> int:
        """Return what is still held; negative where more was settled than held."""
        return self.units - sum(units for _, units in self.commits + self.voids)


@dataclass(frozen=True)
class Pair:
    """Two rows of one side of a balance, one right after the other, and their sum."""

    side: Side
    units: int
    first_id: str
    second_id: str
    first_reference: str | None
    second_reference: str | None
    first_at: datetime
    second_at: datetime


@dataclass(frozen=True)
class Lot:
    """Rows of one amount and moment on one side of ``hub``, each with another balance at its other end."""

    hub: str
    hub_side: Side
    units: int
    rows: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def drift(self) -> int:
        """What each end is off by if the totals have the lot once, and every row has all of it."""
        return -(len(self.rows) - 1) * self.units


@dataclass(frozen=True)
class Point:
    """A moment at which the drift of a balance is known, and from where."""

    at: datetime
    drift: Drift
    source: Literal["snapshot", "birth", "record", "correction", "finding", "sweep"]
    stored: Drift | None = None
    """The totals as they were then stored, where the source kept them."""
    rows: int = 0
    """Rows that existed by then."""
    last_row: str | None = None


@dataclass(frozen=True)
class Repointed:
    """A row that ``into_id`` lacks and ``former_id`` has in its totals, and for which of them its hash was made."""

    into_id: str
    former_id: str
    side: Side
    transaction_id: str
    reference: str
    created_at: datetime
    fits_former: bool
    fits_now: bool
    fits_exchanged: bool = False
    """Whether it was made for the row with source and destination exchanged."""


@dataclass(frozen=True)
class MissingSpan:
    """A span of time that several balances lack: when it may have begun and ended, and the rows that one lacks."""

    moment_from: datetime | None
    moment_until: datetime
    back_from: datetime
    back_until: datetime | None
    """``None`` where no row came after it."""
    balances: int
    row_count: int
    rows: tuple[str, ...]
    """Up to twenty of the rows."""
    outside: int
    """Balances on the other side of rows in the span that lack nothing."""
    alternatives: int
    """Other spans that as many balances lack."""


@dataclass(frozen=True)
class Overwriter:
    """A row written within a second of another one of the balance, which it may have overwritten."""

    transaction_id: str
    apart: timedelta


@dataclass(frozen=True)
class LegacyRows:
    """The rows of one side without a precise amount: their sum with precision and without it."""

    units: int
    unscaled: int
    row_count: int
    rows: tuple[str, ...]
    """Up to twenty of them."""


@dataclass(frozen=True)
class Grain:
    """How finely the amounts of a balance are written: numbers of rows."""

    row_count: int
    not_tens: int
    """Whose minor units are no multiple of ten."""
    not_hundreds: int
    precision: int
    """The finest precision of any row."""
    fractional: int
    """Whose amount has a fraction of a minor unit."""
    contradicting: int
    """Whose two amounts differ by more than rounding."""
    rows: tuple[str, ...]
    """Up to twenty of the fractional ones."""


@dataclass(frozen=True)
class ForeignCredits:
    """Credits out of balances in other currencies."""

    units: int
    row_count: int
    currencies: str
    rows: tuple[str, ...]
    """Up to twenty of them."""


@dataclass(frozen=True)
class ScalePeers:
    """Balances of one ledger and currency in a sweep: how many are off by the same factor, and how many are right."""

    alike: int
    right: int | None
    """``None`` unless the sweep measured everything."""


@dataclass(frozen=True)
class Opened:
    """When an imported balance was opened, and its first row, where that came later."""

    at: datetime
    first_row_at: datetime


@dataclass(frozen=True)
class SilentSettlement:
    """A settlement, on one side of a balance, that moved other totals than its row says; ``units`` are minor units."""

    transaction_id: str
    side: str
    is_void: bool
    units: int
    had_effect: bool
    settles: bool
    """Whether measuring takes the row off a hold."""
    created_at: datetime
