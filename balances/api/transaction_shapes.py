"""Transactions out: rows as they are stored, and what a request echoes beside them."""

from __future__ import annotations

from typing import Any

from balances.books import QUEUED_PARENT
from balances.ground import amounts
from balances.posting import Item, Posting
from balances.shapes import TransactionAnswer

ECHOED = (
    "allow_overdraft",
    "overdraft_limit",
    "atomic",
    "scheduled_for",
    "inflight_expiry_date",
    "inflight_commit_date",
)
"""Fields of a request that its answer repeats, and that no column keeps, or not as they were sent."""


def created(item: Item) -> dict[str, Any]:
    """Return the answer to a posting: its row, or, where there are several or they wait, what was asked for."""
    posting, queued, first = item.posting, item.place.queued, item.rows[0]
    shown = _asked(item) if queued or posting.shares else vars(first).copy()
    for name in ECHOED:
        shown[name] = getattr(posting, name)
    shown["effective_date"] = posting.effective_date or first.effective_date
    shown["skip_queue"] = not queued
    if posting.precise_amount is not None:
        shown["amount_string"] = amounts.plain(posting.major_units)
    if posting.shares:
        for side in ("sources", "destinations"):
            shown[side] = _shares(item, getattr(posting, side))
    return TransactionAnswer.body(shown)


def _asked(item: Item) -> dict[str, Any]:
    """Return a row as the original shows what it has accepted: its balances and its hash as they were sent."""
    posting, first = item.posting, item.rows[0]
    return {
        "transaction_id": item.place.transaction_id,
        "parent_transaction": "",
        "source_id": posting.source,
        "destination_id": posting.destination,
        "reference": posting.reference,
        "amount": posting.major_units,
        "precise_amount": posting.minor_units,
        "precision": posting.precision,
        "currency": posting.currency,
        "description": posting.description,
        "status": first.status,
        "hash": sent_hash(posting),
        "created_at": first.created_at,
        "meta_data": {
            key: value for key, value in first.meta_data.items() if item.place.queued or key != QUEUED_PARENT
        },
    }


def sent_hash(posting: Posting) -> str:
    """Return the hash over what was sent: the amount is zero where only minor units were."""
    return amounts.transaction_hash(
        posting.amount or amounts.ZERO, posting.reference, posting.currency, posting.source, posting.destination
    )


def _shares(item: Item, shares: Any) -> list[dict[str, str]]:
    legs = {movement.share: movement.row.pk for movement in item.movements}
    return [
        {
            "identifier": share.identifier,
            "distribution": share.distribution,
            "precise_distribution": share.precise_distribution,
            "transaction_id": legs.get(number, ""),
        }
        for number, share in enumerate(shares)
    ]


def recorded(row: Any) -> dict[str, Any]:
    """Return the answer to a settlement: its row, with what a new row shows beside its columns."""
    row.amount_string = amounts.plain(row.amount)
    return TransactionAnswer.body(row)


def refunded(row: Any, *, skip_queue: bool) -> dict[str, Any]:
    """Return the answer to a refund."""
    row.skip_queue, row.allow_overdraft = skip_queue, True
    return recorded(row)
