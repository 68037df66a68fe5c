"""Correcting beside a Blnk that posts to the same balances (docs/adopt.md, "Correcting beside a running Blnk").

Blnk writes absolute totals, checked by ``version`` alone: drift younger than its slowest posting may be gone with its
next write, and correcting it by difference would then make new drift. So a drift is corrected only when two
measurements some seconds apart agree, one balance a transaction, with short waits, and it is measured once more after
the commit.
Where the tables are our own, none of this happens.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from balances.ground import BalanceLocked, LedgerError, adoption
from balances.models import now
from reconciliation.measuring import Measurement, Totals, measure

logger = logging.getLogger(__name__)

SECONDS_APART = 3.0
"""Between the two measurements: longer than a posting of Blnk takes from its read to its commit."""
PATIENCE = "2s"
"""How long a correction waits for a balance that Blnk holds."""
ATTEMPTS = 4
MOVES = "its drift changes while Blnk posts: two measurements some seconds apart differ"
Result = TypeVar("Result")
Seen = dict[str, Totals] | None
"""By how much balances were off when they were looked at first; ``None`` where no Blnk posts beside."""


class DriftMoves(LedgerError):
    """Two measurements of the drift of a balance differ."""

    code = "GEN_CONFLICT"

    def __init__(self, balance_id: str) -> None:
        """Say why nothing was done."""
        super().__init__(f"Balance {balance_id} was not changed: {MOVES}. Measure it again later.")


class DriftsAgain(LedgerError):
    """A balance was corrected, and is off again."""

    code = "GEN_CONFLICT"

    def __init__(self, balance_id: str, drift: str) -> None:
        """Say by how much."""
        super().__init__(
            f"Balance {balance_id} was corrected, which is on record, and was off again right afterwards: {drift}. "
            "Blnk, or somebody in SQL, has written totals meanwhile. Measure it again."
        )


def is_beside() -> bool:
    """Return whether a Blnk may post to the balances."""
    return adoption() is not None


def at_once(usual: int) -> int:
    """Return how many balances to correct in one transaction: two rows of Blnk's could make a deadlock with it."""
    return 1 if is_beside() else usual


def patience(usual: str) -> str:
    """Return how long to wait for a lock."""
    return PATIENCE if is_beside() else usual


def first_look(measurements: list[Measurement]) -> Seen:
    """Remember what was measured first and, where anything drifts, wait before it is measured again."""
    if not is_beside():
        return None
    if any(each.has_drift for each in measurements):
        time.sleep(SECONDS_APART)
    return {each.balance_id: each.difference for each in measurements}


def wait_after(at: datetime) -> None:
    """Wait until what was measured at an instant is old enough to be measured again."""
    left = timedelta(seconds=SECONDS_APART) - (now() - at)
    if is_beside() and left > timedelta():
        time.sleep(left / timedelta(seconds=1))


def unsteady(seen: Seen, measurements: list[Measurement]) -> dict[str, str]:
    """Return the balances whose drift is another one than at the first look, with the reason to leave them."""
    if seen is None:
        return {}
    return {
        each.balance_id: MOVES
        for each in measurements
        if each.is_readable and seen.get(each.balance_id) != each.difference
    }


def retried(work: Callable[[], Result]) -> Result:
    """Do a piece of work in a transaction of its own, again where Blnk held the balance or won a deadlock."""
    for attempt in range(ATTEMPTS if is_beside() else 1):
        try:
            return work()
        except BalanceLocked:
            if attempt == ATTEMPTS - 1 or not is_beside():
                raise
            time.sleep(random.uniform(0.05, 0.2) * 2**attempt)  # noqa: S311  # no secret
    raise AssertionError("unreachable")


def off_again(balance_ids: list[str]) -> dict[str, str]:
    """Return those of corrected balances that drift, with by how much, measured after the commit."""
    if not (balance_ids and is_beside()):
        return {}
    found = {each.balance_id: each.drift_in_words for each in measure(balance_ids) if each.has_drift}
    for balance_id, drift in found.items():
        logger.warning("Balance %s was corrected and is off again: %s", balance_id, drift)
    return found
