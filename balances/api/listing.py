"""Paging of the lists (conventions 9.1): each has its own default and its own answer to a bad number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rest_framework.request import Request

from balances.exceptions import LedgerError, NotYetSupported
from balances.snapshots import BATCH_SIZE

OPERATORS = {"eq", "ne", "neq", "gt", "gte", "gteq", "lt", "lte", "lteq"} | {
    "in",
    "between",
    "like",
    "ilike",
    "isnull",
    "isnotnull",
}
"""Suffixes that make a query parameter a filter (conventions 9.2)."""
LARGEST = 2**63 - 1


class InvalidParameter(LedgerError):
    """A query parameter is not what the route reads."""

    code = "GEN_VALIDATION_ERROR"


@dataclass(frozen=True)
class Paging:
    """How one list is paged. ``refusal`` is the word before ``limit value`` in its 400; without one it forgives."""

    default: int
    refusal: str | None
    cap: int | None = None
    beyond_cap: int = 0

    def page(self, rows: Any, request: Request) -> Any:
        """Return the rows of the page that the query asks for. Raises ``InvalidParameter`` or ``NotYetSupported``."""
        _refuse_filters(request)
        limit = self.number(request, "limit", self.default, least=1)
        offset = self.number(request, "offset", 0, least=0)
        if self.cap is not None and limit > self.cap:
            limit = self.beyond_cap
        return rows[offset : min(offset + limit, LARGEST)]

    def number(self, request: Request, name: str, default: int, *, least: int) -> int:
        """Return a number out of the query. Raises ``InvalidParameter``."""
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
BALANCES = Paging(default=10, refusal="invalid")
TRANSACTIONS = Paging(default=20, refusal=None)
SNAPSHOTS = Paging(default=BATCH_SIZE, refusal="invalid")


def _refuse_filters(request: Request) -> None:
    """Refuse a filter aloud: a list that ignored it would answer with rows that were not asked for."""
    for name in request.query_params:
        field, _, operator = name.rpartition("_")
        if field and operator.lower() in OPERATORS:
            raise NotYetSupported(f"Filters are not served yet: leave {name} out.")
