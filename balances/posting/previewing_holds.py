"""Dry runs of commits and voids, like those of postings in ``previewing``."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from balances.books import (
    Book,
    BulkPreview,
    Found,
    Hold,
    Holds,
    Leg,
    Movement,
    Preview,
    Projections,
    Rejection,
    Settlement,
    holds_of,
    leg_of,
    posting_exceptions,
    settle_hold,
    sum_of,
)
from balances.ground import LedgerError, Statement
from balances.models import Entry, Transaction
from balances.posting.settling import hold_itself
from balances.queueing import draining
from balances.recording import Claimed, claimed, writing

WAITING_ENTRIES = Statement.beside(__file__, "waiting_entries.sql")
Status = Transaction.Status
Outcomes = dict[int, Movement | None]
Choose = Callable[[Settlement, Found], list[Hold]]
REFUSED = (posting_exceptions.NotInflight, posting_exceptions.AlreadyVoided, posting_exceptions.AlreadyQueued)
"""Refusals of a whole request, reported as they are; those of single holds are reported together."""
ITEMS_APART = (
    "each item is projected independently against current balances; items are settled in the order of the request"
)


def preview_settlement(settlement: Settlement, *, skip_queue: bool) -> Preview:
    """Return what a commit or void would do with the holds under an id. Raises ``TransactionNotFound``."""
    return _Scene([settlement], skip_queue=skip_queue).preview(settlement, _holds_under)


def preview_settlements(settlements: Sequence[Settlement], *, skip_queue: bool) -> BulkPreview:
    """Return what each of several commits or voids would do, decided in order, each projected on its own.

    As in the real call, an id stands for one hold at once, and for all holds under it in the queue.
    """
    scene, choose = _Scene(settlements, skip_queue=skip_queue), hold_itself if skip_queue else _holds_under
    results = []
    for each in settlements:
        try:
            results.append(scene.preview(each, choose))
        except posting_exceptions.TransactionNotFound:
            text = f"NOT_FOUND: Transaction with ID '{each.transaction_id}' not found"
            unknown = Rejection("GEN_NOT_FOUND", "", text)
            results.append(Preview(rejection=unknown, operation=each.action, units=None, balances=None))
    notes = [ITEMS_APART]
    ids = [each.transaction_id for each in settlements]
    if repeated := [each for each, times in Counter(ids).items() if times > 1]:
        settled = "each occurrence settles what the ones before it leave" if skip_queue else "only the first is queued"
        notes.append(f"transaction id appears more than once in this batch ({', '.join(repeated)}); {settled}")
    return BulkPreview(results=tuple(results), notes=tuple(notes))


def _holds_under(settlement: Settlement, found: Found) -> list[Hold]:
    if found.holds:
        return found.holds
    if found.own is None:
        raise posting_exceptions.TransactionNotFound(f"Transaction with ID '{settlement.transaction_id}' not found")
    raise posting_exceptions.NotInflight


@dataclass
class _Waiting:
    """The queued rows under one id, which are applied first: the movements they become, and refusals as text."""

    movements: list[Movement] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


class _Scene:
    """The holds of several settlements with their balances, read once and then decided in memory only."""

    def __init__(self, settlements: Sequence[Settlement], *, skip_queue: bool) -> None:
        ids = [each.transaction_id for each in settlements]
        self._holds = holds_of(ids, settlements)
        rows = {row.pk for found in self._holds.found.values() for row in found.waiting}
        entries = claimed(WAITING_ENTRIES, ids=sorted(rows)) if rows else []
        outcomes = {entry["entry_id"]: draining.outcome_of(entry) for entry in entries}
        self._queued_as = {each.row.pk: str(each.row.parent_transaction) for each in outcomes.values() if each}
        self._book = writing.look(
            [movement for movement in outcomes.values() if movement],
            others={side for found in self._holds.found.values() for side in found.balance_ids},
            outcomes=bool(entries),
        )
        self._waiting = _decided(self._book, self._holds, entries, outcomes)
        self._asked = set() if skip_queue else _already_queued(ids)
        self._skip_queue = skip_queue

    def preview(self, settlement: Settlement, choose: Choose) -> Preview:
        """Return what one settlement would do after the ones before it."""
        waiting = self._waiting.get(settlement.transaction_id, _Waiting())
        scope = Projections(self._book)
        scope.apply(*waiting.movements)
        try:
            chosen = self._chosen(settlement, choose)
        except REFUSED as error:
            return Preview(
                rejection=Rejection.of(error),
                operation=settlement.action,
                balances=scope.all(),
                notes=tuple(waiting.refusals),
            )
        admitted, errors = self._settle(settlement, chosen)
        scope.apply(*admitted)
        if not self._skip_queue and not errors:
            self._asked.add(settlement.transaction_id)
        preview = sum_of(admitted, errors, scope)
        status = Status.APPLIED if settlement.action == "commit" else Status.VOID
        return replace(
            preview,
            operation=settlement.action,
            status="" if errors else str(status),
            legs=tuple(map(self._leg, admitted)) if len(chosen) > 1 else (),
            notes=tuple(waiting.refusals),
        )

    def _chosen(self, settlement: Settlement, choose: Choose) -> list[Hold]:
        if settlement.transaction_id in self._asked:
            raise posting_exceptions.AlreadyQueued
        found = self._holds.found[settlement.transaction_id]
        chosen = choose(settlement, found)
        if found.own is not None and all(hold.voided for hold in chosen):
            raise posting_exceptions.AlreadyVoided
        return chosen

    def _settle(self, settlement: Settlement, chosen: Sequence[Hold]) -> tuple[list[Movement], list[LedgerError]]:
        admitted, errors = list[Movement](), list[LedgerError]()
        for hold in chosen:
            try:
                admitted.append(settle_hold(self._book, hold, settlement, f"ref_{uuid.uuid4()}"))
            except LedgerError as error:
                errors.append(error)
        return admitted, errors

    def _leg(self, movement: Movement) -> Leg:
        """Return a leg; a hold that still waits is named by its queued row."""
        held = str(movement.row.parent_transaction)
        return leg_of(movement, self._queued_as.get(held, held))


def _decided(book: Book, holds: Holds, entries: list[Claimed], outcomes: Outcomes) -> dict[str, _Waiting]:
    """Decide queued rows in whole groups, as a worker would, and return them by the id that they wait under."""
    roots = defaultdict(list)
    for root, found in holds.found.items():
        for row in found.waiting:
            roots[row.pk].append(root)
    waiting: dict[str, _Waiting] = defaultdict(_Waiting)
    for unit in draining.units(entries):
        admitted, refusal = draining.decide(book, holds, [(entry, outcomes[entry["entry_id"]]) for entry in unit])
        for root in {root for entry in unit for root in roots[entry["target"]]}:
            waiting[root].movements += admitted
            if refusal:
                movement, error = refusal
                waiting[root].refusals.append(
                    f"{movement.row.parent_transaction} waits in the queue and would be rejected: {error.message}"
                )
    return waiting


def _already_queued(ids: Sequence[str]) -> set[str]:
    entries = Entry.objects.filter(transaction_id__in=ids, is_timer=False)
    actions = (Entry.Action.COMMIT, Entry.Action.VOID)
    return set(entries.filter(action__in=actions).values_list("transaction_id", flat=True))
