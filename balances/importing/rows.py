"""Turns records into rows for COPY, in the order of columns of ``sql/copy_*.sql``."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from balances.ground import amounts
from balances.importing import values
from balances.importing.cells import currency_of, name_of, precision_of, total_of
from balances.importing.files import Record, Source
from balances.importing.names import Names, Row
from balances.importing.openings import Openings
from balances.importing.refusing import shown
from balances.importing.report import FIRST_ROWS, FirstRow, Tally
from balances.importing.style import Style
from balances.models import new_balance_id


def transaction_id(ledger_id: str, reference: str) -> str:
    """Return the id of an imported transaction, which is derived from its reference.

    So the id of a parent is known wherever it is in the file, without a map of all references in memory.
    """
    return f"txn_{uuid.uuid5(_namespace(ledger_id), reference)}"


def entry_id(ledger_id: str, entry: str) -> str:
    """Return the parent of the legs of an entry: the id of a batch, as for the legs of a bulk request."""
    return f"bulk_{uuid.uuid5(_namespace(ledger_id), f'entry {entry}')}"


def _namespace(ledger_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(ledger_id.removeprefix("ldg_"))
    except ValueError:  # a ledger that another program named
        return uuid.uuid5(uuid.NAMESPACE_OID, ledger_id)


def balance_rows(file: Source, ledger_id: str, names: Names, openings: Openings) -> Iterator[Row]:
    """Yield a row for each balance with the stated totals, and add its names and its opening balance."""
    for record in file.records():
        indicator, balance_id = name_of(record)
        currency = currency_of(record, file.style)
        key = balance_id or new_balance_id()
        names.enter(key, indicator, currency)
        openings.add(record, indicator or key, currency, file.style)
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
    """Yield the six totals as stated; a balance that is not credit less debit is refused."""
    for prefix, optional in (("", False), ("inflight_", True)):
        credit, debit = (
            0 if optional and not record.text(column) else total_of(record, column, currency, style)
            for column in (f"{prefix}credit_balance", f"{prefix}debit_balance")
        )
        column = f"{prefix}balance"
        is_left_out = optional and not record.text(column)
        net = credit - debit if is_left_out else total_of(record, column, currency, style)
        if net != credit - debit:
            raise record.refusal(
                column, f"{net} is not {prefix}credit_balance less {prefix}debit_balance, which is {credit - debit}"
            )
        yield from (str(credit), str(debit), str(net))


def transaction_rows(file: Source, ledger_id: str, names: Names, tally: Tally) -> Iterator[tuple[Record, Row]]:
    """Yield each transaction as a record and as a row, and count it; ``names`` has the balances."""
    for record in file.records():
        reference = record.read("reference", values.key)
        currency = currency_of(record, file.style)
        effective_date = record.read("effective_date", values.instant)
        source, destination = (
            names.find(record, column, currency, effective_date) for column in ("source", "destination")
        )
        if source == destination:
            raise record.refusal("destination", "source and destination are one balance")
        money = _money(record, currency, file.style)
        tally.add(currency, money.precision, money.units)
        if len(tally.first) < FIRST_ROWS:
            tally.first.append(_first_row(record, money, currency, effective_date))
        row = (
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
        yield record, row


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
    precision = precision_of(record, currency, style)
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
    parent, entry = record.text("parent"), record.text("entry")
    if parent and entry:
        raise record.refusal("entry", f"a row has a parent or belongs to an entry; {shown(parent)} is its parent")
    if parent == reference:
        raise record.refusal("parent", f"{shown(parent)} names the transaction itself")
    if entry:
        return entry_id(ledger_id, entry)
    return transaction_id(ledger_id, parent) if parent else ""
