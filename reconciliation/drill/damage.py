"""Damage: totals that a buggy writer moved, unseen by the journal, and rows that somebody forced past the guards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from balances.ground import Statement
from balances.models import Balance, Transaction

DAMAGE = Statement.beside(__file__, "damage.sql")
FORCE = Statement.beside(__file__, "force.sql")
MOVED = ("credit", "debit", "inflight_credit", "inflight_debit", "version")


def shift(balance_id: str, **by: int) -> None:
    """Move totals of a balance by minor units a side, and its ``version``; the nets follow from the sides."""
    shift_many({balance_id: by})


def shift_many(moves: dict[str, dict[str, int]]) -> None:
    """Move totals of many balances, set-wise."""
    columns = {f"{name}s": [by.get(name, 0) for by in moves.values()] for name in MOVED}
    DAMAGE.rows(balance_ids=list(moves), **columns)


@contextmanager
def forced() -> Iterator[None]:
    """Open an atomic block in which the guards of the core tables do not fire. The journal does."""
    with transaction.atomic():
        FORCE.rows()
        yield


def delete_rows(ids: list[str]) -> None:
    """Delete transactions past the guard."""
    with forced():
        rows = Transaction.objects.filter(pk__in=ids)
        rows._raw_delete(rows.db)


def delete_balance(balance_id: str) -> None:
    """Delete a balance past the foreign keys of its transactions."""
    with forced():
        rows = Balance.objects.filter(pk=balance_id)
        rows._raw_delete(rows.db)


def change_row(transaction_id: str, **columns: object) -> None:
    """Change a transaction past the guard."""
    with forced():
        Transaction.objects.filter(pk=transaction_id).update(**columns)
