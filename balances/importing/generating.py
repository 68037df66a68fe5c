"""A ledger of any size for measuring and trying out, made inside the server: no row passes through Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from balances.ground import LedgerError, Statement, upkeep
from balances.models import Balance, now
from balances.posting import open_ledger

SERIALISE_IMPORT = Statement.beside(__file__, "serialise_import.sql")
SKIP_FOREIGN_KEYS = Statement.beside(__file__, "skip_foreign_keys.sql")
GENERATE_BALANCES = Statement.beside(__file__, "generate_balances.sql")
GENERATE_TRANSACTIONS = Statement.beside(__file__, "generate_transactions.sql")
GENERATE_SETTLEMENTS = Statement.beside(__file__, "generate_settlements.sql")
GENERATE_TOTALS = Statement.beside(__file__, "generate_totals.sql")
GENERATE_DRIFT = Statement.beside(__file__, "generate_drift.sql")
NAME = "Generated"
BATCH = 500_000
"""Transactions made by one statement; the progress is told after each."""
HISTORY = timedelta(days=730)
"""From the first transaction to now."""
LARGEST_SEED = 2**62

Progress = Callable[[int], None]


class GenerationRefused(LedgerError):
    """The wish cannot be met, or there is something in the ledger already."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the ledger is to be like; the same seed draws the same balances and amounts.

    ``holds`` of the transactions are holds. A third of them is committed and a third voided, by rows that come
    on top of ``transactions``. ``drift`` balances get a total that their transactions do not say.
    """

    balances: int
    transactions: int
    holds: int = 0
    drift: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises ``GenerationRefused``."""
        limits = {
            "balances": (self.balances, 2, 10**9),
            "transactions": (self.transactions, 1, 10**10),
            "holds": (self.holds, 0, self.transactions),
            "drift": (self.drift, 0, self.balances),
            "seed": (self.seed, 0, LARGEST_SEED),
        }
        for name, (value, least, most) in limits.items():
            if not least <= value <= most:
                raise GenerationRefused(f"{name} must be between {least:,} and {most:,}, not {value:,}")


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What is in the ledger now, in rows."""

    ledger_id: str
    balances: int
    transactions: int
    drifted: int


def generate_ledger(wish: Wish, progress: Progress = lambda made: None) -> Generated:
    """Fill an empty database with a ledger whose totals are right, but for the drift wished for.

    All or nothing, but for the drift: that comes in a commit of its own, as an edit of totals does.
    ``progress`` is told after each batch how many transactions are made. Raises ``GenerationRefused``.
    """
    with transaction.atomic():
        SERIALISE_IMPORT.rows(name=NAME)
        if Balance.objects.exists():
            raise GenerationRefused("There are balances in this database; a ledger is generated into an empty one only")
        ledger_id = open_ledger(name=NAME).ledger_id
        transactions = _fill(wish, ledger_id, progress)
    drifted = GENERATE_DRIFT.rows(balances=wish.drift, seed=wish.seed)[0]["moved"]
    upkeep.mark_visible(patient=True)
    return Generated(ledger_id=ledger_id, balances=wish.balances, transactions=transactions, drifted=drifted)


def _fill(wish: Wish, ledger_id: str, progress: Progress) -> int:
    born = now() - HISTORY
    SKIP_FOREIGN_KEYS.rows()
    GENERATE_BALANCES.rows(ledger_id=ledger_id, balances=wish.balances, seed=wish.seed, born=born)
    upkeep.refresh_statistics()
    for first in range(1, wish.transactions + 1, BATCH):
        last = min(first + BATCH - 1, wish.transactions)
        GENERATE_TRANSACTIONS.rows(
            first=first,
            last=last,
            balances=wish.balances,
            transactions=wish.transactions,
            holds=wish.holds,
            seed=wish.seed,
            begin=born,
            every=HISTORY / wish.transactions,
        )
        progress(last)
    upkeep.refresh_statistics()
    settlements: int = GENERATE_SETTLEMENTS.rows(seed=wish.seed)[0]["made"]
    GENERATE_TOTALS.rows()
    return wish.transactions + settlements
