"""Tells listeners what was recorded, in the commit that records it."""

from __future__ import annotations

from collections.abc import Sequence

from balances.models import Transaction
from balances.posting.book import Book
from balances.posting.movements import Movement


def is_heard(book: Book) -> bool:
    """Tell whether anybody listens to what is recorded on these balances."""
    return False


def tell(movements: Sequence[Movement], book: Book) -> None:
    """Announce recorded rows to webhooks and hooks, and what monitors see now."""


def tell_rejected(rows: Sequence[Transaction]) -> None:
    """Announce rows that the queue refused."""


def tell_batch(batch_id: str, status: str, count: int) -> None:
    """Announce that a batch was recorded in the background."""


def tell_batch_failed(batch_id: str, error: str) -> None:
    """Announce that a batch was refused."""


def is_batch_known(batch_id: str) -> bool:
    """Tell whether rows of a batch have been recorded."""
    return Transaction.objects.filter(parent_transaction=batch_id).exists()
