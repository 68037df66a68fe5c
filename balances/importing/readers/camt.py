"""Reads CAMT.053, the ISO 20022 bank statement in XML, in all its versions, with lxml (extra ``camt``)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from balances.importing.readers.entries import BankEntry, movement
from balances.importing.readers.reading import Digests, Figure, How, Place, Reading, Statement
from balances.importing.refusing import ImportRefused, shown

OPENINGS, CLOSING = ("OPBD", "PRCD"), "CLBD"
BOOKED = "BOOK"
CREDIT, DEBIT = "CRDT", "DBIT"


def is_like(start: bytes) -> bool:
    """Return whether a file begins like a CAMT statement."""
    return b"camt.05" in start or b"BkToCstmr" in start


def read(path: Path, data: bytes, how: How) -> Reading:
    """Return the content of the statements of a file. Raises ``ImportRefused``."""
    root = _root(path, data)
    statements = list(root.iterfind("{*}BkToCstmrStmt/{*}Stmt"))
    if not statements:
        kind = next((_local(child) for child in root if isinstance(child.tag, str)), "nothing")
        raise ImportRefused(f"{path} holds no camt.053 statement but {kind}")
    reading, digests = Reading(), Digests()
    for element in statements:
        _read_statement(path, element, how, reading, digests)
    return reading


def _root(path: Path, data: bytes) -> Any:
    """Return the root of a document that names no entities and no other documents."""
    try:
        from lxml import etree
    except ImportError as error:
        raise ImportRefused("CAMT.053 needs lxml; install the extra camt: uv sync --extra camt") from error
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ImportRefused(f"{path}, line {error.lineno}: this is not XML ({error.msg})") from error
    if root.getroottree().docinfo.doctype:
        raise ImportRefused(f"{path} declares a document type, which a bank statement does not; it is not read")
    return root


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(element: Any, path: str) -> str:
    """Return the text at a path of local names, empty where there is none."""
    found = element.find("/".join(f"{{*}}{name}" for name in path.split("/")))
    return "" if found is None else (found.text or "").strip()


def _place(path: Path, element: Any) -> Place:
    return Place(path, element.sourceline or 0)


def _read_statement(path: Path, element: Any, how: How, reading: Reading, digests: Digests) -> None:
    number = _text(element, "Acct/Id/IBAN") or _text(element, "Acct/Id/Othr/Id")
    if not number:
        raise _place(path, element).refusal("the statement names no account")
    statement = Statement(path=path, account=how.indicator_of(number))
    kinds = {_text(balance, "Tp/CdOrPrtry/Cd"): balance for balance in element.iterfind("{*}Bal")}
    opening = next((kind for kind in OPENINGS if kind in kinds), "")
    for balance in element.iterfind("{*}Bal"):
        kind = _text(balance, "Tp/CdOrPrtry/Cd")
        if kind in (opening, CLOSING) and kind:
            figures = statement.closings if kind == CLOSING else statement.openings
            figures.append(_figure(path, balance))
    left_out = 0
    for entry in element.iterfind("{*}Ntry"):
        if (_text(entry, "Sts/Cd") or _text(entry, "Sts") or BOOKED) != BOOKED:
            left_out += 1
            continue
        if record := movement(_entry(path, entry), statement, how, digests):
            reading.transactions.append(record)
    if left_out:
        left = f"{left_out:,} entries of {statement.account} are not booked yet and were left out"
        reading.notes.append(f"{path}: {left}")
    reading.statements.append(statement)


def _signed(path: Path, element: Any) -> tuple[Decimal, str]:
    """Return amount and currency; the mark gives the direction of the money, also for a reversal."""
    place, amount = _place(path, element), element.find("{*}Amt")
    if amount is None:
        raise place.refusal("the amount is missing")
    mark, currency = _text(element, "CdtDbtInd"), amount.get("Ccy") or ""
    if mark not in (CREDIT, DEBIT):
        raise place.refusal(f"{shown(mark)} is neither CRDT nor DBIT")
    if not currency:
        raise _place(path, amount).refusal("the amount has no currency")
    number = _place(path, amount).number((amount.text or "").strip())
    return (number if mark == CREDIT else number.copy_negate()), currency


def _day(path: Path, element: Any, *names: str) -> date:
    for name in names:
        text = _text(element, f"{name}/Dt") or _text(element, f"{name}/DtTm")
        if text:
            try:
                return date.fromisoformat(text[:10])
            except ValueError as error:
                raise _place(path, element).refusal(f"{shown(text)} is not a date") from error
    raise _place(path, element).refusal("the date is missing")


def _figure(path: Path, balance: Any) -> Figure:
    amount, currency = _signed(path, balance)
    return Figure(line=balance.sourceline or 0, amount=amount, currency=currency, day=_day(path, balance, "Dt"))


def _entry(path: Path, element: Any) -> BankEntry:
    amount, currency = _signed(path, element)
    details = list(element.iterfind("{*}NtryDtls/{*}TxDtls"))
    only = details[0] if len(details) == 1 else None
    ids = (_text(element, "AcctSvcrRef"), "" if only is None else _text(only, "Refs/AcctSvcrRef"))
    return BankEntry(
        place=_place(path, element),
        day=_day(path, element, "BookgDt", "ValDt"),
        amount=amount,
        currency=currency,
        bank_id=next((each for each in ids if each), ""),
        marks=("" if only is None else _text(only, "Refs/EndToEndId"),),
        description=" ".join(_words(element, details)),
        details={
            "value_date": (_text(element, "ValDt/Dt") or _text(element, "ValDt/DtTm"))[:10],
            "end_to_end_id": "" if only is None else _text(only, "Refs/EndToEndId"),
            "counterparty": "" if only is None else _counterparty(only, is_credit=amount > 0),
            "reversal": "true" if _text(element, "RvslInd") == "true" else "",
            "batch": str(len(details)) if len(details) > 1 else "",
        },
    )


def _words(element: Any, details: list[Any]) -> Iterator[str]:
    if text := _text(element, "AddtlNtryInf"):
        yield text
    for detail in details[:1] if len(details) == 1 else ():
        yield from ((line.text or "").strip() for line in detail.iterfind("{*}RmtInf/{*}Ustrd"))


def _counterparty(detail: Any, *, is_credit: bool) -> str:
    side = "Dbtr" if is_credit else "Cdtr"
    return _text(detail, f"RltdPties/{side}/Nm") or _text(detail, f"RltdPties/{side}/Pty/Nm")
