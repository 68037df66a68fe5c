"""The refusal of an import, the way it quotes a file, and the causes that it can name."""

from __future__ import annotations

import re
from collections.abc import Collection

from balances.ground import LedgerError

DELIMITERS = {";": "';'", "\t": "a tab", "|": "'|'", ",": "','"}
COMMA_DECIMALS = re.compile(r"[-+]?[0-9]{1,3}([. ][0-9]{3})*,[0-9]+|[-+]?[0-9]+,[0-9]+")
POINT_DECIMALS = re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})*\.[0-9]+|[-+]?[0-9]+\.[0-9]+")
POINT_GROUPS = re.compile(r"[-+]?[0-9]{1,3}(\.[0-9]{3}){2,}")
COMMA_GROUPS = re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})+")
SPACED_GROUPS = re.compile(r"[-+]?[0-9]{1,3}([ \u00a0\u2009\u202f'\u2019][0-9]{3})+([.,][0-9]+)?")
DAY_FIRST = re.compile(r"[0-9]{1,2}([./-])[0-9]{1,2}[./-]([0-9]{4}|[0-9]{2})")
OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel or zip file; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file; save it as CSV"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
)


class ImportRefused(LedgerError):
    """The files cannot be imported."""


def shown(value: str) -> str:
    """Return a value of the file for a message: quoted, control characters escaped, cut after 40 characters."""
    return repr(value) if len(value) <= 40 else repr(value[:40]) + "…"


def of_header(names: Collection[str], delimiter: str, known: Collection[str]) -> str:
    """Return the likely cause of unknown names in a header, as the end of a sentence, or an empty text."""
    first = next(iter(names), "")
    if first.startswith("sep="):
        return f"; a line for Excel? use --skip-lines 1 --delimiter {shown(first[4:5] or delimiter)}"
    for other, words in DELIMITERS.items():
        if other != delimiter and other in first and (len(names) == 1 or set(first.split(other)) & set(known)):
            return f"; separated by {words}? use --delimiter {words if other != chr(9) else 'tab'}"
    return ""


def of_bytes(byte: int, encoding: str) -> str:
    """Return which encoding a byte suggests that is not the file's, as the end of a sentence."""
    if byte in (0x00, 0xFE, 0xFF):
        return "; is this UTF-16? use --encoding utf-16"
    return "; is this Windows-1252? use --encoding cp1252" if encoding.startswith("utf-8") else ""


def of_content(start: bytes) -> str:
    """Return what a file seems to be that is no CSV, as the end of a sentence; or nothing."""
    return next((f"; this looks like {words}" for magic, words in OTHER_FORMATS if start.startswith(magic)), "")


def of_number(cell: str) -> str:
    """Return how a number seems to be written, as the end of a sentence; or nothing."""
    if COMMA_DECIMALS.fullmatch(cell) and not COMMA_GROUPS.fullmatch(cell):
        grouped = re.search(r"[. ]", cell)
        return f"; decimal comma? use --decimal ,{f' --thousands {shown(grouped[0])}' if grouped else ''}"
    if POINT_GROUPS.fullmatch(cell):
        return "; thousands separated by '.'? use --decimal , --thousands ."
    if COMMA_GROUPS.fullmatch(cell) or (POINT_DECIMALS.fullmatch(cell) and "," in cell):
        return "; thousands separated by ','? use --thousands ,"
    if found := SPACED_GROUPS.fullmatch(cell):
        mark = "' '" if found[1][0] not in "'\u2019" else '"\'"'
        return f"; thousands separated by {shown(found[1][0])}? use --thousands {mark}"
    return ""


def of_minor_units(cell: str) -> str:
    """Return how a number that should be minor units seems to be written, as the end of a sentence; or nothing."""
    if POINT_DECIMALS.fullmatch(cell) and "," not in cell:
        return "; major units? use --units major"
    return of_number(cell)


def of_instant(cell: str) -> str:
    """Return which form a time seems to have, as the end of a sentence; or nothing."""
    found = DAY_FIRST.fullmatch(cell)
    if not found:
        return ""
    mark, year = found[1], "%Y" if len(found[2]) == 4 else "%y"
    day_first = f"%d{mark}%m{mark}{year}"
    if mark == ".":
        return f"; day first? use --date-format {day_first}"
    return f"; use --date-format {day_first} where the day comes first, or %m{mark}%d{mark}{year}"
