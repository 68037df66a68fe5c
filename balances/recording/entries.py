"""Adds entries to the queue, in the commit of the rows they are about, and calls a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypedDict, cast

from django.utils import timezone

from balances.books import Movement, Posting
from balances.ground import Backlog, Statement
from balances.models import Entry, Transaction

ADD_ENTRIES = Statement.beside(__file__, "add_entries.sql", hot=True)
POSTINGS = Backlog("drain", queue="postings", lock="postings")
Action = Entry.Action


@dataclass(slots=True, kw_only=True)
class Waiting:
    """An ``Entry`` to add; without ``due_at`` it is due as soon as it is stored."""

    action: str
    transaction_id: str
    group_id: str = ""
    units: int | None = None
    action_id: str = ""
    is_timer: bool = False
    inflight: bool = False
    allow_overdraft: bool = False
    overdraft_limit: int | None = None
    inflight_expiry_date: datetime | None = None
    inflight_commit_date: datetime | None = None
    due_at: datetime | None = None


class Claimed(TypedDict):
    """A claimed ``Entry`` with the columns of the queued row that it applies, which are NULL where it names none.

    ``target`` is its ``transaction_id``, ``is_hold`` its ``inflight``; each ``Decimal`` is whole minor units.
    """

    entry_id: int
    action: str
    target: str
    group_id: str
    units: Decimal | None
    action_id: str
    is_timer: bool
    is_hold: bool
    allow_overdraft: bool
    overdraft_limit: Decimal | None
    inflight_expiry_date: datetime | None
    inflight_commit_date: datetime | None
    attempts: int
    last_error: str
    transaction_id: str | None
    parent_transaction: str | None


def claimed(statement: Statement, **parameters: Any) -> list[Claimed]:
    """Return the rows of a statement that reads entries with the rows that they are about."""
    return cast("list[Claimed]", statement.rows(**parameters))


COLUMNS = tuple(column.name for column in fields(Waiting))


def entry(movement: Movement, posting: Posting, group_id: str) -> Waiting:
    """Return the entry of a queued row."""
    return Waiting(
        action=Action.APPLY,
        transaction_id=movement.row.pk,
        group_id=group_id,
        inflight=posting.inflight,
        allow_overdraft=movement.allow_overdraft,
        overdraft_limit=movement.overdraft_units,
        inflight_expiry_date=posting.inflight_expiry_date and posting.inflight_expiry_date.astimezone(UTC),
        inflight_commit_date=posting.inflight_commit_date and posting.inflight_commit_date.astimezone(UTC),
        due_at=movement.row.scheduled_for,
    )


def timers(posting: Posting, rows: Sequence[Transaction]) -> list[Waiting]:
    """Return the entries that commit or void a hold at its dates, for each leg, in the order of the dates.

    None is due before the hold itself is applied.
    """
    if not posting.inflight:
        return []
    dates = ((posting.inflight_commit_date, Action.COMMIT), (posting.inflight_expiry_date, Action.VOID))
    given = sorted((due, action) for due, action in dates if due)
    return [
        Waiting(
            action=action, transaction_id=row.pk, is_timer=True, due_at=max(due, _earliest(row, due)).astimezone(UTC)
        )
        for row in rows
        for due, action in given
    ]


def _earliest(row: Transaction, due: datetime) -> datetime:
    return row.scheduled_for or due if row.status == Transaction.Status.SCHEDULED else due


def insert(entries: Sequence[Waiting]) -> None:
    """Add entries that are due now, where a worker has been called already."""
    ADD_ENTRIES.execute(**_columns(entries))


def add(entries: Sequence[Waiting]) -> set[str]:
    """Add entries and call a worker. Return the transaction ids of those added, which excludes repeated settlements.

    Must run in an atomic block.
    """
    if not entries:
        return set()
    is_called = POSTINGS.announce()()
    columns = _columns(entries)
    added = {row["transaction_id"] for row in ADD_ENTRIES.rows(**columns)}
    present = timezone.now()
    if not is_called and any(due is None or due <= present for due in columns["due_at"]):
        POSTINGS.call()
    for due in {due for due in columns["due_at"] if due and due > present}:
        POSTINGS.call_at(due)
    return added


def _columns(entries: Sequence[Waiting]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: list(map(attrgetter(name), entries)) for name in COLUMNS}
    return columns | {"action": list(map(str, columns["action"]))}
