"""The rows that book deleted transactions again, and those that undo that."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from balances.books import holds_of
from balances.ground import Statement, major_units, transaction_hash
from balances.models import Transaction, new_transaction_id, now
from reconciliation.explaining import row_units

IS_COMMIT = Statement.beside(__file__, "is_commit.sql")
REBOOKED, TAKEN_BACK = "_rebooked", "_unbooked"
"""The end of the reference of a row that is booked again, and of one that undoes it."""
Status = Transaction.Status


def row_from_journal(old: dict[str, Any], reference: str) -> Transaction:
    """Return a row as the journal has it, under another reference; its metadata keeps the original one."""
    columns = {each.column: each for each in Transaction._meta.concrete_fields}
    values = {columns[name].attname: value for name, value in old.items() if name in columns}
    for name in ("created_at", "effective_date", "scheduled_for"):
        values[name] = _instant(values.get(name))
    said = old.get("meta_data")
    units, amount = row_units(old), Decimal(old["amount"]) if old.get("amount") is not None else Decimal(0)
    ends = str(old.get("source")), str(old.get("destination"))
    return Transaction(
        **values
        | {
            "reference": reference,
            "precise_amount": units if old.get("precise_amount") is not None else None,
            "hash": transaction_hash(amount, reference, str(old.get("currency") or ""), *ends),
            "meta_data": (said if isinstance(said, dict) else {}) | {"rebooked_reference": old.get("reference")},
        }
    )


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def reversal(row: Transaction) -> list[Transaction]:
    """Return children of a row that undo its effect: its money moved the other way, its hold released.

    What a commit took out of its hold is held again, and so is what a void released.
    """
    if row.status == Status.INFLIGHT:
        left = next(hold.remaining for hold in holds_of([row.pk]).found[row.pk].holds if hold.row.pk == row.pk)
        return [_against(row, Status.VOID, TAKEN_BACK, left)] if left > 0 else []
    if row.status == Status.VOID:
        return [_against(row, Status.INFLIGHT, TAKEN_BACK, row.units)]
    back = _against(row, Status.APPLIED, TAKEN_BACK, row.units, turned=True)
    (settlement,) = IS_COMMIT.rows(transaction_id=row.pk)
    if not settlement["is_commit"]:
        return [back]
    return [back, _against(row, Status.INFLIGHT, f"{TAKEN_BACK}_hold", row.units)]


def _against(row: Transaction, status: str, suffix: str, units: int, *, turned: bool = False) -> Transaction:
    columns = {each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields}
    source, destination = (row.destination_id, row.source_id) if turned else (row.source_id, row.destination_id)
    reference, at = f"{row.reference}{suffix}", now()
    amount = (row.amount or Decimal(0)) if units == row.units else major_units(units, row.precision or 1)
    return Transaction(
        **columns
        | {
            "transaction_id": new_transaction_id(),
            "parent_transaction": row.pk,
            "source_id": source,
            "destination_id": destination,
            "reference": reference,
            "status": status,
            "amount": amount,
            "precise_amount": units,
            "created_at": at,
            "effective_date": at,
            "scheduled_for": None,
            "hash": transaction_hash(amount, reference, str(row.currency or ""), str(source), str(destination)),
        }
    )
