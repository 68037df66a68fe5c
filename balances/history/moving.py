"""What is held on a balance, and with whom it moved money: bounded reads for people who look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from balances.ground import Statement
from balances.history.statement import whole

OPEN_HOLDS = Statement.beside(__file__, "open_holds.sql")
COUNTERPARTIES = Statement.beside(__file__, "counterparties.sql")
READ_ROWS = 20_000
"""Movements of each side that are read to say with whom, the newest."""


class _OfRow:
    """Something made of the columns of the same names."""

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """Return it with whole amounts of minor units as ``int``."""
        names = [item.name for item in fields(cls)]  # type: ignore[arg-type]  # subclasses are dataclasses
        return cls(**{name: whole(row[name]) if isinstance(row[name], Decimal) else row[name] for name in names})


@dataclass(frozen=True, kw_only=True)
class OpenHold(_OfRow):
    """A hold of which something remains, in minor units."""

    transaction_id: str
    is_debit: bool
    other: str
    other_name: str
    reference: str | None
    description: str | None
    precision: int | None
    held_at: datetime
    units: int | Decimal
    committed: int | Decimal
    remaining: int | Decimal
    expires_at: datetime | None
    commits_at: datetime | None


@dataclass(frozen=True)
class OpenHolds:
    """The oldest open holds of a balance, how many there are, and what remains of all of them on each side."""

    shown: Sequence[OpenHold]
    count: int = 0
    debits: int | Decimal = 0
    credits: int | Decimal = 0


def open_holds(balance_id: str, most: int) -> OpenHolds:
    """Return the open holds of a balance, the oldest ``most`` of them each with its details."""
    rows = OPEN_HOLDS.rows(balance_id=balance_id, most=most)
    if not rows:
        return OpenHolds([])
    first = rows[0]
    shown = [OpenHold.of(row) for row in rows]
    return OpenHolds(shown, first["holds"], whole(first["debits"]), whole(first["credits"]))


@dataclass(frozen=True, kw_only=True)
class Counterparty(_OfRow):
    """A balance on the other side, and what was moved in minor units."""

    other: str
    other_name: str
    units: int | Decimal
    row_count: int


@dataclass(frozen=True)
class Flow:
    """What a balance received, or gave, since an instant: with whom most, and in all."""

    largest: Sequence[Counterparty]
    total: int | Decimal = 0
    others: int = 0
    """With how many balances."""
    is_cut: bool = False
    """Whether there are older rows that were not read."""


def counterparties(balance_id: str, since: datetime, most: int) -> tuple[Flow, Flow]:
    """Return what came in and what went out, each with the ``most`` largest counterparties."""
    rows = COUNTERPARTIES.rows(balance_id=balance_id, since=since, most_rows=READ_ROWS, most=most)
    return _flow([row for row in rows if not row["is_out"]]), _flow([row for row in rows if row["is_out"]])


def _flow(rows: list[dict[str, Any]]) -> Flow:
    if not rows:
        return Flow([])
    first = rows[0]
    is_cut = int(first["read_rows"]) >= READ_ROWS
    return Flow([Counterparty.of(row) for row in rows], whole(first["total"]), first["others"], is_cut)
