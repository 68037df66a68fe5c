"""Reads the balances of movements, and writes what was decided: two statements for any number of movements.

Rows are locked in key order, so that no two writers wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from typing import Any, TypeVar

from django.conf import settings
from django.db import DataError, IntegrityError, connection
from psycopg import errors as pg

from balances.books import Book, Movement, Standing, posting_exceptions, standing_of
from balances.events import publishing
from balances.ground import LOCK_WAIT, Statement, adoption, dumps, exceptions, pipelined, refused_when_locked
from balances.models import Transaction, new_balance_id
from balances.recording import beside

LOCK_BALANCES = Statement.beside(__file__, "lock_balances.sql", hot=True)
READ_BALANCES = Statement.beside(__file__, "read_balances.sql", hot=True)
QUEUED_DEBITS = Statement.beside(__file__, "queued_debits.sql", hot=True)
OPEN_INDICATORS = Statement.beside(__file__, "open_indicators.sql")
RECORD_MOVEMENTS = Statement.beside(__file__, "record_movements.sql", hot=True)
ATTEMPTS = 3
"""Attempts at work that the database ended in a deadlock, or whose reference was taken meanwhile."""
COLUMNS = tuple(field for field in Transaction._meta.concrete_fields if field.column != "meta_data")
UNIQUE_REFERENCE = {"unique_reference", "idx_transactions_reference_unique"}
"""What keeps references unique: in our own tables, and in Blnk's."""
Result = TypeVar("Result")
Name = tuple[str, str]
"""An indicator and a currency."""


class MissingIndicators(Exception):
    """Indicators are used for the first time, so their balances must be created before any row is locked."""

    def __init__(self, names: Iterable[Name]) -> None:
        """Keep the names."""
        self.names = set(names)
        super().__init__(str(self.names))


def in_one_commit(work: Callable[[], Result], *, lock_wait: str = LOCK_WAIT) -> Result:
    """Run work in an atomic block, and again where the database ended a deadlock or a reference was just taken.

    Work that writes to new indicators is rolled back and repeated in a block that creates their balances first. So a
    refusal leaves no balance behind, and a writer that waits for another to create the same one holds no other lock.
    ``lock_wait`` limits that wait.
    """
    attempts = 1 if connection.in_atomic_block else ATTEMPTS  # a deadlock undoes the whole of a caller's block
    for _ in range(attempts - 1):
        with suppress(exceptions.Deadlocked, ReferenceJustTaken):
            return _attempt(work, lock_wait)
    try:
        return _attempt(work, lock_wait)
    except ReferenceJustTaken as error:
        raise posting_exceptions.DuplicateReference(error.reference) from error


def _attempt(work: Callable[[], Result], lock_wait: str) -> Result:
    if connection.in_atomic_block or adoption() is None:
        return _in_block(work, lock_wait)
    return beside.until_free(lambda: _in_block(work, lock_wait), lock_wait)


class Aborted(Exception):
    """Abort without writing; subclasses carry the reason."""


class ReferenceJustTaken(Exception):
    """Another writer took a reference between the check and the insert."""

    def __init__(self, reference: str) -> None:
        """Name the reference."""
        self.reference = reference
        super().__init__(reference)


@contextmanager
def _known_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if takes_reference(error):
            raise ReferenceJustTaken(_taken(error)) from error
        raise
    except DataError as error:
        if exceptions.TOO_LONG in str(error):
            raise exceptions.NoRoomToNotify from error
        raise


def _in_block(work: Callable[[], Result], lock_wait: str) -> Result:
    names: set[Name] = set()
    while True:
        try:
            with _known_errors(), refused_when_locked(), pipelined():
                if names:
                    _open(sorted(names), lock_wait)
                return work()
        except MissingIndicators as missing:
            names = names | missing.names


def _open(names: Sequence[Name], lock_wait: str) -> None:
    opened = OPEN_INDICATORS.rows(
        balance_ids=[new_balance_id() for _ in names],
        indicators=[indicator for indicator, _ in names],
        currencies=[currency for _, currency in names],
        lock_wait=beside.limited(lock_wait),
    )
    publishing.publish_opened([row["balance_id"] for row in opened])


def lock(
    movements: Sequence[Movement],
    *,
    others: Iterable[str] = (),
    names: Iterable[Name] = (),
    outcomes: bool = False,
    lock_wait: str = "",
) -> Book:
    """Lock the balances of movements, and others by id or name, and return the book in which to decide them.

    Indicators without a balance have a virtual one in the book. ``outcomes`` says that the movements are outcomes of
    queued rows, which may take the references reserved for them. Must run within ``in_one_commit``. Raises
    ``BalanceLocked`` where another writer holds a lock for too long.
    """
    wait = beside.limited(lock_wait or LOCK_WAIT)
    return _book(LOCK_BALANCES, movements, others, names, outcomes=outcomes, lock_wait=wait)


def look(
    movements: Sequence[Movement], *, others: Iterable[str] = (), outcomes: bool = False, lock_wait: str = LOCK_WAIT
) -> Book:
    """Return the book of the current balances of movements, without locking them; otherwise as ``lock``."""
    return _book(READ_BALANCES, movements, others, outcomes=outcomes, lock_wait=beside.limited(lock_wait))


def _book(
    statement: Statement,
    movements: Sequence[Movement],
    others: Iterable[str],
    more_names: Iterable[Name] = (),
    *,
    outcomes: bool = False,
    **options: str,
) -> Book:
    names = {name for movement in movements for name in movement.indicators} | set(more_names)
    ids = {side for movement in movements for side in (movement.source, movement.destination)} | set(others)
    taken = {reference for movement in movements for reference in movement.references}
    rows = statement.rows(
        balance_ids=sorted(name for name in ids if not name.startswith("@")),
        indicators=[indicator for indicator, _ in names],
        currencies=[currency for _, currency in names],
        refs=list(taken),
        queued_refs=[] if outcomes else [each.removesuffix("_q") for each in taken if each.endswith("_q")],
        **options,
    )
    balances = [row for row in rows if row["balance_id"] is not None]
    named = {(row["indicator"], row["currency"]): row["balance_id"] for row in balances if row["indicator"]}
    if missing := set(more_names) - named.keys():
        raise MissingIndicators(missing)
    book = Book(map(standing_of, balances), named, {row["used"] for row in rows if row["used"] is not None})
    # The queue decides in order: entries before an outcome are decided already, and those after it do not count.
    if settings.BLNK_TRANSACTION_ENABLE_QUEUED_CHECKS and not outcomes:
        for row in QUEUED_DEBITS.rows(balance_ids=list(book.standings)):
            book.standings[row["balance_id"]].queued_debit = int(row["queued_debit"])
    for name in names - named.keys():
        book.imagine(*name)
    return book


def write(rows: Sequence[Transaction], book: Book) -> None:
    """Record rows and move totals as the book decided. From here on, only the database itself can refuse.

    Raises ``MissingIndicators``, with nothing written, where a row names a balance that is still virtual.
    """
    if missing := book.virtual_names(rows):
        raise MissingIndicators(missing)
    RECORD_MOVEMENTS.execute(**recording(rows, book.moved()))


def recording(rows: Sequence[Transaction], moved: Sequence[Standing]) -> dict[str, list[Any]]:
    """Return the parameters of ``record_movements.sql``."""
    return {field.column: list(map(attrgetter(field.attname), rows)) for field in COLUMNS} | {
        "meta_data": [dumps(row.meta_data) for row in rows],
        "balance_ids": [standing.balance_id for standing in moved],
        "credits": [standing.credited for standing in moved],
        "debits": [standing.debited for standing in moved],
        "inflight_credits": [standing.inflight_credited for standing in moved],
        "inflight_debits": [standing.inflight_debited for standing in moved],
    }


def takes_reference(error: IntegrityError) -> bool:
    """Return whether a row was refused because another one has its reference."""
    return constraint(error) in UNIQUE_REFERENCE


def constraint(error: IntegrityError) -> str | None:
    """Return the name of the violated constraint."""
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, pg.Error) else None


def _taken(error: IntegrityError) -> str:
    """Return the taken reference from the server's ``Key (reference)=(…) already exists``."""
    cause = error.__cause__
    detail = (cause.diag.message_detail or "") if isinstance(cause, pg.Error) else ""
    return detail.partition("=(")[2].rpartition(") ")[0]
