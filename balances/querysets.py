"""Named reads and row locks of the core tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from collections.abc import Iterable

    from balances.models import Balance, Transaction

    Balances = models.QuerySet[Balance]
    Transactions = models.QuerySet[Transaction]
else:
    Balances = Transactions = models.QuerySet


class BalanceQuerySet(Balances):
    """Reads of balances."""

    def newest_first(self) -> BalanceQuerySet:
        """Order as every list of the contract does, with the key as tie-breaker."""
        return self.order_by("-created_at", "-balance_id")

    def by_indicator(self, indicator: str, currency: str) -> BalanceQuerySet:
        """Return the one balance with this indicator in this currency, or none."""
        return self.filter(indicator=indicator, currency=currency)

    def locked(self, balance_ids: Iterable[str]) -> BalanceQuerySet:
        """Lock rows against other writers, always in key order, so that no two writers wait for each other."""
        return self.filter(balance_id__in=list(balance_ids)).order_by("balance_id").select_for_update(no_key=True)


class TransactionQuerySet(Transactions):
    """Reads of transactions."""

    def newest_first(self) -> TransactionQuerySet:
        """Order as every list of the contract does, with the key as tie-breaker."""
        return self.order_by("-created_at", "-transaction_id")

    def with_children(self, transaction_id: str) -> TransactionQuerySet:
        """Return a row and its children, one level deep, as metadata updates reach them (ledgers-balances 5)."""
        return self.filter(Q(transaction_id=transaction_id) | Q(parent_transaction=transaction_id))
