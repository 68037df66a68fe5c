"""Undo: an applied correction is taken back by difference, through a plan like any other; nothing is rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from balances.ground import BalanceNotFound, LedgerError, NotFound, atomic_with_lock_limit
from reconciliation.correcting.incomplete import NO_NUMBER
from reconciliation.correcting.planning import Planned, Proposal, plan_for, undone, write_down
from reconciliation.correcting.rebooking import planned_return, with_other_sides
from reconciliation.correcting.rebuilding import PATIENCE, SERIALISE
from reconciliation.measuring import Measurement, Totals, measure
from reconciliation.models import Plan, PlanItem, Reconstruction

OPEN = (Plan.State.PROPOSED, Plan.State.APPROVED, Plan.State.APPLYING)


class CannotBeUndone(LedgerError):
    """Only what changed totals can be taken back, and only once."""

    code = "GEN_CONFLICT"


class RecordNotFound(NotFound):
    """There is no such reconstruction."""

    def __init__(self, record_id: str) -> None:
        super().__init__(f"Reconstruction with ID '{record_id}' not found")


def find_record(record_id: str) -> Reconstruction:
    """Return a record. Raises ``RecordNotFound``."""
    record = Reconstruction.objects.filter(pk=record_id).first()
    if record is None:
        raise RecordNotFound(record_id)
    return record


def propose_undo(record_ids: Sequence[str], proposal: Proposal) -> Plan:
    """Store a plan that undoes corrections: each by the negative of what it added, whatever came since.

    An undo can be undone as well, through its own record; a booking is undone on both its balances, once.
    Raises ``NotFound``, ``BalanceNotFound``, or ``CannotBeUndone`` for a record that changed nothing, that was undone
    already or that an open plan undoes; nothing is written then.
    """
    with atomic_with_lock_limit(PATIENCE, durable=True):
        records = _records(record_ids)
        balance_ids = sorted({record.balance_id for record in records})
        SERIALISE.rows(
            balance_ids=balance_ids
        )  # so that of two requests at once the second one sees the plan of the first
        _refuse_twice(records, balance_ids)
        measured = {each.balance_id: each for each in measure(balance_ids)}
        return write_down(plan_for(proposal, undoing=True), [[_taking_back(record, measured) for record in records]])


def changed_by(measured: Measurement, difference: Totals) -> Measurement:
    """Return a measurement whose recalculated totals are the stored ones plus a difference, whatever the rows say."""
    return replace(measured, recalculated=measured.stored + difference)


def _records(record_ids: Sequence[str]) -> list[Reconstruction]:
    """Return the records, each once, in the order of their balances."""
    records = Reconstruction.objects.in_bulk(list(record_ids))
    for record_id in record_ids:
        if record_id not in records:
            raise RecordNotFound(record_id)
    for record in records.values():
        booked = record.outcome == Reconstruction.Outcome.REBOOKED
        if record.dry_run or (record.transaction_id and not booked) or not (record.difference or booked):
            raise CannotBeUndone(f"{record.pk} changed nothing ({record.get_outcome_display().lower()}).")
    if not records:
        raise NotFound("Say which reconstruction to undo.")
    return sorted(with_other_sides(records.values()), key=lambda record: (record.balance_id, record.pk))


def _refuse_twice(records: list[Reconstruction], balance_ids: list[str]) -> None:
    ids = [record.pk for record in records]
    for record_id, by in undone(ids).items():
        raise CannotBeUndone(f"{record_id} was taken back already, by {by}; that record can be undone in its turn.")
    waiting = PlanItem.objects.filter(
        plan__state__in=OPEN, balance_id__in=balance_ids, undoes__in=ids, outcome=None
    ).values_list("undoes", "plan_id")
    for planned_id, plan_id in waiting[:1]:
        raise CannotBeUndone(f"{planned_id} is taken back by plan {plan_id}, which is open.")


def _taking_back(record: Reconstruction, measured: dict[str, Measurement]) -> Planned:
    if record.balance_id not in measured:
        raise BalanceNotFound(record.balance_id)
    if not measured[record.balance_id].is_readable:
        raise CannotBeUndone(f"{record.pk} cannot be taken back on balance {record.balance_id}: {NO_NUMBER}.")
    if record.outcome == Reconstruction.Outcome.REBOOKED:
        return planned_return(record, measured[record.balance_id])
    back = changed_by(measured[record.balance_id], record.previous - record.recalculated)
    return Planned(PlanItem(undoes=record.pk, **PlanItem.copied(back)), record.executed_at)
