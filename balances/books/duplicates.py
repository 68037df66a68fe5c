"""Finds which transaction has a reference that is in use, and whether it is the same payment.

Queried only after refusals for a reference, with one statement for all of a request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from balances.books.movements import Movement
from balances.books.posting_exceptions import DuplicateReference
from balances.ground import LedgerError, Statement

USED_REFERENCES = Statement.beside(__file__, "used_references.sql")


def explain(refused: Iterable[tuple[Movement, LedgerError]]) -> None:
    """Add to the details of each ``DuplicateReference`` which transaction has the reference.

    ``differs`` lists what the two payments do not share: ``amount`` (minor units), ``source``, ``destination``,
    ``currency``, or ``parent_transaction`` where the one with the reference is a refund.
    """
    duplicates = [(each, error) for each, error in refused if isinstance(error, DuplicateReference)]
    if not duplicates:
        return
    rows = find({error.reference for _, error in duplicates})
    for movement, error in duplicates:
        if row := rows.get(error.reference):
            explain_by(movement, error, row)


def explain_by(movement: Movement, error: DuplicateReference, row: dict[str, Any]) -> None:
    """Add to the details of one refusal the row that has the reference."""
    error.details = describe(row, _sameness(movement, row))


def is_same(movement: Movement, row: dict[str, Any]) -> bool:
    """Return whether a row is the same payment as a movement, applied or held as the movement would be."""
    return all(_sameness(movement, row).values()) and (row["outcome"] or row["status"]) == movement.row.status


def find(references: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the rows of ``used_references.sql`` by reference, for those references that are in use."""
    rows = USED_REFERENCES.rows(
        refs=sorted(references),
        queued_refs=sorted(each.removesuffix("_q") for each in references if each.endswith("_q")),
    )
    return {row["wanted"]: row for row in rows}


def _sameness(movement: Movement, row: dict[str, Any]) -> dict[str, bool]:
    return {
        "amount": row["units"] == movement.units,
        "currency": row["currency"] == movement.row.currency,
        "destination": movement.destination in (row["destination"], row["destination_indicator"]),
        "parent_transaction": not row["is_refund"],
        "source": movement.source in (row["source"], row["source_indicator"]),
    }


def describe(row: dict[str, Any], same: dict[str, bool]) -> dict[str, Any]:
    """Return the details of a refusal for a reference that a row has; ``same`` says in which fields the two agree."""
    details: dict[str, Any] = {"reference": row["wanted"], "same_payment": all(same.values()), "status": row["status"]}
    if row["outcome"]:
        details["outcome"] = row["outcome"]
    if not details["same_payment"]:
        details["differs"] = [name for name, is_same in same.items() if not is_same]
    return dict(sorted((details | {"transaction_id": row["transaction_id"]}).items()))
