"""Reads of one row by its key, which clients make most: each stands here once, for its view and for ``hot_lane``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.db import models

from balances.books import posting_exceptions
from balances.ground import LedgerError, Lookup, exceptions
from balances.models import Balance, Ledger, Transaction
from balances.shapes import Answer, BalanceAnswer, LedgerAnswer, TransactionAnswer

M = TypeVar("M", bound=models.Model)


class HotRead(Generic[M]):
    """One row by the values of its key, its shape, and the refusal where there is none."""

    def __init__(
        self, model: type[M], *fields: str, shape: type[Answer], missing: Callable[[str], LedgerError]
    ) -> None:
        """Keep what the read is made of; ``missing`` gets the first value of the key."""
        self.lookup, self.fields, self.shape, self.missing = Lookup(model, *fields), fields, shape, missing

    def find(self, *key: str) -> M:
        """Return the row. Raises what ``missing`` gives."""
        row = self.lookup.first(**dict(zip(self.fields, key, strict=True)))
        if row is None:
            raise self.missing(key[0])
        return row

    def body(self, *key: str) -> dict[str, Any]:
        """Return the body of the answer. Raises what ``missing`` gives."""
        return self.body_of(self.lookup.values(**dict(zip(self.fields, key, strict=True))), key)

    def body_of(self, values: dict[str, Any] | None, key: Sequence[str]) -> dict[str, Any]:
        """Return the body for the values of a row that was looked up. Raises what ``missing`` gives."""
        if values is None:
            raise self.missing(key[0])
        return self.shape.body(SimpleNamespace(**values))


LEDGER = HotRead(Ledger, "ledger_id", shape=LedgerAnswer, missing=lambda _: exceptions.LedgerNotFound())
BALANCE = HotRead(Balance, "balance_id", shape=BalanceAnswer, missing=exceptions.BalanceNotFound)
BALANCE_OF_INDICATOR = HotRead(
    Balance, "indicator", "currency", shape=BalanceAnswer, missing=exceptions.IndicatorNotFound
)
TRANSACTION = HotRead(
    Transaction,
    "transaction_id",
    shape=TransactionAnswer,
    missing=lambda key: posting_exceptions.TransactionNotFound(f"Transaction with ID '{key}' not found"),
)
TRANSACTION_OF_REFERENCE = HotRead(
    Transaction,
    "reference",
    shape=TransactionAnswer,
    missing=lambda key: posting_exceptions.TransactionNotFound(f"Transaction with reference '{key}' not found"),
)
ROUTES_OF_OTHERS = {"filter", "bulk", "recover"}
"""What stands in the place of an id without being one."""

Found = tuple[HotRead[Any], Sequence[str]]


def hot_read(method: str, path: str, query: str) -> Found | None:
    """Return the read that a request asks for, and its key; ``None`` for anything that is for the views."""
    if method != "GET" or query:
        return None
    found: Found
    match path.split("/"):
        case ["", "balances", name] if name not in ROUTES_OF_OTHERS:
            found = BALANCE, (name,)
        case ["", "transactions", name] if name not in ROUTES_OF_OTHERS:
            found = TRANSACTION, (name,)
        case ["", "ledgers", name] if name not in ROUTES_OF_OTHERS:
            found = LEDGER, (name,)
        case ["", "transactions", "reference", reference]:
            found = TRANSACTION_OF_REFERENCE, (reference,)
        case ["", "balances", "indicator", indicator, "currency", currency]:
            found = BALANCE_OF_INDICATOR, (indicator, currency)
        case _:
            return None
    return found if all(found[1]) else None
