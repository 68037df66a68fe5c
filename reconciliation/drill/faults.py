"""What a planted fault is, and how places for it are drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from balances.models import Transaction
from reconciliation.drill.ledger import SECOND, DrillLedger, Status
from reconciliation.explaining import UNEXPLAINED


@dataclass(frozen=True)
class Fault:
    """One planted fault: where drift must be found, what must be said of it, and which row must be named.

    One of ``rows`` must be named; they are empty where no row is to blame. ``provable`` faults have left evidence;
    the others must end as unexplained. ``check`` names the check of a sweep that must find the fault instead.
    ``touched`` balances may be reported as well, because the fault affects them.
    """

    cause: str
    variant: str
    balances: tuple[str, ...]
    rows: tuple[str, ...] = ()
    provable: bool = True
    check: str = ""
    touched: frozenset[str] = frozenset()


Planter = Callable[["Places"], Fault | None]


@dataclass
class Places:
    """Draws places in a ledger so that a balance has one fault at most."""

    ledger: DrillLedger
    by_balance: dict[str, list[Transaction]] = field(init=False)
    children: dict[str, list[Transaction]] = field(init=False)
    by_id: dict[str, Transaction] = field(init=False)
    restored: int = 0
    """How many backups of totals were restored: each of a span of its own."""

    def __post_init__(self) -> None:
        """Index the rows as the clean ledger has them."""
        self.chance = self.ledger.chance
        self.by_balance, self.children = defaultdict(list), defaultdict(list)
        self.by_id = {row.pk: row for row in self.ledger.rows}
        for row in self.ledger.rows:
            if row.status == Status.APPLIED:
                self.by_balance[str(row.source_id)].append(row)
                self.by_balance[str(row.destination_id)].append(row)
            if row.parent_transaction:
                self.children[row.parent_transaction].append(row)

    def is_free(self, *balance_ids: str) -> bool:
        """Return whether these balances have no fault yet and are no hubs, which take part in most postings."""
        return not self.ledger.used & set(balance_ids) and not set(balance_ids) & set(self.ledger.hubs)

    def use(self, *balance_ids: str) -> tuple[str, ...]:
        """Take balances for a fault."""
        self.ledger.used |= set(balance_ids)
        return balance_ids

    def wallet(self, least_rows: int = 3) -> str | None:
        """Draw a balance without a fault."""
        free = [each for each in self.ledger.wallets if self.is_free(each) and len(self.by_balance[each]) >= least_rows]
        return self.chance.choice(free) if free else None

    def two_wallets(self) -> tuple[str, str]:
        """Draw two balances without a fault. Raises ``IndexError`` where the ledger is too small."""
        first, second = self.chance.sample([each for each in self.ledger.wallets if self.is_free(each)], 2)
        return first, second

    def draw(self, rows: Iterable[Transaction], fits: Callable[[Transaction], bool]) -> Transaction | None:
        """Draw one of the rows that fit."""
        fitting = [row for row in rows if fits(row)]
        return self.chance.choice(fitting) if fitting else None

    def applied(self, side: str, fits: Callable[[Transaction], bool] = lambda row: True) -> Transaction | None:
        """Draw an applied row without a parent that is a hold, whose balance of this side is free."""
        return self.draw(
            self.ledger.rows,
            lambda row: (
                row.status == Status.APPLIED and not self.is_commit(row) and self.is_free(end(row, side)) and fits(row)
            ),
        )

    def is_commit(self, row: Transaction) -> bool:
        """Return whether a row settles a hold."""
        parent = self.by_id.get(row.parent_transaction or "")
        return parent is not None and parent.status == Status.INFLIGHT

    def holds(self) -> list[Transaction]:
        """Return all holds."""
        return [row for row in self.ledger.rows if row.status == Status.INFLIGHT]

    def open_units(self, hold: Transaction) -> int:
        """Return what a hold still holds."""
        return units(hold) - sum(units(child) for child in self.children[hold.pk])

    def neighbours(self, row: Transaction, balance_id: str) -> list[Transaction]:
        """Return other rows of a balance within a second of this one."""
        return [
            other
            for other in self.by_balance[balance_id]
            if other.pk != row.pk and abs(other.created_at - row.created_at) <= SECOND
        ]

    def overwriters(self, row: Transaction, balance_id: str) -> list[Transaction]:
        """Return the neighbours whose writer may have written over this row here, and not on its other balance."""
        ends = {row.source_id, row.destination_id}
        return [other for other in self.neighbours(row, balance_id) if {other.source_id, other.destination_id} != ends]


def end(row: Transaction, side: str) -> str:
    """Return the balance that a row debits or credits."""
    return str(row.source_id if side == "debit" else row.destination_id)


def units(row: Transaction) -> int:
    """Return the minor units of a row of the drill."""
    return int(row.precise_amount or 0)


def riddle(variant: str, *balances: str, touched: Iterable[str] = ()) -> Fault:
    """Return a fault that leaves no evidence."""
    return Fault(UNEXPLAINED.slug, variant, balances, provable=False, touched=frozenset(touched))
