"""Tells listeners what was written, in the commit that writes it: webhooks, hooks, and what monitors see.

How they are told is loaded only where somebody listens: it brings the REST framework along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import transaction

from balances.ground import go_time
from balances.models import Balance, Identity, Ledger, now

if TYPE_CHECKING:
    from balances.books import Book, Movement

Parameters = ParamSpec("Parameters")
Row = TypeVar("Row", Ledger, Balance, Identity)


def announced(write: Callable[Parameters, Row]) -> Callable[Parameters, Row]:
    """Have the row that a function writes and returns announced in the same commit."""

    @wraps(write)
    def write_and_announce(*args: Parameters.args, **options: Parameters.kwargs) -> Row:
        if not settings.BLNK_WEBHOOK_URL:
            return write(*args, **options)
        with transaction.atomic():
            row = write(*args, **options)
            _announce_created([row])
        return row

    return write_and_announce


def is_heard(book: Book) -> bool:
    """Tell whether anybody listens to what is recorded on these balances."""
    return bool(settings.BLNK_WEBHOOK_URL) or book.is_hooked


def tell(movements: Sequence[Movement], book: Book) -> None:
    """Announce rows that were recorded, and the monitors that speak now that their balances have moved."""
    if is_heard(book):
        _announce_movements(movements, hooks=book.is_hooked)
        tell_monitors([standing.balance_id for standing in book.moved() if standing.is_watched])


def tell_rejected(movements: Sequence[Movement]) -> None:
    """Announce rows that the queue refused."""
    if movements and settings.BLNK_WEBHOOK_URL:
        _announce_movements(movements, hooks=False)


def tell_monitors(balance_ids: Sequence[str]) -> None:
    """Announce the monitors of balances whose conditions hold by their totals as they are now."""
    if balance_ids and settings.BLNK_WEBHOOK_URL:
        from balances.monitors import fired

        _announce("balance.monitor", fired(balance_ids))


def tell_opened(balance_ids: Sequence[str]) -> None:
    """Announce balances that were created for indicators."""
    if balance_ids and settings.BLNK_WEBHOOK_URL:
        _announce_created(list(Balance.objects.filter(pk__in=balance_ids).order_by("pk")))


def tell_batch(batch_id: str, status: str, count: int, left_out: dict[str, Any]) -> None:
    """Announce that a batch was recorded in the background, and which of its postings were not."""
    told = {"batch_id": batch_id, "status": status, "timestamp": go_time(now()), "transaction_count": count}
    _announce(f"bulk_transaction.{status}", [told | left_out])


def tell_batch_failed(batch_id: str, error: str) -> None:
    """Announce that a batch, or the legs of an atomic posting, were refused together."""
    told = {"batch_id": batch_id, "error": error, "status": "failed", "timestamp": go_time(now())}
    _announce("bulk_transaction.failed", [told])


def _announce(name: str, told: Sequence[dict[str, Any]]) -> None:
    if settings.BLNK_WEBHOOK_URL:
        from balances.events.announcing import Event, announce

        announce([Event(name, data) for data in told])


def _announce_created(rows: Sequence[Ledger | Balance | Identity]) -> None:
    from balances.events.announcing import announce, created

    announce([created(row) for row in rows])


def _announce_movements(movements: Sequence[Movement], *, hooks: bool) -> None:
    from balances.events.announcing import announce_movements

    announce_movements(movements, hooks=hooks)
