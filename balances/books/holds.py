"""The holds under an id, and the rows that settle them (docs/design/posting.md, "Holds")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from balances.books import posting_exceptions
from balances.books.book import Book
from balances.books.movements import INFLIGHT, Effect, Movement
from balances.ground import ZERO, LedgerError, Statement, amounts
from balances.models import Transaction, new_transaction_id, now

HOLDS = Statement.beside(__file__, "holds.sql")
Status = Transaction.Status
Action = Literal["commit", "void"]
ATTRIBUTES = [each.attname for each in Transaction._meta.concrete_fields]
CONVERTERS = [(each.column, getattr(each, "from_db_value", None)) for each in Transaction._meta.concrete_fields]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What to commit of each hold, in major or in minor units; without either, all that remains."""

    amount: Decimal | None = None
    precise_amount: int | None = None

    def units(self, precision: int) -> int | None:
        """Return the part in minor units, or ``None`` for all that remains, which no amount sent may turn into.

        Raises ``NegativeCommit``, ``NonPositivePart``, ``FractionOfUnit`` or ``AmountsDiffer``.
        """
        if min(self.amount or 0, self.precise_amount or 0) < 0:
            raise posting_exceptions.NegativeCommit
        if self.precise_amount == 0:
            raise posting_exceptions.NonPositivePart
        units = amounts.whole_units(self.amount, precision) if self.amount else None
        if units is None or self.precise_amount is None:
            return self.precise_amount if units is None else units
        if units != self.precise_amount:
            raise posting_exceptions.AmountsDiffer(amounts.plain(self.amount or ZERO), precision, self.precise_amount)
        return units


ALL = Part()


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """A request to settle the holds under one id."""

    transaction_id: str
    action: Action
    part: Part = ALL
    reference: str = ""
    """The client's own reference of a commit, so that none is made twice; the reference of each row ends with it."""
    remaining: int | None = None
    """The minor units that must still be held, where it matters: what somebody saw before they decided."""


@dataclass(frozen=True)
class Named:
    """A transaction that has a wanted reference, its minor units, and whether it settles the hold."""

    transaction_id: str
    units: int
    is_settlement: bool = True


@dataclass
class Hold:
    """One hold and how far it is settled, in minor units."""

    row: Transaction
    committed: int = 0
    released: int = 0
    voided: bool = False
    named: dict[str, Named] = field(default_factory=dict)
    """The transactions that have wanted references, by reference."""

    @property
    def remaining(self) -> int:
        """Return what is still held, in minor units."""
        return self.row.units - self.committed - self.released

    def units_of(self, action: Action, part: Part) -> int:
        """Return the minor units that an action settles.

        Raises ``AlreadyVoided``, ``AlreadyCommitted``, ``CommitExceeds``, or what ``Part.units`` raises.
        """
        if self.voided:
            raise posting_exceptions.AlreadyVoided
        if self.remaining <= 0:
            raise posting_exceptions.AlreadyCommitted(action)
        if action == "void":
            return self.remaining
        units = part.units(self.row.precision or 1)
        if units is None:
            return self.remaining
        for what, most in (("original", self.row.units), ("remaining", self.remaining)):
            if units > most:
                raise posting_exceptions.CommitExceeds(what, self._money(most), self._money(units))
        return units

    def reference(self, request: Settlement) -> str:
        """Return the reference of the row that settles this hold; empty where the client gave none."""
        return f"{self.row.pk}_{request.action}_{request.reference}" if request.reference else ""

    def check_reference(self, request: Settlement) -> None:
        """Raise ``DuplicateReference`` where the client's reference is in use; its details name the transaction."""
        reference = self.reference(request)
        if not (named := self.named.get(reference)):
            return
        wanted = None
        with suppress(LedgerError):  # an invalid amount cannot be the earlier one either
            wanted = request.part.units(self.row.precision or 1) or named.units * named.is_settlement + self.remaining
        same = {"amount": named.units == wanted, "parent_transaction": named.is_settlement}
        error = posting_exceptions.DuplicateReference(reference)
        error.details = {"reference": reference, "same_payment": all(same.values())}
        if not error.details["same_payment"]:
            error.details["differs"] = [name for name, is_same in same.items() if not is_same]
        error.details = dict(sorted((error.details | {"transaction_id": named.transaction_id}).items()))
        raise error

    def settlement(self, action: Action, part: Part, reference: str) -> Movement:
        """Return the row that settles some of the hold. Raises what ``units_of`` raises."""
        units = self.units_of(action, part)
        held, at = self.row, now()
        amount = amounts.major_units(units, held.precision or 1)
        hashed = amount if action == "commit" and part == ALL else held.amount or Decimal(0)
        source, destination = str(held.source_id), str(held.destination_id)
        row = Transaction(
            transaction_id=new_transaction_id(),
            parent_transaction=held.pk,
            reference=reference,
            amount=amount,
            precise_amount=units,
            precision=held.precision,
            currency=held.currency,
            description=held.description,
            status=Status.APPLIED if action == "commit" else Status.VOID,
            hash=amounts.transaction_hash(hashed, reference, held.currency or "", source, destination),
            created_at=at,
            effective_date=at,
            meta_data={key: value for key, value in (held.meta_data or {}).items() if key != INFLIGHT},
        )
        effect = Effect.COMMIT if action == "commit" else Effect.VOID
        return Movement(row, source, destination, effect, remaining=self.remaining)

    def settled(self, action: Action, row: Transaction) -> None:
        """Count a row that settles the hold."""
        units = row.units
        self.named[str(row.reference)] = Named(row.pk, units)
        if action == "void":
            self.released += units
            self.voided = True
        else:
            self.committed += units

    def _money(self, units: int) -> str:
        return f"{self.row.currency}{amounts.major_units(units, self.row.precision or 1):.2f}"


@dataclass
class Found:
    """The rows under one id: its own, its holds newest first, and queued rows that will become holds."""

    own: Transaction | None = None
    holds: list[Hold] = field(default_factory=list)
    waiting: list[Transaction] = field(default_factory=list)

    @property
    def balance_ids(self) -> set[str]:
        """Return the balances of all these rows."""
        rows = [*(hold.row for hold in self.holds), *self.waiting, *([self.own] if self.own else [])]
        return {str(side) for row in rows for side in (row.source_id, row.destination_id) if side}


class Holds:
    """The holds under several ids. A hold under several of them is one object."""

    def __init__(self, rows: Iterable[dict[str, Any]] = ()) -> None:
        """Take the rows of ``holds.sql``."""
        self.found: dict[str, Found] = defaultdict(Found)
        self._holds: dict[str, Hold] = {}
        self._waited_for: dict[str, list[Found]] = defaultdict(list)
        for columns in rows:
            self._take(columns)

    def add(self, hold: Transaction, roots: Iterable[str]) -> None:
        """Add a newly decided hold under every id that leads to it."""
        self._holds[hold.pk] = Hold(hold)
        for root in roots:
            self.found[root].holds.insert(0, self._holds[hold.pk])

    def decided(self, queued_id: str) -> None:
        """Note that a queued row no longer waits."""
        for found in self._waited_for.pop(queued_id, ()):
            found.waiting = [row for row in found.waiting if row.pk != queued_id]

    def _take(self, columns: dict[str, Any]) -> None:
        row, found = row_of(columns), self.found[columns["root"]]
        if row.pk == columns["root"]:
            found.own = row
        if row.status == Status.INFLIGHT:
            hold = self._holds.setdefault(
                row.pk, Hold(row, int(columns["committed"]), int(columns["released"]), columns["voided"])
            )
            for reference, transaction_id, units, is_settlement in columns["named"] or ():
                self._holds[row.pk].named[reference] = Named(transaction_id, int(units), bool(is_settlement))
            found.holds.append(hold)
        elif columns["waits"]:
            found.waiting.append(row)
            self._waited_for[row.pk].append(found)


def settle_hold(book: Book, hold: Hold, request: Settlement, reference: str) -> Movement:
    """Decide the settlement of one hold, under the client's own reference or else this one.

    Raises ``RemainderChanged``, or what ``Hold.check_reference``, ``Hold.units_of`` and ``Book.admit`` raise.
    """
    hold.check_reference(request)
    if request.remaining is not None and 0 < hold.remaining != request.remaining:
        raise posting_exceptions.RemainderChanged(request.remaining, hold.remaining)
    movement = hold.settlement(request.action, request.part, hold.reference(request) or reference)
    book.admit(movement)
    hold.settled(request.action, movement.row)
    return movement


def holds_of(ids: Sequence[str], requests: Iterable[Settlement] = ()) -> Holds:
    """Return the current holds under ids, and which transactions have the references that requests would use."""
    named = [each for each in requests if each.reference]
    return Holds(
        HOLDS.rows(
            ids=list(ids),
            roots=[each.transaction_id for each in named],
            endings=[f"_{each.action}_{each.reference}" for each in named],
        )
    )


def row_of(columns: Mapping[str, Any]) -> Transaction:
    """Return a transaction from its columns as the database returned them."""
    values = [convert(columns[name], None, None) if convert else columns[name] for name, convert in CONVERTERS]
    return Transaction.from_db(None, ATTRIBUTES, values)
