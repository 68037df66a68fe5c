"""The balances that the rows of an import name, and those among them that are new."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from balances.importing import values
from balances.importing.files import Record
from balances.importing.refusing import ImportRefused, shown
from balances.models import Balance, new_balance_id

Row = tuple[str | None, ...]
ZERO_TOTALS = ("0",) * 6


@dataclass
class Opened:
    """A new balance, whose totals will follow from rows."""

    indicator: str | None
    currency: str
    created_at: str = ""
    meta_data: str | None = None
    since: str = ""
    """The earliest date of its rows: it is created then, unless a file says otherwise."""


class Names:
    """Balances by name, which is an indicator or an id, and currency."""

    def __init__(self, where: str, *, may_open: bool = False) -> None:
        """Start without balances. ``where`` names in refusals the place that was searched."""
        self.ids: dict[tuple[str, str], str] = {}
        self.opened: dict[str, Opened] = {}
        self._where, self._may_open = where, may_open
        self._sorted: dict[str, list[str]] = {}

    def enter(self, balance_id: str, indicator: str | None, currency: str) -> None:
        """Add a balance under its id and its indicator."""
        self.ids[balance_id, currency] = balance_id
        if indicator:
            self.ids[indicator, currency] = balance_id

    def load(self, ledger_id: str) -> None:
        """Enter the balances of a ledger that exists, with one query."""
        rows = Balance.objects.filter(ledger_id=ledger_id).values_list("balance_id", "indicator", "currency")
        for balance_id, indicator, currency in rows.iterator(chunk_size=10_000):
            self.enter(balance_id, indicator, currency)

    def open(self, opened: Opened, balance_id: str | None = None) -> str:
        """Enter a new balance and return its id."""
        key = balance_id or new_balance_id()
        self.opened[key] = opened
        self.enter(key, opened.indicator, opened.currency)
        return key

    def find(self, record: Record, column: str, currency: str, since: str = "", *, may_open: bool = True) -> str:
        """Return the balance that a cell names, a new one where that is allowed. Raises ``ImportRefused``."""
        name = record.read(column, values.given)
        found = self.ids.get((name, currency))
        if found is None:
            if not (may_open and self._may_open):
                raise self.unknown(record, column, name, currency)
            found = self._new(record, column, name, currency)
        if since and (opened := self.opened.get(found)) and (not opened.since or since < opened.since):
            opened.since = since
        return found

    def unknown(self, record: Record, column: str, name: str, currency: str) -> ImportRefused:
        """Return the refusal of a cell that names no balance."""
        return record.refusal(column, f"{self._where} has no balance {shown(name)} in {shown(currency)}")

    def _new(self, record: Record, column: str, name: str, currency: str) -> str:
        record.read(column, values.new_indicator)
        return self.open(Opened(name, currency))

    def under(self, indicator: str, currency: str) -> list[str]:
        """Return the balances with this indicator, or with one that continues it after a colon."""
        if currency not in self._sorted:
            self._sorted[currency] = sorted(name for name, of in self.ids if of == currency and name.startswith("@"))
        names = self._sorted[currency]
        place, found = bisect_left(names, indicator), []
        while place < len(names) and names[place].startswith(indicator):
            if names[place] == indicator or names[place].startswith(f"{indicator}:"):
                found.append(self.ids[names[place], currency])
            place += 1
        return found

    def rows(self, ledger_id: str) -> Iterator[Row]:
        """Yield a row for COPY for each new balance, with totals of zero, which the rows will move."""
        now = datetime.now(UTC).isoformat()
        for balance_id, opened in self.opened.items():
            created_at = opened.created_at or opened.since or now
            head = (balance_id, ledger_id, opened.indicator, opened.currency)
            yield (*head, *ZERO_TOTALS, "1", created_at, opened.meta_data or "null", "false", "FIFO")
