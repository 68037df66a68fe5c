"""Named reads and row locks of the core tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from balances.holders import Identity  # noqa: F401  # as below
    from balances.models import Balance, Transaction  # noqa: F401  # the bases below name them as text


class BalanceQuerySet(models.QuerySet["Balance"]):
    """Reads of balances."""

    def newest_first(self) -> BalanceQuerySet:
        """Order as every list of the contract does, with the key as tie-breaker."""
        return self.order_by("-created_at", "-balance_id")

    def by_indicator(self, indicator: str, currency: str) -> BalanceQuerySet:
        """Return the one balance with this indicator in this currency, or none."""
        return self.filter(indicator=indicator, currency=currency)

    def called(self, name: str) -> BalanceQuerySet:
        """Return the balances with this indicator, one a currency; its ``@`` may be left out."""
        return self.filter(Q(indicator=name) | Q(indicator=f"@{name}"))

    def locked(self, balance_ids: Iterable[str]) -> BalanceQuerySet:
        """Lock rows against other writers, always in key order, so that no two writers wait for each other."""
        return self.filter(balance_id__in=list(balance_ids)).order_by("balance_id").select_for_update(no_key=True)


class IdentityQuerySet(models.QuerySet["Identity"]):
    """Reads of identities."""

    def locked(self, identity_id: str) -> IdentityQuerySet:
        """Return one identity, if it exists, and keep others from changing or deleting it in the meantime."""
        return self.filter(identity_id=identity_id).select_for_update(no_key=True)


class TransactionQuerySet(models.QuerySet["Transaction"]):
    """Reads of transactions."""

    def newest_first(self) -> TransactionQuerySet:
        """Order as every list of the contract does, with the key as tie-breaker."""
        return self.order_by("-created_at", "-transaction_id")

    def with_children(self, transaction_id: str) -> TransactionQuerySet:
        """Return a row and its children, one level deep, as metadata updates reach them (ledgers-balances 5)."""
        return self.filter(Q(transaction_id=transaction_id) | Q(parent_transaction=transaction_id))

    def shadows_of(self, transaction_id: str) -> TransactionQuerySet:
        """Return the shadow rows of a movement and what settles them, oldest first (transactions 14.1)."""
        rows = self.alias(shadow_for=KT("meta_data___shadow_for")).filter(shadow_for=transaction_id)
        return rows.order_by("created_at", "transaction_id")

    def moving(self, balance_id: str) -> TransactionQuerySet:
        """Return what moved, holds or is to move money of a balance, by the partial indexes of its two sides."""
        statuses = (Q(status="APPLIED"), Q(status__in=("INFLIGHT", "VOID")), Q(status="QUEUED"))
        sides = Q()
        for status in statuses:
            sides |= (status & Q(source=balance_id)) | (status & Q(destination=balance_id))
        return self.filter(sides)

    def latest_of(self, balance_id: str, limit: int = 20) -> TransactionQuerySet:
        """Return rows among which are the last applied rows and holds of a balance, ``limit`` of each kind and side.

        Each part reads its partial index backwards and stops. Rows without an effective date, which only old
        databases have, stand apart: they would come first in that order and hide all newer ones.
        """
        dated = self.filter(status="APPLIED", effective_date__isnull=False).order_by("-effective_date", "-pk")
        undated = self.filter(status="APPLIED", effective_date=None)
        holds = self.filter(status__in=("INFLIGHT", "VOID")).order_by("-created_at", "-pk")
        parts = [
            rows.filter(**{side: balance_id}).values("pk")[:limit]
            for rows in (dated, undated, holds)
            for side in ("source", "destination")
        ]
        return self.filter(pk__in=parts[0].union(*parts[1:], all=True)).select_related("source", "destination")
