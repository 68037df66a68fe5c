"""Book transactions that were deleted by force again, from the edit journal, where the totals still include them.

A row is written as the journal has it, with its id, so that its children have their parent back, and with a reference
of its own, so that it is booked once. No total moves: the money is in them already. All rows of a plan are booked in
one commit, under the same policy as any plan, and can be undone by rows in the opposite direction, again without
moving a total.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from balances.ground import LedgerError, Mode, Statement, atomic_with_lock_limit, require_mode
from balances.models import Transaction, now
from balances.posting import restore_rows
from reconciliation.correcting.deciding import locked
from reconciliation.correcting.planning import Planned, Proposal, plan_for, undone, write_down
from reconciliation.correcting.rebooked_rows import REBOOKED, TAKEN_BACK, reversal, row_from_journal
from reconciliation.correcting.rebuilding import PATIENCE, SERIALISE
from reconciliation.explaining import Case, Explanation, evidence, facts
from reconciliation.measuring import Measurement, measure
from reconciliation.models import Origin, Plan, PlanItem, Reconstruction, TransactionEdit
from reconciliation.records import seal

SETTLE_ITEMS = Statement.beside(__file__, "settle_items.sql")
BOOKED_AT_ONCE = 200
"""Rows in one plan at most: they are booked in one commit."""
Outcome = PlanItem.Outcome
Status = Transaction.Status


class CannotBeRebooked(LedgerError):
    """The transaction was not deleted, or the totals no longer include its money."""

    code = "GEN_CONFLICT"


class TooManyRows(LedgerError):
    """A plan would book more than ``BOOKED_AT_ONCE`` transactions again."""

    text = "One plan books at most 200 transactions again"
    code = "GEN_VALIDATION_ERROR"


@dataclass(frozen=True)
class Missing:
    """A deleted row, ready to be written, and measurements of its two balances."""

    row: Transaction
    measured: tuple[Measurement, Measurement]
    note: str


def propose_rebooking(transaction_ids: Sequence[str], proposal: Proposal) -> Plan:
    """Store a plan that books deleted transactions again; approve and apply it like any other.

    Raises ``CannotBeRebooked``, which names the first transaction that cannot be booked again and says why, or
    ``TooManyRows``, or ``ModeForbids``; nothing is written then.
    """
    require_mode(Mode.SERVE)
    ids = sorted(set(transaction_ids))
    if not 0 < len(ids) <= BOOKED_AT_ONCE:
        raise TooManyRows if ids else CannotBeRebooked("Say which transaction to book again.")
    with atomic_with_lock_limit(PATIENCE, durable=True):
        rows = look_up(ids)
        for transaction_id in ids:
            if isinstance(why_not := rows[transaction_id], str):
                raise CannotBeRebooked(f"Transaction {transaction_id} cannot be booked again: {why_not}.")
        planned = [each for missing in rows.values() if isinstance(missing, Missing) for each in _planned(missing)]
        return write_down(plan_for(proposal), [planned])


def _planned(missing: Missing) -> list[Planned]:
    return [
        Planned(
            PlanItem(
                rebooks=missing.row.pk,
                note=missing.note,
                **PlanItem.copied(replace(each, recalculated=each.stored)),
            ),
            since=None,
            gross=missing.row.units,
        )
        for each in missing.measured
    ]


def planned_return(record: Reconstruction, measured: Measurement) -> Planned:
    """Return the item of a plan that undoes a booking on one of its balances."""
    row = Transaction.objects.get(pk=record.transaction_id)
    note = f"Transaction {row.pk} is taken back by {row.reference}{TAKEN_BACK}; no total moves."
    totals = PlanItem.copied(replace(measured, recalculated=measured.stored))
    return Planned(PlanItem(undoes=record.pk, rebooks=row.pk, note=note, **totals), since=None, gross=row.units)


def with_other_sides(records: Iterable[Reconstruction]) -> list[Reconstruction]:
    """Return records, and for those of a booking that of its other balance: both are undone together."""
    known = {record.pk: record for record in records}
    booked = [record.transaction_id for record in known.values() if record.transaction_id]
    both = Reconstruction.objects.filter(transaction_id__in=booked, outcome=Reconstruction.Outcome.REBOOKED)
    return list((known | {record.pk: record for record in both}).values())


def look_up(transaction_ids: Sequence[str]) -> dict[str, Missing | str]:
    """Return for each id the row to book again, or in words why there is none: a fixed number of statements."""
    journal: dict[str, TransactionEdit] = {}
    for edit in TransactionEdit.objects.filter(transaction_id__in=transaction_ids, operation="DELETE").order_by("pk"):
        journal[edit.transaction_id] = edit
    ends = {end for edit in journal.values() for end in (edit.source, edit.destination) if end}
    measured = {each.balance_id: each for each in measure(sorted(ends))}
    known: dict[tuple[str, str], tuple[Case, Explanation]] = {}
    for case in evidence.open_cases([each for each in measured.values() if each.is_readable]):
        for fact in facts(case):
            known |= {(case.balance_id, row): (case, fact) for row in fact.rows if fact.cause == "deleted_row"}
    taken = _taken(journal.values())
    return {
        each: _missing(journal[each], measured, known, taken)
        if each in journal
        else "the edit journal knows of no deletion of it"
        for each in transaction_ids
    }


def _taken(edits: Iterable[TransactionEdit]) -> dict[str, set[str]]:
    """Return conflicts by kind: ids and references in use, queued rows that have another outcome."""
    old = [edit.old or {} for edit in edits]
    references = {
        f"{row.get('reference') or row['transaction_id']}{suffix}" for row in old for suffix in ("", REBOOKED)
    }
    rows = Transaction.objects.filter(
        Q(pk__in=[row.get("transaction_id") for row in old])
        | Q(reference__in=references)
        | Q(parent_transaction__in=[row["parent_transaction"] for row in old if row.get("parent_transaction")])
    ).values_list("transaction_id", "reference", "parent_transaction")
    taken: dict[str, set[str]] = defaultdict(set)
    for transaction_id, reference, parent in rows:
        taken["ids"].add(transaction_id)
        taken["references"].add(str(reference))
        if str(reference).endswith("_q"):
            taken["outcomes of"].add(str(parent))
    return taken


def _missing(
    edit: TransactionEdit,
    measured: dict[str, Measurement],
    known: dict[tuple[str, str], tuple[Case, Explanation]],
    taken: dict[str, set[str]],
) -> Missing | str:
    transaction_id = edit.transaction_id
    if transaction_id in taken["ids"]:
        return "it is there again"
    ends = [end for end in (edit.source, edit.destination) if end]
    if gone := [end for end in ends if end not in measured] or ([] if len(ends) == 2 else ["named by it"]):
        return f"the balance {gone[0]} is not there"
    held = [known.get((end, transaction_id)) for end in ends]
    for end, evidence_of in zip(ends, held, strict=True):
        if evidence_of is None or not _holds(*evidence_of):
            return f"the totals of {end} do not hold it any more; take back first what corrected them"
    old = [evidence_of[1].evidence["old"] for evidence_of in held if evidence_of]
    if old[0] != old[1] or old[0].get("status") not in (Status.APPLIED, Status.INFLIGHT, Status.VOID):
        return "the edit journal knows it in several versions"
    reference = f"{old[0].get('reference') or transaction_id}{REBOOKED}"
    if reference in taken["references"]:
        return f"the reference {reference} is in use"
    if old[0].get("parent_transaction") in taken["outcomes of"] and str(old[0].get("reference")).endswith("_q"):
        return "the queued transaction that it came from was applied again meanwhile"
    row = row_from_journal(old[0], reference)
    note = f"Transaction {transaction_id} is booked again as {reference}; no total moves."
    if old[0].get("reference") in taken["references"]:
        note += f" Its reference {old[0]['reference']} has been used since: check whether it was paid twice."
    return Missing(row, (measured[ends[0]], measured[ends[1]]), note)


def _holds(case: Case, fact: Explanation) -> bool:
    """Return whether the totals of a balance include what a deleted row moved: they are off in its direction."""
    return all(getattr(case.drift, side) * units > 0 for side, units in fact.drift.sides.items())


def waits(plan_id: str) -> bool:
    """Return whether a plan still has rows to book again or to undo."""
    return PlanItem.objects.filter(plan=plan_id, outcome=None, rebooks__isnull=False).exists()


def settle(plan_id: str, actor: str, origin: Origin) -> int:
    """Book the rows of a plan, or undo them, and return how many items that settled. Must run in a transaction.

    The plan's row is locked first: both balances of a row belong to one commit. Raises ``DuplicateReference`` where
    another transaction takes a reference at this moment; the plan can then be applied again.
    """
    plan = locked(plan_id)
    items = list(PlanItem.objects.filter(plan=plan_id, outcome=None, rebooks__isnull=False).select_for_update())
    if not items:
        return 0
    balance_ids = sorted({item.balance_id for item in items})
    SERIALISE.rows(balance_ids=balance_ids)
    rows = _to_be_written(items, undoing=plan.undoing)
    written = [row for found in rows.values() if isinstance(found, list) for row in found]
    if written:
        restore_rows(written)
    measured = {each.balance_id: each for each in measure(balance_ids)}
    records = {
        item.pk: _record(item, measured[item.balance_id], plan, actor, origin, found[0].pk)
        for item in items
        if isinstance(found := rows[str(item.rebooks)], list)
    }
    seal(Reconstruction.objects.bulk_create(records.values()))
    SETTLE_ITEMS.rows(
        ids=[item.pk for item in items],
        outcomes=[str(Outcome.APPLIED if item.pk in records else Outcome.STALE) for item in items],
        notes=[item.note if item.pk in records else f"Not booked: {rows[str(item.rebooks)]}." for item in items],
        record_ids=[records[item.pk].pk if item.pk in records else None for item in items],
    )
    Plan.objects.filter(pk=plan_id).update(heartbeat_at=now())
    return len(items)


def _to_be_written(items: Sequence[PlanItem], *, undoing: bool) -> dict[str, list[Transaction] | str]:
    """Return for each row of the plan the rows to write, or in words why there are none any more."""
    ids = sorted({str(item.rebooks) for item in items})
    if not undoing:
        rows = look_up(ids)
        return {each: [one.row] if isinstance(one := rows[each], Missing) else one for each in ids}
    there = Transaction.objects.in_bulk(ids)
    taken = undone([item.undoes for item in items if item.undoes])
    back: dict[str, list[Transaction] | str] = {}
    for item in items:
        each = str(item.rebooks)
        if each not in there:
            back[each] = "the transaction is gone again"
        elif item.undoes in taken:
            back[each] = f"taken back already, by {taken[str(item.undoes)]}"
        elif each not in back:
            back[each] = reversal(there[each]) or "nothing of it is left to be taken back"
    return back


def _record(
    item: PlanItem, measured: Measurement, plan: Plan, actor: str, origin: Origin, transaction_id: str
) -> Reconstruction:
    """Return the unsaved record: the totals, which stay, and what the transactions say now that the row exists."""
    record = Reconstruction.of(
        measured,
        outcome=Reconstruction.Outcome.UNDONE if item.undoes else Reconstruction.Outcome.REBOOKED,
        dry_run=False,
        actor=actor,
        reason=plan.reason,
        origin=origin,
        plan_id=plan.plan_id,
        undoes=item.undoes,
        transaction_id=transaction_id,
    )
    record.version_after = record.version_before
    return record
