"""Whether rows of the default database come from Blnk, adopted or imported, and what may be done with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection
from psycopg import errors as pg

from balances.ground.exceptions import TOO_LONG, LedgerError, NoRoomToNotify

SCHEMA = "backoffice"
"""The schema of an adopted database that has all that is ours."""


class Mode(StrEnum):
    """What may be done to the tables of an adopted database; each mode allows what those before it do."""

    OBSERVE = "observe"
    REPAIR = "repair"
    SERVE = "serve"

    @property
    def in_words(self) -> str:
        """Return what it allows, as a clause."""
        return IN_WORDS[self]

    def allows(self, wanted: Mode) -> bool:
        """Return whether what needs another mode may be done in this one."""
        order = list(Mode)
        return order.index(wanted) <= order.index(self)


IN_WORDS = {
    Mode.OBSERVE: "Blnk's tables are read, and nothing is ever written to them",
    Mode.REPAIR: "totals of balances are corrected, and nothing else of Blnk's is written",
    Mode.SERVE: "transactions are posted here as well",
}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Rows that Blnk wrote: of which generation, and what has to be known to measure and to judge them."""

    schema: str
    generation: str
    has_rates: bool
    """Whether transactions have a column ``rate``: credits are then amounts times rate."""
    silent_until: datetime | None
    """Until when Blnk let settlements have no effect without a word; ``None`` where it never did."""
    rates_gone_at: datetime | None
    """When the column ``rate`` was dropped; ``None`` where it is there, or never was."""


@dataclass(frozen=True, kw_only=True)
class Adoption(Provenance):
    """A database of Blnk's that was adopted: where its tables are, and how far we may go."""

    mode: Mode


class ModeForbids(LedgerError):
    """The mode in which the database was adopted does not allow this."""

    code = "GEN_CONFLICT"

    def __init__(self, mode: Mode) -> None:
        """Name the mode and say what it allows."""
        super().__init__(
            f"This is the database of a Blnk, adopted in mode {mode}: {mode.in_words}. This was not done, and nothing "
            "was changed."
        )


class RightsMissing(LedgerError):
    """The role lacks a right on Blnk's tables that it had, or was thought to have."""

    code = "GEN_CONFLICT"

    def __init__(self, said: str) -> None:
        """Repeat what the database said, and name what shows the rights."""
        super().__init__(
            f"The database refused this: {' '.join(said.split())}. “manage.py adopt --mode serve” shows the rights "
            "that the role lacks. Nothing was changed."
        )


class LeftToBlnk(LedgerError):
    """Something that only the tables of our own are for."""

    code = "GEN_CONFLICT"

    def __init__(self) -> None:
        """Say whose database this is."""
        super().__init__(
            "This is the database of a Blnk, which does this by itself, or into which it would not fit: it works on "
            "tables of our own alone. Nothing was changed."
        )


def adoption() -> Adoption | None:
    """Return how the default database was adopted, or ``None`` where its tables are our own."""
    found: Adoption | None = connection.adoption  # type: ignore[attr-defined]  # of ledgerproj.postgresql
    return found


def provenance() -> Provenance | None:
    """Return what is known of rows that Blnk wrote, adopted or imported, or ``None`` where all rows are our own."""
    found: Provenance | None = connection.provenance  # type: ignore[attr-defined]  # of ledgerproj.postgresql
    return found


def may(wanted: Mode) -> bool:
    """Return whether what needs a mode may be done: always, where the tables are our own."""
    found = adoption()
    return found is None or found.mode.allows(wanted)


def require_mode(wanted: Mode) -> None:
    """Raise ``ModeForbids`` where what needs a mode may not be done."""
    found = adoption()
    if found is not None and not found.mode.allows(wanted):
        raise ModeForbids(found.mode)


def require_own_tables() -> None:
    """Raise ``ModeForbids`` or ``LeftToBlnk`` where the tables are those of an adopted Blnk."""
    require_mode(Mode.SERVE)
    if adoption() is not None:
        raise LeftToBlnk


def forbidden(error: BaseException) -> LedgerError | None:
    """Return the refusal for an error with which an adopted database refused to be written; else ``None``."""
    if isinstance(error.__cause__, pg.InvalidParameterValue) and TOO_LONG in str(error):
        return NoRoomToNotify()
    refusal = next((each for each in (error, error.__cause__) if isinstance(each, pg.InsufficientPrivilege)), None)
    found = adoption() if refusal else None
    if found is None:
        return None
    return RightsMissing(str(refusal)) if found.mode is Mode.SERVE else ModeForbids(found.mode)
