"""Opens ledgers and balances."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from balances.events import announced
from balances.ground import exceptions
from balances.models import Balance, Identity, Ledger
from balances.people import identity_exceptions
from balances.recording import constraint


@announced
def open_ledger(*, name: str, meta_data: dict[str, Any] | None = None) -> Ledger:
    """Create a ledger. Names need not be unique."""
    return Ledger.objects.create(name=name, meta_data=meta_data)


@announced
def rename_ledger(*, ledger_id: str, name: str) -> Ledger:
    """Give a ledger another name. Raises ``LedgerNotFound``."""
    if not Ledger.objects.filter(ledger_id=ledger_id).update(name=name):
        raise exceptions.LedgerNotFound
    return Ledger.objects.get(ledger_id=ledger_id)


@announced
def open_balance(
    *,
    ledger_id: str,
    currency: str,
    indicator: str | None = None,
    identity_id: str | None = None,
    track_fund_lineage: bool = False,
    allocation_strategy: str = "FIFO",
    meta_data: dict[str, Any] | None = None,
) -> Balance:
    """Create a balance with zero totals. Raises ``UnknownLedger``, ``UnknownIdentity`` or ``IndicatorTaken``."""
    if not Ledger.objects.filter(ledger_id=ledger_id).exists():
        raise exceptions.UnknownLedger
    balance = Balance(
        ledger_id=ledger_id,
        currency=currency,
        indicator=indicator,
        identity_id=identity_id,
        track_fund_lineage=track_fund_lineage,
        allocation_strategy=allocation_strategy,
        meta_data=meta_data,
    )
    try:
        with transaction.atomic():
            if identity_id and Identity.objects.locked(identity_id).first() is None:
                raise identity_exceptions.UnknownIdentity
            balance.save(force_insert=True)
    except IntegrityError as error:
        if constraint(error) == "unique_indicator_currency":
            raise exceptions.IndicatorTaken(
                f"Balance already exists for indicator '{indicator}' and '{currency}'"
            ) from error
        raise
    return balance
