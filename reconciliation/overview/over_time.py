"""What a balance stored, and what its transactions said, at the moments at which both are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from balances.ground import ReadTimedOut
from reconciliation.explaining import HISTORY
from reconciliation.measuring import measure, units
from reconciliation.models import BalanceEdit, Finding, Reconstruction

MOST = 100
"""Records, findings and edits that are looked at, the newest of each; snapshots are the last 400."""


class Source(StrEnum):
    """Where a moment is known from."""

    SNAPSHOT = "Daily snapshot"
    FINDING = "Finding of a sweep"
    RECORD = "Preview or reconstruction"
    CORRECTION = "Correction"
    UNDO = "Correction taken back"
    NOW = "Measured now"


@dataclass(frozen=True)
class Moment:
    """The balance at an instant in minor units, as stored and by its transactions, if that is known."""

    at: datetime
    source: Source
    stored: int
    recalculated: int | None
    key: str = ""
    """The id of the finding or record."""

    @property
    def difference(self) -> int | None:
        """Return stored less recalculated, or ``None`` where that is not known."""
        return None if self.recalculated is None else self.stored - self.recalculated


@dataclass(frozen=True)
class Course:
    """The moments of a balance in order of time, and the edits past the posting path."""

    moments: list[Moment]
    edits: list[BalanceEdit]
    is_partial: bool = False
    """Whether snapshots are left out, because summing up to each of them took too long."""

    @property
    def partings(self) -> list[tuple[datetime | None, datetime]]:
        """Return where stored and recalculated parted: the last moment of agreement, if any, and the first without."""
        known = [moment for moment in self.moments if moment.difference is not None]
        before: list[Moment | None] = [None, *known]
        return [
            (last.at if last else None, moment.at)
            for last, moment in zip(before, known, strict=False)
            if moment.difference and not (last and last.difference)
        ]


def course(balance_id: str, *, findings: bool, edits: bool, snapshots: bool) -> Course:
    """Return the course of a balance from what may be looked at."""
    records = Reconstruction.objects.filter(balance_id=balance_id, transaction_id=None)[:MOST]
    moments = [moment for record in records for moment in _of_record(record)]
    if findings:
        found = Finding.objects.filter(balance_id=balance_id).order_by("-found_at")[:MOST]
        moments += [
            Moment(each.found_at, Source.FINDING, each.previous.balance, each.recalculated.balance, each.pk)
            for each in found
        ]
    edited = list(BalanceEdit.objects.filter(balance_id=balance_id).order_by("-edited_at")[:MOST]) if edits else []
    is_partial = False
    try:
        moments += [
            Moment(each.executed_at, Source.NOW, each.stored.balance, each.recalculated.balance)
            for each in measure([balance_id])
        ]
        moments += _snapshots(balance_id) if snapshots else []
    except ReadTimedOut:
        is_partial = True
    return Course(list(_in_order(moments)), edited[::-1], is_partial)


def _of_record(record: Reconstruction) -> Iterator[Moment]:
    """Yield what a record found, and what it left."""
    by_rows = record.by_transactions
    found = by_rows.balance if by_rows else None
    yield Moment(record.executed_at, Source.RECORD, record.previous.balance, found, record.pk)
    if record.outcome == Reconstruction.Outcome.CORRECTED:
        yield Moment(record.executed_at, Source.CORRECTION, record.after.balance, found, record.pk)
    elif record.outcome == Reconstruction.Outcome.UNDONE:
        yield Moment(record.executed_at, Source.UNDO, record.after.balance, None, record.pk)


def _snapshots(balance_id: str) -> Iterator[Moment]:
    for row in HISTORY.rows(balance_ids=[balance_id], given_ids=[], given_at=[]):
        stored, ought = (
            units(row[credit]) - units(row[debit])
            for credit, debit in (("credit_balance", "debit_balance"), ("credit", "debit"))
        )
        yield Moment(row["at"], Source.SNAPSHOT, stored, ought)


def _in_order(moments: Iterable[Moment]) -> Iterator[Moment]:
    """Yield the moments whose totals are whole numbers; what a foreign database may hold besides cannot be drawn."""
    for moment in sorted(moments, key=lambda each: each.at):
        if isinstance(moment.stored, int) and isinstance(moment.recalculated, int | None):
            yield moment
