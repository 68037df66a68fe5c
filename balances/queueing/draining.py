"""Applies what waits in the queue: many entries in one commit, decided in order, their totals netted per balance.

An entry is claimed by locking its row, and deleted in the commit that writes its outcome: a killed worker has done
nothing, and another takes over. Workers claim in turn, and each locks its balances before the next one claims. So
entries with a balance in common are applied in the order of their requests, by whichever worker, and others in
parallel. A worker that had to wait for balances checks whether an earlier worker was killed meanwhile and left entries
that come first; if so, it claims again. docs/design/posting.md states the rules under "The queue".
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from balances.books import (
    ALL,
    ALLOW_OVERDRAFT,
    ATOMIC,
    INFLIGHT,
    Book,
    Effect,
    Hold,
    Holds,
    Movement,
    Part,
    Sent,
    Settlement,
    holds_of,
    posting_exceptions,
    row_of,
    settle_hold,
)
from balances.events import publishing
from balances.ground import LOCK_WAIT as REQUEST_LOCK_WAIT
from balances.ground import (
    LedgerError,
    Mode,
    Statement,
    amounts,
    forbidden,
    is_outage,
    refused_when_locked,
    require_mode,
)
from balances.models import Entry, Transaction, new_transaction_id
from balances.recording import POSTINGS, Claimed, claimed, commit, writing

logger = logging.getLogger(__name__)

CLAIM_ENTRIES = Statement.beside(__file__, "claim_entries.sql")
CLAIM_SOME_ENTRIES = Statement.beside(__file__, "claim_some_entries.sql")
DROP_ENTRIES = Statement.beside(__file__, "drop_entries.sql")
TAKE_TURN = Statement.beside(__file__, "take_turn.sql")
GIVE_TURN = Statement.beside(__file__, "give_turn.sql")
LOCK_WAIT = "60s"
"""How long a worker waits for a balance; only the next worker waits for this one."""
BATCH = 2_000
"""Most entries in one commit, unless a group is larger."""
MOST_ATTEMPTS = 5
"""Attempts at an entry that ends in a database error, before it is rejected."""
REASON = "blnk_rejection_reason"
Claim = Callable[[], list[Claimed]]
GiveTurn = Callable[[int | None], None]
Unit = list[tuple[Claimed, Movement | None]]
"""Entries that are decided together, and the movements that their rows become."""


@dataclass
class Batch:
    """The content of one commit: rows to write, entries that are done, and entries to postpone by seconds."""

    book: Book
    holds: Holds
    admitted: list[Movement] = field(default_factory=list)
    rejected: list[Movement] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    later: list[tuple[int, int]] = field(default_factory=list)


def drain(*, size: int = BATCH) -> int:
    """Apply the next due entries in one commit, and return their number.

    Where a batch cannot be written, its entries are applied one by one, and the one at fault is postponed, and finally
    rejected. Raises ``DatabaseError`` in an outage and where rights are missing, which no entry is at fault for, and
    ``ModeForbids``.
    """
    require_mode(Mode.SERVE)
    try:
        return _drain(lambda: claimed(CLAIM_ENTRIES, size=size))
    except (DatabaseError, LedgerError) as error:
        if is_outage(error) or forbidden(error):
            raise
        logger.exception("A batch of the queue could not be written; its entries are taken one by one")
    drained = 0
    while drained < size and (more := _drain_one()):
        drained += more
    return drained


def apply_now(transaction_ids: Sequence[str]) -> None:
    """Apply queued rows and the rest of their groups ahead of the queue. Raises ``BalanceLocked``."""
    _drain(lambda: claimed(CLAIM_SOME_ENTRIES, ids=list(transaction_ids)), in_order=False, lock_wait=REQUEST_LOCK_WAIT)


def is_finished() -> bool:
    """Return whether nothing is due and no transaction is adding an entry that this worker would miss.

    Checked in turn, because other workers would skip what this check locks. Raises ``BalanceLocked``.
    """
    with refused_when_locked(), _turn(LOCK_WAIT), transaction.atomic():
        return bool(POSTINGS.is_quiet() and not CLAIM_ENTRIES.rows(size=1))


def _drain_one() -> int:
    taken: list[Claimed] = []

    def claim() -> list[Claimed]:
        taken[:] = claimed(CLAIM_ENTRIES, size=1)
        return taken

    try:
        return _drain(claim)
    except (DatabaseError, LedgerError) as error:
        if is_outage(error) or forbidden(error):
            raise
        logger.exception("An entry of the queue could not be applied")
        failed = [(entry["entry_id"], 2 ** min(entry["attempts"], MOST_ATTEMPTS)) for entry in taken]
        _finish([], failed, error=str(error))
        return len(taken)


class Overtaking(Exception):
    """Entries that come before the claimed ones became free while this worker waited for balances."""


def _drain(claim: Claim, *, in_order: bool = True, lock_wait: str = LOCK_WAIT) -> int:
    while True:
        with suppress(Overtaking):
            return _drain_in_turn(claim, in_order=in_order, lock_wait=lock_wait)


def _drain_in_turn(claim: Claim, *, in_order: bool, lock_wait: str) -> int:
    with refused_when_locked(), _turn(lock_wait) as give_turn:
        return writing.in_one_commit(
            lambda: _apply(claim(), give_turn, in_order=in_order, lock_wait=lock_wait), lock_wait=lock_wait
        )


@contextmanager
def _turn(lock_wait: str) -> Iterator[GiveTurn]:
    """Wait for the turn to claim, which ends with a call of the yielded function, at the latest with the block.

    The function takes the first claimed entry where order matters, and then raises ``Overtaking``.
    """
    TAKE_TURN.rows(queue=POSTINGS.lock, lock_wait=lock_wait)
    held = [True]

    def give(first: int | None = None) -> None:
        if held:
            held.clear()
            if GIVE_TURN.rows(queue=POSTINGS.lock, first=first)[0]["overtakes"]:
                raise Overtaking

    try:
        yield give
    finally:
        give()


def _apply(taken: list[Claimed], give_turn: GiveTurn, *, in_order: bool, lock_wait: str) -> int:
    if not taken:
        return 0
    outcomes = {entry["entry_id"]: outcome_of(entry) for entry in taken if entry["action"] == Entry.Action.APPLY}
    movements = [movement for movement in outcomes.values() if movement]
    settlements = [settlement_of(entry) for entry in taken if entry["action"] != Entry.Action.APPLY]
    targets = [each.transaction_id for each in settlements]
    held = {side for found in holds_of(targets).found.values() for side in found.balance_ids} if targets else set()
    book = writing.lock(movements, others=held, outcomes=True, lock_wait=lock_wait)
    give_turn(taken[0]["entry_id"] if in_order else None)
    batch = Batch(book, holds_of(targets, settlements) if targets else Holds())
    for unit in units(taken):
        _decide(batch, unit, outcomes)
    commit(batch.admitted, book, rejected=batch.rejected)
    _finish(batch.done, batch.later)
    return len(taken)


def units(taken: list[Claimed]) -> list[list[Claimed]]:
    """Return entries by what is decided together: groups, and every other entry alone, each by its first entry."""
    units: dict[Any, list[Claimed]] = {}
    for entry in taken:
        units.setdefault(entry["group_id"] or entry["entry_id"], []).append(entry)
    return list(units.values())


def _decide(batch: Batch, unit: list[Claimed], outcomes: dict[int, Movement | None]) -> None:
    entry = unit[0]
    if entry["action"] == Entry.Action.APPLY:
        _decide_rows(batch, [(each, outcomes[each["entry_id"]]) for each in unit])
        return
    settlement = settlement_of(entry)
    found = batch.holds.found[settlement.transaction_id]
    if found.waiting:  # the hold was postponed, so its settlement is too
        batch.later.append((entry["entry_id"], 1))
        return
    batch.done.append(entry["entry_id"])
    for hold in found.holds:
        try:
            batch.admitted.append(settle_hold(batch.book, hold, settlement, _reference(entry, hold)))
        except LedgerError as error:  # it was settled otherwise meanwhile, which the original ignores as well
            logger.info("A queued %s of %s found nothing to do: %s", settlement.action, hold.row.pk, error.message)


def settlement_of(entry: Claimed) -> Settlement:
    """Return the settlement that an entry requests."""
    units = entry["units"]
    part = ALL if units is None else Part(precise_amount=int(units))
    if entry["action"] == Entry.Action.VOID:
        return Settlement(transaction_id=entry["target"], action="void", part=part, reference="")
    return Settlement(transaction_id=entry["target"], action="commit", part=part, reference=entry["action_id"])


def _reference(entry: Claimed, hold: Hold) -> str:
    """Return the reference of a settlement; a hold that expires gets one like a hold voided at once."""
    if entry["is_timer"] and entry["action"] == Entry.Action.VOID:
        return f"ref_{uuid.uuid4()}"
    return f"{hold.row.pk}_{entry['action']}_{entry['action_id'] or f'act_{uuid.uuid4()}'}"


def _decide_rows(batch: Batch, unit: Unit) -> None:
    """Admit the rows of a unit, all or none, and record the refusal."""
    batch.done += [entry["entry_id"] for entry, _ in unit]
    admitted, refusal = decide(batch.book, batch.holds, unit)
    batch.admitted += admitted
    if refusal:
        _reject(batch, [movement for _, movement in unit if movement], *refusal)
        if group_id := unit[0][0]["group_id"]:
            publishing.publish_batch_failed(group_id, refusal[1].message)


def decide(book: Book, holds: Holds, unit: Unit) -> tuple[list[Movement], tuple[Movement, LedgerError] | None]:
    """Decide the rows of a unit, in the books only. Return all of them, or the first that is refused and why."""
    for entry, _ in unit:
        holds.decided(entry["target"])
    admitted: list[tuple[Claimed, Movement]] = []
    for entry, movement in unit:
        if movement is None:
            continue
        try:
            _admit(book, entry, movement)
        except LedgerError as error:
            if isinstance(error, posting_exceptions.DuplicateReference):
                if _has_outcome(movement):
                    continue  # as after a recovery
                movement.row.reference = f"ref_{uuid.uuid4()}"  # another writer's row has the expected one
            book.take_back(each for _, each in admitted)
            return [], (movement, error)
        admitted.append((entry, movement))
    for entry, movement in admitted:
        if movement.effect is Effect.HOLD:
            queued = str(movement.row.parent_transaction)
            holds.add(movement.row, (movement.row.pk, queued, *filter(None, [entry["parent_transaction"]])))
    return [movement for _, movement in admitted], None


def _has_outcome(movement: Movement) -> bool:
    queued, reference = movement.row.parent_transaction, movement.row.reference
    return Transaction.objects.filter(reference=reference, parent_transaction=queued).exists()


def _admit(book: Book, entry: Claimed, movement: Movement) -> None:
    if entry["attempts"] >= MOST_ATTEMPTS:
        raise LedgerError(entry["last_error"])
    book.admit(movement)


def _reject(batch: Batch, unit: list[Movement], refused: Movement, error: LedgerError) -> None:
    """Record the reason on the refused row, and on the rows that had to be applied together with it."""
    for movement in unit:
        reason = error.message
        if movement is not refused:
            reason = f"not applied, because {refused.row.reference} of the same atomic request was not: {reason}"
        row = movement.row
        row.status = Transaction.Status.REJECTED
        row.meta_data = row.meta_data | {REASON: reason}
        if movement.effect is Effect.HOLD:
            row.meta_data[INFLIGHT] = True
        row.source_id, row.destination_id = movement.source, movement.destination
        batch.rejected.append(movement)


def outcome_of(entry: Claimed) -> Movement | None:
    """Return the movement that a queued row becomes; ``None`` where the row is gone."""
    if entry["transaction_id"] is None:
        return None
    queued = row_of(entry)
    columns = {each.attname: getattr(queued, each.attname) for each in Transaction._meta.concrete_fields}
    meta_data = {key: value for key, value in (queued.meta_data or {}).items() if key != INFLIGHT}
    if entry["allow_overdraft"]:
        meta_data[ALLOW_OVERDRAFT] = True
    row = Transaction(
        **columns
        | {
            "transaction_id": new_transaction_id(),
            "parent_transaction": queued.pk,
            "reference": f"{queued.reference}_q",
            "status": Transaction.Status.INFLIGHT if entry["is_hold"] else Transaction.Status.APPLIED,
            "meta_data": meta_data | ({INFLIGHT: True} if entry["is_hold"] else {}),
        }
    )
    limit = None if entry["overdraft_limit"] is None else int(entry["overdraft_limit"])
    sent = Sent(
        atomic=meta_data.get(ATOMIC) is True and bool(entry["group_id"]),  # a refund inherits the metadata alone
        overdraft_limit=amounts.major_units(limit or 0, queued.precision or 1),
        inflight_expiry_date=entry["inflight_expiry_date"],
        inflight_commit_date=entry["inflight_commit_date"],
    )
    return Movement(
        row,
        str(queued.source_id),
        str(queued.destination_id),
        Effect.HOLD if entry["is_hold"] else Effect.POST,
        allow_overdraft=entry["allow_overdraft"],
        overdraft_units=limit,
        sent=sent,
    )


def _finish(done: Sequence[int], later: Sequence[tuple[int, int]], error: str = "") -> None:
    DROP_ENTRIES.rows(
        done=list(done),
        later=[entry_id for entry_id, _ in later],
        delays=[delay for _, delay in later],
        errors=[error] * len(later),
    )
    for delay in {delay for _, delay in later}:
        POSTINGS.call_at(timezone.now() + timedelta(seconds=delay))
