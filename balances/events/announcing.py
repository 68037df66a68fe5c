"""Defers deliveries in the commit that writes what they are about, so that none is lost and none is premature.

The payload is fixed here, as exact JSON text. Without a listener the database is not queried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

from django.conf import settings

from balances.books import INFLIGHT, Effect, Movement
from balances.events.tasks import QUEUE, call_hook, deliver_webhook
from balances.ground import ESCAPED, ZERO, Statement, dumps, go_time, plain
from balances.models import Balance, Hook, Identity, Ledger, Transaction, now
from balances.shapes import BalanceAnswer, IdentityAnswer, LedgerAnswer, RecordedTransaction, in_byte_order

DEFER = Statement.beside(__file__, "defer.sql")
Status = Transaction.Status
MOVEMENTS = {
    Status.APPLIED: "transaction.applied",
    Status.INFLIGHT: "transaction.inflight",
    Status.VOID: "transaction.void",
    Status.REJECTED: "transaction.rejected",
}
"""The event of a recorded row; rows that wait have none."""
SUBJECTS = ("transaction_id", "balance_id", "batch_id", "ledger_id", "identity_id")
"""Keys of payloads; the first one that is there names what an event is about."""


@dataclass(frozen=True)
class Event:
    """What happened, by its name on the wire, and its data: JSON whose numbers are ``int`` or ``Decimal``."""

    name: str
    data: dict[str, Any]


def announce(events: Sequence[Event]) -> None:
    """Have events delivered to the configured webhook. Call this in the commit that makes them true."""
    if settings.BLNK_WEBHOOK_URL:
        _defer([_delivery(event) for event in events])


def announce_movements(movements: Sequence[Movement], *, hooks: bool) -> None:
    """Announce recorded rows: one webhook each and, unless rejected, one call of each active hook.

    Call this in the commit that records them. ``hooks`` says whether there is an active hook, which the caller already
    knows. One statement reads the hooks and one defers, whatever the number of rows.
    """
    webhook = bool(settings.BLNK_WEBHOOK_URL)
    if not (hooks or webhook):
        return
    recorded = [(movement, _body(movement)) for movement in movements if movement.row.status in MOVEMENTS]
    deliveries = [_delivery(Event(MOVEMENTS[body["status"]], body)) for _, body in recorded if webhook]
    if hooks:
        deliveries += _calls([each for each in recorded if each[1]["status"] != Status.REJECTED])
    _defer(deliveries)


def _body(movement: Movement) -> dict[str, Any]:
    """Return a recorded row, with those parts of its request that no column keeps."""
    row, sent = movement.row, movement.sent
    echo = {
        "amount_string": plain(row.amount or ZERO),
        "allow_overdraft": movement.allow_overdraft,
        "inflight": movement.effect is Effect.HOLD,
    }
    return RecordedTransaction.body(SimpleNamespace(**vars(row) | asdict(sent) | echo))


def _body_before(movement: Movement, body: dict[str, Any]) -> dict[str, Any]:
    """Return what a ``PRE_TRANSACTION`` hook is sent: the movement as it was before it was recorded."""
    match movement.effect:
        case Effect.COMMIT | Effect.VOID:
            metadata = in_byte_order((movement.row.meta_data or {}) | {INFLIGHT: True})
            return body | {"status": movement.effect.name, "meta_data": metadata}
        case _:
            return body | {"status": Status.SCHEDULED if movement.row.scheduled_for else Status.QUEUED}


def created(row: Ledger | Balance | Identity) -> Event:
    """Return the event of a row that was created, or of a ledger that was renamed."""
    match row:
        case Ledger():
            return Event("ledger.created", LedgerAnswer.body(row))
        case Balance():  # the original counts from 0 until the first read, and sends that
            return Event("balance.created", BalanceAnswer.body(row) | {"version": 0})
        case Identity():
            return Event("identity.created", IdentityAnswer.body(row))


def _delivery(event: Event) -> dict[str, Any]:
    subject = next((event.data[key] for key in SUBJECTS if event.data.get(key)), "")
    body = _text({"event": event.name, "data": in_byte_order(event.data)})
    return {"task": deliver_webhook.name, "args": {"event": event.name, "subject": str(subject), "body": body}}


def _calls(recorded: list[tuple[Movement, dict[str, Any]]]) -> list[dict[str, Any]]:
    active = list(Hook.objects.filter(active=True, type__in=Hook.Type.values)) if recorded else []
    at = go_time(now())
    calls = []
    for movement, body in recorded:
        for hook in active:
            shown = _body_before(movement, body) if hook.type == Hook.Type.PRE else body
            calls.append({"task": call_hook.name, "args": _call(hook, shown, at)})
    return calls


def _call(hook: Hook, body: dict[str, Any], at: str) -> dict[str, Any]:
    """Return a call of a hook as it is now; later changes to the hook do not affect it."""
    payload = {"transaction_id": body["transaction_id"], "hook_type": hook.type, "timestamp": at, "data": body}
    return {
        "hook_id": hook.hook_id,
        "hook_type": hook.type,
        "url": hook.url,
        "seconds": hook.timeout,
        "retries": hook.retry_count,
        "subject": body["transaction_id"],
        "body": _text(payload),
    }


def _defer(jobs: list[dict[str, Any]]) -> None:
    if jobs:
        DEFER.execute(queue=QUEUE, jobs=dumps(jobs))


def _text(payload: dict[str, Any]) -> str:
    return dumps(payload).translate(ESCAPED)
