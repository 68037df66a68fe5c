"""Rows to record, and the effect of each on the totals of its two balances.

docs/design/posting.md states the rules under "Rows" and "What a row does to totals".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from balances.books.distribution import Part, distribute
from balances.books.orders import Posting
from balances.ground import amounts
from balances.models import Transaction, new_transaction_id, now

Status = Transaction.Status
QUEUED_PARENT = "QUEUED_PARENT_TRANSACTION"
WAITING = (Status.QUEUED, Status.SCHEDULED)
INFLIGHT = "inflight"
ATOMIC = "atomic"
ALLOW_OVERDRAFT = "allow_overdraft"
ATTRIBUTES = tuple(field.attname for field in Transaction._meta.concrete_fields)
"""In the order of positional arguments, which are twice as fast as keywords."""


class Effect(Enum):
    """The effect of one unit on the debit and credit totals, and on the inflight ones."""

    POST = (1, 0)
    HOLD = (0, 1)
    COMMIT = (1, -1)
    VOID = (0, -1)
    NONE = (0, 0)


@dataclass(slots=True)
class Sent:
    """The parts of a request that no column of its row keeps; listeners receive them, as from the original.

    ``overdraft_limit`` is in major units.
    """

    skip_queue: bool = False
    atomic: bool = False
    overdraft_limit: Decimal = amounts.ZERO
    inflight_expiry_date: datetime | None = None
    inflight_commit_date: datetime | None = None


@dataclass
class Movement:
    """A row, the balances as they were named (ids or ``@indicators``), and its effect.

    ``overdraft_units`` is how far the source may go below zero; ``None`` is no limit.
    """

    row: Transaction
    source: str
    destination: str
    effect: Effect
    allow_overdraft: bool = False
    overdraft_units: int | None = None
    share: int = 0
    """The index of this leg among the shares of its request, from 0."""
    remaining: int = 0
    """For a settlement, what its hold had left before it, in minor units."""
    sent: Sent = field(default_factory=Sent)

    @property
    def units(self) -> int:
        """Return the minor units that move."""
        return self.row.units

    @property
    def references(self) -> list[str]:
        """Return the references that the row takes: its own and, for a queued row, that of its outcome."""
        reference = str(self.row.reference)
        return [reference, f"{reference}_q"] if self.row.status in WAITING else [reference]

    @property
    def indicators(self) -> Iterable[tuple[str, str]]:
        """Return the ``@names`` among source and destination, each with the currency that identifies its balance."""
        for name in (self.source, self.destination):
            if name.startswith("@"):
                yield name, self.row.currency or ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The id and parent of the rows of a posting, and whether they wait in the queue.

    Legs of shares have ids of their own, and ``transaction_id`` as their parent unless they belong to a batch.
    """

    transaction_id: str
    batch_id: str = ""
    sequence: int = 0
    queued: bool = False

    def meta_data(self, posting: Posting) -> dict[str, Any]:
        """Return the metadata of a row of the posting, with the keys that the server adds."""
        flags = {INFLIGHT: posting.inflight, ATOMIC: posting.atomic, ALLOW_OVERDRAFT: posting.allow_overdraft}
        added: dict[str, Any] = {name: True for name, given in flags.items() if given}
        if self.batch_id:
            added["sequence"] = self.sequence
        if self.queued:
            added[QUEUED_PARENT] = self.batch_id or self.transaction_id
        return posting.meta_data | added


def movements_of(posting: Posting, place: Place) -> list[Movement]:
    """Return the movements of a posting: one, or one for each leg. Raises ``InvalidDistribution``."""
    created_at = now()
    sent = Sent(
        not place.queued,
        posting.atomic,
        posting.overdraft_limit,
        posting.inflight_expiry_date,
        posting.inflight_commit_date,
    )
    if not posting.shares:
        row = _row(posting, place, created_at, units=posting.minor_units, amount=posting.major_units)
        return [_movement(posting, sent, row, posting.source, posting.destination)]
    parts = distribute(posting.minor_units, posting.shares, posting.precision)
    return [_leg(posting, place, sent, created_at, number, part) for number, part in enumerate(parts, start=1)]


def _leg(posting: Posting, place: Place, sent: Sent, created_at: datetime, number: int, part: Part) -> Movement:
    identifier, units = part.identifier, int(part.units)
    amount = amounts.major_units(units, posting.precision)
    source, destination = (identifier, posting.destination) if posting.sources else (posting.source, identifier)
    row = _row(posting, place, created_at, units=units, amount=amount)
    row.transaction_id = new_transaction_id()
    row.parent_transaction = place.batch_id or place.transaction_id
    row.reference = f"{posting.reference}{'_' if place.queued else '-'}{number}"
    # The hash of a leg covers other fields in the queue than at once.
    hashed = (
        (row.reference, source, destination)
        if place.queued
        else (posting.reference, "" if posting.sources else source, destination if posting.sources else "")
    )
    row.hash = amounts.transaction_hash(amount, hashed[0], posting.currency, *hashed[1:])
    return _movement(posting, sent, row, source, destination, share=part.number)


def _movement(
    posting: Posting, sent: Sent, row: Transaction, source: str, destination: str, share: int = 0
) -> Movement:
    return Movement(
        row=row,
        source=source,
        destination=destination,
        effect=EFFECTS[Status(str(row.status))],
        allow_overdraft=posting.allow_overdraft,
        overdraft_units=posting.overdraft_units,
        share=share,
        sent=sent,
    )


EFFECTS = {
    Status.APPLIED: Effect.POST,
    Status.INFLIGHT: Effect.HOLD,
    Status.QUEUED: Effect.NONE,
    Status.SCHEDULED: Effect.NONE,
}


def _row(posting: Posting, place: Place, created_at: datetime, *, units: int, amount: Decimal) -> Transaction:
    """Return the row of an undivided posting, without its balances."""
    if place.queued:
        status = Status.SCHEDULED if posting.scheduled_for else Status.QUEUED
    else:
        status = Status.INFLIGHT if posting.inflight else Status.APPLIED
    hashed = amount if place.queued else posting.amount or Decimal(0)
    values = dict[str, Any](
        transaction_id=place.transaction_id,
        parent_transaction=place.batch_id,
        reference=posting.reference,
        amount=amount,
        precise_amount=units,
        precision=posting.precision,
        currency=posting.currency,
        description=posting.description,
        status=status.value,
        hash=amounts.transaction_hash(hashed, posting.reference, posting.currency, posting.source, posting.destination),
        created_at=created_at,
        # PostgreSQL knows fewer offsets than RFC 3339, so instants are sent in UTC.
        effective_date=posting.effective_date.astimezone(UTC) if posting.effective_date else created_at,
        scheduled_for=posting.scheduled_for and posting.scheduled_for.astimezone(UTC),
        meta_data=place.meta_data(posting),
    )
    return Transaction(*map(values.get, ATTRIBUTES))  # type: ignore[misc]  # the stubs know names only
