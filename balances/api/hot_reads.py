"""Reads that clients make most, of one row by its key and of the newest rows.

Each stands here once, for its view and for ``hot_lane``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db import models
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import listing
from balances.api.filtering import Filters, Page, resources
from balances.api.listing import Paging
from balances.books import posting_exceptions
from balances.ground import LedgerError, Lookup, ShownTable, exceptions
from balances.models import Balance, Ledger, Transaction
from balances.shapes import Answer, BalanceAnswer, LedgerAnswer, TransactionAnswer, rendered

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
        return self.shape.body(values)

    def content(self, *key: str) -> bytes:
        """Return the bytes of that body."""
        return rendered(self.body(*key))


class HotList:
    """The newest rows of a table, without conditions."""

    def __init__(self, filters: type[Filters], paging: Paging, *, shape: type[Answer], empty: list[Any] | None) -> None:
        """Keep what the list is made of; ``empty`` is what is answered without rows."""
        self.filters, self.paging, self.shape, self.empty = filters, paging, shape, empty
        self.table = ShownTable(filters._meta.model, lambda row: rendered(shape.body(row)))

    def listed(self, request: Request) -> Response:
        """Return the answer to a query, with conditions or without."""
        return self.response(self.paging.asked(request))

    def response(self, page: Page) -> Response:
        """Return the answer with a page that is not counted."""
        return Response(self._joined(self.filters.shown(page, self.table)))

    def content(self, limit: str) -> bytes:
        """Return the bytes of the first page; ``limit`` is a number of the query, or empty."""
        return self._joined(self.table.shown(self.filters.newest(int(limit or self.paging.default))))

    def _joined(self, rows: list[bytes]) -> bytes:
        return b"[" + b",".join(rows) + b"]" if rows else rendered(self.empty)


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
LEDGERS = HotList(resources.LedgerFilters, listing.LEDGERS, shape=LedgerAnswer, empty=[])
BALANCES = HotList(resources.BalanceFilters, listing.BALANCES, shape=BalanceAnswer, empty=None)
TRANSACTIONS = HotList(resources.TransactionFilters, listing.TRANSACTIONS, shape=TransactionAnswer, empty=[])
LISTS = {"/ledgers": LEDGERS, "/balances": BALANCES, "/transactions": TRANSACTIONS}
FIRST_PAGE = re.compile(r"(?:limit=([1-9][0-9]?|100))?")
"""Queries of pages that cost little: more rows, and those further on, take turns with all that costs much."""
ROUTES_OF_OTHERS = {"filter", "bulk", "recover"}
"""What stands in the place of an id without being one."""

Found = tuple[HotRead[Any] | HotList, Sequence[str]]


def hot_read(method: str, path: str, query: str) -> Found | None:
    """Return the read that a request asks for, and its key; ``None`` for anything that is for the views."""
    if method != "GET":
        return None
    if path in LISTS and (page := FIRST_PAGE.fullmatch(query)):
        return LISTS[path], (page[1] or "",)
    if query:
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
