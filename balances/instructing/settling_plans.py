"""Carries out plans of holds in batches.

A batch settles its holds and says so on their lines in one commit. So a worker that is killed leaves either both or
neither, and the next one goes on with what still waits.
"""

from __future__ import annotations

import logging
from hashlib import sha256

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from balances.books import Settlement
from balances.ground import Backlog, BalanceLocked, LedgerError, changed, dumps, forbidden, is_outage
from balances.models import HoldPlan, PlannedHold, now
from balances.posting import Outcome, settle_each
from balances.recording import POSTINGS

logger = logging.getLogger(__name__)

HOLDS = Backlog("settle_holds", queue=POSTINGS.queue, lock="hold_plans")
BATCH = 100
"""Holds that share a commit, and so keep their balances locked together."""
State = PlannedHold.State


def settle_some() -> int:
    """Settle some holds of started plans, end the plans that have none left, and return how many holds were settled.

    Where a batch fails, its first hold is settled alone, and refused where that fails too. Raises ``BalanceLocked``.
    """
    end_plans()
    try:
        return _settle(BATCH)
    except BalanceLocked:
        raise
    except (DatabaseError, LedgerError) as error:
        if is_outage(error) or forbidden(error):
            raise
        logger.exception("A batch of holds could not be settled")
        return _settle_one()


def is_finished() -> bool:
    """Return whether no plan has a hold left that waits, and none is being started."""
    with transaction.atomic():
        return HOLDS.is_quiet() and not _waiting().exists()


def end_plans() -> None:
    """End the started plans of which no hold waits any more, each with an entry in the audit log."""
    with transaction.atomic():
        started = HoldPlan.objects.select_for_update(skip_locked=True).filter(state=HoldPlan.State.STARTED)
        for plan in started.exclude(pk__in=_waiting().values("plan_id")):
            plan.state, plan.ended_at = HoldPlan.State.DONE, now()
            plan.save()
            _report(plan)


def _waiting() -> QuerySet[PlannedHold]:
    return PlannedHold.objects.filter(state=State.WAITING, plan__state=HoldPlan.State.STARTED)


def _settle(most: int) -> int:
    with transaction.atomic():
        lines = list(
            _waiting()
            .select_related("plan")
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("planned_hold_id")[:most]
        )
        if lines:
            for line, outcome in zip(lines, settle_each([_settlement(each) for each in lines]), strict=True):
                _note(line, outcome)
            PlannedHold.objects.bulk_update(lines, ("state", "why", "result"))
    return len(lines)


def _settle_one() -> int:
    try:
        return _settle(1)
    except BalanceLocked:
        raise
    except (DatabaseError, LedgerError) as error:
        with transaction.atomic():
            line = _waiting().select_for_update(skip_locked=True, of=("self",)).order_by("planned_hold_id").first()
            if line:
                line.state, line.why = State.REFUSED, f"The ledger could not record it: {error}"
                line.save()
        return 1


def _settlement(line: PlannedHold) -> Settlement:
    return Settlement(
        transaction_id=line.transaction_id,
        action=line.plan.action,  # type: ignore[arg-type]  # one of the two
        remaining=line.units,
    )


def _note(line: PlannedHold, outcome: Outcome) -> None:
    if outcome.rows:
        line.state, line.result = State.DONE, outcome.rows[0].pk
    else:
        line.state, line.why = State.REFUSED, " ".join(each.message for each in outcome.errors)


def _report(plan: HoldPlan) -> None:
    """Seal what came of each hold, by the hash of all lines, in the name of the person who decided."""
    lines = list(plan.lines.values_list("transaction_id", "units", "state", "result", "why"))
    done = sum(state == State.DONE for _, _, state, _, _ in lines)
    after = {"state": plan.state, "done": str(done), "refused": str(len(lines) - done)}
    after["results"] = sha256(dumps([[*map(str, each)] for each in lines]).encode()).hexdigest()
    changed.send(
        sender=HoldPlan,
        actor=plan.decided_by or plan.asked_by,
        action="acted",
        subject="plan of holds",
        subject_id=plan.pk,
        name=str(plan),
        before={"state": HoldPlan.State.STARTED},
        after=after,
        address="",
    )
