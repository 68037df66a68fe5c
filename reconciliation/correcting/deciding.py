"""Decisions on plans: approve, reject, cancel. Each step is a sealed record, including refused ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import QuerySet

from balances.ground import BalanceLocked, LedgerError, NotFound, approving, atomic_with_lock_limit
from balances.models import now
from reconciliation.correcting.policy import SecondPersonNeeded, why_not_second
from reconciliation.correcting.rebuilding import MAX_REASON, PATIENCE, ReasonTooLong
from reconciliation.models import Origin, Plan, Step
from reconciliation.records import seal


class PlanNotFound(NotFound):
    """There is no such plan."""

    def __init__(self, plan_id: str) -> None:
        super().__init__(f"Plan with ID '{plan_id}' not found")


class NotPossibleNow(LedgerError):
    """The plan is not in a state in which that can be done."""

    code = "GEN_CONFLICT"


class ReasonRequired(LedgerError):
    """A decision without a reason."""

    text = "Say why: the reason is kept for ever"
    code = "GEN_VALIDATION_ERROR"


def approve(plan_id: str, actor: str, origin: Origin, note: str = "") -> Plan:
    """Approve a plan that waits for a second person.

    Raises ``PlanNotFound``, ``NotPossibleNow``, ``SecondPersonNeeded`` for the one who proposed it and for an
    unknown actor, or what receivers of ``approving`` raise. A refused attempt leaves a step.
    """
    with deciding(plan_id, actor, origin) as plan:
        require(plan, Plan.State.PROPOSED, "approved")
        # The step is sealed, the plan's own column is not.
        proposers = Step.objects.filter(plan_id=plan_id, kind=Step.Kind.PROPOSED).values_list("actor", flat=True)
        requesters = {plan.actor, *proposers}
        approving.send(sender=Plan, actor=actor, requesters=requesters)
        for requester in requesters:
            if refusal := why_not_second(actor, requester):
                raise SecondPersonNeeded(refusal)
        _check(note)
        _decide(plan, Plan.State.APPROVED, actor)
        take_step(plan_id, Step.Kind.APPROVED, actor, origin, f"Fingerprint {plan.fingerprint}. {note}".strip())
    return plan


def reject(plan_id: str, actor: str, origin: Origin, reason: str) -> Plan:
    """Reject a plan that waits for approval. Raises ``PlanNotFound``, ``NotPossibleNow`` or ``ReasonRequired``."""
    with deciding(plan_id, actor, origin) as plan:
        require(plan, Plan.State.PROPOSED, "rejected")
        if not reason.strip():
            raise ReasonRequired
        _check(reason)
        _decide(plan, Plan.State.REJECTED, actor)
        take_step(plan_id, Step.Kind.REJECTED, actor, origin, reason)
    return plan


def cancel(plan_id: str, actor: str, origin: Origin, note: str = "") -> Plan:
    """Cancel a plan that is not being applied yet. Raises ``PlanNotFound`` or ``NotPossibleNow``."""
    with deciding(plan_id, actor, origin) as plan:
        if plan.state not in (Plan.State.PROPOSED, Plan.State.APPROVED):
            raise NotPossibleNow(f"{_state(plan)} and cannot be cancelled any more.")
        _check(note)
        plan.state = Plan.State.CANCELLED
        plan.save(update_fields=["state"])
        take_step(plan_id, Step.Kind.CANCELLED, actor, origin, note)
    return plan


@contextmanager
def deciding(plan_id: str, actor: str, origin: Origin) -> Iterator[Plan]:
    """Yield the plan, locked, in a transaction of its own; a refused attempt leaves a step even so."""
    try:
        with atomic_with_lock_limit(PATIENCE, durable=True):
            yield locked(plan_id)
    except (PlanNotFound, BalanceLocked):
        raise  # there is no plan for a step to belong to, or the attempt was not refused
    except LedgerError as refusal:
        with atomic_with_lock_limit(PATIENCE, durable=True):
            take_step(plan_id, Step.Kind.REFUSED, actor, origin, refusal.message)
        raise


def locked(plan_id: str) -> Plan:
    """Return a plan, its row locked until the end of the transaction. Raises ``PlanNotFound``."""
    return find_plan(plan_id, Plan.objects.select_for_update(no_key=True))


def find_plan(plan_id: str, among: QuerySet[Plan] | None = None) -> Plan:
    """Return a plan. Raises ``PlanNotFound``."""
    plan = (Plan.objects.all() if among is None else among).filter(pk=plan_id).first()
    if plan is None:
        raise PlanNotFound(plan_id)
    return plan


def require(plan: Plan, state: Plan.State, what: str) -> None:
    """Raise ``NotPossibleNow`` unless a plan is in a state."""
    if plan.state != state:
        raise NotPossibleNow(f"{_state(plan)} and cannot be {what}.")


def take_step(plan_id: str, kind: Step.Kind, actor: str, origin: Origin, note: str = "") -> None:
    """Record and seal what happened to a plan, in the transaction in which it happens."""
    seal([Step.objects.create(plan_id=plan_id, kind=kind, actor=actor, origin=origin, note=note)])


def _state(plan: Plan) -> str:
    return f"Plan {plan.plan_id} is in the state “{plan.get_state_display().lower()}”"


def _check(text: str) -> None:
    if len(text) > MAX_REASON:
        raise ReasonTooLong


def _decide(plan: Plan, state: Plan.State, actor: str) -> None:
    plan.state, plan.decided_by, plan.decided_at = state, actor, now()
    plan.save(update_fields=["state", "decided_by", "decided_at"])
