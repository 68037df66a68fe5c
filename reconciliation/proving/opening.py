"""Opens breaks whose time of grace is over, and notifies people of what is open, in the same commit."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from balances.events import publishing
from balances.models import TOTALS, now
from reconciliation.alerting import look_at_proof
from reconciliation.models import Break, Proof

State = Break.State


def open_ripe(proof: Proof, proved_until: datetime | None) -> bool:
    """Open what no commit has taken back in time, as far as the log was read; return whether some still wait.

    What waits from a stream that has ended is opened as well: what would have taken it back may be in the gap. People
    are notified of what was opened, here or as it was found, by an alert and an event for each.
    """
    waiting = Break.objects.filter(closed_at=None, state=State.WAITING)
    ripe = Q(stream__lt=proof.stream) | Q(committed_at__gt=Now() + settings.LEDGER_WATCH_GRACE)  # the clock went back
    if proved_until is not None:
        ripe |= Q(committed_at__lte=proved_until - settings.LEDGER_WATCH_GRACE)
    with transaction.atomic(durable=True):
        waiting.filter(ripe).update(state=State.OPEN)
        notify_of_open()
    return waiting.exists()


def open_all() -> None:
    """Open what still waits, because the stream ends."""
    Break.objects.filter(closed_at=None, state=State.WAITING).update(state=State.OPEN)
    notify_of_open()


def notify_of_open() -> None:
    """Notify people of what is open and was not announced, in the commit that says so."""
    opened = list(Break.objects.filter(closed_at=None, state=State.OPEN, announced=False))
    Break.objects.filter(pk__in=[each.pk for each in opened]).update(announced=True)
    look_at_proof(now())
    publishing.publish_breaks([as_json(each) for each in opened])


def as_json(each: Break) -> dict[str, object]:
    """Return a break for answers and events; amounts are minor units."""
    return {
        "break_id": each.break_id,
        "kind": each.kind,
        "state": each.state,
        "sentence": each.sentence,
        "balance_id": each.balance_id,
        "indicator": each.indicator,
        "currency": each.currency,
        "ledger_id": each.ledger_id,
        **{total: getattr(each, total) for total in TOTALS},
        "lsn": each.lsn,
        "xid": each.xid,
        "committed_at": each.committed_at.isoformat(),
        "found_at": each.found_at.isoformat(),
        "rows": each.rows,
        "row_count": each.row_count,
        "details": each.details,
        "author": each.author,
        "record_id": each.record_id,
        "closed_at": each.closed_at.isoformat() if each.closed_at else None,
        "closed_by": each.closed_by,
        "finding_id": each.finding_id or None,
    }
