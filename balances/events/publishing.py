"""Publishes what was written to webhooks, hooks and monitors, in the commit that writes it.

``announcing`` is imported only where something listens, because it loads the REST framework.
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
    """Return whether a webhook or a hook listens to what is recorded on these balances."""
    return bool(settings.BLNK_WEBHOOK_URL) or book.is_hooked


def publish_movements(movements: Sequence[Movement], book: Book) -> None:
    """Announce recorded rows, and the monitors of the balances they moved whose conditions now hold."""
    if is_heard(book):
        _announce_movements(movements, hooks=book.is_hooked)
        publish_monitors([standing.balance_id for standing in book.moved() if standing.is_watched])


def publish_rejected(movements: Sequence[Movement]) -> None:
    """Announce queued rows that were rejected."""
    if movements and settings.BLNK_WEBHOOK_URL:
        _announce_movements(movements, hooks=False)


def publish_monitors(balance_ids: Sequence[str]) -> None:
    """Announce the monitors of these balances whose conditions hold for the current totals."""
    if balance_ids and settings.BLNK_WEBHOOK_URL:
        from balances.monitors import fired

        _announce("balance.monitor", fired(balance_ids))


def publish_opened(balance_ids: Sequence[str]) -> None:
    """Announce balances that were created for indicators."""
    if balance_ids and settings.BLNK_WEBHOOK_URL:
        _announce_created(list(Balance.objects.filter(pk__in=balance_ids).order_by("pk")))


def publish_batch(batch_id: str, status: str, count: int, left_out: dict[str, Any]) -> None:
    """Announce that a batch was recorded in the background, and which of its postings were not."""
    payload = {"batch_id": batch_id, "status": status, "timestamp": go_time(now()), "transaction_count": count}
    _announce(f"bulk_transaction.{status}", [payload | left_out])


def publish_batch_failed(batch_id: str, error: str) -> None:
    """Announce that a batch, or the legs of an atomic posting, were refused together."""
    payload = {"batch_id": batch_id, "error": error, "status": "failed", "timestamp": go_time(now())}
    _announce("bulk_transaction.failed", [payload])


def publish_breaks(breaks: Sequence[dict[str, Any]]) -> None:
    """Announce commits that do not add up, one event for each balance in each of them."""
    for payload in breaks:
        _announce("reconciliation.break", [payload])


def _announce(name: str, payloads: Sequence[dict[str, Any]]) -> None:
    if settings.BLNK_WEBHOOK_URL:
        from balances.events.announcing import Event, announce

        announce([Event(name, payload) for payload in payloads])


def _announce_created(rows: Sequence[Ledger | Balance | Identity]) -> None:
    from balances.events.announcing import announce, created

    announce([created(row) for row in rows])


def _announce_movements(movements: Sequence[Movement], *, hooks: bool) -> None:
    from balances.events.announcing import announce_movements

    announce_movements(movements, hooks=hooks)
