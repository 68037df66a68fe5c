"""What is noted to be traced: claimed in order, marked as completed, or counted as failed."""

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
"""Notes looked at together, those that are put off included; so many are traced in one commit at most."""
SETTLEMENTS = (LineageOutbox.Type.SHADOW_COMMIT, LineageOutbox.Type.SHADOW_VOID)


class AnotherTraces(Exception):
    """Somebody else is tracing, and goes on until nothing is left."""


@dataclass(frozen=True)
class Intent:
    """A movement that is to be traced, or a settlement of one."""

    id: int
    transaction_id: str
    source_id: str
    destination_id: str
    provider: str
    kind: str
    inflight: bool
    payload: dict[str, Any]
    tracked: frozenset[str]
    """Which of its balances track their funds; what the original noted of a settlement names none."""

    @property
    def is_settlement(self) -> bool:
        """Tell whether it settles a hold that was traced before."""
        return self.kind in SETTLEMENTS

    @property
    def main_id(self) -> str:
        """Return the movement whose shadows it is about."""
        return str(self.payload["parent_transaction_id"]) if self.is_settlement else self.transaction_id

    @property
    def units(self) -> int:
        """Return what moved, in minor units."""
        return int(self.payload["precise_amount"])

    @property
    def settled(self) -> tuple[int, int]:
        """Return what was settled of what the hold had left; the original does not say, and means all of it."""
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
    """Claim what is to be traced next, until the block ends. Raises ``AnotherTraces``."""
    if not TAKE_TURN.rows(task=LINEAGE.task, lock_wait=LOCK_WAIT)[0]["taken"]:
        raise AnotherTraces
    return _ready()[:size]


def is_finished() -> bool:
    """Tell whether nothing can be traced now and nobody is about to note more that this worker would not see."""
    with transaction.atomic():
        return LINEAGE.is_quiet() and not _ready()


def finish(intents: Sequence[Intent]) -> None:
    """Mark them as completed."""
    FINISH.execute(ids=[intent.id for intent in intents])


def fail(intent: Intent, error: str) -> None:
    """Count a failure, and have a worker look again where it was not the last one."""
    with transaction.atomic():
        (outcome,) = FAIL.rows(id=intent.id, error=error)
        if due := outcome["locked_until"]:  # a column without zone, as in a Blnk database, is UTC already
            LINEAGE.call_at(due if due.tzinfo else due.replace(tzinfo=UTC))
    if outcome["status"] == LineageOutbox.Status.FAILED:
        logger.error("The funds of %s could not be traced: %s", intent.transaction_id, error)


def retry(ids: Sequence[int]) -> int:
    """Have those that were given up traced after all, and return how many they are."""
    with transaction.atomic():
        is_called = LINEAGE.announce()()
        failed = LineageOutbox.objects.filter(pk__in=ids, status=LineageOutbox.Status.FAILED)
        count = failed.update(status=LineageOutbox.Status.PENDING, attempts=0, locked_until=None)
        if count and not is_called:
            LINEAGE.call()
    return count


def _ready() -> list[Intent]:
    """Return what can be traced now: nothing that follows, on a common balance, what is put off."""
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
