"""The totals of locked balances while movements are decided one after another, before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from balances.books import posting_exceptions
from balances.books.movements import Effect, Movement
from balances.ground import exceptions
from balances.models import Transaction


@dataclass(slots=True)
class Standing:
    """The totals of one balance as read, and the changes decided since, in minor units.

    ``queued_debit`` waits in the queue; it reduces what is available where the settings say so.
    """

    balance_id: str
    currency: str
    balance: int
    credit: int
    debit: int
    inflight_credit: int
    inflight_debit: int
    queued_debit: int = 0
    is_readable: bool = True
    is_virtual: bool = False
    """Whether the balance does not exist yet, because its indicator is used for the first time."""
    track_fund_lineage: bool = False
    is_watched: bool = False
    is_hooked: bool = False
    """Whether a monitor watches this balance, and whether any hook listens to what is recorded anywhere."""
    credited: int = 0
    debited: int = 0
    inflight_credited: int = 0
    inflight_debited: int = 0
    touched: int = 0

    @property
    def available(self) -> int:
        """Return what a debit may take without overdraft (docs/design/posting.md, "Funds")."""
        return (
            self.balance + self.credited - self.debited
            - self.inflight_debit - self.inflight_debited
            - self.queued_debit
        )  # fmt: skip

    def as_read(self) -> Standing:
        """Return a copy without the decided changes."""
        return replace(self, credited=0, debited=0, inflight_credited=0, inflight_debited=0, touched=0)


class Book:
    """Decides movements in order. The caller writes those it admits; those it refuses leave it unchanged."""

    def __init__(self, standings: Iterable[Standing], named: dict[tuple[str, str], str], used: set[str]) -> None:
        self.standings = {standing.balance_id: standing for standing in standings}
        self.named = named
        self.used = used
        self._imagined: dict[str | None, tuple[str, str]] = {}

    def balance_id(self, name: str, currency: str) -> str:
        """Return the id of the balance with this name; an unknown indicator is returned unchanged."""
        return self.named.get((name, currency), name) if name.startswith("@") else name

    def standing(self, name: str, currency: str) -> Standing:
        """Return the balance with this name. Raises ``UnknownPostingBalance`` or ``UnreadableTotals``."""
        standing = self.standings.get(self.balance_id(name, currency))
        if standing is None:
            raise posting_exceptions.UnknownPostingBalance(name)
        if not standing.is_readable:
            raise exceptions.UnreadableTotals(standing.balance_id)
        return standing

    def imagine(self, name: str, currency: str) -> None:
        """Add a virtual balance with zero totals for an indicator that has none."""
        balance_id = f"{name} {currency}"  # one indicator has a balance in each currency
        self.standings[balance_id] = Standing(balance_id, currency, 0, 0, 0, 0, 0, is_virtual=True)
        self.named[name, currency] = balance_id
        self._imagined[balance_id] = name, currency

    def virtual_names(self, rows: Iterable[Transaction]) -> set[tuple[str, str]]:
        """Return the indicators that rows name and that have no balance yet, each with its currency."""
        imagined = self._imagined
        if not imagined:
            return set()
        return {imagined[side] for row in rows for side in (row.source_id, row.destination_id) if side in imagined}

    def admit(self, movement: Movement) -> None:
        """Decide one movement: resolve its balances, check it, and add it to their totals.

        Raises, checked in this order, ``DuplicateReference``, ``UnknownPostingBalance``, ``NonPositiveAmount``,
        ``InsufficientFunds``, ``OverdraftLimitExceeded`` or ``InsufficientInflight``, and ``SameBalance``.
        """
        for reference in movement.references:
            if reference in self.used:
                raise posting_exceptions.DuplicateReference(reference)
        source, destination = self._sides(movement)
        if movement.units <= 0:
            raise posting_exceptions.NonPositiveAmount
        match movement.effect:
            case Effect.POST | Effect.HOLD:
                _check_funds(movement, source.available)
            case Effect.COMMIT | Effect.VOID:
                _check_inflight(movement, source, destination)
        if source is destination:
            raise posting_exceptions.SameBalance(source.balance_id)
        self.used.update(movement.references)
        self._move(movement, movement.units)

    def take_back(self, movements: Iterable[Movement]) -> None:
        """Undo the admission of movements that will not be written after all."""
        for movement in movements:
            self.used.difference_update(movement.references)
            self._move(movement, -movement.units)

    def moved(self) -> list[Standing]:
        """Return the balances whose totals change, in key order."""
        return [each for _, each in sorted(self.standings.items()) if each.touched]

    @property
    def is_hooked(self) -> bool:
        """Return whether any hook is active."""
        return any(each.is_hooked for each in self.standings.values())

    def _sides(self, movement: Movement) -> tuple[Standing, Standing]:
        """Return the two balances of a movement, and set their ids on its row."""
        row = movement.row
        source, destination = (
            self.standing(name, row.currency or "") for name in (movement.source, movement.destination)
        )
        row.source_id, row.destination_id = source.balance_id, destination.balance_id
        return source, destination

    def _move(self, movement: Movement, units: int) -> None:
        if any(movement.effect.value):
            row = movement.row
            move(movement.effect, units, self.standings[str(row.source_id)], self.standings[str(row.destination_id)])


def move(effect: Effect, units: int, source: Standing, destination: Standing) -> None:
    """Add the effect of units to both balances; negative units take it back."""
    applied, held = effect.value
    source.debited += applied * units
    source.inflight_debited += held * units
    destination.credited += applied * units
    destination.inflight_credited += held * units
    for standing in (source, destination):
        standing.touched += 1 if units > 0 else -1


def _check_funds(movement: Movement, available: int) -> None:
    """Refuse what the source cannot pay; ``@`` balances are no exception (docs/design/posting.md, "Funds")."""
    limit = movement.overdraft_units
    if (movement.allow_overdraft and limit is None) or available >= movement.units:
        return
    if limit is None:
        raise posting_exceptions.InsufficientFunds
    if available - movement.units < -limit:
        raise posting_exceptions.OverdraftLimitExceeded


def _check_inflight(movement: Movement, source: Standing, destination: Standing) -> None:
    """Refuse to settle more than the two balances hold, which happens only where their totals have drifted."""
    action = movement.effect.name.lower()
    held = (
        ("debit", source.inflight_debit + source.inflight_debited),
        ("credit", destination.inflight_credit + destination.inflight_credited),
    )
    for side, have in held:
        if have < movement.units:
            raise posting_exceptions.InsufficientInflight(action, side, have, movement.units)


TOTALS = ("balance", "credit_balance", "debit_balance", "inflight_credit_balance", "inflight_debit_balance")


def standing_of(row: dict[str, Any]) -> Standing:
    """Return the standing of a balance from a row of ``lock_balances.sql`` or ``read_balances.sql``.

    A balance whose totals are no numbers, which only SQL can cause, cannot be posted to.
    """
    is_readable = all(row[total] is not None and row[total].is_finite() for total in TOTALS)
    balance, credit, debit, held_credit, held_debit = (int(row[total]) if is_readable else 0 for total in TOTALS)
    return Standing(
        balance_id=row["balance_id"],
        currency=row["currency"],
        balance=balance,
        credit=credit,
        debit=debit,
        inflight_credit=held_credit,
        inflight_debit=held_debit,
        is_readable=is_readable,
        track_fund_lineage=row["track_fund_lineage"],
        is_watched=row["is_watched"],
        is_hooked=row["is_hooked"],
    )
