"""The one writer of ledgers, balances and transactions (architecture D6), beside the bulk loads.

Those are ``importing`` and ``generating``.

Every function refuses first, with a ``LedgerError`` and nothing written, then writes in one atomic block.
Rows are locked in key order, so that no two writers wait for each other.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction
from psycopg import errors as pg

from balances import amounts, exceptions, identity_exceptions
from balances.exact_json import dumps
from balances.holders import Identity
from balances.hooks.announcing import announced
from balances.locks import LOCK_WAIT, atomic_with_lock_limit, refused_when_locked
from balances.models import GENERAL_LEDGER_ID, TOTALS, Balance, Ledger, Transaction, now
from balances.statements import SQL, Statement

BEGIN_POSTING = Statement(SQL / "begin_posting.sql")
LOCK_FOR_POSTING = Statement(SQL / "lock_for_posting.sql")
APPLY_POSTING = Statement(SQL / "apply_posting.sql")
RESTATE = Statement(SQL / "restate.sql")
MERGE_TRANSACTION_METADATA = Statement(SQL / "merge_transaction_metadata.sql")
ATTEMPTS = 3
"""How often a posting is tried that the database chose to end a deadlock, such as one with an import."""


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One movement to be applied at once. Exactly one of ``amount`` (major) and ``precise_amount`` (minor units).

    ``source`` and ``destination`` are balance ids or ``@indicators``; ``precision`` is minor units in a major one.
    """

    source: str
    destination: str
    currency: str
    reference: str
    description: str
    amount: Decimal | None = None
    precise_amount: int | None = None
    precision: int = 1
    allow_overdraft: bool = False
    overdraft_limit: Decimal = Decimal(0)
    atomic: bool = False
    effective_date: datetime | None = None
    scheduled_for: datetime | None = None
    meta_data: dict[str, Any] = field(default_factory=dict)

    @property
    def minor_units(self) -> int:
        """Return what moves, in minor units; a ``precise_amount`` of zero or less counts as absent."""
        if self.precise_amount is not None and self.precise_amount > 0:
            return self.precise_amount
        return amounts.minor_units(self.amount or Decimal(0), self.precision)

    @property
    def major_units(self) -> Decimal:
        """Return what moves, in major units."""
        if self.precise_amount is not None and self.precise_amount > 0:
            return amounts.major_units(self.precise_amount, self.precision)
        return self.amount or Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Differences to be added to the six totals of one balance, and the result to be left in its metadata."""

    balance_id: str
    credit_balance: int = 0
    debit_balance: int = 0
    balance: int = 0
    inflight_credit_balance: int = 0
    inflight_debit_balance: int = 0
    inflight_balance: int = 0
    result: dict[str, str]


@announced
def open_ledger(*, name: str, meta_data: dict[str, Any] | None = None) -> Ledger:
    """Create a ledger. Names need not be unique."""
    return Ledger.objects.create(name=name, meta_data=meta_data)


@announced
def rename_ledger(*, ledger_id: str, name: str) -> Ledger:
    """Give a ledger another name. Raises ``LedgerNotFound``."""
    if not Ledger.objects.filter(ledger_id=ledger_id).update(name=name):
        raise exceptions.LedgerNotFound
    return Ledger.objects.get(ledger_id=ledger_id)


@announced
def open_balance(
    *,
    ledger_id: str,
    currency: str,
    indicator: str | None = None,
    identity_id: str | None = None,
    allocation_strategy: str = "FIFO",
    meta_data: dict[str, Any] | None = None,
) -> Balance:
    """Create a balance with zero totals. Raises ``UnknownLedger``, ``UnknownIdentity`` or ``IndicatorTaken``."""
    if not Ledger.objects.filter(ledger_id=ledger_id).exists():
        raise exceptions.UnknownLedger
    balance = Balance(
        ledger_id=ledger_id,
        currency=currency,
        indicator=indicator,
        identity_id=identity_id,
        allocation_strategy=allocation_strategy,
        meta_data=meta_data,
    )
    try:
        with transaction.atomic():
            if identity_id and Identity.objects.locked(identity_id).first() is None:
                raise identity_exceptions.UnknownIdentity
            balance.save(force_insert=True)
    except IntegrityError as error:
        if _constraint(error) == "unique_indicator_currency":
            raise exceptions.IndicatorTaken(
                f"Balance already exists for indicator '{indicator}' and '{currency}'"
            ) from error
        raise
    return balance


def post_transaction(posting: Posting) -> Transaction:
    """Apply one movement: both balances and the row in one commit (transactions 3.5, 10).

    Raises ``DuplicateReference``, ``UnknownPostingBalance``, ``SameBalance``, ``NonPositiveAmount``,
    ``InsufficientFunds``, ``OverdraftLimitExceeded`` or ``BalanceLocked``, with nothing written.
    """
    attempts = 1 if connection.in_atomic_block else ATTEMPTS  # a deadlock undoes the whole of a caller's block
    for _ in range(attempts - 1):
        with suppress(exceptions.Deadlocked):
            return _post_once(posting)
    return _post_once(posting)


def _post_once(posting: Posting) -> Transaction:
    try:
        with refused_when_locked(), transaction.atomic():
            return _apply(posting)
    except IntegrityError as error:
        if _constraint(error) == "unique_reference":  # another posting took it between our check and our insert
            raise exceptions.DuplicateReference(posting.reference) from error
        raise


def _apply(posting: Posting) -> Transaction:
    if BEGIN_POSTING.rows(reference=posting.reference, lock_wait=LOCK_WAIT)[0]["used"]:
        raise exceptions.DuplicateReference(posting.reference)
    source_id, destination_id = _resolve(posting)
    locked = LOCK_FOR_POSTING.rows(balance_ids=[source_id, destination_id])
    available = {row["balance_id"]: row["available"] for row in locked}
    for balance_id in (source_id, destination_id):
        if balance_id not in available:
            raise exceptions.UnknownPostingBalance(balance_id)
    if source_id == destination_id:
        raise exceptions.SameBalance(source_id)
    _check_funds(posting, available[source_id])
    # From here on nothing refuses, but the database where another posting took the reference meanwhile.
    row = _row(posting, source_id, destination_id)
    columns = {field.column: getattr(row, field.attname) for field in Transaction._meta.concrete_fields}
    APPLY_POSTING.rows(**columns | {"units": posting.minor_units, "meta_data": dumps(row.meta_data)})
    return row


def _resolve(posting: Posting) -> tuple[str, str]:
    """Return the ids of source and destination, creating ``@`` balances on first use (transactions 10.3).

    They are created before any row is locked and in order of their names: a posting that waits for
    another one to create the same balance holds nothing that the other could be waiting for.
    """
    indicators = sorted(name for name in {posting.source, posting.destination} if name.startswith("@"))
    if not indicators:
        return posting.source, posting.destination
    named = Balance.objects.filter(indicator__in=indicators, currency=posting.currency).only("indicator")
    ids = {str(balance.indicator): balance.balance_id for balance in named}
    missing = [
        Balance(ledger_id=GENERAL_LEDGER_ID, indicator=indicator, currency=posting.currency)
        for indicator in indicators
        if indicator not in ids
    ]
    if missing:
        Balance.objects.bulk_create(missing, ignore_conflicts=True)
        ids = {str(balance.indicator): balance.balance_id for balance in named.all()}
    return ids.get(posting.source, posting.source), ids.get(posting.destination, posting.destination)


def _check_funds(posting: Posting, available: Decimal) -> None:
    """Refuse what the source cannot pay (transactions 10.2); ``@`` balances are no exception."""
    units = posting.minor_units
    if units <= 0:
        raise exceptions.NonPositiveAmount
    if posting.allow_overdraft and not posting.overdraft_limit:
        return
    if available >= units:
        return
    if posting.overdraft_limit > 0:
        if available - units >= -amounts.minor_units(posting.overdraft_limit, posting.precision):
            return
        raise exceptions.OverdraftLimitExceeded
    raise exceptions.InsufficientFunds


def _row(posting: Posting, source_id: str, destination_id: str) -> Transaction:
    created_at = now()
    flags = {"allow_overdraft": posting.allow_overdraft, "atomic": posting.atomic}
    return Transaction(
        source_id=source_id,
        destination_id=destination_id,
        reference=posting.reference,
        amount=posting.major_units,
        precise_amount=posting.minor_units,
        precision=posting.precision,
        currency=posting.currency,
        description=posting.description,
        status=Transaction.Status.APPLIED,
        hash=amounts.transaction_hash(
            posting.amount or Decimal(0), posting.reference, posting.currency, posting.source, posting.destination
        ),
        created_at=created_at,
        # PostgreSQL knows fewer offsets than RFC 3339, so instants are sent in UTC.
        effective_date=posting.effective_date.astimezone(UTC) if posting.effective_date else created_at,
        scheduled_for=posting.scheduled_for and posting.scheduled_for.astimezone(UTC),
        meta_data=posting.meta_data | {name: True for name, given in flags.items() if given},
    )


def restate_balances(corrections: list[Correction]) -> None:
    """Add each correction to the totals as they are now.

    Must run in an atomic block; the row locks last until its end. Differences, not absolute values:
    what was posted since the drift was measured stays. The result is written even where nothing moves.
    Raises ``BalanceNotFound`` where one is gone.
    """
    ordered = sorted(corrections, key=lambda correction: correction.balance_id)
    ids = [correction.balance_id for correction in ordered]
    list(Balance.objects.locked(ids).values_list("balance_id"))
    restated = RESTATE.rows(
        balance_ids=ids,
        results=[dumps(correction.result) for correction in ordered],
        **{PARAMETERS[total]: [getattr(correction, total) for correction in ordered] for total in TOTALS},
    )
    if gone := set(ids) - {row["balance_id"] for row in restated}:
        raise exceptions.BalanceNotFound(min(gone))


PARAMETERS = {
    "credit_balance": "credits",
    "debit_balance": "debits",
    "balance": "balances",
    "inflight_credit_balance": "inflight_credits",
    "inflight_debit_balance": "inflight_debits",
    "inflight_balance": "inflight_balances",
}
"""The parameter of ``restate.sql`` for each total."""


def merge_metadata(*, entity_id: str, meta_data: dict[str, Any], changed_by: str) -> dict[str, Any]:
    """Merge top-level keys into an entity's metadata and return what its clients are to see (ledgers-balances 5).

    The merge happens under the row's lock, so no concurrent key is lost. On a balance the flag of
    ``Balance.save()`` asks for a reconstruction. Raises ``InvalidEntityId``, ``EntityNotFound`` or
    ``BalanceLocked``.
    """
    if entity_id.startswith(("txn_", "bulk_")):
        if not MERGE_TRANSACTION_METADATA.rows(transaction_id=entity_id, meta_data=dumps(meta_data)):
            raise exceptions.EntityNotFound
        return meta_data
    if entity_id.startswith("ldg_"):
        rows: Any = Ledger.objects.filter(ledger_id=entity_id)
    elif entity_id.startswith("bln_"):
        rows = Balance.objects.filter(balance_id=entity_id)
    elif entity_id.startswith("idt_"):
        rows = Identity.objects.filter(identity_id=entity_id)
    else:
        raise exceptions.InvalidEntityId(f"invalid entity ID format: {entity_id}")
    with atomic_with_lock_limit():
        entity = rows.select_for_update(no_key=True).first()
        if entity is None:
            raise exceptions.EntityNotFound
        merged = (entity.meta_data if isinstance(entity.meta_data, dict) else {}) | meta_data
        entity.meta_data = merged
        if isinstance(entity, Balance):
            entity.changed_by, entity.changed_through = changed_by, "metadata"
        entity.save(update_fields=["meta_data"])
    return merged


def _constraint(error: IntegrityError) -> str | None:
    """Return the name of the constraint that the database saw broken."""
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, pg.Error) else None
