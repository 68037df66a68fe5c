"""Says of a reference that is in use which transaction has it, and whether it is the same payment or another one.

Asked only where a posting was refused for it, with one statement for all refusals of a request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from balances.books.movements import Movement
from balances.books.posting_exceptions import DuplicateReference
from balances.ground import LedgerError, Statement

USED_REFERENCES = Statement.beside(__file__, "used_references.sql")


def explain(refused: Iterable[tuple[Movement, LedgerError]]) -> None:
    """Put into the details of each refusal for a reference who has it; into the others nothing.

    ``differs`` names in what the two are not the same: ``amount`` (minor units), ``source``, ``destination``,
    ``currency``, or ``parent_transaction`` where the one that has it is a refund.
    """
    duplicates = [(each, error) for each, error in refused if isinstance(error, DuplicateReference)]
    if not duplicates:
        return
    found = find({error.reference for _, error in duplicates})
    for movement, error in duplicates:
        if row := found.get(error.reference):
            explain_by(movement, error, row)


def explain_by(movement: Movement, error: DuplicateReference, row: dict[str, Any]) -> None:
    """Put into the details of one refusal that a row has the reference."""
    error.details = describe(row, _sameness(movement, row))


def is_same(movement: Movement, row: dict[str, Any]) -> bool:
    """Tell whether a row is what a movement would record: the same payment, applied or held as it would be."""
    return all(_sameness(movement, row).values()) and (row["outcome"] or row["status"]) == movement.row.status


def find(references: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the rows of ``used_references.sql`` for those references that are in use."""
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
    """Return the details of a refusal for a reference that a row has; ``same`` says in what the two agree."""
    details: dict[str, Any] = {"reference": row["wanted"], "same_payment": all(same.values()), "status": row["status"]}
    if row["outcome"]:
        details["outcome"] = row["outcome"]
    if not details["same_payment"]:
        details["differs"] = [name for name, is_same in same.items() if not is_same]
    return dict(sorted((details | {"transaction_id": row["transaction_id"]}).items()))
