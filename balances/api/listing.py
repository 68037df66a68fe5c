"""Paging of the lists: each has its own default and its own answer to a bad number (docs/design/wire.md, "Lists")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rest_framework.request import Request

from balances.api.filtering import LARGEST, Filters, Page, from_query
from balances.ground import LedgerError
from balances.history import BATCH_SIZE

MOST_ROWS = 10_000
"""Most rows of an answer where the contract has no cap."""


class InvalidParameter(LedgerError):
    """A query parameter is not of the type that the route reads."""

    code = "GEN_VALIDATION_ERROR"


class TooManyRows(LedgerError):
    """A list that is always answered whole has become too long for one answer."""

    code = "GEN_VALIDATION_ERROR"

    def __init__(self, instead: str) -> None:
        super().__init__(f"this list has more than {MOST_ROWS:,} rows; {instead}")


def whole(rows: Any, instead: str) -> list[Any]:
    """Return all rows of a list that is not paged. Raises ``TooManyRows``, which names what to use instead."""
    found = list(rows[: MOST_ROWS + 1])
    if len(found) > MOST_ROWS:
        raise TooManyRows(instead)
    return found


@dataclass(frozen=True)
class Paging:
    """How one list is paged. ``refusal`` is the word before ``limit value`` in its 400; without one it forgives."""

    default: int
    refusal: str | None
    cap: int | None = None
    beyond_cap: int = 0
    cap_of_filtered: int | None = None
    all_unless_filtered: bool = False
    """Whether limit and offset count only where something is filtered; else all rows are answered."""

    def rows(self, filters: type[Filters], request: Request) -> list[Any]:
        """Return the rows that the query filters, one page of them, newest first.

        Raises ``TooManyRows``, and what ``asked`` and the filters raise.
        """
        page = self.asked(request)
        if self.all_unless_filtered and not page.asked.conditions:
            return whole(filters.rows(Page(page.asked, MOST_ROWS + 1, 0)), "read it in pages with POST and /filter")
        return filters.rows(page)

    def asked(self, request: Request) -> Page:
        """Return the page that a query asks for. Raises ``InvalidParameter`` and ``InvalidFilterParameters``."""
        limit, offset = self._numbers(request)
        asked = from_query(request.query_params)
        if self.cap_of_filtered is not None:
            if asked.conditions:
                limit = min(limit, self.cap_of_filtered)
            elif limit > MOST_ROWS:  # a smaller page than requested would look like the last one
                raise InvalidParameter(f"limit cannot be more than {MOST_ROWS:,}")
        return Page(asked, limit, offset)

    def page(self, rows: Any, request: Request) -> Any:
        """Return one page of the rows of a list without operators. Raises ``InvalidParameter``."""
        limit, offset = self._numbers(request)
        for condition in from_query(request.query_params).conditions:
            # A list that ignored a filter would answer with rows that were not requested.
            raise InvalidParameter(f"this list has no filter {condition.field}_{condition.operator}")
        return rows[offset : min(offset + limit, LARGEST)]

    def _numbers(self, request: Request) -> tuple[int, int]:
        """Return limit and offset."""
        limit = self.number(request, "limit", self.default, least=1)
        offset = self.number(request, "offset", 0, least=0)
        return self.beyond_cap if self.cap is not None and limit > self.cap else limit, offset

    def number(self, request: Request, name: str, default: int, *, least: int) -> int:
        """Return a number from the query. Raises ``InvalidParameter``."""
        given = request.query_params.getlist(name)
        if not given:
            return default
        text = given[0]  # of a repeated parameter the original reads the first
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else -1
        if least <= number <= LARGEST:
            return number
        if self.refusal is None:
            return default
        raise InvalidParameter(f"{self.refusal} {name} value")


LEDGERS = Paging(default=10, refusal="Invalid", cap=100, beyond_cap=20)
BALANCES = Paging(default=10, refusal="invalid", cap_of_filtered=1000)
TRANSACTIONS = Paging(default=20, refusal=None, cap_of_filtered=1000)
IDENTITIES = ACCOUNTS = Paging(default=20, refusal=None, cap=100, beyond_cap=20, all_unless_filtered=True)
SNAPSHOTS = Paging(default=BATCH_SIZE, refusal="invalid")
