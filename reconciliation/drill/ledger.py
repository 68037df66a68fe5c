"""A clean ledger for drills: wallets, shops and the world, two months of payments, holds, queues, refunds, bursts.

Rows are written in bulk at times of their own, with the totals that follow; the last ones go through the service.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from balances.ground import major_units, transaction_hash
from balances.models import Balance, Ledger, Transaction, new_balance_id
from balances.posting import Posting, open_ledger, post_transaction
from reconciliation.drill.damage import shift_many

Status = Transaction.Status
CURRENCY = "USD"
PRECISION = 100
DAYS = 60
COMMON = (500, 1_000, 2_000, 2_500, 5_000, 999, 10_000, 20_000)
"""Amounts that people like, so that equal ones meet by chance."""
SECOND = timedelta(seconds=1)


@dataclass
class DrillLedger:
    """The ledger while it is built and damaged; rows and moves wait for ``flush``."""

    seed: int
    wallets: list[str] = field(default_factory=list)
    hubs: list[str] = field(default_factory=list)
    """The world and the shops: balances with many rows, other ends of most payments."""
    rows: list[Transaction] = field(default_factory=list)
    pending: list[Transaction] = field(default_factory=list)
    moves: dict[str, dict[str, int]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    numbers: int = 0

    def __post_init__(self) -> None:
        """Draw everything from the seed."""
        self.chance = random.Random(self.seed)  # noqa: S311  # a drill must be repeatable
        self.began = datetime.now(UTC) - timedelta(days=DAYS + 1)

    def open(self, wallets: int) -> None:
        """Open ledgers and balances, all at zero."""
        self.ledgers = [open_ledger(name=f"Drill {name}") for name in ("retail", "business", "shops")]
        half = wallets // 2
        self.wallets = self.add_balances(self.ledgers[0], half) + self.add_balances(self.ledgers[1], half)
        self.hubs = self.add_balances(self.ledgers[2], 6, indicators=["@world", "@fees", "@shop-1", "@shop-2"])

    def add_balances(
        self, owner: Ledger, count: int, *, currency: str = CURRENCY, indicators: list[str] | None = None
    ) -> list[str]:
        """Open balances at zero, and return their ids."""
        names: list[str | None] = [*(indicators or [])]
        names += [None] * (count - len(names))
        made = [
            Balance(
                balance_id=new_balance_id(),
                ledger=owner,
                currency=currency,
                indicator=name,
                created_at=self.began - timedelta(hours=1),
                meta_data={},
            )
            for name in names
        ]
        Balance.objects.bulk_create(made)
        return [balance.balance_id for balance in made]

    def instant(self) -> datetime:
        """Draw a time of the two months."""
        return self.began + timedelta(microseconds=self.chance.randrange(DAYS * 86_400 * 1_000_000))

    def amount(self) -> int:
        """Draw an amount: a common one now and then, else one of three to seven digits."""
        if self.chance.random() < 0.15:
            return self.chance.choice(COMMON)
        return int(10 ** self.chance.uniform(2.5, 6.5))

    def row(self, status: str, source: str, destination: str, units: int, when: datetime, **fields: Any) -> Transaction:
        """Prepare a row that moves nothing by itself."""
        self.numbers += 1
        reference = fields.pop("reference", f"drill-{self.numbers:06d}")
        amount = major_units(units, PRECISION)
        given: dict[str, Any] = {
            "amount": amount,
            "precise_amount": units,
            "precision": PRECISION,
            "currency": CURRENCY,
            "description": "drill",
            "hash": transaction_hash(amount, reference, fields.get("currency", CURRENCY), source, destination),
            "meta_data": {},
        }
        row = Transaction(
            status=status,
            source_id=source,
            destination_id=destination,
            reference=reference,
            created_at=when,
            effective_date=when,
            **given | fields,
        )
        self.pending.append(row)
        return row

    def move(self, balance_id: str, **by: int) -> None:
        """Remember by how much totals are to move."""
        moved = self.moves.setdefault(balance_id, defaultdict(int))
        for name, units in by.items():
            moved[name] += units

    def post(self, source: str, destination: str, units: int, when: datetime, **fields: Any) -> Transaction:
        """Write an applied row and move both totals."""
        row = self.row(Status.APPLIED, source, destination, units, when, **fields)
        self.move(source, debit=units, version=1)
        self.move(destination, credit=units, version=1)
        return row

    def hold(self, source: str, destination: str, units: int, when: datetime, **fields: Any) -> Transaction:
        """Hold an amount on both balances."""
        row = self.row(Status.INFLIGHT, source, destination, units, when, **fields)
        self.move(source, inflight_debit=units, version=1)
        self.move(destination, inflight_credit=units, version=1)
        return row

    def settle(self, hold: Transaction, status: str, units: int, when: datetime) -> Transaction:
        """Commit or void a hold, or a part of it."""
        source, destination = str(hold.source_id), str(hold.destination_id)
        row = self.row(status, source, destination, units, when, parent_transaction=hold.pk)
        applied = units if status == Status.APPLIED else 0
        self.move(source, debit=applied, inflight_debit=-units, version=1)
        self.move(destination, credit=applied, inflight_credit=-units, version=1)
        return row

    def flush(self) -> None:
        """Write what waits."""
        Transaction.objects.bulk_create(self.pending, batch_size=2_000)
        if self.moves:
            shift_many(self.moves)
        self.rows += self.pending
        self.pending, self.moves = [], {}

    def pair(self) -> tuple[str, str]:
        """Draw two ends of a payment: a wallet always, and a hub as often as not."""
        wallet = self.chance.choice(self.wallets)
        others = self.hubs if self.chance.random() < 0.5 else self.wallets
        other = self.chance.choice(others)
        while other == wallet:
            other = self.chance.choice(others)
        return (wallet, other) if self.chance.random() < 0.5 else (other, wallet)

    def post_now(self, source: str, destination: str, units: int) -> Transaction:
        """Let the service post."""
        self.numbers += 1
        return post_transaction(
            Posting(
                source=source,
                destination=destination,
                precise_amount=units,
                precision=PRECISION,
                currency=CURRENCY,
                reference=f"drill-{self.numbers:06d}",
                description="live",
                allow_overdraft=True,
            )
        )


def build(seed: int, *, wallets: int, postings: int) -> DrillLedger:
    """Make a clean ledger: every total is what its rows say."""
    ledger = DrillLedger(seed)
    ledger.open(wallets)
    chance = ledger.chance
    for _ in range(postings):
        source, destination = ledger.pair()
        when, units, kind = ledger.instant(), ledger.amount(), chance.random()
        if kind < 0.75:
            ledger.post(source, destination, units, when)
        elif kind < 0.85:
            _burst(ledger, source, destination, when)
        elif kind < 0.92:
            _queue(ledger, source, destination, units, when)
        elif kind < 0.94:
            first = ledger.post(source, destination, units, when)
            ledger.post(destination, source, units, when + timedelta(hours=3), parent_transaction=first.pk)
        else:
            _hold(ledger, source, destination, units, when)
    ledger.flush()
    for _ in range(postings // 10):
        ledger.post_now(*ledger.pair(), ledger.amount())
    return ledger


def _burst(ledger: DrillLedger, source: str, destination: str, when: datetime) -> None:
    """Write two to four rows of one balance within some milliseconds."""
    for number in range(ledger.chance.randint(2, 4)):
        _, other = ledger.pair()
        other = destination if other == source else other
        ledger.post(source, other, ledger.amount(), when + timedelta(milliseconds=7 * number + ledger.chance.random()))


def _queue(ledger: DrillLedger, source: str, destination: str, units: int, when: datetime) -> None:
    """Write a queued row, and what became of it: applied, rejected, or nothing yet, where it is of this hour."""
    became = ledger.chance.random()
    when = when if became < 0.8 else datetime.now(UTC) - timedelta(minutes=ledger.chance.randint(1, 20))
    queued = ledger.row(Status.QUEUED, source, destination, units, when)
    soon, reference = when + SECOND * 2, f"{queued.reference}_q"
    if became < 0.5:
        ledger.post(source, destination, units, soon, parent_transaction=queued.pk, reference=reference)
    elif became < 0.8:
        ledger.row(Status.REJECTED, source, destination, units, soon, parent_transaction=queued.pk, reference=reference)


def _hold(ledger: DrillLedger, source: str, destination: str, units: int, when: datetime) -> None:
    """Write a hold, and how it ended: whole or partial commits, a void, both, or still open."""
    hold = ledger.hold(source, destination, units, when)
    left = units
    for hours in range(1, ledger.chance.randint(1, 3)):
        part = max(left // ledger.chance.randint(2, 4), 1)
        ledger.settle(hold, Status.APPLIED, part, when + timedelta(hours=hours))
        left -= part
    end = ledger.chance.random()
    if end < 0.35:
        ledger.settle(hold, Status.APPLIED, left, when + timedelta(hours=9))
    elif end < 0.75:
        ledger.settle(hold, Status.VOID, left, when + timedelta(hours=10))
