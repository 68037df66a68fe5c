"""Turns records of the two files into rows for COPY, in the order of columns of ``sql/copy_*.sql``."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from balances import amounts
from balances.importing import values
from balances.importing.files import Columns, CsvFile, Record, shown
from balances.models import new_balance_id

BALANCE_COLUMNS = Columns(
    required=("currency", "credit_balance", "debit_balance", "balance", "created_at"),
    either=("indicator", "balance_id"),
    optional=("inflight_credit_balance", "inflight_debit_balance", "inflight_balance", "meta_data"),
)
TRANSACTION_COLUMNS = Columns(
    required=("reference", "source", "destination", "precision", "currency", "effective_date", "description"),
    either=("precise_amount", "amount"),
    optional=("status", "parent", "created_at", "meta_data"),
)
Row = tuple[str | None, ...]
Names = dict[tuple[str, str], str]
"""The balance that a name, indicator or id, means in a currency."""


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
        currency = record.read("currency", values.given)
        key = balance_id or new_balance_id()
        names[key, currency] = key
        if indicator:
            names[indicator, currency] = key
        yield (
            key,
            ledger_id,
            indicator,
            currency,
            *_totals(record),
            "1",
            record.read("created_at", values.instant),
            record.read("meta_data", values.balance_metadata) or "null",
            "false",
            "FIFO",
        )


def _totals(record: Record) -> Iterator[str]:
    """Yield the six totals as the file says them; a net that is not its credits less its debits is refused."""
    for prefix, optional in (("", False), ("inflight_", True)):
        credit, debit = (
            0 if optional and not record.text(column) else record.read(column, values.whole)
            for column in (f"{prefix}credit_balance", f"{prefix}debit_balance")
        )
        column = f"{prefix}balance"
        net = credit - debit if optional and not record.text(column) else record.read(column, values.whole)
        if net != credit - debit:
            raise record.refusal(
                column, f"{net} is not {prefix}credit_balance less {prefix}debit_balance, which is {credit - debit}"
            )
        yield from (str(credit), str(debit), str(net))


def transaction_rows(file: CsvFile, ledger_id: str, names: Names) -> Iterator[Row]:
    """Yield a row for each transaction; ``names`` knows the balances."""
    for record in file.records():
        reference = record.read("reference", values.given)
        currency = record.read("currency", values.given)
        source, destination = (_balance(record, column, currency, names) for column in ("source", "destination"))
        if source == destination:
            raise record.refusal("destination", "source and destination are one balance")
        money = _money(record)
        effective_date = record.read("effective_date", values.instant)
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


class _Money(NamedTuple):
    amount: Decimal
    """Major units."""
    units: int | None
    """Minor units; legacy rows have none."""
    precision: int
    """Minor units in a major one."""


def _money(record: Record) -> _Money:
    precision = record.read("precision", values.precision)
    units = record.read("precise_amount", values.units_moved)
    amount = record.read("amount", partial(values.major_amount, precision=precision))
    if amount is None:
        if units is None:
            raise record.refusal(
                "precise_amount" if "precise_amount" in record.cells else "amount", "the value is missing"
            )
        return _Money(amounts.major_units(units, precision), units, precision)
    booked = amounts.booked(amount, precision)
    if units is not None and units != amounts.whole_units(booked, precision):
        if amount != amounts.major_units(units, precision):  # which has 16 decimals at most
            problem = f"{amounts.plain(amount)} at precision {precision} is not the {units} of precise_amount"
            raise record.refusal("amount", f"{problem}; leave out the one that is wrong")
        booked = amount
    return _Money(booked, units, precision)


def _parent(record: Record, ledger_id: str, reference: str) -> str:
    parent = record.text("parent")
    if parent == reference:
        raise record.refusal("parent", f"{shown(parent)} names the transaction itself")
    return transaction_id(ledger_id, parent) if parent else ""
