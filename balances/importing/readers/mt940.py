"""Reads MT940, SWIFT's bank statement, with mt-940 (extra ``mt940``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from balances.importing.readers.entries import BankEntry, movement
from balances.importing.readers.reading import Digests, Figure, How, Place, Reading, Statement
from balances.importing.readers.texts import decoded
from balances.importing.refusing import ImportRefused, shown

TAG = re.compile(r"^:(20|61|60[FM]|62[FM]):", re.MULTILINE)
ENTRY, OPENINGS, CLOSINGS = "61", ("60F", "60M"), ("62F", "62M")


def is_like(start: bytes) -> bool:
    """Return whether a file begins like an MT940 statement."""
    return bool(re.search(rb"^:20:", start, re.MULTILINE) and re.search(rb"^:25P?:", start, re.MULTILINE))


def read(path: Path, data: bytes, how: How) -> Reading:
    """Return the content of the statements of a file. Raises ``ImportRefused``."""
    try:
        import mt940
    except ImportError as error:
        raise ImportRefused("MT940 needs mt-940; install the extra mt940: uv sync --extra mt940") from error
    text = decoded(path, data, how.style.encoding).replace("\r\n", "\n")
    reading, digests = Reading(), Digests()
    for line, block in _blocks(path, text):
        try:
            found = mt940.parse_statements(block, options=mt940.Options.all())
        except (ValueError, RuntimeError, ArithmeticError, KeyError, TypeError) as error:
            said = error.args[-1] if error.args else ""  # the library gives what it could not parse last
            raise Place(path, line).refusal(f"this statement is not MT940: {shown(str(said))}") from error
        _read_statement(path, line, block, found[0], how, reading, digests)
    return reading


def _blocks(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with the line on which it begins."""
    starts = [match.start() for match in TAG.finditer(text) if match[1] == "20"]
    if not starts:
        raise ImportRefused(f"{path} holds no MT940 statement: no line begins with :20:")
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text.count("\n", 0, start) + 1, text[start:end]


def _read_statement(
    path: Path, line: int, block: str, found: Any, how: How, reading: Reading, digests: Digests
) -> None:
    lines: dict[str, list[int]] = {}
    for match in TAG.finditer(block):
        lines.setdefault(match[1], []).append(line + block.count("\n", 0, match.start()))
    number = str(found.data.get("account_identification") or "").strip()
    if not number:
        raise Place(path, line).refusal("the statement names no account")
    statement = Statement(path=path, account=how.indicator_of(number))
    kinds = (("final", "60F", "62F"), ("intermediate", "60M", "62M"))
    for kind, opening, closing in kinds:
        for word, tag, figures in (
            ("opening", opening, statement.openings),
            ("closing", closing, statement.closings),
        ):
            balance = found.data.get(f"{kind}_{word}_balance")
            if balance is not None and balance.amount is not None:
                figures.append(_figure(Place(path, lines.get(tag, [line])[0]), balance))
    if not lines.keys() & {*OPENINGS, *CLOSINGS}:
        raise Place(path, line).refusal("the statement states no balances; interim reports (MT942) are not read")
    entries = lines.get(ENTRY, [])
    if len(entries) != len(found.transactions):
        raise Place(path, line).refusal(
            f"{len(entries)} lines begin with :61: and {len(found.transactions)} of them could be understood"
        )
    for number_of_line, transaction in zip(entries, found.transactions, strict=True):
        entry = _entry(Place(path, number_of_line), transaction.data)
        if record := movement(entry, statement, how, digests):
            reading.transactions.append(record)
    reading.statements.append(statement)


def _figure(place: Place, balance: Any) -> Figure:
    amount: Decimal = balance.amount.amount
    if balance.date is None or not balance.amount.currency:
        raise place.refusal("the balance has no date or no currency")
    day = date(balance.date.year, balance.date.month, balance.date.day)
    return Figure(line=place.line, amount=amount, currency=balance.amount.currency, day=day)


def _entry(place: Place, data: dict[str, Any]) -> BankEntry:
    amount, currency = data.get("amount"), data.get("currency")
    if amount is None or not currency:
        raise place.refusal("the entry has no amount or no currency")
    booked = data.get("entry_date") or data["date"]
    references = tuple(str(data.get(name) or "") for name in ("customer_reference", "bank_reference"))
    words = (data.get(name) for name in ("transaction_details", "purpose", "posting_text", "extra_details"))
    return BankEntry(
        place=place,
        day=date(booked.year, booked.month, booked.day),
        amount=amount.amount,
        currency=str(currency),
        # A bank reference has sixteen characters and need not be unique; it distinguishes entries of one day.
        marks=(str(data.get("id") or ""), *references),
        description=" ".join(str(word) for word in words if word),
        details={
            "value_date": str(data["date"]),
            "customer_reference": references[0],
            "bank_reference": references[1],
            "counterparty": str(data.get("applicant_name") or ""),
            "end_to_end_id": str(data.get("end_to_end_reference") or ""),
            "reversal": "true" if str(data.get("status") or "").upper().startswith("R") else "",
        },
    )
