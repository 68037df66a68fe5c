"""The result of a dry run: balances now and afterwards, legs, and the refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from balances.books import posting_exceptions
from balances.books.book import Book, Standing, move
from balances.books.movements import Movement
from balances.ground import LedgerError, amounts

Role = Literal["source", "destination"]
REASONS: dict[type[LedgerError], str] = {
    posting_exceptions.InsufficientFunds: "insufficient_funds",
    posting_exceptions.OverdraftLimitExceeded: "overdraft_limit",
}


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Totals of one balance, in minor units; ``available`` is what a debit may take without overdraft."""

    balance: int
    available: int
    credit_balance: int
    debit_balance: int
    inflight_debit_balance: int
    inflight_credit_balance: int

    @classmethod
    def of(cls, standing: Standing) -> Totals:
        """Return the totals as read, with the changes decided since."""
        return cls(
            balance=standing.balance + standing.credited - standing.debited,
            available=standing.available,
            credit_balance=standing.credit + standing.credited,
            debit_balance=standing.debit + standing.debited,
            inflight_debit_balance=standing.inflight_debit + standing.inflight_debited,
            inflight_credit_balance=standing.inflight_credit + standing.inflight_credited,
        )


@dataclass(frozen=True, kw_only=True)
class Projection:
    """One balance now and afterwards. A virtual one stands for an indicator without a balance, and has its name."""

    balance_id: str
    role: Role
    currency: str
    virtual: bool
    current: Totals
    resulting: Totals


@dataclass(frozen=True)
class Rejection:
    """The refusal of the real call, in its words."""

    code: str
    reason: str
    message: str

    @classmethod
    def of(cls, error: LedgerError) -> Rejection:
        """Return a refusal as a dry run reports it: without a code of its own it is a ``TXN_VALIDATION_ERROR``."""
        has_code = error.code != LedgerError.code and not isinstance(error, posting_exceptions.SameBalance)
        code = error.code if has_code else "TXN_VALIDATION_ERROR"
        return cls(code, REASONS.get(type(error), "other"), error.message)


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One of several rows that would be recorded; ``units`` are minor ones, ``amount`` is in major ones."""

    identifier: str
    role: Role
    units: int
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What one call would do. ``balances`` is ``None`` where they are unknown, or reported for the whole batch.

    ``units`` are minor ones, ``None`` where the id is unknown; ``amount`` is in major units.
    """

    rejection: Rejection | None = None
    operation: str = ""
    status: str = ""
    reference: str = ""
    currency: str = ""
    amount: Decimal = amounts.ZERO
    units: int | None = 0
    precision: int = 0
    balances: tuple[Projection, ...] | None = ()
    legs: tuple[Leg, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def would_apply(self) -> bool:
        """Return whether all of the real call would succeed."""
        return self.rejection is None


@dataclass(frozen=True, kw_only=True)
class BulkPreview:
    """What each item of a request would do; if ``cumulative``, each after those before it, with common ``balances``."""

    cumulative: bool = False
    atomic: bool = False
    results: tuple[Preview, ...]
    balances: tuple[Projection, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def would_apply(self) -> bool:
        """Return whether all items would succeed."""
        return all(result.would_apply for result in self.results)


@dataclass
class _Entry:
    name: str
    role: Role
    before: Standing
    after: Standing


class Projections:
    """Balances in the order in which movements name them, each in its first role.

    Only movements applied here count, not what the book has decided, so several projections can share a book.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._entries: dict[str, _Entry] = {}

    def name(self, *movements: Movement) -> None:
        """Add the balances of movements. Raises ``UnknownPostingBalance`` or ``UnreadableTotals``."""
        for movement in movements:
            self._sides(movement)

    def apply(self, *movements: Movement) -> None:
        """Add the balances of movements, and apply the movements to them."""
        for movement in movements:
            source, destination = self._sides(movement)
            move(movement.effect, movement.units, source.after, destination.after)

    def all(self) -> tuple[Projection, ...]:
        """Return all projections."""
        return tuple(
            Projection(
                balance_id=entry.name,
                role=entry.role,
                currency=entry.before.currency,
                virtual=entry.before.is_virtual,
                current=Totals.of(entry.before),
                resulting=Totals.of(entry.after),
            )
            for entry in self._entries.values()
        )

    def _sides(self, movement: Movement) -> tuple[_Entry, _Entry]:
        currency = movement.row.currency or ""
        return (
            self._entry(movement.source, currency, "source"),
            self._entry(movement.destination, currency, "destination"),
        )

    def _entry(self, name: str, currency: str, role: Role) -> _Entry:
        standing = self._book.standing(name, currency)
        entry = self._entries.get(standing.balance_id)
        if entry is None:
            shown = name if standing.is_virtual else standing.balance_id
            entry = _Entry(shown, role, standing.as_read(), standing.as_read())
            self._entries[standing.balance_id] = entry
        return entry


def sum_of(movements: Sequence[Movement], errors: Sequence[LedgerError], scope: Projections) -> Preview:
    """Return what several rows move together, and the refusal of others; currency and precision are the last row's."""
    rejection = Rejection.of(posting_exceptions.together(errors)) if errors else None
    preview = Preview(rejection=rejection, balances=scope.all())
    if not movements:
        return preview
    units, last = sum(movement.units for movement in movements), movements[-1].row
    precision = last.precision or 1
    amount = amounts.major_units(units, precision)
    return replace(preview, units=units, amount=amount, precision=precision, currency=last.currency or "")


def leg_of(movement: Movement, identifier: str, role: Role = "source") -> Leg:
    """Return the leg of a movement."""
    return Leg(identifier=identifier, role=role, units=movement.units, amount=movement.row.amount or amounts.ZERO)
