"""Which balances a run is about: named one by one, by indicator, by ledger, or all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from balances.exceptions import BalanceNotFound, IndicatorNotFound, LedgerError
from balances.models import Balance, Ledger


class ScopeRefused(LedgerError):
    """The words do not say which balances are meant."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Balances by exactly one of four ways; ``currency`` goes with ``indicator``."""

    balance_ids: tuple[str, ...] = ()
    indicator: str | None = None
    currency: str | None = None
    ledger: str | None = None
    everything: bool = False

    @property
    def names_balances(self) -> bool:
        """Tell whether balances were named one by one."""
        return bool(self.balance_ids or self.indicator)

    def ids(self) -> Iterable[str]:
        """Return the ids in key order, read in portions. Raises a ``LedgerError`` where nothing is meant by a word."""
        ways = [bool(self.balance_ids), bool(self.indicator), bool(self.ledger), self.everything]
        if sum(ways) != 1:
            raise ScopeRefused("Say which balances: their ids, or --indicator with --currency, or --ledger, or --all.")
        if bool(self.indicator) != bool(self.currency):
            raise ScopeRefused("--indicator and --currency go together: an indicator has one balance a currency.")
        if self.balance_ids:
            return self._named()
        if self.indicator and self.currency:
            return self._by_indicator(self.indicator, self.currency)
        balances = Balance.objects.order_by("balance_id")
        if self.ledger:
            balances = balances.filter(ledger=self._ledger(self.ledger))
        return balances.values_list("balance_id", flat=True).iterator(chunk_size=10_000)

    def _named(self) -> list[str]:
        known = set(Balance.objects.filter(pk__in=self.balance_ids).values_list("balance_id", flat=True))
        for balance_id in self.balance_ids:
            if balance_id not in known:
                raise BalanceNotFound(balance_id)
        return sorted(known)

    def _by_indicator(self, indicator: str, currency: str) -> list[str]:
        balance = Balance.objects.by_indicator(indicator, currency).first()
        if balance is None:
            raise IndicatorNotFound(indicator)
        return [balance.balance_id]

    def _ledger(self, name_or_id: str) -> Ledger:
        ledgers = list(Ledger.objects.filter(Q(pk=name_or_id) | Q(name=name_or_id))[:3])
        if not ledgers:
            raise ScopeRefused(f"There is no ledger named or identified by {name_or_id!r}.")
        if len(ledgers) > 1:
            ids = ", ".join(ledger.ledger_id for ledger in ledgers)
            raise ScopeRefused(f"More than one ledger is named {name_or_id!r}; give its id: {ids}.")
        return ledgers[0]
