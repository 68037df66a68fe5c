"""One question to many engines: what do the rows add up to? Answers of disjoint rows may be added to each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from balances.ground import Statement, require_own_tables
from reconciliation.measuring.measurement import MEASURED_AT_ONCE, Totals, chunks, measure, units
from reconciliation.measuring.scope import Scope

LEG_SUMS = Statement.beside(__file__, "leg_sums.sql")
SERVER = Statement.beside(__file__, "server.sql")


@dataclass(frozen=True)
class Sums:
    """What some of a balance's rows add up to: four sides in minor units, and how many rows there are."""

    balance_id: str
    credit: int = 0
    debit: int = 0
    inflight_credit: int = 0
    inflight_debit: int = 0
    credit_rows: int = 0
    debit_rows: int = 0
    hold_rows: int = 0

    def __add__(self, other: Sums) -> Sums:
        figures = (field.name for field in fields(self) if field.name != "balance_id")
        return Sums(self.balance_id, **{name: getattr(self, name) + getattr(other, name) for name in figures})

    @property
    def totals(self) -> Totals:
        """Return the six totals that follow."""
        sides = ("credit", "debit", "inflight_credit", "inflight_debit")
        return Totals.net(**{side: getattr(self, side) for side in sides})

    def __bool__(self) -> bool:
        """Return whether there is a row."""
        return bool(self.credit_rows or self.debit_rows or self.hold_rows)


@dataclass(frozen=True)
class Witness:
    """What was read for an answer: the engine, and a server with its position or the files."""

    engine: str
    read: tuple[str, ...]


class Measure(Protocol):
    """An engine that adds up rows."""

    def sums(self, scope: Scope, until: datetime | None = None) -> Iterator[Sums]:
        """Yield the sums of the rows created before ``until``, or of all, in key order.

        Balances without a row may be left out. Raises a ``LedgerError`` of the scope, or ``NotProved``.
        """

    def witness(self) -> Witness:
        """Return what the sums are of."""


@dataclass(frozen=True)
class PostgresMeasure:
    """The database itself, each portion of the balances in one snapshot; of rows created at ``since`` or later."""

    since: datetime | None = None

    def sums(self, scope: Scope, until: datetime | None = None) -> Iterator[Sums]:
        """Yield sums, where no time is asked for by the statement that every sweep and correction goes by."""
        for portion in chunks(scope.ids(), MEASURED_AT_ONCE):
            yield from self._portion(portion, until)

    def witness(self) -> Witness:
        """Return the server and where its log stands."""
        found = SERVER.rows()[0]
        return Witness("postgres", (found["server"], found["database"], found["position"]))

    def _portion(self, balance_ids: list[str], until: datetime | None) -> Iterator[Sums]:
        if self.since is None and until is None:
            for each in measure(balance_ids):
                total, rows = each.recalculated, (each.credit_rows, each.debit_rows, each.hold_rows)
                sides = (total.credit_balance, total.debit_balance)
                held = (total.inflight_credit_balance, total.inflight_debit_balance)
                yield Sums(each.balance_id, *sides, *held, *rows)
            return
        require_own_tables()
        for row in LEG_SUMS.rows(balance_ids=balance_ids, since=self.since, until=until):
            yield read_sums(row)


def read_sums(row: dict[str, Any]) -> Sums:
    """Return the sums in a row of a statement."""
    figures = {field.name: row[field.name] for field in fields(Sums)}
    balance_id = figures.pop("balance_id")
    whole = {name: units(value) if isinstance(value, Decimal) else value for name, value in figures.items()}
    return Sums(balance_id, **whole)
