"""How hot reads are answered."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from balances.api import gate_of, hot_lane
from balances.ground import TookLong
from ledgerproj.front.exchanges import Exchange, django

logger = logging.getLogger(__name__)

THREADS = 2
"""One computes while the other waits for the database; more only get in each other's way."""
MOST_TOGETHER = 16
LOOKS = 0
"""A trip is so short that the next one is as good."""


def answer(exchanges: Iterator[Exchange]) -> None:
    """Answer hot reads past Django, in the thread of the caller. A surprise is logged and answered with status 500.

    Where the database has to wait, as for a lock, they are left to threads that may wait, with a deadline for lists.
    """
    unanswered = [*exchanges]
    try:
        asked = [(each.knock(), each.hot) for each in unanswered if each.hot]
        for reply in hot_lane.answers(gate_of(django), asked):
            unanswered.pop(0).respond(*reply)
    except TookLong:
        return
    except BaseException:  # whatever it was, the thread goes on
        logger.exception("Reads could not be answered")
        for each in unanswered:
            each.respond(500, [], b"")
