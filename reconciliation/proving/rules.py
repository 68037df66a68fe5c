"""What a row does to the totals of its two balances: the rules of ``measure.sql``, for one row at a time.

``reconciliation/measuring/sql/measure.sql`` is the definition. A test holds these to it on random histories. Nothing
here reads the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from balances.ground import EXACT, amounts
from reconciliation.proving.wire import Value

COLUMNS = (
    "transaction_id",
    "parent_transaction",
    "source",
    "destination",
    "reference",
    "status",
    "precise_amount",
    "amount",
    "precision",
    "rate",
)
"""The columns that decide. Databases of Blnk's from 0.15 on, and ours, have no ``rate``."""
APPLIED, INFLIGHT, VOID, QUEUED, SCHEDULED = b"APPLIED", b"INFLIGHT", b"VOID", b"QUEUED", b"SCHEDULED"
WAITING = (QUEUED, SCHEDULED)
Number = int | Decimal
"""A whole number of minor units; a foreign database may hold fractions, and what is no number counts as NaN."""
NAN = Decimal("NaN")
CREDIT, DEBIT, NET, HELD_CREDIT, HELD_DEBIT, HELD_NET = range(6)
"""The places of the six totals, in the order of ``balances.models.TOTALS``."""


class Row(NamedTuple):
    """A transaction as the log has it, reduced to what decides."""

    transaction_id: bytes
    parent: bytes
    """Empty where it has none."""
    source: bytes | None
    destination: bytes | None
    reference: bytes | None
    status: bytes | None
    debited: Number
    """Minor units on the side of its source."""
    credited: Number
    """The same on the side of its destination: times the rate, where it has one."""


class Parent(NamedTuple):
    """A row as its children see it."""

    status: bytes | None
    reference: bytes | None
    has_hold: bool
    """Of a waiting row: whether a hold came from it."""


def row_of(columns: Sequence[Value], places: Sequence[int]) -> Row:
    """Return a row from its columns; ``places`` are those of ``COLUMNS``, -1 where the table lacks one."""
    key, parent, source, destination, reference, status, precise, amount, precision, rate = [
        columns[place] if place >= 0 else None for place in places
    ]
    debited: Number
    try:
        debited = int(precise)  # type: ignore[arg-type]  # nearly every row has one
    except (TypeError, ValueError):
        debited = units(precise, amount, precision)
    credited = debited
    if rate is not None and status != VOID and rate not in (b"0", b"1"):
        credited = at_rate(debited, rate)
    return Row(key or b"", parent or b"", source, destination, reference, status, debited, credited)


def units(precise: Value, amount: Value, precision: Value) -> Number:
    """Return what ``minor_units`` returns in SQL; a sum leaves out what is NULL, so that it counts as nothing."""
    if precise is not None:
        return number(precise)
    if amount is None:
        return 0
    major, scale = number(amount), int(precision or 1) or 1
    if isinstance(major, int):
        return major * scale
    return amounts.stored_units(major, scale) if major.is_finite() else major


def number(text: bytes) -> Number:
    """Return a ``numeric`` as an ``int``; a fraction stays a ``Decimal``, and what is no number becomes NaN."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = Decimal(text.decode())
    except (InvalidOperation, UnicodeDecodeError):
        return NAN
    if not value.is_finite():
        return NAN
    return int(value) if value == value.to_integral_value(context=EXACT) else value


def moved_by(old: Value, new: Value) -> Number:
    """Return by how much a stored total moved; ``None`` is a balance that is not there, or a total that is NULL."""
    if old == new:
        return 0
    was, became = (number(text) if text is not None else 0 for text in (old, new))
    return became - was if isinstance(was, int) and isinstance(became, int) else EXACT.subtract(became, was)


def at_rate(moved: Number, rate: bytes) -> Number:
    """Return minor units at an exchange rate, as a database with rates credits them."""
    factor = float(rate)
    if factor in (0, 1) or not isinstance(moved, int):
        return moved
    return amounts.at_rate(moved, factor) if abs(factor) < float("inf") else NAN


def settles(reference: bytes | None, parent: Parent) -> bool:
    """Return whether an applied row settles its parent: the function of this name in SQL, and that a hold is there."""
    if parent.status == INFLIGHT:
        return True
    if parent.status not in WAITING or not parent.has_hold:
        return False
    return parent.reference is None or reference != parent.reference + b"_q"


def take_off(off: list[Number], row: Row, *, debits: bool, sign: int = 1) -> None:
    """Take what a row does to one of its balances off the six numbers of that balance; ``sign`` -1 gives it back."""
    moved = sign * (row.debited if debits else row.credited)
    status = row.status
    if status == APPLIED:
        if debits:
            off[DEBIT] -= moved
            off[NET] += moved
        else:
            off[CREDIT] -= moved
            off[NET] -= moved
    elif status in (INFLIGHT, VOID):
        held = moved if status == INFLIGHT else -moved
        if debits:
            off[HELD_DEBIT] -= held
            off[HELD_NET] += held
        else:
            off[HELD_CREDIT] -= held
            off[HELD_NET] -= held


def take_off_settled(off: list[Number], moved: Number, *, debits: bool, sign: int = 1) -> None:
    """Take off what an applied row does besides, as it settles a hold: less is held, by the amount without a rate."""
    moved *= sign
    if debits:
        off[HELD_DEBIT] += moved
        off[HELD_NET] -= moved
    else:
        off[HELD_CREDIT] += moved
        off[HELD_NET] += moved
