"""Cells that several kinds of records share: balance, currency, precision and units."""

from __future__ import annotations

from functools import partial

from balances.importing import values
from balances.importing.files import Record
from balances.importing.refusing import shown
from balances.importing.style import Style


def name_of(record: Record) -> tuple[str | None, str | None]:
    """Return indicator and id of the balance that a record is about. Raises ``ImportRefused`` where it has neither."""
    indicator = record.read("indicator", values.indicator)
    balance_id = record.read("balance_id", values.balance_id)
    if not indicator and not balance_id:
        column = "indicator" if "indicator" in record.cells else "balance_id"
        raise record.refusal(column, "a balance needs an indicator or an id")
    return indicator, balance_id


def currency_of(record: Record, style: Style) -> str:
    """Return the currency of the row, or else of the options."""
    return style.currency if style.currency and not record.text("currency") else record.read("currency", values.key)


def precision_of(record: Record, currency: str, style: Style) -> int:
    """Return the minor units in a major one, from the row or else from the options."""
    default = style.precision_of(currency)
    if record.text("precision") or (default is None and "precision" in record.cells):
        return record.read("precision", values.precision)
    if default is None:
        raise record.refusal("precision", f"nothing says it for {shown(currency)}; use --precision {currency}=100")
    return default


def total_of(record: Record, column: str, currency: str, style: Style) -> int:
    """Return a total in minor units, which the file has in minor or in major units."""
    if not style.major:
        return record.read(column, values.whole)
    return record.read(column, partial(values.total_in_minor_units, precision=precision_of(record, currency, style)))
