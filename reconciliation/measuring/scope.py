"""Which balances a run or a sweep is about: named one by one, by conditions, or all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

from django.db.models import Q

from balances.ground import BalanceNotFound, IndicatorNotFound, LedgerError
from balances.models import Balance, Ledger


class ScopeRefused(LedgerError):
    """The request does not say which balances are meant."""

    code = "GEN_VALIDATION_ERROR"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Balances in exactly one of three ways: by name (ids, or an indicator and its currency), by conditions, or all.

    Conditions hold together. ``created_from`` is included, ``created_until`` is not; both are RFC 3339, UTC unless
    they say otherwise.
    """

    balance_ids: tuple[str, ...] = ()
    indicator: str | None = None
    currency: str | None = None
    ledger: str | None = None
    indicator_prefix: str | None = None
    created_from: str | None = None
    created_until: str | None = None
    everything: bool = False

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        """Return the scope that ``as_json`` described. Raises ``ScopeRefused`` for a word that it does not know."""
        unknown = set(given) - {field.name for field in fields(cls)}
        if unknown:
            raise ScopeRefused(f"A scope knows no {', '.join(sorted(unknown))}.")
        ids = given.get("balance_ids") or ()
        if not all(isinstance(balance_id, str) for balance_id in ids):
            raise ScopeRefused("balance_ids must be a list of texts.")
        return cls(**given | {"balance_ids": tuple(ids)})

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are set."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given["balance_ids"] = list(self.balance_ids)
        return {name: value for name, value in given.items() if value}

    def __str__(self) -> str:
        if self.everything:
            return "all balances"
        if self.balance_ids:
            return f"{len(self.balance_ids)} named balances" if len(self.balance_ids) > 1 else self.balance_ids[0]
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.as_json().items())

    @property
    def names_balances(self) -> bool:
        """Return whether balances were named one by one."""
        return bool(self.balance_ids or self.indicator)

    def balances(self) -> Any:
        """Return the balances as a queryset, unordered. Raises a ``LedgerError`` where nothing is meant by a word."""
        conditions = (self.ledger, self.indicator_prefix, self.created_from, self.created_until)
        by_currency = bool(self.currency and not self.indicator)
        ways = [bool(self.balance_ids), bool(self.indicator), any(conditions) or by_currency, self.everything]
        if sum(ways) != 1:
            raise ScopeRefused(
                "Say which balances, in one way: their ids; an indicator with its currency; conditions; or all of them."
            )
        if self.indicator and not self.currency:
            raise ScopeRefused("An indicator and its currency go together: an indicator has one balance a currency.")
        if self.balance_ids:
            return self._named()
        if self.indicator and self.currency:
            return self._by_indicator(self.indicator, self.currency)
        return Balance.objects.filter(self._conditions())

    def ids(self) -> Iterable[str]:
        """Return the ids in key order, read in portions. Raises what ``balances`` raises."""
        rows = self.balances().order_by("balance_id")
        return rows.values_list("balance_id", flat=True).iterator(chunk_size=10_000)  # type: ignore[no-any-return]

    def remaining(self) -> Any:
        """Return the balances as ``balances`` does, but leave out named ones that have been deleted since."""
        return Balance.objects.filter(pk__in=self.balance_ids) if self.balance_ids else self.balances()

    def _named(self) -> Any:
        named = Balance.objects.filter(pk__in=self.balance_ids)
        known = set(named.values_list("balance_id", flat=True))
        for balance_id in self.balance_ids:
            if balance_id not in known:
                raise BalanceNotFound(balance_id)
        return named

    def _by_indicator(self, indicator: str, currency: str) -> Any:
        balances = Balance.objects.by_indicator(indicator, currency)
        if not balances.exists():
            raise IndicatorNotFound(indicator)
        return balances

    def _conditions(self) -> Q:
        conditions = Q()
        if self.ledger:
            conditions &= Q(ledger=self._ledger(self.ledger))
        if self.currency:
            conditions &= Q(currency=self.currency)
        if self.indicator_prefix:
            conditions &= Q(indicator__startswith=self.indicator_prefix)
        if self.created_from:
            conditions &= Q(created_at__gte=_instant(self.created_from))
        if self.created_until:
            conditions &= Q(created_at__lt=_instant(self.created_until))
        return conditions

    def _ledger(self, name_or_id: str) -> Ledger:
        ledgers = list(Ledger.objects.filter(Q(pk=name_or_id) | Q(name=name_or_id))[:3])
        if not ledgers:
            raise ScopeRefused(f"There is no ledger named or identified by {name_or_id!r}.")
        if len(ledgers) > 1:
            ids = ", ".join(ledger.ledger_id for ledger in ledgers)
            raise ScopeRefused(f"More than one ledger is named {name_or_id!r}; give its id: {ids}.")
        return ledgers[0]


def _instant(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ScopeRefused(f"{text!r} is no instant; write it as 2026-01-31 or 2026-01-31T12:00:00Z.") from error
