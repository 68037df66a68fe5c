"""What a balance was at an instant, always summed from its transactions.

The original can also start from a snapshot. Whether a snapshot is right is known only from the sum that it would save:
it copies totals that may have drifted, keeps them after their correction, and nothing but clocks says which rows of
other writers it holds. So there is one answer. It needs one statement on covering indexes, some tens of milliseconds
for a hundred thousand rows.

A reconstruction counts every applied row, an instant those that are effective by then: where rows are dated in the
future, the totals of today and of this instant differ by them, and both are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from balances.ground import LedgerError, NotFound, Statement

BALANCE_AT = Statement.beside(__file__, "balance_at.sql")
NEVER = datetime.min.replace(tzinfo=UTC)
"""The zero time of the contract, at which nothing can have been."""


class ZeroInstant(LedgerError):
    """The zero time of the contract: nothing was then."""

    text = "Target time cannot be zero"


class NoBalanceThen(NotFound):
    """No balance has this id; the contract has words of its own where an instant is asked about."""

    code, details = "BAL_NOT_FOUND", {}

    def __init__(self, balance_id: str) -> None:
        """Name the balance that is missing."""
        super().__init__(f"Balance '{balance_id}' not found")


@dataclass(frozen=True, kw_only=True)
class BalanceThen:
    """Applied totals of a balance at an instant, in minor units; holds are no part of it."""

    balance_id: str
    currency: str
    credit_balance: int | Decimal
    debit_balance: int | Decimal

    @property
    def balance(self) -> int | Decimal:
        """Return credits less debits."""
        return self.credit_balance - self.debit_balance


def balance_at(balance_id: str, instant: datetime) -> BalanceThen:
    """Return what a balance was at an aware instant: all applied rows effective by then, whenever they were recorded.

    Raises ``ZeroInstant`` or ``NoBalanceThen``.
    """
    if instant == NEVER:
        raise ZeroInstant
    # PostgreSQL knows fewer offsets than RFC 3339, so instants are sent in UTC.
    found = BALANCE_AT.rows(balance_id=balance_id, instant=instant.astimezone(UTC))
    if not found:
        raise NoBalanceThen(balance_id)
    return BalanceThen(
        balance_id=balance_id,
        currency=found[0]["currency"],
        credit_balance=_whole(found[0]["credit"]),
        debit_balance=_whole(found[0]["debit"]),
    )


def _whole(units: Any) -> int | Decimal:
    """Return an ``int``; what only a foreign database holds, a fraction or no number, stays as it is."""
    return int(units) if units.is_finite() and units == units.to_integral_value() else units
