"""Requests to move money: one movement, or one shared out among several balances."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from balances.books.posting_exceptions import NegativeLimit
from balances.ground import ZERO, amounts


@dataclass(frozen=True, kw_only=True)
class Share:
    """One of several sources or destinations, and its part: ``12.5`` (major units), ``10%``, ``left``.

    ``precise_distribution`` gives a fixed part in minor units instead.
    """

    identifier: str
    distribution: str = ""
    precise_distribution: str = ""


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One movement, or a hold. Exactly one of ``amount`` (major) and ``precise_amount`` (minor units) is given.

    ``source`` and ``destination`` are balance ids or ``@indicators``; one of them may be shares instead.
    ``precision`` is minor units in a major one. ``atomic`` applies to the legs of shares: all or none.
    """

    source: str = ""
    destination: str = ""
    sources: tuple[Share, ...] = ()
    destinations: tuple[Share, ...] = ()
    currency: str
    reference: str
    description: str
    amount: Decimal | None = None
    precise_amount: int | None = None
    precision: int = 1
    allow_overdraft: bool = False
    overdraft_limit: Decimal = ZERO
    """How far the source may go below zero, in major units; zero is no limit."""
    inflight: bool = False
    atomic: bool = False
    effective_date: datetime | None = None
    scheduled_for: datetime | None = None
    inflight_expiry_date: datetime | None = None
    inflight_commit_date: datetime | None = None
    meta_data: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def minor_units(self) -> int:
        """Return the amount in minor units. Raises ``FractionOfUnit``."""
        if self.precise_amount is not None:
            return self.precise_amount
        return amounts.whole_units(self.amount or ZERO, self.precision)

    @cached_property
    def major_units(self) -> Decimal:
        """Return the amount in major units. Raises ``FractionOfUnit``."""
        if self.precise_amount is not None:
            return amounts.major_units(self.precise_amount, self.precision)
        return amounts.booked(self.amount or ZERO, self.precision)

    @property
    def shares(self) -> tuple[Share, ...]:
        """Return the shares of the divided side; empty where each side is one balance."""
        return self.sources or self.destinations

    @property
    def is_dated(self) -> bool:
        """Return whether any part of it waits for a date."""
        return any((self.scheduled_for, self.inflight_expiry_date, self.inflight_commit_date))

    @property
    def overdraft_units(self) -> int | None:
        """Return how far the source may go below zero, in minor units; ``None`` is no limit.

        Raises ``NegativeLimit`` or ``FractionOfUnit``, so that an invalid limit never becomes none.
        """
        if not self.overdraft_limit:
            return None
        if self.overdraft_limit < 0:
            raise NegativeLimit
        return amounts.whole_units(self.overdraft_limit, self.precision)
