"""Commits and voids holds (docs/design/posting.md, "Holds").

A settlement locks both balances of a hold first, and only then reads how far the hold is settled. So each unit is
settled once, whatever ids and workers it is reached through.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from balances.books import Found, Hold, Settlement, holds_of, posting_exceptions, settle_hold
from balances.ground import LOCK_WAIT, LedgerError
from balances.models import Entry, Transaction
from balances.queueing import draining
from balances.recording import commit, entries, writing


@dataclass
class Outcome:
    """The result of one settlement: the rows written, and the refusals."""

    rows: list[Transaction] = field(default_factory=list)
    errors: list[LedgerError] = field(default_factory=list)


def settle(settlement: Settlement) -> Transaction:
    """Settle every hold under an id at once, newest first, and return the row of the first.

    Holds that can be settled are, even where others are refused. Raises ``NotInflight``, ``DuplicateReference``,
    ``ProcessingFailed`` or ``BalanceLocked``.
    """
    (result,) = settle_together([settlement])
    if isinstance(result, LedgerError):
        raise result
    return result


class NotTogether(writing.Aborted):
    """Abort without settling any: a hold has to be applied first, or there are more holds than may share a commit."""


def settle_together(
    settlements: Sequence[Settlement], *, lock_wait: str = LOCK_WAIT, most: int | None = None
) -> list[Transaction | LedgerError]:
    """Settle what several callers ask for in one commit, each as ``settle`` does, in order; return rows and refusals.

    With ``most``, raises ``NotTogether`` where there are more holds, or where one still waits in the queue. Raises
    ``BalanceLocked``, or whatever the commit raises, with nothing written.
    """
    if most is None:
        _apply_what_waits(settlements)
    outcomes = writing.in_one_commit(
        partial(_settle, settlements, _holds_under, lock_wait=lock_wait, most=most), lock_wait=lock_wait
    )
    return [_refusal(outcome.errors) or outcome.rows[0] for outcome in outcomes]


def _refusal(errors: Sequence[LedgerError]) -> LedgerError | None:
    """Return what the caller of a settlement is answered, if anything of it was refused."""
    unprocessed = (error for error in errors if isinstance(error, posting_exceptions.NotInflight))
    return next(unprocessed, posting_exceptions.together(errors) if errors else None)


def settle_each(settlements: Sequence[Settlement]) -> list[Outcome]:
    """Settle single holds at once, each by its own id or that of the row it was queued as.

    Raises ``BalanceLocked``.
    """
    _apply_what_waits(settlements)
    return writing.in_one_commit(partial(_settle, settlements, hold_itself))


def _apply_what_waits(settlements: Sequence[Settlement]) -> None:
    """Apply the queued rows of these holds now: a settlement at once does not wait for workers."""
    found = holds_of([each.transaction_id for each in settlements]).found.values()
    if waiting := [row.pk for each in found for row in each.waiting]:
        draining.apply_now(waiting)


def _settle(
    settlements: Sequence[Settlement],
    choose: Callable[[Settlement, Found], list[Hold]],
    *,
    lock_wait: str = LOCK_WAIT,
    most: int | None = None,
) -> list[Outcome]:
    ids = [each.transaction_id for each in settlements]
    before = holds_of(ids).found.values()
    if most is not None and (any(f.waiting for f in before) or sum(len(f.holds) for f in before) > most):
        raise NotTogether
    balance_ids = {side for found in before for side in found.balance_ids}
    book = writing.lock([], others=balance_ids, lock_wait=lock_wait)
    holds = holds_of(ids, settlements)  # read again, now that no one else can settle any of them
    outcomes, admitted = [], []
    for each in settlements:
        outcome = Outcome()
        try:
            chosen = choose(each, holds.found[each.transaction_id])
        except LedgerError as error:
            chosen = []
            outcome.errors.append(error)
        for hold in chosen:
            try:
                admitted.append(settle_hold(book, hold, each, f"ref_{uuid.uuid4()}"))
                outcome.rows.append(admitted[-1].row)
            except LedgerError as error:
                outcome.errors.append(error)
        outcomes.append(outcome)
    if admitted:
        commit(admitted, book)
    return outcomes


def _holds_under(settlement: Settlement, found: Found) -> list[Hold]:
    if not found.holds:
        raise posting_exceptions.NotInflight(f"no transaction to {settlement.action}")
    return found.holds


def hold_itself(settlement: Settlement, found: Found) -> list[Hold]:
    """Return the hold with this id, or the one that came from the queued row with this id.

    Raises ``TransactionNotFound`` or ``NotInflight``.
    """
    if found.own is None:
        raise posting_exceptions.TransactionNotFound(
            f"NOT_FOUND: Transaction with ID '{settlement.transaction_id}' not found"
        )
    if not found.holds:
        raise posting_exceptions.NotInflight
    return found.holds


def request(settlement: Settlement) -> Transaction:
    """Queue a settlement and return the unchanged row that it is about.

    For a split parent or a batch that is the newest row under it, with the requested id. Raises
    ``TransactionNotFound``, ``NotInflight``, ``AlreadyVoided``, ``AlreadyCommitted``, ``CommitExceeds``,
    ``AlreadyQueued``, ``DuplicateReference``, or what ``Part.units`` raises.
    """
    (result,) = request_each([settlement])
    if isinstance(result, LedgerError):
        raise result
    return result


def request_each(settlements: Sequence[Settlement]) -> list[Transaction | LedgerError]:
    """Queue settlements; return for each the row it is about, or its refusal. Raises ``BalanceLocked``."""
    holds = holds_of([each.transaction_id for each in settlements], settlements)
    results: list[Transaction | LedgerError] = []
    wanted: dict[str, entries.Waiting] = {}
    for each in settlements:
        try:
            found = holds.found[each.transaction_id]
            target, units = _check(each, found)
            if each.transaction_id in wanted:
                raise posting_exceptions.AlreadyQueued
            wanted[each.transaction_id] = entries.Waiting(
                action=each.action,
                transaction_id=each.transaction_id,
                units=units,
                action_id=each.reference or f"act_{uuid.uuid4()}",
            )
            results.append(target)
        except LedgerError as error:
            results.append(error)
    added = writing.in_one_commit(lambda: entries.add(list(wanted.values())))
    waiting = _waiting([entry for transaction_id, entry in wanted.items() if transaction_id not in added])
    return [
        _already_queued(each, waiting)
        if isinstance(result, Transaction) and each.transaction_id not in added
        else result
        for each, result in zip(settlements, results, strict=True)
    ]


def _waiting(refused: Sequence[entries.Waiting]) -> dict[str, tuple[entries.Waiting, Entry | None]]:
    """Return the settlements that were not queued, by id, each with the entry that waits instead."""
    named = {entry.transaction_id: entry for entry in refused}
    if not named:
        return {}
    actions = (Entry.Action.COMMIT, Entry.Action.VOID)
    found = Entry.objects.filter(transaction_id__in=named, action__in=actions, is_timer=False)
    waits = {entry.transaction_id: entry for entry in found}
    return {transaction_id: (entry, waits.get(transaction_id)) for transaction_id, entry in named.items()}


def _already_queued(settlement: Settlement, waiting: dict[str, tuple[entries.Waiting, Entry | None]]) -> LedgerError:
    """Return the refusal of a settlement where one waits already; its details say whether both are the same."""
    error = posting_exceptions.AlreadyQueued()
    entry, waits = waiting.get(settlement.transaction_id, (None, None))
    if settlement.reference and entry and waits and waits.action_id == settlement.reference:
        same = (waits.action, waits.units) == (entry.action, entry.units)
        error.details = {"reference": settlement.reference, "same_payment": same, "status": "QUEUED"}
    return error


def _check(settlement: Settlement, found: Found) -> tuple[Transaction, int | None]:
    """Return the row that a settlement is about, and the minor units to commit of each hold.

    Raises what ``request`` raises, except for ``AlreadyQueued``.
    """
    rows = [hold.row for hold in found.holds] + found.waiting
    if not rows:
        if found.own is None:
            raise posting_exceptions.TransactionNotFound(f"Transaction with ID '{settlement.transaction_id}' not found")
        raise posting_exceptions.NotInflight
    for error in _used(settlement, found.holds):
        raise error
    units = _units(settlement, rows)
    checked = found.holds or [Hold(row) for row in found.waiting]
    if found.own is not None:
        try:
            checked[0].units_of(settlement.action, settlement.part)
        except posting_exceptions.AlreadyCommitted as error:  # for a row itself the contract has one text for both
            raise posting_exceptions.AlreadyCommitted("commit") from error
        return found.own, units
    if not found.waiting and all(hold.remaining <= 0 for hold in found.holds):
        if all(hold.voided for hold in found.holds):
            raise posting_exceptions.AlreadyVoided
        raise posting_exceptions.AlreadyCommitted(settlement.action)
    shown = replace_id(rows[0], settlement.transaction_id)
    return shown, units


def _used(settlement: Settlement, holds: Sequence[Hold]) -> list[LedgerError]:
    """Return the refusals where no hold can be settled under the client's reference; empty where one can."""
    errors = list[LedgerError]()
    for hold in holds:
        try:
            hold.check_reference(settlement)
        except posting_exceptions.DuplicateReference as error:
            errors.append(error)
    return errors if len(errors) == len(holds) else []


def _units(settlement: Settlement, rows: Sequence[Transaction]) -> int | None:
    """Return what to commit of each hold, in minor units; ``None`` is all that remains."""
    if settlement.action == "void":
        return None
    precisions = {row.precision or 1 for row in rows}
    if settlement.part.amount and len(precisions) > 1:
        raise posting_exceptions.MixedPrecisions(settlement.transaction_id)
    return settlement.part.units(precisions.pop())


def replace_id(row: Transaction, transaction_id: str) -> Transaction:
    """Return a copy of a row with another id."""
    columns = {each.attname: getattr(row, each.attname) for each in Transaction._meta.concrete_fields}
    return Transaction(**columns | {"transaction_id": transaction_id})
