"""How hot reads are answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from balances.api import gate_of, hot_lane
from balances.ground import TookLong
from ledgerproj.front.exchanges import Exchange, django

THREADS = 2
"""One computes while the other waits for the database; more only get in each other's way."""
MOST_TOGETHER = 16
LOOKS = 0
"""A trip is so short that the next one is as good."""


def answer(exchanges: Iterator[Exchange]) -> None:
    """Answer hot reads past Django, in the thread of the caller.

    Where the database has to wait, as for a lock, or where anything surprises, they are left to threads that may wait,
    with a deadline for lists, and to their views.
    """
    taken = [*exchanges]
    with suppress(TookLong):
        asked = [(each.knock(), each.hot) for each in taken if each.hot]
        for each, reply in zip(taken, hot_lane.answers(gate_of(django), asked), strict=True):
            each.respond(*reply)
