"""Many holds at once: looked at together, asked for as one plan, approved where the policy asks, settled in batches.

The sum of a plan counts against the limit for one person, not each hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction

from balances.books import Settlement
from balances.ground import approving, atomic_with_lock_limit, changed, dumps
from balances.instructing.limits import require_within_bounds, serialise_asking, why_second_person
from balances.instructing.service import NotOpen, Person
from balances.instructing.settling_plans import HOLDS
from balances.keys import is_same_person
from balances.models import HoldPlan, OpenHold, PlannedHold, now
from balances.posting import preview_settlements

MOST_HOLDS = 20_000
"""Holds of one plan."""
State = HoldPlan.State


@dataclass(frozen=True)
class Line:
    """A hold as it was seen: what remains of it, in minor units, and why the ledger would refuse it, if it would."""

    transaction_id: str
    currency: str
    precision: int
    units: int
    refusal: str = ""


@dataclass(frozen=True)
class Outlook:
    """What a plan would do if it were carried out now."""

    action: str
    lines: Sequence[Line]

    @property
    def fit(self) -> list[Line]:
        """Return the holds that would be settled."""
        return [each for each in self.lines if not each.refusal]

    @property
    def refused(self) -> list[Line]:
        """Return the holds that would not."""
        return [each for each in self.lines if each.refusal]

    @property
    def totals(self) -> list[dict[str, Any]]:
        """Return by currency and precision how many holds would be settled, and their minor units as text."""
        holds, units = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
        for each in self.fit:
            holds[each.currency, each.precision] += 1
            units[each.currency, each.precision] += each.units
        return [
            {"currency": currency, "precision": precision, "holds": holds[currency, precision], "units": str(total)}
            for (currency, precision), total in sorted(units.items())
        ]

    def second_person(self, actor: str) -> str:
        """Return why the house wants a second person for all of it together, or nothing where it does not."""
        sums = Counter[str]()
        for each in self.fit:
            sums[each.currency] += each.units
        reasons = (why_second_person(currency, units, actor) for currency, units in sorted(sums.items()))
        return " ".join(why for why in reasons if why)

    def fingerprint(self, plan_id: str) -> str:
        """Return what stands for exactly this, so that nothing else can be confirmed."""
        seen = [plan_id, self.action, *([each.transaction_id, str(each.units)] for each in self.fit)]
        return sha256(dumps(seen).encode()).hexdigest()


def look(action: str, transaction_ids: Iterable[str]) -> Outlook:
    """Return what a commit or void of all that remains of some holds would do, by the dry run of the API.

    Raises ``NotOpen`` for none and for too many.
    """
    ids = list(dict.fromkeys(transaction_ids))
    if not 0 < len(ids) <= MOST_HOLDS:
        raise NotOpen(f"Choose at least one hold, and at most {MOST_HOLDS:,}. A filter makes the list shorter.")
    settlements = [Settlement(transaction_id=each, action=action) for each in ids]  # type: ignore[arg-type]
    seen = preview_settlements(settlements, skip_queue=True).results
    remains = {
        each.pk: each
        for each in OpenHold.objects.filter(pk__in=ids).only("pk", "currency", "precision", "parent_transaction")
    }
    planned = dict(
        PlannedHold.objects.filter(transaction_id__in=ids, state=PlannedHold.State.WAITING).values_list(
            "transaction_id", "plan_id"
        )
    )
    lines = []
    for key, preview in zip(ids, seen, strict=True):
        hold = remains.get(key)
        refusal = preview.rejection.message if preview.rejection else ""
        if key in planned:
            refusal = f"It is in the open plan {planned[key]}."
        elif hold is None and not refusal:
            refusal = "It is no open hold."
        known = (hold.currency or "", hold.precision or 1, int(hold.remaining)) if hold else ("", 1, 0)  # type: ignore[attr-defined]
        lines.append(Line(key, *known, refusal))
    return Outlook(action, lines)


def ask_plan(plan_id: str, outlook: Outlook, *, reason: str, by: Person) -> HoldPlan:
    """Keep a plan of what would be settled, and start it where no second person is needed; return it.

    The same id again is the same plan. Raises ``NotOpen`` where nothing would be settled, or where another plan has
    taken one of the holds meanwhile.
    """
    if earlier := HoldPlan.objects.filter(pk=plan_id).first():
        return earlier
    fit = outlook.fit
    if not fit:
        raise NotOpen("None of these holds can be settled.")
    _require_within_bounds(outlook.totals)
    try:
        with atomic_with_lock_limit():
            serialise_asking()
            second_person = outlook.second_person(by.actor)
            plan = HoldPlan.objects.create(
                plan_id=plan_id,
                action=outlook.action,
                holds=len(fit),
                totals=outlook.totals,
                reason=reason,
                asked_by=by.actor,
                second_person=second_person,
                state=State.WAITING if second_person else State.STARTED,
            )
            PlannedHold.objects.bulk_create((_planned(plan, each) for each in fit), batch_size=2_000)
            _report(plan, by, "added", {}, seen=outlook.fingerprint(plan_id))
            if plan.state == State.STARTED:
                _start()
    except IntegrityError as error:
        if earlier := HoldPlan.objects.filter(pk=plan_id).first():
            return earlier
        raise NotOpen("Another plan has taken one of these holds meanwhile: look again.") from error
    return plan


def _require_within_bounds(totals: list[dict[str, Any]]) -> None:
    """Raise ``TooMuchByHand`` where all of a plan together is more than one instruction may have."""
    sums = Counter[str]()
    for each in totals:
        sums[each["currency"]] += int(each["units"])
    for currency, units in sums.items():
        require_within_bounds(currency, units)


def approve_plan(plan_id: str, *, note: str, by: Person) -> HoldPlan:
    """Approve what another person asked for, and start it. Raises ``NotOpen`` and what ``approving`` may."""
    requesters = list(HoldPlan.objects.filter(pk=plan_id).values_list("asked_by", flat=True))
    approving.send(sender=HoldPlan, actor=by.actor, requesters=requesters)
    for totals in HoldPlan.objects.filter(pk=plan_id).values_list("totals", flat=True):
        _require_within_bounds(totals)
    with transaction.atomic():
        plan = _decide(plan_id, State.STARTED, note=note, by=by)
        _start()
    return plan


def reject_plan(plan_id: str, *, note: str, by: Person) -> HoldPlan:
    """Reject what another person asked for; its holds stay as they are. Raises ``NotOpen``."""
    return _end(plan_id, State.REJECTED, note=note, by=by)


def withdraw_plan(plan_id: str, *, by: Person) -> HoldPlan:
    """Take back what oneself asked for. Raises ``NotOpen``."""
    return _end(plan_id, State.WITHDRAWN, note="", by=by)


def _start() -> None:
    HOLDS.announce()
    HOLDS.call()


def _planned(plan: HoldPlan, line: Line) -> PlannedHold:
    return PlannedHold(
        plan=plan,
        transaction_id=line.transaction_id,
        currency=line.currency,
        precision=line.precision,
        units=line.units,
    )


def _end(plan_id: str, state: State, *, note: str, by: Person) -> HoldPlan:
    with transaction.atomic():
        plan = _decide(plan_id, state, note=note, by=by)
        plan.lines.update(state=PlannedHold.State.LEFT)
    return plan


def _decide(plan_id: str, state: State, *, note: str, by: Person) -> HoldPlan:
    plan = HoldPlan.objects.select_for_update().filter(pk=plan_id).first()
    if plan is None:
        raise NotOpen("There is no such plan.")
    if plan.state != State.WAITING:
        raise NotOpen(f"It is {plan.get_state_display().lower()} already.")
    if is_same_person(by.actor, plan.asked_by) is not (state == State.WITHDRAWN):
        raise NotOpen("Only the person who asked can withdraw it, and only another person can approve or reject it.")
    before = {"state": plan.state, "note": plan.note}
    plan.state, plan.decided_by, plan.decided_at, plan.note = state, by.actor, now(), note
    plan.ended_at = None if state == State.STARTED else plan.decided_at
    plan.save()
    _report(plan, by, "changed", before)
    return plan


def _report(plan: HoldPlan, by: Person, action: str, before: dict[str, str], **more: str) -> None:
    after = {"state": plan.state, "note": plan.note} | more
    if action == "added":
        after |= {"reason": plan.reason, "totals": dumps(plan.totals)}
    changed.send(
        sender=HoldPlan,
        actor=by.actor,
        action=action,
        subject="plan of holds",
        subject_id=plan.pk,
        name=str(plan),
        before=before,
        after=after,
        address=by.address,
    )
