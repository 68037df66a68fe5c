"""Parses cells. Each function returns the value or raises ``ValueError`` with the problem in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from balances.ground import MAX_DIGITS, amounts, dumps, loads, lookalikes
from balances.importing.refusing import shown
from balances.models import RUN_FLAG, RUN_VALUE, Transaction

WHOLE = re.compile(r"-?[0-9]+")
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
THREE_DECIMALS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
"""An ambiguous amount, whose point may separate thousands."""
INDICATOR = re.compile(r"@\S+")
BALANCE_ID = re.compile(r"bln_[0-9a-z-]+")
"""Characters that are safe in every URL."""
STATUSES = frozenset(Transaction.Status.values)
MAX_PRECISION = 2**63 - 1
"""The column is a bigint."""


def given(cell: str) -> str:
    """Return a text that is not blank."""
    if not cell.strip():
        raise ValueError("the value is missing")
    return cell


def key(cell: str) -> str:
    """Return a text that serves as a key, without invisible characters."""
    if why := lookalikes.problem(given(cell)):
        raise ValueError(f"{shown(cell)} {why}")
    return cell


def whole(cell: str) -> int:
    """Return minor units: only digits, with an optional minus before them."""
    if not WHOLE.fullmatch(given(cell)):
        raise ValueError(f"{shown(cell)} is not a whole number of minor units")
    return int(_limited(cell))


def units_moved(cell: str) -> int | None:
    """Return the minor units that a transaction moves, not negative; ``None`` where the cell is empty."""
    if not cell:
        return None
    if (units := whole(cell)) < 0:
        raise ValueError(f"{shown(cell)} is negative; swap source and destination instead")
    return units


def major_amount(cell: str, precision: int) -> Decimal | None:
    """Return an amount of major units, such as ``12.50``, not negative; ``None`` where the cell is empty.

    It is a whole number of minor units, of which ``precision`` make a major one. ``1.000`` is refused where that has
    fewer than three decimals: it may be a thousand.
    """
    if not cell:
        return None
    if not DECIMAL.fullmatch(cell):
        raise ValueError(f"{shown(cell)} is not a decimal amount such as 12.50")
    amount = Decimal(_limited(cell))
    is_ambiguous = bool(precision % 1000 and THREE_DECIMALS.fullmatch(cell))
    thousands = f"if its point separates thousands, write {cell.replace('.', '')}"
    try:
        amounts.whole_units(amount, precision)
    except ValueError as error:
        raise ValueError(f"{error}; {thousands}" if is_ambiguous else str(error)) from error
    if is_ambiguous:
        raise ValueError(
            f"{shown(cell)} has more decimals than precision {precision}: write {amounts.plain(amount)} or, {thousands}"
        )
    return amount


def amount_in_minor_units(cell: str, precision: int) -> int:
    """Return major units, not negative, converted to minor units exactly."""
    amount = major_amount(given(cell), precision)
    return amounts.whole_units(amount or Decimal(0), precision)


def total_in_minor_units(cell: str, precision: int) -> int:
    """Return major units, with an optional minus before them, converted to minor units exactly."""
    units = amount_in_minor_units(cell.removeprefix("-"), precision)
    return -units if cell.startswith("-") else units


def precision(cell: str) -> int:
    """Return the minor units in a major one."""
    if not WHOLE.fullmatch(given(cell)) or not 1 <= int(_limited(cell)) <= MAX_PRECISION:
        raise ValueError(f"{shown(cell)} is not a count of minor units in a major one, such as 100")
    return int(cell)


@lru_cache(maxsize=4096)
def instant(cell: str) -> str:
    """Return an instant in UTC, in ISO 8601; a time without a zone is refused."""
    try:
        read = datetime.fromisoformat(given(cell))
        if read.tzinfo is not None:
            return read.astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        if not cell.strip():
            raise
        raise ValueError(f"{shown(cell)} is not a time such as 2024-01-31T09:30:00Z") from error
    raise ValueError(f"{shown(cell)} has no time zone; for UTC write {shown(f'{read.isoformat()}Z')}")


def indicator(cell: str) -> str | None:
    """Return an indicator; ``None`` where the cell is empty."""
    if cell and not INDICATOR.fullmatch(cell):
        raise ValueError(
            f"{shown(cell)} does not start with '@' or has spaces; "
            "a balance without indicator is named in the column balance_id"
        )
    return key(cell) if cell else None


def new_indicator(cell: str) -> str:
    """Return the name of a new balance, which must be an indicator."""
    if not INDICATOR.fullmatch(cell):
        raise ValueError(f"{shown(cell)} is no balance of this ledger, and a new one needs an indicator such as @world")
    return key(cell)


def balance_id(cell: str) -> str | None:
    """Return a balance id; ``None`` where the cell is empty."""
    if cell and not BALANCE_ID.fullmatch(cell):
        raise ValueError(f"{shown(cell)} is not a balance id: 'bln_', then lower-case letters, digits and hyphens")
    return cell or None


def status(cell: str) -> str:
    """Return one of the six statuses, ``APPLIED`` where the cell is empty."""
    if cell and cell not in STATUSES:
        raise ValueError(f"{shown(cell)} is not a status: {', '.join(Transaction.Status.values)}")
    return cell or "APPLIED"


def metadata(cell: str) -> str | None:
    """Return the text of a JSON object; ``None`` where the cell is empty."""
    if not cell:
        return None
    try:
        value = loads(cell)
        dumps(value).encode()  # half a surrogate pair is JSON and no text
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{shown(cell)} is not JSON") from error
    if isinstance(value, dict):
        return cell
    raise ValueError(f"{shown(cell)} is not a JSON object")


def balance_metadata(cell: str) -> str | None:
    """Return metadata without the flag that requests a reconstruction, which must not be stored."""
    text = metadata(cell)
    if text is None or RUN_FLAG not in (value := loads(text)) or value[RUN_FLAG] != RUN_VALUE:
        return text
    del value[RUN_FLAG]
    return dumps(value)


def _limited(digits: str) -> str:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"{shown(digits)} has more than {MAX_DIGITS} digits")
    return digits
