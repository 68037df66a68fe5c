"""Refuses fields that a route would ignore, where ignoring them would move more than the caller meant.

The original ignores every key that it does not know. Here a route refuses amounts and dates that it
does not take, and one whose body is small and whose default is *all* refuses any key that it does not know: its shape
says so by ``Meta.closed``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from balances.ground import LedgerError

MONEY_AND_DATES = frozenset({"amount", "precise_amount", "effective_date", "scheduled_for", "inflight"})
LONGEST = 40
"""Most characters of a key that a message quotes."""


class FieldNotTaken(LedgerError):
    """A body has a field that the route does not take."""

    code = "GEN_VALIDATION_ERROR"

    def __init__(self, name: str, why: str = "") -> None:
        self.name, self.why = name, why
        super().__init__(f"{name} is not taken here{why}; nothing was done")

    def inside(self, where: str) -> FieldNotTaken:
        """Return the refusal with the path of the enclosing object: ``transactions[1].amuont``."""
        return FieldNotTaken(f"{where}{self.name}", self.why)


def refuse(given: str, value: Any, known: Iterable[str], *, closed: bool) -> None:
    """Raise ``FieldNotTaken`` for a key that is unknown, unless it may be ignored."""
    if closed:
        raise FieldNotTaken(given[:LONGEST], f" (known: {', '.join(known)})")
    if value is not None and given.lower() in MONEY_AND_DATES:
        raise FieldNotTaken(given)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object from its keys and values. Raises ``FieldNotTaken`` for a repeated key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise FieldNotTaken(next(key for key in keys if keys.count(key) > 1)[:LONGEST], " twice")
    return found


def refuse_in_query(query: Mapping[str, Any]) -> None:
    """Raise ``FieldNotTaken`` for an amount or a date in the query of a route that reads them from its body only."""
    for given in query:
        refuse(given, query[given], (), closed=False)
