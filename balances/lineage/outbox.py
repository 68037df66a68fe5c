"""Movements noted for tracing: claims them in order, marks them as completed, or counts failures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.db import transaction

from balances.ground import LOCK_WAIT, Statement, loads
from balances.models import LineageOutbox
from balances.recording import LINEAGE

logger = logging.getLogger(__name__)

TAKE_TURN = Statement.beside(__file__, "take_turn.sql")
CLAIM = Statement.beside(__file__, "claim.sql")
FINISH = Statement.beside(__file__, "finish.sql")
FAIL = Statement.beside(__file__, "fail.sql")
WINDOW = 500
"""Most notes that are read together, including postponed ones, and so most that one commit traces."""
SETTLEMENTS = (LineageOutbox.Type.SHADOW_COMMIT, LineageOutbox.Type.SHADOW_VOID)


class AnotherTraces(Exception):
    """Another worker is tracing, and goes on until nothing is left."""


@dataclass(frozen=True)
class Intent:
    """A movement to trace, or a settlement of one."""

    id: int
    transaction_id: str
    source_id: str
    destination_id: str
    provider: str
    kind: str
    inflight: bool
    payload: dict[str, Any]
    tracked: frozenset[str]
    """Those of its balances that track their funds; notes of the original about settlements name none."""

    @property
    def is_settlement(self) -> bool:
        """Return whether it settles a hold that was traced before."""
        return self.kind in SETTLEMENTS

    @property
    def main_id(self) -> str:
        """Return the id of the movement whose shadows it is about."""
        return str(self.payload["parent_transaction_id"]) if self.is_settlement else self.transaction_id

    @property
    def units(self) -> int:
        """Return what moved, in minor units."""
        return int(self.payload["precise_amount"])

    @property
    def settled(self) -> tuple[int, int]:
        """Return what was settled and what the hold had left; notes of the original have neither, and mean all."""
        units, remaining = (int(self.payload.get(name, 1)) for name in ("precise_amount", "remaining"))
        return units, remaining

    @property
    def reference(self) -> str:
        """Return the reference of the movement."""
        return str(self.payload["reference"])

    @property
    def precision(self) -> int:
        """Return the minor units in a major one."""
        return int(self.payload["precision"]) or 1


def claim(size: int = WINDOW) -> list[Intent]:
    """Claim the next movements to trace, until the block ends. Raises ``AnotherTraces``."""
    if not TAKE_TURN.rows(task=LINEAGE.task, lock_wait=LOCK_WAIT)[0]["taken"]:
        raise AnotherTraces
    return _ready()[:size]


def is_finished() -> bool:
    """Return whether nothing can be traced now and no transaction is adding notes that this worker would miss."""
    with transaction.atomic():
        return LINEAGE.is_quiet() and not _ready()


def finish(intents: Sequence[Intent]) -> None:
    """Mark movements as completed."""
    FINISH.execute(ids=[intent.id for intent in intents])


def fail(intent: Intent, error: str) -> None:
    """Count a failure, and call a worker for the next attempt unless this was the last."""
    with transaction.atomic():
        (outcome,) = FAIL.rows(id=intent.id, error=error)
        if due := outcome["locked_until"]:  # a column without zone, as in a Blnk database, is UTC already
            LINEAGE.call_at(due if due.tzinfo else due.replace(tzinfo=UTC))
    if outcome["status"] == LineageOutbox.Status.FAILED:
        logger.error("The funds of %s could not be traced: %s", intent.transaction_id, error)


def retry(ids: Sequence[int]) -> int:
    """Have movements that were given up traced again, and return their number."""
    with transaction.atomic():
        is_called = LINEAGE.announce()()
        failed = LineageOutbox.objects.filter(pk__in=ids, status=LineageOutbox.Status.FAILED)
        count = failed.update(status=LineageOutbox.Status.PENDING, attempts=0, locked_until=None)
        if count and not is_called:
            LINEAGE.call()
    return count


def _ready() -> list[Intent]:
    """Return what can be traced now, which excludes movements behind a postponed one on a common balance."""
    ready, waited_for = [], set[str]()
    for row in CLAIM.rows(size=WINDOW):
        intent = _intent(row)
        if row["is_put_off"] or intent.tracked & waited_for:
            waited_for |= intent.tracked
        else:
            ready.append(intent)
    return ready


def _intent(row: dict[str, Any]) -> Intent:
    return Intent(
        id=row["id"],
        transaction_id=row["transaction_id"],
        source_id=row["source_balance_id"] or "",
        destination_id=row["destination_balance_id"] or "",
        provider=row["provider"] or "",
        kind=row["lineage_type"],
        inflight=row["inflight"],
        payload=loads(row["payload"]),
        tracked=frozenset(row["tracked"]),
    )
