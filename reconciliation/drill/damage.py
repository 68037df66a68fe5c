"""Damage as a buggy writer does it: totals move, or do not, without the journal taking it for an SQL edit."""

from __future__ import annotations

from balances.statements import Statement
from reconciliation.reconstruction import SQL

DAMAGE = Statement(SQL / "damage.sql")
NOTHING = {"credit": 0, "debit": 0, "inflight_credit": 0, "inflight_debit": 0, "version": 0}


def shift(balance_id: str, **by: int) -> None:
    """Move totals of a balance by minor units a side, and its ``version``; the nets follow from the sides."""
    DAMAGE.rows(balance_id=balance_id, **NOTHING | by)
