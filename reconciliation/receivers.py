"""Receivers for the signals of the core app. Without them no balance is ever rebuilt by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import transaction

from balances.models import Balance
from reconciliation.models import Origin
from reconciliation.records import record_audit, record_audits, record_disclosure, record_export, record_refusal


def rebuild_on_request(instance: Balance, **_: Any) -> None:
    """Run the reconstruction that the saved metadata asked for.

    It runs on commit, still within the caller's request: no row lock is held while history is summed,
    and the totals are right when the caller gets its answer.
    """
    if not instance.reconstruction_requested:
        return
    instance.reconstruction_requested = False
    from reconciliation.correcting import Request, reconstruct  # most processes do without, and start sooner

    doors = {"metadata": Origin.METADATA, "admin": Origin.ADMIN}
    request = Request(
        actor=instance.changed_by or "unknown",
        origin=doors.get(instance.changed_through, Origin.SCRIPT),
        allow_incomplete=True,  # a client that sets the flag cannot answer a question; the record serves to undo it
        leave_result=True,
    )
    transaction.on_commit(partial(reconstruct, instance.balance_id, request))


def record_refused(actor: str, door: str, what: str, why: str, address: str, **_: Any) -> None:
    """Record the refused attempt of a known actor."""
    record_refusal(actor=actor, door=door, what=what, why=why, address=address)


def record_disclosed(identity_id: str, fields: list[str], actor: str, door: str, address: str, **_: Any) -> None:
    """Record who is about to see which fields; if that fails, they are not shown."""
    record_disclosure(identity_id=identity_id, fields=fields, actor=actor, door=door, address=address)


def record_exported(actor: str, address: str, listed: str, filters: str, file_kind: str, rows: int, **_: Any) -> None:
    """Record who is about to get which list as a file; if that fails, it is not sent."""
    record_export(actor=actor, address=address, listed=listed, filters=filters, file_kind=file_kind, rows=rows)


def record_changed(sender: Any, signal: Any, **done: Any) -> None:
    """Record what a person did; if that fails, it does not happen."""
    record_audit(**done)


def record_changed_together(changes: Sequence[Mapping[str, Any]], **_: Any) -> None:
    """Record several changes of one action; if that fails, none of them happens."""
    record_audits(changes)
