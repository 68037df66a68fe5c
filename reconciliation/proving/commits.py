"""One commit: what the totals of each balance moved by, less what the rows of that commit account for.

What is kept is kept by balance, not by row, so that a commit of ten million rows needs no more memory than its
balances do. Rows are named up to a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from reconciliation.models import ROWS_NAMED, Break
from reconciliation.proving.rules import Number, Parent, Row, take_off, take_off_settled

Kind = Break.Kind
NAMED_IN_ALL = 10_000
"""Transactions that are named in one commit; a break beyond that is asked for its rows when it is written down."""
MOVED, ADDED, CHANGED, DELETED, BORN, GONE, UNREADABLE = (1 << bit for bit in range(7))
"""What a commit did to a balance or to its rows."""
MARKED = CHANGED | DELETED | UNREADABLE
"""What is a break however the amounts come out."""
NOTHING = [0, 0, 0, 0, 0, 0]


class Held:
    """What a commit did to one balance."""

    __slots__ = ("details", "marks", "names", "off", "rows")

    def __init__(self) -> None:
        self.off: list[Number] = [0, 0, 0, 0, 0, 0]
        """By which each of the six totals moved, less what rows account for."""
        self.marks = 0
        self.rows = 0
        self.names: list[dict[str, str]] = []
        self.details: dict[str, Any] | None = None


class Child(NamedTuple):
    """An applied row with a parent: whether it settles a hold depends on that one."""

    row: Row
    sign: int
    """-1 for a row that is not there any more: then its parent counts as it was before the commit."""


class Altered(NamedTuple):
    """A hold, or a waiting row, that the commit changed or deleted: its commits count otherwise from now on."""

    transaction_id: bytes
    before: Parent
    after: Parent
    is_known: bool = False
    """Whether it is known of a waiting row if a hold came from it; else that is looked up."""


class Record(NamedTuple):
    """A correction that has its record in the commit."""

    record_id: str
    amounts: tuple[Number, ...]
    transaction_id: str
    """Where a deleted row was booked again, that row: no total moves."""


@dataclass
class Commit:
    """What is known of a commit while it is read, and until the parents of its rows are known."""

    position: int
    at: datetime
    xid: int
    balances: dict[bytes, Held] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    before: dict[bytes, Parent] = field(default_factory=dict)
    """Holds and waiting rows that it changed or deleted, as they were."""
    altered: list[Altered] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    """Holds that it added, and their parents, under which there were rows before."""
    holds_gone: set[bytes] = field(default_factory=set)
    """Parents of holds that it changed or deleted."""
    fresh: set[bytes] = field(default_factory=set)
    """Rows with a parent that it added or changed, as far as they are named."""
    records: dict[bytes, list[Record]] = field(default_factory=dict)
    authors: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    """Who edited, by balance and by transaction."""
    truncated: list[str] = field(default_factory=list)
    named: int = 0

    def held(self, balance_id: bytes) -> Held:
        """Return what is known of a balance in this commit."""
        found = self.balances.get(balance_id)
        if found is None:
            found = self.balances[balance_id] = Held()
        return found

    def take(self, row: Row, mark: int, word: str, sign: int = 1) -> None:
        """Take a row off both its balances, or give back one that is gone; name it there."""
        for balance_id, debits in ((row.source, True), (row.destination, False)):
            if not balance_id:
                continue
            held = self.held(balance_id)
            held.marks |= mark
            held.rows += 1
            take_off(held.off, row, debits=debits, sign=sign)
            if self.named < NAMED_IN_ALL and len(held.names) < ROWS_NAMED:
                self.named += 1
                held.names.append({"transaction_id": row.transaction_id.decode(errors="replace"), "change": word})

    def settle(self, row: Row, sign: int = 1) -> None:
        """Take off what an applied row does besides because it settles a hold."""
        for balance_id, debits in ((row.source, True), (row.destination, False)):
            if balance_id:
                take_off_settled(self.held(balance_id).off, row.debited, debits=debits, sign=sign)

    def breaks(self) -> Iterator[Broken]:
        """Yield what does not add up, once the parents of all rows are known."""
        if self.truncated:
            yield Broken(self, b"", Kind.TRUNCATED, tuple(NOTHING), details={"tables": sorted(set(self.truncated))})
        for balance_id, held in self.balances.items():
            if held.marks & MARKED or any(held.off):
                yield from self._of(balance_id, held)

    def _of(self, balance_id: bytes, held: Held) -> Iterator[Broken]:
        left: list[Number] = held.off
        if records := self.records.get(balance_id):
            corrected = [sum(each) for each in zip(*(record.amounts for record in records), strict=True)]
            if any(record.transaction_id for record in records):
                corrected = list(left)
            if any(corrected):
                left = [off - amount for off, amount in zip(left, corrected, strict=True)]
                details = {"records": [record.record_id for record in records]}
                last = records[-1].record_id
                yield Broken(self, balance_id, Kind.CORRECTION, tuple(corrected), held, last, details)
        if any(left) or held.marks & MARKED:
            kind, *also = _kinds(held, left)
            details = (held.details or {}) | ({"also": also} if also else {})
            yield Broken(self, balance_id, kind, tuple(left), held, details=details)


@dataclass
class Broken:
    """A break before it is written down; its amounts are in the order of ``TOTALS``."""

    commit: Commit
    balance_id: bytes
    kind: Kind
    amounts: tuple[Number, ...]
    held: Held | None = None
    record_id: str | None = None
    details: dict[str, Any] | None = None

    @property
    def author(self) -> dict[str, Any]:
        """Return who edited the totals or one of the rows, as far as the edit journal was in the commit."""
        names = self.held.names if self.held else []
        keys = [self.balance_id, *(name["transaction_id"].encode() for name in names)]
        return next((self.commit.authors[key] for key in keys if key in self.commit.authors), {})


def _kinds(held: Held, left: list[Number]) -> list[Kind]:
    """Return what the commit did to a balance, the gravest first: what no commit can take back, or one thing else."""
    marks = held.marks
    whole = all(isinstance(amount, int) for amount in left)
    found = [
        (marks & DELETED, Kind.ROW_DELETED),
        (marks & CHANGED, Kind.ROW_CHANGED),
        (marks & GONE and not marks & BORN, Kind.BALANCE_DELETED),
        (not whole or marks & UNREADABLE, Kind.UNREADABLE),
    ]
    if grave := [kind for holds, kind in found if holds]:
        return grave
    if not marks & ADDED:
        return [Kind.BALANCE_BORN if marks & BORN else Kind.TOTAL_CHANGED]
    return [Kind.MISMATCH if marks & MOVED else Kind.ROW_WITHOUT_TOTAL]
