"""Reads the money of providers in a balance, and the lineage of a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from balances.books import TransactionNotFound
from balances.ground import BalanceNotFound, LedgerError
from balances.models import Balance, LineageMapping, LineageOutbox, Transaction

FUND_ALLOCATION = "BLNK_FUND_ALLOCATION"


class LineageOff(LedgerError):
    """balance … does not have fund lineage tracking enabled."""

    def __init__(self, balance_id: str) -> None:
        super().__init__(f"balance {balance_id} does not have fund lineage tracking enabled")


@dataclass(frozen=True, kw_only=True)
class ProviderLineage:
    """What came from a provider and what of it is spent, in minor units; ``held`` money is not spent yet."""

    provider: str
    amount: int
    spent: int
    held: int
    shadow_balance_id: str

    @property
    def available(self) -> int:
        """Return the money that is not spent."""
        return self.amount - self.spent


@dataclass(frozen=True, kw_only=True)
class BalanceLineage:
    """The providers of a balance, oldest first; without any there is no aggregate."""

    balance_id: str
    aggregate_balance_id: str
    providers: list[ProviderLineage]

    @property
    def total_with_lineage(self) -> int:
        """Return the money of all providers that is not spent."""
        return sum(each.available for each in self.providers)


@dataclass(frozen=True, kw_only=True)
class TransactionLineage:
    """The providers that a transaction was paid from, and its shadow rows with their settlements, oldest first."""

    transaction_id: str
    fund_allocation: list[dict[str, Any]]
    shadow_transactions: list[Transaction]


def balance_lineage(balance_id: str) -> BalanceLineage:
    """Return the lineage of a balance. Raises ``BalanceNotFound`` or ``LineageOff``."""
    balance = Balance.objects.filter(balance_id=balance_id).only("track_fund_lineage").first()
    if balance is None:
        raise BalanceNotFound(balance_id)
    if not balance.track_fund_lineage:
        raise LineageOff(balance_id)
    mappings = list(LineageMapping.objects.filter(balance=balance_id).select_related("shadow_balance"))
    return BalanceLineage(
        balance_id=balance_id,
        aggregate_balance_id=mappings[0].aggregate_balance_id if mappings else "",
        providers=[
            ProviderLineage(
                provider=mapping.provider,
                amount=mapping.shadow_balance.debit_balance,
                spent=mapping.shadow_balance.credit_balance,
                held=mapping.shadow_balance.inflight_credit_balance,
                shadow_balance_id=mapping.shadow_balance_id,
            )
            for mapping in mappings
        ],
    )


def untraced(balance_id: str) -> tuple[int, int]:
    """Return how many movements of a balance still wait to be traced, and how many failed."""
    noted = LineageOutbox.objects.filter(Q(source_balance_id=balance_id) | Q(destination_balance_id=balance_id))
    waiting = noted.filter(status__in=(LineageOutbox.Status.PENDING, LineageOutbox.Status.PROCESSING))
    return waiting.count(), noted.filter(status=LineageOutbox.Status.FAILED).count()


def transaction_lineage(transaction_id: str) -> TransactionLineage:
    """Return the lineage of a transaction. Raises ``TransactionNotFound``."""
    row = Transaction.objects.filter(transaction_id=transaction_id).first()
    if row is None:
        raise TransactionNotFound(f"Transaction with ID '{transaction_id}' not found")
    allocation = row.meta_data.get(FUND_ALLOCATION) if isinstance(row.meta_data, dict) else None
    return TransactionLineage(
        transaction_id=transaction_id,
        fund_allocation=[each for each in allocation if isinstance(each, dict)] if isinstance(allocation, list) else [],
        shadow_transactions=list(Transaction.objects.shadows_of(transaction_id)),
    )
