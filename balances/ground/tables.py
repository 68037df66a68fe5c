"""Reads of many rows of a model by statements that the ORM compiled, as dictionaries or as what is shown of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from django.db import models

from balances.ground.prepared import Prepared, Result
from balances.ground.statements import Lookup

M = TypeVar("M", bound=models.Model)
Stored = tuple[bytes | None, ...]
"""The columns of a row as the server writes them."""
KEPT = 2_000
"""Rows of a table of which is kept what was shown of them."""
MOST_PREPARED = 256
"""Statements of a table that each connection has the server prepare, at most."""
TEXT = psycopg.adapters.types["text"].oid
LARGEST_KEPT = 4_096
"""Bytes of what is kept of one row, at most."""


class TooMuch(Exception):
    """To write out what is shown would take too long, or there are too many statements to prepare one more."""


class Table(Lookup[M]):
    """Rows of a model by statements that select its columns; instances would take several times as long to make."""

    def dictionaries(self, text: str, parameters: Sequence[Any], *further: str) -> list[dict[str, Any]]:
        """Return the rows of a statement by the names of their attributes, and of further columns."""
        names = (*self._attributes, *further)
        return [dict(zip(names, self._converted(row), strict=True)) for row in self._asked(text, parameters)]


class ShownTable(Table[M]):
    """The same as bytes."""

    def __init__(self, model: type[M], show: Callable[[dict[str, Any]], bytes]) -> None:
        """Keep what is shown of a row, which must follow from the row alone."""
        super().__init__(model)
        self.show = show
        self._shown: dict[Stored, bytes] = {}
        self._statements: dict[str, Prepared] = {}

    def prepared(self, text: str, texts: int = 0) -> Prepared:
        """Return a statement whose parameters are so many texts, prepared. Raises ``TooMuch`` for one too many."""
        known = self._statements.get(text)
        if known is None:
            if len(self._statements) >= MOST_PREPARED:
                raise TooMuch
            numbered = text % tuple(f"${number}" for number in range(1, texts + 1))
            known = self._statements.setdefault(text, Prepared(numbered, [TEXT] * texts))
        return known

    def shown_by_cursor(self, text: str, parameters: Sequence[Any]) -> list[bytes]:
        """Return what is shown of the rows of any statement."""
        return self._read(text, parameters, self.shown)

    def shown(self, result: Result, most: float = math.inf) -> list[bytes]:
        """Return what is shown of each row of a result.

        That is kept for rows that are stored alike to the last byte: clients ask for the same rows again and again.
        Raises ``TooMuch`` where more than ``most`` bytes have to be written out.
        """
        shown = []
        for number, stored in enumerate(result.stored()):
            if (known := self._shown.get(stored)) is None:
                most -= sum(len(value) for value in stored if value)
                if most < 0:
                    raise TooMuch
                [row] = result.rows(number, number + 1)
                known = self.show(self._named(self._converted(row)))
                self._keep(stored, known)
            shown.append(known)
        return shown

    def _keep(self, stored: Stored, shown: bytes) -> None:
        if len(shown) <= LARGEST_KEPT:
            if len(self._shown) >= KEPT:
                self._shown.clear()
            self._shown[stored] = shown
