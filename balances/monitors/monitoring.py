"""Balance monitors: writes them, and finds those whose condition holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

from balances.ground import (
    LedgerError,
    NotFound,
    Statement,
    adoption,
    atomic_with_lock_limit,
    go_time,
    short,
    threshold_units,
)
from balances.models import Balance, BalanceMonitor

BEYOND = 2**63
FIRED_MONITORS = Statement.beside(__file__, "fired_monitors.sql")


class MonitorNotFound(NotFound):
    """No monitor has this id."""

    code = "BAL_MONITOR_NOT_FOUND"
    details: Any = {}

    def __init__(self, monitor_id: str) -> None:
        super().__init__(f"Monitor with ID '{monitor_id}' not found")


class MonitorGone(MonitorNotFound):
    """The monitor that a change names does not exist; the contract leaves the details out here."""

    details = None


class UnknownWatchedBalance(LedgerError):
    """The balance that a monitor should watch does not exist."""

    text = "Invalid balance ID"
    code, details = "GEN_BAD_REQUEST", {}


class NotKeptByBlnk(LedgerError):
    """In an adopted database: the value has a fraction, or it or the threshold is beyond 64 bits."""

    text = (
        "Blnk's table keeps the value of a monitor in whole major units, and it and the threshold in 64 bits: another "
        "threshold would be stored than this one. Nothing was changed."
    )


def watch(
    *,
    balance_id: str,
    field: str,
    operator: str,
    value: Decimal,
    precision: Decimal,
    description: str = "",
    call_back_url: str = "",
) -> BalanceMonitor:
    """Create a monitor; its threshold is ``value`` × ``precision``, exact.

    The caller checks ``field``, ``operator`` and that ``precision`` is above zero; constraints check them again. Raises
    ``UnknownWatchedBalance`` or ``NotKeptByBlnk``.
    """
    _require_balance(balance_id)
    _require_room(value, threshold_units(value, precision))
    return BalanceMonitor.objects.create(
        balance_id=balance_id,
        field=field,
        operator=operator,
        value=value,
        precision=precision,
        precise_value=threshold_units(value, precision),
        description=description,
        call_back_url=call_back_url,
    )


def _require_room(value: Decimal, units: int) -> None:
    """Raise ``NotKeptByBlnk`` where the columns of an adopted database would keep something else."""
    if adoption() is None:
        return
    if value != Decimal(value).to_integral_value() or not all(-BEYOND <= each < BEYOND for each in (value, units)):
        raise NotKeptByBlnk


def find(monitor_id: str) -> BalanceMonitor:
    """Return a monitor. Raises ``MonitorNotFound``."""
    monitor = BalanceMonitor.objects.filter(monitor_id=monitor_id).first()
    if monitor is None:
        raise MonitorNotFound(monitor_id)
    return monitor


def revise(
    monitor_id: str,
    *,
    balance_id: str,
    field: str,
    operator: str,
    value: Decimal,
    precision: Decimal | None = None,
    description: str = "",
    call_back_url: str | None = None,
) -> None:
    """Overwrite a monitor and recompute its threshold; precision and call-back address stay unless given.

    Raises ``MonitorGone``, ``UnknownWatchedBalance``, ``NotKeptByBlnk`` or ``BalanceLocked``, with nothing written.
    """
    with atomic_with_lock_limit():
        monitor = BalanceMonitor.objects.filter(monitor_id=monitor_id).select_for_update(no_key=True).first()
        if monitor is None:
            raise MonitorGone(monitor_id)
        _require_balance(balance_id)
        monitor.balance_id, monitor.field, monitor.operator, monitor.value = balance_id, field, operator, value
        monitor.precision = precision or monitor.precision
        monitor.precise_value = threshold_units(value, monitor.precision or Decimal(1))
        _require_room(value, monitor.precise_value)
        monitor.description = description
        if call_back_url is not None:
            monitor.call_back_url = call_back_url
        monitor.save(force_update=True)


def remove(monitor_id: str) -> None:
    """Delete a monitor. Raises ``MonitorNotFound``."""
    if not BalanceMonitor.objects.filter(monitor_id=monitor_id).delete()[0]:
        raise MonitorNotFound(monitor_id)


def fired(balance_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the data of a ``balance.monitor`` event for each monitor of these balances whose condition holds.

    One statement, by the totals that the current transaction sees. Call it in the transaction that moved the balances,
    after they moved. A monitor fires after each movement while its condition holds.
    """
    return [_payload(row) for row in FIRED_MONITORS.rows(balance_ids=list(balance_ids))]


def _payload(row: dict[str, Any]) -> dict[str, Any]:
    """Return the data of the event, keys in byte order, an empty description left out."""
    created_at = row["created_at"]
    payload = {
        "balance_id": row["balance_id"],
        "condition": {
            "field": row["field"],
            "operator": row["operator"],
            "precise_value": int(row["threshold"]),
            "precision": short(row["precision"]),
            "value": short(row["value"]),
        },
        # A column without zone, as in a Blnk database, is UTC already.
        "created_at": go_time(created_at.replace(tzinfo=UTC) if created_at.tzinfo is None else created_at),
        "description": row["description"],
        "monitor_id": row["monitor_id"],
    }
    return {key: each for key, each in payload.items() if each not in ("", None)}


def _require_balance(balance_id: str) -> None:
    if not Balance.objects.filter(balance_id=balance_id).exists():
        raise UnknownWatchedBalance
