"""Turns records of the two files into rows for COPY, in the order of columns of ``sql/copy_*.sql``."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from balances import amounts
from balances.importing import values
from balances.importing.files import Columns, CsvFile, Record
from balances.importing.refusing import shown
from balances.importing.report import FIRST_ROWS, FirstRow, Tally
from balances.importing.style import Style
from balances.models import new_balance_id

BALANCE_COLUMNS = Columns(
    required=("currency", "credit_balance", "debit_balance", "balance", "created_at"),
    either=("indicator", "balance_id"),
    optional=("inflight_credit_balance", "inflight_debit_balance", "inflight_balance", "meta_data", "precision"),
)
TRANSACTION_COLUMNS = Columns(
    required=("reference", "source", "destination", "precision", "currency", "effective_date"),
    either=("precise_amount", "amount"),
    optional=("description", "status", "parent", "created_at", "meta_data"),
)
Row = tuple[str | None, ...]
Names = dict[tuple[str, str], str]
"""The balance that a name, indicator or id, means in a currency."""


def columns_of(columns: Columns, style: Style) -> Columns:
    """Return the columns that a file must have when the options say what is not in it."""
    said = {"currency": bool(style.currency), "precision": bool(style.precisions)}
    return columns.without(*(name for name, given in said.items() if given))


def transaction_id(ledger_id: str, reference: str) -> str:
    """Return the id of an imported transaction, which follows from its reference.

    So a parent's id is known wherever in the file the parent stands, without a map of all references in memory.
    """
    return f"txn_{uuid.uuid5(uuid.UUID(ledger_id.removeprefix('ldg_')), reference)}"


def balance_rows(file: CsvFile, ledger_id: str, names: Names) -> Iterator[Row]:
    """Yield a row for each balance, and enter what transactions may call it into ``names``."""
    for record in file.records():
        indicator = record.read("indicator", values.indicator)
        balance_id = record.read("balance_id", values.balance_id)
        if not indicator and not balance_id:
            raise record.refusal(
                "indicator" if "indicator" in record.cells else "balance_id", "a balance needs an indicator or an id"
            )
        currency = _currency(record, file.style)
        key = balance_id or new_balance_id()
        names[key, currency] = key
        if indicator:
            names[indicator, currency] = key
        yield (
            key,
            ledger_id,
            indicator,
            currency,
            *_totals(record, currency, file.style),
            "1",
            record.read("created_at", values.instant),
            record.read("meta_data", values.balance_metadata) or "null",
            "false",
            "FIFO",
        )


def _totals(record: Record, currency: str, style: Style) -> Iterator[str]:
    """Yield the six totals as the file says them; a net that is not its credits less its debits is refused."""

    def units(column: str) -> int:
        if not style.major:
            return record.read(column, values.whole)
        precision = _precision(record, currency, style)
        return record.read(column, partial(values.total_in_minor_units, precision=precision))

    for prefix, optional in (("", False), ("inflight_", True)):
        credit, debit = (
            0 if optional and not record.text(column) else units(column)
            for column in (f"{prefix}credit_balance", f"{prefix}debit_balance")
        )
        column = f"{prefix}balance"
        net = credit - debit if optional and not record.text(column) else units(column)
        if net != credit - debit:
            raise record.refusal(
                column, f"{net} is not {prefix}credit_balance less {prefix}debit_balance, which is {credit - debit}"
            )
        yield from (str(credit), str(debit), str(net))


def _currency(record: Record, style: Style) -> str:
    return style.currency if style.currency and not record.text("currency") else record.read("currency", values.given)


def _precision(record: Record, currency: str, style: Style) -> int:
    """Return the minor units in a major one that the row says, or else an option."""
    default = style.precision_of(currency)
    if record.text("precision") or (default is None and "precision" in record.cells):
        return record.read("precision", values.precision)
    if default is None:
        raise record.refusal("precision", f"nothing says it for {shown(currency)}; use --precision {currency}=100")
    return default


def transaction_rows(file: CsvFile, ledger_id: str, names: Names, tally: Tally) -> Iterator[Row]:
    """Yield a row for each transaction and count it; ``names`` knows the balances."""
    for record in file.records():
        reference = record.read("reference", values.given)
        currency = _currency(record, file.style)
        source, destination = (_balance(record, column, currency, names) for column in ("source", "destination"))
        if source == destination:
            raise record.refusal("destination", "source and destination are one balance")
        money = _money(record, currency, file.style)
        effective_date = record.read("effective_date", values.instant)
        tally.add(currency, money.precision, money.units)
        if len(tally.first) < FIRST_ROWS:
            tally.first.append(_first_row(record, money, currency, effective_date))
        yield (
            transaction_id(ledger_id, reference),
            _parent(record, ledger_id, reference),
            source,
            destination,
            reference,
            amounts.plain(money.amount),
            None if money.units is None else str(money.units),
            str(money.precision),
            currency,
            record.text("description"),
            record.read("status", values.status),
            amounts.transaction_hash(
                money.amount, reference, currency, record.text("source"), record.text("destination")
            ),
            record.read("created_at", values.instant) if record.text("created_at") else effective_date,
            effective_date,
            record.read("meta_data", values.metadata) or "{}",
        )


def _balance(record: Record, column: str, currency: str, names: Names) -> str:
    name = record.read(column, values.given)
    try:
        return names[name, currency]
    except KeyError:
        problem = f"the balances file has no balance {shown(name)} in {shown(currency)}"
        raise record.refusal(column, problem) from None


def _first_row(record: Record, money: _Money, currency: str, effective_date: str) -> FirstRow:
    words = {name: record.text(name) for name in ("reference", "source", "destination", "description")}
    return FirstRow(
        line=record.line,
        amount=amounts.plain(money.amount),
        currency=currency,
        effective_date=effective_date,
        **words,
    )


class _Money(NamedTuple):
    amount: Decimal
    """Major units."""
    units: int | None
    """Minor units; legacy rows have none."""
    precision: int
    """Minor units in a major one."""


def _money(record: Record, currency: str, style: Style) -> _Money:
    precision = _precision(record, currency, style)
    if style.major:
        if record.text("precise_amount"):
            raise record.refusal("precise_amount", "this column is minor units, and --units major says otherwise")
        units = record.read("amount", partial(values.amount_in_minor_units, precision=precision))
        return _Money(amounts.major_units(units, precision), units, precision)
    units_moved = record.read("precise_amount", values.units_moved)
    amount = record.read("amount", partial(values.major_amount, precision=precision))
    if amount is None:
        if units_moved is None:
            raise record.refusal(
                "precise_amount" if "precise_amount" in record.cells else "amount", "the value is missing"
            )
        return _Money(amounts.major_units(units_moved, precision), units_moved, precision)
    booked = amounts.booked(amount, precision)
    if units_moved is not None and units_moved != amounts.whole_units(booked, precision):
        if amount != amounts.major_units(units_moved, precision):  # which has 16 decimals at most
            problem = f"{amounts.plain(amount)} at precision {precision} is not the {units_moved} of precise_amount"
            raise record.refusal("amount", f"{problem}; leave out the one that is wrong")
        booked = amount
    return _Money(booked, units_moved, precision)


def _parent(record: Record, ledger_id: str, reference: str) -> str:
    parent = record.text("parent")
    if parent == reference:
        raise record.refusal("parent", f"{shown(parent)} names the transaction itself")
    return transaction_id(ledger_id, parent) if parent else ""
