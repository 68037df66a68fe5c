"""Which exchanges share a commit, and how they are answered."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from balances.api import Knock, gate_of, posting_lane
from ledgerproj.front import keeping
from ledgerproj.front.exchanges import Exchange, django

THREADS = 1
"""A second would only wait for the locks of the first."""
MOST_TOGETHER = 100
"""Postings in one commit; so many are recorded in a few hundredths of a second."""
LOOKS = 2
"""A request takes two turns of the event loop: one for its head, one for its body."""
LARGEST_BYTES = 8 * 1024
"""Longest body; longer ones are decoded in threads of their own."""


def are_for(exchange: Exchange) -> bool:
    """Return whether an exchange may share a commit."""
    scope = exchange.scope
    return (
        settings.LEDGER_SHARED_COMMITS
        and exchange.body.length <= LARGEST_BYTES
        and posting_lane.is_for(scope.method, scope.path, scope.query_string)
    )


def answer(exchanges: Iterator[Exchange]) -> None:
    """Answer exchanges together, in the thread of the caller; those that are left to their view stay unanswered."""
    taken: list[Exchange] = []

    def knocks() -> Iterator[Knock]:
        for exchange in exchanges:
            taken.append(exchange)
            yield exchange.knock()

    keeping.before_request()
    try:
        replies = posting_lane.answer(gate_of(django), knocks())
        for exchange, reply in zip(taken, replies, strict=True):
            if reply:
                exchange.respond(*reply)
    finally:
        keeping.after_request()
