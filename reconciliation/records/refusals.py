"""Refused attempts by known actors, as sealed records."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from django.db.models import Sum

from balances.ground import Statement, atomic_with_lock_limit
from reconciliation.models import Refusal
from reconciliation.records.sealing import lock_chain, seal

REFUSED_CHANGES = Statement.beside(__file__, "refused_changes.sql")
MOST_A_MINUTE = 20
"""Refusals of one actor that a process records in a minute; a broken client must not fill the disk."""
MOST_OF_STRANGERS, SIGN_IN = 1, "sign-in"
"""The same limit for failed sign-ins, which anyone can cause, and their door."""
DATABASE = "database"
"""The door of changes that do not come through this program."""


def record_refusal(*, actor: str, door: str, what: str, why: str, address: str = "") -> Refusal | None:
    """Record a refusal, in a commit of its own, and return the record; ``None`` if there were too many already.

    Those that go unwritten are counted in ``attempts`` of the identity's next record. Must be called after the refused
    block was rolled back, not within it: a ``RuntimeError`` says so. Raises ``BalanceLocked`` where the chain of
    records is held for too long.
    """
    pace = _pace_of(actor, why, most=MOST_OF_STRANGERS) if door == SIGN_IN else _pace_of(actor, most=MOST_A_MINUTE)
    attempts = pace.attempts()
    if not attempts:
        return None
    text = {"actor": actor, "door": door, "what": what, "why": why, "address": address}
    storable = {name: value.replace("\x00", "\ufffd") for name, value in text.items()}
    with atomic_with_lock_limit(durable=True):
        return _sealed(Refusal(attempts=attempts, **storable))


def refused_changes() -> int:
    """Return how many changes of transactions the database has refused so far.

    The guard's exception rolls back whatever it writes, so it counts in a sequence and leaves who tried what, and from
    where, in the database's log. A trigger that its table's owner disabled refuses and counts nothing.
    """
    return int(REFUSED_CHANGES.rows()[0]["refused"])


def report_refused_changes() -> Refusal | None:
    """Record how many changes of transactions were refused since the last report, if any."""
    if refused_changes() <= _reported():
        return None
    with atomic_with_lock_limit(durable=True):
        lock_chain()  # of two that report at once, the second one finds nothing new
        count = refused_changes() - _reported()
        if count <= 0:
            return None
        earlier = Refusal.objects.filter(door=DATABASE).order_by("-refused_at").first()
        since = f"{earlier.refused_at:%Y-%m-%d %H:%M:%S} UTC" if earlier else "the beginning"
        return _sealed(
            Refusal(
                actor="unknown",
                door=DATABASE,
                what=f"Change of transactions in SQL, {'once' if count == 1 else f'{count:,} times'} since {since}",
                why="Transactions are append-only. The log of the database names user, address, program and row.",
                attempts=count,
            )
        )


def _reported() -> int:
    return Refusal.objects.filter(door=DATABASE).aggregate(sum=Sum("attempts"))["sum"] or 0


def _sealed(refusal: Refusal) -> Refusal:
    last = lock_chain()
    refusal.save(force_insert=True)
    seal([refusal], last)
    return refusal


@dataclass
class _Pace:
    """How fast refusals of one identity come in."""

    most: int
    began: float = 0
    written: int = 0
    unwritten: int = 0

    def attempts(self) -> int:
        """Count an attempt and return how many attempts the next record covers, or 0 to write none yet."""
        with _PACES_LOCK:
            if time.monotonic() - self.began >= 60 or not self.began:
                self.began, self.written = time.monotonic(), 0
            if self.written >= self.most:
                self.unwritten += 1
                return 0
            attempts = 1 + self.unwritten
            self.written, self.unwritten = self.written + 1, 0
            return attempts


_PACES: dict[tuple[str, ...], _Pace] = {}
_PACES_LOCK = threading.Lock()


def _pace_of(*whose: str, most: int) -> _Pace:
    with _PACES_LOCK:
        return _PACES.setdefault(whose, _Pace(most))
