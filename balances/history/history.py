"""The state of a balance at an instant, always summed from its transactions.

The original can also start from a snapshot. But only the sum that a snapshot would save shows whether it is right: it
copies totals that may have drifted, keeps them after their correction, and only clocks decide which rows of other
writers it includes. So there is one answer. It needs one statement on covering indexes, some tens of milliseconds for a
hundred thousand rows.

A reconstruction counts every applied row, and an instant those that are effective by then. Where rows are dated in the
future, the present totals and those of this instant differ by them, and both are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from balances.ground import LedgerError, NotFound, Statement

BALANCE_AT = Statement.beside(__file__, "balance_at.sql")
NEVER = datetime.min.replace(tzinfo=UTC)
"""The zero time of the contract, for which there is no answer."""


class ZeroInstant(LedgerError):
    """A balance was requested at the zero time of the contract."""

    text = "Target time cannot be zero"


class NoBalanceThen(NotFound):
    """No balance has this id; the contract has another text for requests with an instant."""

    code, details = "BAL_NOT_FOUND", {}

    def __init__(self, balance_id: str) -> None:
        super().__init__(f"Balance '{balance_id}' not found")


@dataclass(frozen=True, kw_only=True)
class BalanceThen:
    """Applied totals of a balance at an instant, in minor units, without holds."""

    balance_id: str
    currency: str
    credit_balance: int | Decimal
    debit_balance: int | Decimal

    @property
    def balance(self) -> int | Decimal:
        """Return credits less debits."""
        return self.credit_balance - self.debit_balance


def balance_at(balance_id: str, instant: datetime) -> BalanceThen:
    """Return a balance at an aware instant: all applied rows effective by then, whenever they were recorded.

    Raises ``ZeroInstant`` or ``NoBalanceThen``.
    """
    if instant == NEVER:
        raise ZeroInstant
    # PostgreSQL knows fewer offsets than RFC 3339, so instants are sent in UTC.
    rows = BALANCE_AT.rows(balance_id=balance_id, instant=instant.astimezone(UTC))
    if not rows:
        raise NoBalanceThen(balance_id)
    return BalanceThen(
        balance_id=balance_id,
        currency=rows[0]["currency"],
        credit_balance=_whole(rows[0]["credit"]),
        debit_balance=_whole(rows[0]["debit"]),
    )


def _whole(units: Any) -> int | Decimal:
    """Return an ``int``; a fraction or NaN from a foreign database stays as it is."""
    return int(units) if units.is_finite() and units == units.to_integral_value() else units
