"""Reads that clients make most, of one row by its key and of the newest rows, of all or by equal texts.

Each stands here once, for its view and for ``hot_lane``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.db import models
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response

from balances.api import listing
from balances.api.filtering import Filters, Page, page_from, resources
from balances.api.listing import Paging
from balances.books import posting_exceptions
from balances.ground import LedgerError, Lookup, Question, Result, ShownTable, TooMuch, exceptions
from balances.models import Balance, Ledger, Transaction
from balances.shapes import Answer, BalanceAnswer, LedgerAnswer, TransactionAnswer, rendered

M = TypeVar("M", bound=models.Model)
MOST_WRITTEN = 64 * 1024
"""Bytes that a hot read may take to write out: it shares its thread with all others."""
LARGEST_FILTER = 4096
"""Bytes of a body that is read in passing."""
LONGEST_PATH = 500
"""Characters: what is asked together must fit into what the system keeps for the database."""


class HotRead(Generic[M]):
    """One row by the values of its key, its shape, and the refusal where there is none."""

    is_page = False

    def __init__(self, table: ShownTable[M], *fields: str, missing: Callable[[str], LedgerError]) -> None:
        """Keep what the read is made of; ``missing`` gets the first value of the key."""
        self.lookup, self.fields, self.table, self.missing = Lookup(table.model, *fields), fields, table, missing

    def find(self, *key: str) -> M:
        """Return the row. Raises what ``missing`` gives."""
        row = self.lookup.first(**dict(zip(self.fields, key, strict=True)))
        if row is None:
            raise self.missing(key[0])
        return row

    def body(self, *key: str) -> bytes:
        """Return the body of the answer. Raises what ``missing`` gives."""
        values = self.lookup.values(**dict(zip(self.fields, key, strict=True)))
        if values is None:
            raise self.missing(key[0])
        return self.table.show(values)

    def question(self, _: HttpRequest, *key: str) -> Question:
        """Return what the database is asked."""
        return self.lookup.question(*key)

    def content(self, result: Result, key: Sequence[str]) -> bytes:
        """Return the body for what it answered. Raises what ``missing`` gives, or ``TooMuch``."""
        shown = self.table.shown(result, MOST_WRITTEN)
        if not shown:
            raise self.missing(key[0])
        return shown[0]


class HotList:
    """The newest rows of a table, without conditions."""

    is_page = True

    def __init__(self, filters: type[Filters], paging: Paging, table: ShownTable[Any], *, empty: list[Any] | None):
        """Keep what the list is made of; ``empty`` is what is answered without rows."""
        self.filters, self.paging, self.table, self.empty = filters, paging, table, empty

    def listed(self, request: Request) -> Response:
        """Return the answer to a query, with conditions or without."""
        return self.response(self.paging.asked(request))

    def response(self, page: Page) -> Response:
        """Return the answer with a page that is not counted."""
        return Response(self._joined(self.filters.shown(page, self.table)))

    def question(self, _: HttpRequest, limit: str) -> Question:
        """Return what the database is asked for the first page; ``limit`` is a number of the query, or empty.

        Raises ``TooMuch``.
        """
        return self.table.prepared(self.filters.newest(int(limit or self.paging.default))), ()

    def content(self, result: Result, _: Sequence[str]) -> bytes:
        """Return the body for what it answered. Raises ``TooMuch``."""
        return self._joined(self.table.shown(result, MOST_WRITTEN))

    def _joined(self, rows: list[bytes]) -> bytes:
        return b"[" + b",".join(rows) + b"]" if rows else rendered(self.empty)


class HotFilter:
    """What a body asks for of the newest rows, where it names nothing but texts that columns must equal."""

    is_page = True

    def __init__(self, rows: HotList) -> None:
        """Keep the list."""
        self.rows, self.content = rows, rows.content

    def question(self, request: HttpRequest) -> Question:
        """Return what the database is asked. Raises ``TooMuch`` where that is for the view, or a ``LedgerError``."""
        asked: Any = SimpleNamespace(_request=request)
        statement = self.rows.filters.quick(page_from(asked))
        if statement is None:
            raise TooMuch
        text, texts = statement
        return self.rows.table.prepared(text, len(texts)), [each.encode() for each in texts]


def _shown(model: type[M], shape: type[Answer]) -> ShownTable[M]:
    return ShownTable(model, lambda row: rendered(shape.body(row)))


def _no_transaction(by: str) -> Callable[[str], LedgerError]:
    return lambda key: posting_exceptions.TransactionNotFound(f"Transaction with {by} '{key}' not found")


_LEDGERS, _BALANCES = _shown(Ledger, LedgerAnswer), _shown(Balance, BalanceAnswer)
_TRANSACTIONS = _shown(Transaction, TransactionAnswer)

LEDGER = HotRead(_LEDGERS, "ledger_id", missing=lambda _: exceptions.LedgerNotFound())
BALANCE = HotRead(_BALANCES, "balance_id", missing=exceptions.BalanceNotFound)
BALANCE_OF_INDICATOR = HotRead(_BALANCES, "indicator", "currency", missing=exceptions.IndicatorNotFound)
TRANSACTION = HotRead(_TRANSACTIONS, "transaction_id", missing=_no_transaction("ID"))
TRANSACTION_OF_REFERENCE = HotRead(_TRANSACTIONS, "reference", missing=_no_transaction("reference"))
LEDGERS = HotList(resources.LedgerFilters, listing.LEDGERS, _LEDGERS, empty=[])
BALANCES = HotList(resources.BalanceFilters, listing.BALANCES, _BALANCES, empty=None)
TRANSACTIONS = HotList(resources.TransactionFilters, listing.TRANSACTIONS, _TRANSACTIONS, empty=[])
LISTS = {"/ledgers": LEDGERS, "/balances": BALANCES, "/transactions": TRANSACTIONS}
FILTERS = {f"{path}/filter": HotFilter(rows) for path, rows in LISTS.items()}
FIRST_PAGE = re.compile(r"(?:limit=([1-9][0-9]?|100))?")
"""Queries of pages that cost little: more rows, and those further on, take turns with all that costs much."""
ROUTES_OF_OTHERS = {"filter", "bulk", "recover"}
"""What stands in the place of an id without being one."""

Found = tuple[HotRead[Any] | HotList | HotFilter, Sequence[str]]


def hot_read(method: str, path: str, query: str) -> Found | None:
    """Return the read that a request asks for, and its key; ``None`` for anything that is for the views."""
    if method == "POST" and path in FILTERS and not query:
        return FILTERS[path], ()
    if method != "GET" or len(path) > LONGEST_PATH:
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
