"""Apply plans, chunk by chunk. Each chunk is one commit, so that applying can be killed and resumed at any point.

Any number of processes may apply one plan at once: each takes items that no other has taken. Locks are always taken in
one order: items, balances under reconstruction, the plan, the chain of records, and last, for one update, rows of
balances.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count
from procrastinate.contrib.django import app

from balances.ground import Mode, Statement, atomic_with_lock_limit, defer_once, require_mode
from balances.models import now
from balances.posting import restate_balances
from reconciliation.correcting import beside, rebooking
from reconciliation.correcting.deciding import NotPossibleNow, deciding, find_plan, locked, require, take_step
from reconciliation.correcting.incomplete import NO_NUMBER, NO_ROWS, RATES_GONE, damage, followed, gone, left
from reconciliation.correcting.planning import fingerprint, undone
from reconciliation.correcting.rebuilding import CORRECTED_AT_ONCE, PATIENCE, SERIALISE, correction
from reconciliation.correcting.undoing import changed_by
from reconciliation.measuring import Measurement, measure
from reconciliation.models import Origin, Plan, PlanItem, Reconstruction, Step
from reconciliation.records import seal

SETTLE_ITEMS = Statement.beside(__file__, "settle_items.sql")
TASK = "apply_plan"
"""The name of the background job; its module imports this one."""
LOST_AFTER = timedelta(minutes=2)
"""A plan being applied whose last chunk is older than this has lost its worker; a chunk takes well under a second."""
Outcome = PlanItem.Outcome
Progress = Callable[[int], None]


@dataclass(frozen=True)
class ItemResult:
    """The result of applying one item; ``measured`` is set where its balance gets corrected."""

    item: PlanItem
    outcome: PlanItem.Outcome
    note: str = ""
    measured: Measurement | None = None


def apply(plan_id: str, actor: str, origin: Origin, progress: Progress = lambda settled: None) -> Plan:
    """Apply an approved plan, or go on with one whose applying was cut short, and return it.

    ``progress`` is called after each commit with the number of items it settled. Raises ``PlanNotFound``,
    ``ModeForbids``, or ``NotPossibleNow``, with a step that records the refusal, or ``BalanceLocked``: the plan can
    then be applied again.
    """
    _start(plan_id, actor, origin)
    return carry_on(plan_id, actor, origin, progress)


def apply_in_background(plan_id: str, actor: str, origin: Origin) -> Plan:
    """Let the worker apply an approved plan: the job and the state are one commit. Raises as ``apply`` does."""
    return _start(plan_id, actor, origin, in_background=True)


def carry_on(plan_id: str, actor: str, origin: Origin, progress: Progress = lambda settled: None) -> Plan:
    """Settle what is left of a plan that is being applied, then end it."""
    beside.wait_after(find_plan(plan_id).requested_at)
    while settled := beside.retried(lambda: _apply_chunk(plan_id, actor, origin)):
        progress(settled)
    return _finish(plan_id, actor, origin)


def carry_on_with_lost_ones() -> int:
    """Defer a job for each plan that has lost its worker, and return how many there were."""
    lost = list(Plan.objects.filter(state=Plan.State.APPLYING, heartbeat_at__lt=now() - LOST_AFTER))
    for plan_id in (plan.plan_id for plan in lost):
        started = Step.objects.filter(plan_id=plan_id, kind=Step.Kind.STARTED).latest("taken_at")
        _defer(plan_id, started.actor, Origin(started.origin))
    return len(lost)


def outcomes(plan: Plan) -> dict[str, int]:
    """Return the number of items of a plan by outcome; those not applied yet count as ``waiting``."""
    counted = dict(plan.items.order_by().values_list("outcome").annotate(items=Count("*")))
    return {"waiting": counted.get(None, 0)} | {str(each): counted.get(each, 0) for each in Outcome}


def _start(plan_id: str, actor: str, origin: Origin, *, in_background: bool = False) -> Plan:
    require_mode(Mode.REPAIR)
    with deciding(plan_id, actor, origin) as plan:
        resumed = plan.state == Plan.State.APPLYING
        if not resumed:
            require(plan, Plan.State.APPROVED, "applied")
            if fingerprint(plan) != plan.fingerprint:
                raise NotPossibleNow("The items of this plan are not those that were approved; make a new plan.")
            plan.state, plan.started_at = Plan.State.APPLYING, now()
        plan.heartbeat_at = now()
        plan.save(update_fields=["state", "started_at", "heartbeat_at"])
        take_step(plan_id, Step.Kind.STARTED, actor, origin, "Resumed." if resumed else "")
        if in_background:
            _defer(plan_id, actor, origin)
    return plan


def _defer(plan_id: str, actor: str, origin: Origin) -> None:
    job = app.configure_task(TASK, allow_unknown=False, queueing_lock=f"apply {plan_id}")
    defer_once(job, plan_id=plan_id, actor=actor, origin=str(origin))


def _apply_chunk(plan_id: str, actor: str, origin: Origin) -> int:
    """Settle items that no other process works on, in one commit, and return how many."""
    with atomic_with_lock_limit(beside.patience(PATIENCE), durable=True):
        if rebooking.waits(plan_id):
            return rebooking.settle(plan_id, actor, origin)
        waiting = PlanItem.objects.filter(plan=plan_id, outcome=None).order_by("balance_id")
        claimed = list(waiting.select_for_update(skip_locked=True, of=("self",))[: beside.at_once(CORRECTED_AT_ONCE)])
        # Several corrections to undo on one balance go in a chunk each.
        items = list({item.balance_id: item for item in reversed(claimed)}.values())[::-1]
        if not items:
            return 0
        SERIALISE.rows(balance_ids=[item.balance_id for item in items])
        plan = Plan.objects.get(pk=plan_id)
        results = _judge(items, plan)
        Plan.objects.filter(pk=plan_id).update(heartbeat_at=now())
        records = {each.item.pk: _record(each, each.measured, plan, actor, origin) for each in results if each.measured}
        SETTLE_ITEMS.rows(
            ids=[each.item.pk for each in results],
            outcomes=[str(each.outcome) for each in results],
            notes=[each.note for each in results],
            record_ids=[records[each.item.pk].pk if each.measured else None for each in results],
        )
        if records:
            seal(Reconstruction.objects.bulk_create(list(records.values())))
            # Last, so that rows of balances are locked for one update and the commit.
            # Undoing is no reconstruction: clients keep reading the result of the last one.
            restate_balances(
                [correction(each.measured, with_result=not each.item.undoes) for each in results if each.measured]
            )
    return len(items)


def _judge(items: Sequence[PlanItem], plan: Plan) -> list[ItemResult]:
    """Measure again and compare with the plan: only the differences that were approved may be written."""
    measured = {each.balance_id: each for each in measure([item.balance_id for item in items])}
    taken = undone([item.undoes for item in items if item.undoes])
    corrected = [item.balance_id for item in items if not item.undoes]
    drifted = [each for key in corrected if (each := measured.get(key)) and each.has_drift]
    gaps = gone(drifted) | damage(drifted) | {each.balance_id: NO_ROWS for each in drifted if each.is_empty}
    notes = {
        key: followed(gap) if plan.allow_incomplete and gap != RATES_GONE else left(gap) for key, gap in gaps.items()
    }
    return [_result(item, measured.get(item.balance_id), taken, plan, notes) for item in items]


def _result(
    item: PlanItem, measured: Measurement | None, taken: dict[str, str], plan: Plan, notes: dict[str, str]
) -> ItemResult:
    """Decide one item; ``notes`` says why the transactions should not be followed."""
    if measured is None:
        return ItemResult(item, Outcome.STALE, "The balance is gone.")
    if not measured.is_readable:
        return ItemResult(item, Outcome.REFUSED, left(NO_NUMBER))
    if item.undoes:
        if item.undoes in taken:
            return ItemResult(item, Outcome.STALE, f"Taken back already, by {taken[item.undoes]}.")
        return ItemResult(item, Outcome.APPLIED, measured=changed_by(measured, item.difference))
    if not measured.has_drift:
        return ItemResult(item, Outcome.UNCHANGED)
    if measured.difference != item.difference:
        return ItemResult(item, Outcome.STALE, f"The drift is now {measured.drift_in_words}; make a new plan.")
    if notes.get(item.balance_id) == left(RATES_GONE) or (item.balance_id in notes and not plan.allow_incomplete):
        return ItemResult(item, Outcome.REFUSED, notes[item.balance_id])
    return ItemResult(item, Outcome.APPLIED, notes.get(item.balance_id, item.note), measured)


def _record(result: ItemResult, measured: Measurement, plan: Plan, actor: str, origin: Origin) -> Reconstruction:
    """Return the unsaved record of a correction; its note says which incomplete or damaged rows it followed."""
    item = result.item
    return Reconstruction.of(
        measured,
        outcome=Reconstruction.Outcome.UNDONE if item.undoes else Reconstruction.Outcome.CORRECTED,
        dry_run=False,
        actor=actor,
        reason=plan.reason,
        origin=origin,
        plan_id=plan.plan_id,
        undoes=item.undoes,
        note=result.note,
    )


def _off_again(plan: Plan) -> str:
    """Return in words how many corrected balances of a plan were off again when it ended."""
    applied = (
        plan.items.filter(outcome=Outcome.APPLIED).exclude(undoes__gt="") if beside.is_beside() else plan.items.none()
    )
    count = len(beside.off_again(list(applied.values_list("balance_id", flat=True))))
    return f"; {count:,} off again, measured after that" if count else ""


def _finish(plan_id: str, actor: str, origin: Origin) -> Plan:
    """End a plan whose items are all settled; while another process works on some, that one ends it."""
    with atomic_with_lock_limit(PATIENCE, durable=True):
        plan = locked(plan_id)
        counted = outcomes(plan)
        if plan.state == Plan.State.APPLYING and not counted["waiting"]:
            plan.state, plan.finished_at = Plan.State.APPLIED, now()
            plan.save(update_fields=["state", "finished_at"])
            note = ", ".join(f"{count:,} {outcome}" for outcome, count in counted.items() if count) + _off_again(plan)
            take_step(plan_id, Step.Kind.FINISHED, actor, origin, f"{note}.".capitalize())
    return plan
