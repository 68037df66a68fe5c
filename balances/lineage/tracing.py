"""Traces noted movements, many in one commit, in the order in which they happened.

Shadow rows, mappings, allocations and the marks in the outbox are one transaction. So a killed worker has traced
nothing, and nothing is traced twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from balances.ground import BalanceLocked, is_outage, require_own_tables
from balances.lineage import outbox
from balances.lineage.following import LineageTracer
from balances.lineage.outbox import Intent
from balances.recording import writing

logger = logging.getLogger(__name__)


def trace(*, size: int = outbox.WINDOW) -> int:
    """Trace the next movements in one commit, and return their number.

    Where a batch cannot be traced, its movements are traced one by one; the one at fault is counted as failed and
    postponed, and so are later ones on the same balances. Raises ``AnotherTraces``, ``BalanceLocked``, errors of
    outages, and ``ModeForbids`` or ``LeftToBlnk``: two that trace would overtake each other.
    """
    require_own_tables()
    try:
        return _trace(size)
    except (outbox.AnotherTraces, BalanceLocked):
        raise
    except Exception as error:
        if is_outage(error):
            raise
        logger.exception("A batch of lineage could not be traced; tracing its movements one by one")
    traced = 0
    while traced < size and _trace_one():
        traced += 1
    return traced


def _trace_one() -> int:
    claimed: list[Intent] = []
    try:
        return _trace(1, claimed.extend)
    except (outbox.AnotherTraces, BalanceLocked):
        raise
    except Exception as error:
        if not claimed or is_outage(error):
            raise
        logger.exception("The funds of %s could not be traced", claimed[0].transaction_id)
        outbox.fail(claimed[0], str(error))
        return 1


def _trace(size: int, show: Callable[[Sequence[Intent]], None] = lambda _: None) -> int:
    def work() -> int:
        intents = outbox.claim(size)
        show(intents)
        if intents:
            LineageTracer(intents).write()
            outbox.finish(intents)
        return len(intents)

    return writing.in_one_commit(work)
