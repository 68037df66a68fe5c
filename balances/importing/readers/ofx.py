"""Reads OFX and QFX, versions 1 and 2, with ofxtools (extra ``ofx``)."""

from __future__ import annotations

import io
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from balances.importing.readers.entries import BankEntry, movement
from balances.importing.readers.reading import Digests, Figure, How, Place, Reading, Statement
from balances.importing.refusing import ImportRefused

DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def is_like(start: bytes) -> bool:
    """Return whether a file begins like OFX."""
    return b"OFXHEADER" in start or b"<OFX>" in start


def read(path: Path, data: bytes, how: How) -> Reading:
    """Return the content of the statements of a file. Raises ``ImportRefused``."""
    try:
        from ofxtools.Parser import OFXTree
    except ImportError as error:
        raise ImportRefused("OFX needs ofxtools; install the extra ofx: uv sync --extra ofx") from error
    if DOCTYPE.search(data):
        raise ImportRefused(f"{path} declares a document type, which a bank statement does not; it is not read")
    tree = OFXTree()
    try:
        tree.parse(io.BytesIO(data))
        statements = tree.convert().statements
    except Exception as error:
        problem = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImportRefused(f"{path}: this is not OFX ({problem})") from error
    reading, digests = Reading(), Digests()
    for found in statements:
        _read_statement(path, data, found, how, reading, digests)
    if not reading.statements:
        raise ImportRefused(f"{path} holds no statement of a bank account or a card")
    return reading


def _read_statement(path: Path, data: bytes, found: Any, how: How, reading: Reading, digests: Digests) -> None:
    number = getattr(found.account, "acctid", None)
    if not number or type(found).__name__ not in ("STMTRS", "CCSTMTRS"):
        reading.notes.append(f"{path}: a {type(found).__name__} is no statement of a bank account and was left out")
        return
    statement = Statement(path=path, account=how.indicator_of(str(number)))
    for transaction in found.transactions or ():
        entry = _entry(_place(path, data, str(transaction.fitid)), transaction, found.curdef, how)
        if record := movement(entry, statement, how, digests):
            reading.transactions.append(record)
    balance = found.balance
    if balance is not None:
        day = _local(balance.dtasof, how).date()
        line = _place(path, data, "<LEDGERBAL>", tag=b"").line
        statement.closings.append(Figure(line=line, amount=balance.balamt, currency=found.curdef, day=day))
    reading.statements.append(statement)


def _place(path: Path, data: bytes, fitid: str, tag: bytes = b"<FITID>") -> Place:
    """Return the place of an entry, which the library does not give."""
    found = data.find(tag + fitid.encode())
    return Place(path, data.count(b"\n", 0, max(found, 0)) + 1)


def _local(instant: datetime, how: How) -> datetime:
    """Return a time on the day that the bank meant: the library reads a bare day as midnight in UTC."""
    is_day = (instant.hour, instant.minute, instant.second) == (0, 0, 0)
    return instant if is_day else instant.astimezone(ZoneInfo(how.zone))


def _entry(place: Place, transaction: Any, currency: str, how: How) -> BankEntry:
    if transaction.currency is not None and transaction.currency.cursym != currency:
        currency = transaction.currency.cursym
    words = (transaction.name, getattr(transaction.payee, "name", None), transaction.memo)
    return BankEntry(
        place=place,
        day=_local(transaction.dtposted, how).date(),
        amount=transaction.trnamt,
        currency=currency,
        bank_id=str(transaction.fitid),
        marks=(str(transaction.trntype), str(transaction.checknum or "")),
        description=" ".join(str(word) for word in words if word),
        details={
            "type": str(transaction.trntype),
            "check_number": str(transaction.checknum or ""),
            "corrects": str(transaction.correctfitid or ""),
        },
    )
