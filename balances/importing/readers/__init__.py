"""Readers of other formats than the CSV of imports: bank statements and plain-text journals.

Each is one function from the bytes of a file to a ``Reading``; the library that it needs is an optional extra of the
product and is imported when such a file is read. Readers yield the same records as CSV files, so cells, rows and totals
are checked in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from balances.importing.files import opened
from balances.importing.readers import beancount, camt, hledger, mt940, ofx
from balances.importing.readers.reading import Figure, How, Place, Reading, Statement
from balances.importing.refusing import ImportRefused

START_BYTES = 4096
LARGEST = 256 << 20
"""Most bytes of a file that is not CSV, because it is read at once."""


@dataclass(frozen=True)
class Format:
    """A kind of file: its name, the test for its beginning, and its reader."""

    title: str
    is_like: Callable[[bytes], bool]
    read: Callable[[Path, bytes, How], Reading]


FORMATS = {
    "camt053": Format("CAMT.053 bank statement", camt.is_like, camt.read),
    "mt940": Format("MT940 bank statement", mt940.is_like, mt940.read),
    "ofx": Format("OFX bank statement", ofx.is_like, ofx.read),
    "beancount": Format("Beancount journal", beancount.is_like, beancount.read),
    "hledger": Format("hledger or Ledger CSV", hledger.is_like, hledger.read),
}


def read(path: Path, name: str, how: How) -> Reading:
    """Read a file in the named format, or in the one that its beginning shows. Raises ``ImportRefused``."""
    with opened(path) as content:
        data = content.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ImportRefused(f"{path} is larger than {LARGEST >> 20} MB")
    if not data.strip():
        raise ImportRefused(f"{path} is empty")
    return FORMATS[name or _recognised(path, data[:START_BYTES])].read(path, data, how)


def _recognised(path: Path, start: bytes) -> str:
    found = [name for name, known in FORMATS.items() if known.is_like(start)]
    if len(found) != 1:
        raise ImportRefused(f"{path}: its beginning does not show what it is; use --format {'|'.join(FORMATS)}")
    return found[0]
