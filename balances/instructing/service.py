"""The way of an instruction: asked for, approved where a second person is needed, then done once, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from balances.ground import LedgerError, approving, atomic_with_lock_limit, changed, dumps
from balances.instructing.limits import require_within_bounds, serialise_asking, why_second_person
from balances.instructing.orders import (
    Order,
    Payment,
    RefundOrder,
    SettlementOrder,
    do,
    done_before,
    order_of,
    request_of,
)
from balances.keys import is_same_person
from balances.models import Balance, Instruction, now

State = Instruction.State


class NotOpen(LedgerError):
    """An instruction that is decided already, or by the wrong person."""

    code = "GEN_CONFLICT"


@dataclass(frozen=True)
class Amount:
    """What an order moves, in minor units, and how many of them make a major one."""

    units: int
    currency: str
    precision: int


@dataclass(frozen=True)
class Person:
    """Who asks or decides, as records name them, and the address of their client."""

    actor: str
    address: str = ""


def ask(instruction_id: str, order: Order, *, amount: Amount, reason: str, by: Person) -> Instruction:
    """Keep an order, and do it where no second person is needed; return it as it is then.

    The id is the reference of what is done. The same one again is the same instruction, so a form that is sent twice
    does nothing twice. Raises ``TooMuchByHand``, and ``NotOpen`` for a currency that is not that of the balances.
    """
    require_within_bounds(amount.currency, amount.units)
    _require_its_currency(order, amount.currency)
    with atomic_with_lock_limit():
        serialise_asking()
        second_person = why_second_person(amount.currency, amount.units, by.actor)
        instruction, is_new = Instruction.objects.get_or_create(
            pk=instruction_id,
            defaults={
                "kind": _kind(order),
                "request": request_of(order),
                "subject": "" if isinstance(order, Payment) else order.transaction_id,
                **vars(amount),
                "reason": reason,
                "asked_by": by.actor,
                "second_person": second_person,
                "state": State.WAITING if second_person else State.STARTED,
            },
        )
        if is_new:
            _report(instruction, by, "added", {})
    if is_new and not second_person:
        _do(instruction)
    return Instruction.objects.get(pk=instruction_id)


def _require_its_currency(order: Order, currency: str) -> None:
    """Raise ``NotOpen`` where a balance that is named by its id is in another currency, whose limits would not hold."""
    if not isinstance(order, Payment):
        return
    named = [order.source, *(each.identifier for each in order.destinations)]
    for balance_id, own in Balance.objects.filter(pk__in=named).values_list("pk", "currency"):
        if own != currency:
            raise NotOpen(f"Balance {balance_id} is in {own}, not in {currency}.")


def approve(instruction_id: str, *, note: str, by: Person) -> Instruction:
    """Approve what another person asked for, and do it; return it as it is then.

    Raises ``NotOpen``, ``TooMuchByHand``, or what receivers of ``approving`` raise.
    """
    requesters = list(Instruction.objects.filter(pk=instruction_id).values_list("asked_by", flat=True))
    approving.send(sender=Instruction, actor=by.actor, requesters=requesters)
    with transaction.atomic():
        instruction = _open(instruction_id, {State.WAITING})
        require_within_bounds(instruction.currency, instruction.units)
        _decide(instruction, State.STARTED, note=note, by=by)
    _do(instruction)
    return Instruction.objects.get(pk=instruction_id)


def go_on(instruction_id: str, *, by: Person) -> Instruction:
    """Go on with what was started and never ended, because a process died. Raises ``NotOpen``.

    It is looked up first whether it was done; it is done only where it was not.
    """
    with transaction.atomic():
        instruction = _open(instruction_id, {State.STARTED})
        _report(instruction, by, "acted", {})
    row = done_before(order_of(instruction), instruction.pk)
    if row is None:
        _do(instruction)
    else:
        _finish(instruction, State.DONE, result=row.pk)
    return Instruction.objects.get(pk=instruction_id)


def reject(instruction_id: str, *, note: str, by: Person) -> Instruction:
    """Reject what another person asked for. Raises ``NotOpen``."""
    with transaction.atomic():
        return _decide(_open(instruction_id, {State.WAITING}), State.REJECTED, note=note, by=by)


def withdraw(instruction_id: str, *, by: Person) -> Instruction:
    """Take back what oneself asked for. Raises ``NotOpen``."""
    with transaction.atomic():
        return _decide(_open(instruction_id, {State.WAITING}), State.WITHDRAWN, note="", by=by)


def _decide(instruction: Instruction, state: State, *, note: str, by: Person) -> Instruction:
    is_own = is_same_person(by.actor, instruction.asked_by)
    if is_own is not (state == State.WITHDRAWN):
        raise NotOpen("Only the person who asked can withdraw it, and only another person can approve or reject it.")
    before = {"state": instruction.state, "note": instruction.note}
    instruction.state, instruction.decided_by, instruction.decided_at = state, by.actor, now()
    instruction.note = note
    instruction.save()
    _report(instruction, by, "changed", before)
    return instruction


def _report(instruction: Instruction, by: Person, action: str, before: dict[str, str]) -> None:
    after = {"state": instruction.state, "note": instruction.note}
    if action == "added":
        after |= {"units": str(instruction.units), "currency": instruction.currency, "reason": instruction.reason}
        after["request"] = dumps(instruction.request)
    changed.send(
        sender=Instruction,
        actor=by.actor,
        action=action,
        subject="instruction",
        subject_id=instruction.pk,
        name=str(instruction),
        before=before,
        after=after,
        address=by.address,
    )


def _do(instruction: Instruction) -> None:
    """Do what was started. The ledger writes in a commit of its own; what it refuses is kept with the reason."""
    try:
        row = do(order_of(instruction), instruction.pk)
    except LedgerError as error:
        # Refused, because another process that went on with it has done it meanwhile?
        before = done_before(order_of(instruction), instruction.pk)
        if before is None:
            _finish(instruction, State.REFUSED, note=f"{instruction.note}\n{error.message}".strip())
            return
        row = before
    _finish(instruction, State.DONE, result=row.pk)


def _finish(instruction: Instruction, state: State, **fields: str) -> None:
    Instruction.objects.filter(pk=instruction.pk, state=State.STARTED).update(state=state, **fields)


def _open(instruction_id: str, states: set[State]) -> Instruction:
    instruction = Instruction.objects.select_for_update().filter(pk=instruction_id).first()
    if instruction is None:
        raise NotOpen("There is no such instruction.")
    if instruction.state not in states:
        raise NotOpen(f"It is {instruction.get_state_display().lower()} already.")
    return instruction


def _kind(order: Order) -> Instruction.Kind:
    match order:
        case Payment():
            return Instruction.Kind.HOLD if order.inflight else Instruction.Kind.PAYMENT
        case SettlementOrder():
            return Instruction.Kind(order.action)
        case RefundOrder():
            return Instruction.Kind.REFUND
