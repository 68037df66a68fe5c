"""Turns opening balances that a file states into rows."""

from __future__ import annotations

from collections.abc import Sequence

from balances.importing import values
from balances.importing.cells import precision_of, total_of
from balances.importing.files import Record
from balances.importing.names import Names, Opened
from balances.importing.refusing import ImportRefused
from balances.importing.style import Style


class Openings:
    """The rows of stated opening balances, one for each balance, from one source balance in each currency."""

    def __init__(self, source: str) -> None:
        """Keep the indicator of the source balances; empty where no option gives it."""
        self.source = source
        self.records: list[Record] = []

    def add(self, record: Record, name: str, currency: str, style: Style) -> None:
        """Add the opening row of a balance, if its file states one. Raises ``ImportRefused``."""
        if not record.text("opening_balance"):
            return
        units = total_of(record, "opening_balance", currency, style)
        if not units:
            return
        if not self.source:
            raise record.refusal("opening_balance", "say which balance it comes from, such as --opening-from @equity")
        sides = (self.source, name) if units > 0 else (name, self.source)
        cells = {
            "reference": f"opening of {name} in {currency}",
            "source": sides[0],
            "destination": sides[1],
            "precise_amount": str(abs(units)),
            "precision": str(precision_of(record, currency, style)),
            "currency": currency,
            "effective_date": record.read("created_at", values.instant),
            "description": "Opening balance",
        }
        self.records.append(Record(record.file, record.line, cells))

    def open_source(self, names: Names) -> None:
        """Open the balances that the openings come from, where they are new."""
        for record in self.records:
            currency = record.text("currency")
            if (self.source, currency) not in names.ids:
                names.open(Opened(self.source, currency))

    def take(self, records: Sequence[Record], names: Names) -> None:
        """Take the opening rows of new accounts only, because others already have their past in the ledger."""
        self.records += [
            record for record in records if (record.text("account"), record.text("currency")) not in names.ids
        ]

    def refuse_without_file(self) -> None:
        """Refuse the option without such a column, because a misspelt header would otherwise go unnoticed."""
        if self.source and not self.records:
            raise ImportRefused("--opening-from needs a file of balances with a column opening_balance")
