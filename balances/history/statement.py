"""The statement of a balance: its rows in order, each with what the balance was after it, to the unit.

Rows are in the order of their effective dates, or of their creation without one, then of their ids. Applied rows move
the balance; holds, their releases and commits move what is held; waiting and rejected rows move nothing. A filter hides
rows, and never changes the figures beside those that stay.

A page begins at a key, not at a number of rows to skip, and what came before it is summed from indexes alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from typing import Any, Self

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from balances.ground import LedgerError, Statement, one_snapshot
from balances.models import Transaction

FIGURES = Statement.beside(__file__, "statement_figures.sql")
APPLIED, HOLDS = ("APPLIED",), ("INFLIGHT", "VOID")
INDEXED = (APPLIED, HOLDS, ("QUEUED",), ("REJECTED",))
"""Statuses by the partial indexes that have them."""
SIDES = ("source", "destination")
BEGINNING, END = "-infinity", "infinity"
SEPARATOR = "~"
ROWS_AT_ONCE = 1_000
"""Rows of an export that are read together."""


class NoSuchPage(LedgerError):
    """The address of a page of a statement names no row."""

    code, text = "GEN_BAD_REQUEST", "No page of this statement begins there. Open the statement again."


@dataclass(frozen=True, order=True)
class Key:
    """The place of a row in a statement: its instant, then its id."""

    at: datetime
    row_id: str

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC).isoformat()}{SEPARATOR}{self.row_id}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the key that an address holds. Raises ``NoSuchPage``."""
        at, _, row_id = text.partition(SEPARATOR)
        try:
            instant = datetime.fromisoformat(at)
            if instant.tzinfo is None or not row_id or "\x00" in row_id:
                raise NoSuchPage
            return cls(instant.astimezone(UTC), row_id)
        except (ValueError, OverflowError):
            raise NoSuchPage from None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rows of a balance to show, at least one status of ``INDEXED``, and in which order."""

    balance_id: str
    statuses: tuple[str, ...] = APPLIED
    sides: tuple[str, ...] = SIDES
    since: datetime | None = None
    until: datetime | None = None
    """Instants, the first included and the last not."""
    condition: Q = field(default_factory=Q)
    """What else rows must meet."""
    newest_first: bool = True

    @property
    def with_holds(self) -> bool:
        """Return whether what is held is shown too."""
        return not set(self.statuses).isdisjoint(HOLDS)


@dataclass(frozen=True)
class Figures:
    """What a balance was at a place of its statement, in minor units, after that row if there is one."""

    credit: int | Decimal
    debit: int | Decimal
    """What the row itself moves."""
    credits: int | Decimal
    debits: int | Decimal
    """All that was applied up to there."""
    inflight_credits: int | Decimal
    inflight_debits: int | Decimal

    @property
    def balance(self) -> int | Decimal:
        """Return credits less debits."""
        return self.credits - self.debits

    @property
    def inflight_balance(self) -> int | Decimal:
        """Return what is held of credits less what is held of debits."""
        return self.inflight_credits - self.inflight_debits


@dataclass(frozen=True)
class Line:
    """A row of a statement and what the balance was after it."""

    row: Transaction
    key: Key
    figures: Figures


@dataclass(frozen=True)
class Page:
    """Some rows of a statement, in the wanted order, and the figures of the whole period."""

    lines: Sequence[Line]
    opening: Figures
    closing: Figures
    previous: Key | None
    next: Key | None
    """The keys that the pages before and after this one are counted from, where there are any."""

    @property
    def credited(self) -> int | Decimal:
        """Return what was credited in the period, filtered or not."""
        return self.closing.credits - self.opening.credits

    @property
    def debited(self) -> int | Decimal:
        """Return what was debited in the period, filtered or not."""
        return self.closing.debits - self.opening.debits


def statement_page(wanted: Wanted, size: int, *, after: Key | None = None, before: Key | None = None) -> Page:
    """Return the rows after a key, or before one, in the wanted order: without either the first ones."""
    turned = before is not None
    ascending = wanted.newest_first == turned
    with one_snapshot():
        found = _rows(wanted, before or after, size + 1, ascending=ascending)
        rows, more = found[:size], len(found) > size
        if turned:
            rows.reverse()
        keys = [_key(row) for row in rows]
        ends = [_mark(wanted.since, BEGINNING), _mark(wanted.until, END)]
        opening, closing, *each = _figures(wanted, [*ends, *((str(key.at), key.row_id) for key in keys)])
    lines = [Line(*line) for line in zip(rows, keys, each, strict=True)]
    has_previous, has_next = (more, True) if turned else (after is not None, more)
    return Page(
        lines,
        opening,
        closing,
        previous=keys[0] if keys and has_previous else None,
        next=keys[-1] if keys and has_next else None,
    )


def statement_lines(wanted: Wanted) -> Iterator[Line]:
    """Yield the whole statement, oldest row first, in portions that each see one state of the database.

    The figures go on from those of the portion before. So they fit the rows that are yielded, also while money moves:
    what is dated into a portion that is through appears neither among the rows nor in the figures.
    """
    wanted = replace(wanted, newest_first=False)
    since, carried, key = BEGINNING, (0, 0), None
    while True:
        with one_snapshot():
            rows = _rows(wanted, key, ROWS_AT_ONCE, ascending=True)
            keys = [_key(row) for row in rows]
            marks = [(str(each.at), each.row_id) for each in keys]
            if not keys:
                return
            before, *each = _figures(wanted, [(str(keys[-1].at), ""), *marks], since=since, carried=carried)
        yield from (Line(*line) for line in zip(rows, keys, each, strict=True))
        since, key = str(keys[-1].at), keys[-1]
        carried = (before.credits, before.debits)  # type: ignore[assignment]


def count_lines(wanted: Wanted, most: int) -> int:
    """Return how many rows a statement has, counted up to a number."""
    return _found(wanted, None, most, ascending=True)[:most].count()


def _rows(wanted: Wanted, key: Key | None, limit: int, *, ascending: bool) -> list[Transaction]:
    return list(_found(wanted, key, limit, ascending=ascending).select_related("source", "destination"))


def _found(wanted: Wanted, key: Key | None, limit: int, *, ascending: bool) -> QuerySet[Transaction]:
    """Return the rows beyond a key, each part read from its index until there are enough."""
    order = ("at", "pk") if ascending else ("-at", "-pk")
    parts = [
        part.order_by(*order).values("pk")[:limit]
        for statuses in INDEXED
        if (shown := sorted(set(statuses) & set(wanted.statuses)))
        for side in wanted.sides
        for part in _parts(wanted, shown, side, key, ascending=ascending)
    ]
    rows = Transaction.objects.annotate(at=Coalesce("effective_date", "created_at"))
    return rows.filter(pk__in=parts[0].union(*parts[1:], all=True)).order_by(*order)[:limit]


def _parts(wanted: Wanted, statuses: list[str], side: str, key: Key | None, *, ascending: bool) -> Iterator[Any]:
    """Yield the rows of some statuses on one side.

    Applied rows with a date are in order in their index, and those without are apart. The others are few, and sorted.
    """
    rows = Transaction.objects.filter(wanted.condition, **{side: wanted.balance_id})
    rows = rows.filter(status=statuses[0]) if len(statuses) == 1 else rows.filter(status__in=statuses)
    parts = [rows.annotate(at=Coalesce("effective_date", "created_at"))]
    if tuple(statuses) == APPLIED:
        dated = rows.filter(effective_date__isnull=False).annotate(at=F("effective_date"))
        parts = [dated, rows.filter(effective_date=None).annotate(at=F("created_at"))]
    for part in parts:
        yield part.filter(reduce(Q.__and__, _bounds(wanted, key, ascending=ascending), Q()))


def _bounds(wanted: Wanted, key: Key | None, *, ascending: bool) -> Iterator[Q]:
    """Yield the conditions on the instant of a row; the first of a key is for the index, and the second decides."""
    if wanted.since is not None:
        yield Q(at__gte=wanted.since)
    if wanted.until is not None:
        yield Q(at__lt=wanted.until)
    if key is not None:
        way = "gt" if ascending else "lt"
        yield Q(**{f"at__{way}e": key.at})
        yield Q(**{f"at__{way}": key.at}) | Q(**{"at": key.at, f"pk__{way}": key.row_id})


def _key(row: Transaction) -> Key:
    return Key(row.effective_date or row.created_at, row.pk)


def _mark(instant: datetime | None, otherwise: str) -> tuple[str, str]:
    return (otherwise if instant is None else str(instant), "")


def _figures(
    wanted: Wanted,
    marks: Sequence[tuple[str, str]],
    *,
    since: str = BEGINNING,
    carried: tuple[int | Decimal, int | Decimal] = (0, 0),
) -> list[Figures]:
    """Return the figures at marks; ``carried`` is what was credited and debited before ``since``."""
    found = FIGURES.rows(
        balance_id=wanted.balance_id,
        ats=[at for at, _ in marks],
        ids=[row_id for _, row_id in marks],
        dates=sorted({at for at, row_id in marks if row_id}),
        since=since,
        with_holds=wanted.with_holds,
    )
    figures = [Figures(**{name: whole(units) for name, units in row.items()}) for row in found]
    return [replace(each, credits=each.credits + carried[0], debits=each.debits + carried[1]) for each in figures]


def whole(units: Any) -> int | Decimal:
    """Return an ``int``; a fraction or NaN from a foreign database stays as it is."""
    return int(units) if units.is_finite() and units == units.to_integral_value() else units
