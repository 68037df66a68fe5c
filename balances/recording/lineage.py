"""Notes movements whose funds are to be traced, in the commit that records them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from balances.books import Book, Effect, Movement
from balances.ground import ZERO, Backlog, Statement, adoption, dumps, short
from balances.models import LineageOutbox

LINEAGE = Backlog("trace_lineage", queue="postings", lock="trace_lineage")
NOTE = Statement.beside(__file__, "note.sql", hot=True)
PROVIDER = "BLNK_LINEAGE_PROVIDER"
"""The metadata key that names whose money comes in."""
COLUMNS = (
    "transaction_id", "source_balance_id", "destination_balance_id", "provider", "lineage_type", "payload", "inflight",
)  # fmt: skip
Type = LineageOutbox.Type
SETTLEMENTS = {Effect.COMMIT: Type.SHADOW_COMMIT, Effect.VOID: Type.SHADOW_VOID}


def note(movements: Sequence[Movement], book: Book) -> None:
    """Note the movements that touch a balance which tracks its funds, and call a worker if there are any.

    Call this before the movements are written and while their balances are locked, so that the notes of a balance are
    in the order of its movements. An adopted Blnk takes up the notes by itself.
    """
    tracking = {balance_id for balance_id, standing in book.standings.items() if standing.track_fund_lineage}
    if not tracking:
        return
    if notes := [noted for movement in movements if (noted := _note(movement, tracking))]:
        is_called = adoption() is not None or LINEAGE.announce()()
        NOTE.execute(**{name: [noted[name] for noted in notes] for name in COLUMNS})
        if not is_called:
            LINEAGE.call()


def _note(movement: Movement, tracking: set[str]) -> dict[str, Any] | None:
    row = movement.row
    is_debit, arrives = row.source_id in tracking, row.destination_id in tracking
    noted: dict[str, Any] = {
        "transaction_id": row.pk,
        "source_balance_id": row.source_id,
        "destination_balance_id": row.destination_id,
        "provider": "",
        "inflight": movement.effect is Effect.HOLD,
    }
    if movement.effect in SETTLEMENTS and (is_debit or arrives):
        kind = SETTLEMENTS[movement.effect]
        return noted | {
            "transaction_id": f"{row.pk}_{kind}",
            "lineage_type": str(kind),
            "payload": dumps(
                {
                    "parent_transaction_id": row.parent_transaction,
                    "precise_amount": str(movement.units),
                    "remaining": str(movement.remaining),
                }
            ),
        }
    provider = _provider(movement)
    is_credit = arrives and bool(provider)
    if movement.effect not in (Effect.POST, Effect.HOLD) or not (is_debit or is_credit):
        return None
    kind = (Type.BOTH if is_credit else Type.DEBIT) if is_debit else Type.CREDIT
    return noted | {"provider": provider, "lineage_type": str(kind), "payload": _payload(movement)}


def _provider(movement: Movement) -> str:
    meta_data = movement.row.meta_data
    provider = meta_data.get(PROVIDER) if isinstance(meta_data, dict) else None
    return provider if isinstance(provider, str) else ""


def _payload(movement: Movement) -> str:
    """Return all that tracing needs of a row, so that it does not read the row itself."""
    row = movement.row
    return dumps(
        {
            "amount": short(row.amount or ZERO),
            "precise_amount": str(movement.units),
            "currency": row.currency,
            "precision": row.precision,
            "reference": row.reference,
            "skip_queue": True,
            "inflight": movement.effect is Effect.HOLD,
        }
    )
