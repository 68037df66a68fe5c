"""What waits: for one person, for the workers, and for somebody to look at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from balances.ground import Statement
from balances.keys import is_same_person
from balances.models import HoldPlan, Instruction
from balances.queueing import LATE_SECONDS, living_workers, seconds_due
from reconciliation.casework import board, mentions_of, unfinished
from reconciliation.correcting import why_not_second
from reconciliation.models import Alert, Assignment, Note, Plan, Sweep

FAILED_SINCE = Statement.beside(__file__, "failed_since.sql")
DAY = timedelta(days=1)
READ = 200
"""Plans that are read for one person; more than that no one has in hand."""


@dataclass(frozen=True)
class Stuck:
    """What does not go on by itself."""

    seconds_due: float
    """Since the oldest entry of the queue became due; 0 where none is late."""
    has_worker: bool
    failed_deliveries: int
    """Attempts to deliver events that failed within a day."""
    failed_notifications: int
    """Attempts to notify people that failed within a day."""
    alerts: list[Alert]
    """Open ones, newest first."""


def plans_waiting(actor: str, *, may_approve: bool, may_apply: bool) -> list[Plan]:
    """Return plans that wait for this person: to be approved by a second one, or to be applied; oldest first."""
    states = [Plan.State.PROPOSED] * may_approve + [Plan.State.APPROVED] * may_apply
    plans = Plan.objects.filter(state__in=states).order_by("requested_at", "plan_id")[:READ]
    waiting = {each.actor for each in plans if each.state == Plan.State.PROPOSED}
    others = {who for who in waiting if why_not_second(actor, who) is None}
    return [each for each in plans if each.state == Plan.State.APPROVED or each.actor in others]


@dataclass(frozen=True)
class Work:
    """What is one person's: unfinished work, soonest due first, and notes that call them, newest first."""

    many: int
    late: int
    mentioned: int
    first: list[Assignment]
    mentions: list[Note]


def work_of(who: str, kinds: list[str], today: date) -> Work:
    """Return the work of a person on subjects of some kinds."""
    mine = unfinished(board(kinds)).filter(assignee=who).order_by("due_on", "assigned_at")
    first, mentions = list(mine[:READ]), list(mentions_of(who, kinds)[:READ])
    late = sum(1 for each in first if each.due_on and each.due_on < today)
    return Work(len(first), late, len(mentions), first, mentions)


def by_hand_waiting(actor: str) -> list[Instruction | HoldPlan]:
    """Return what others asked to do by hand and this person may approve, oldest first."""
    waiting: list[Instruction | HoldPlan] = [
        *Instruction.objects.filter(state=Instruction.State.WAITING).order_by("asked_at")[:READ],
        *HoldPlan.objects.filter(state=HoldPlan.State.WAITING).order_by("asked_at")[:READ],
    ]
    others = {who for who in {each.asked_by for each in waiting} if not is_same_person(actor, who)}
    return sorted((each for each in waiting if each.asked_by in others), key=lambda each: each.asked_at)


def open_sweeps() -> list[Sweep]:
    """Return sweeps that have not ended, newest first."""
    return list(Sweep.objects.filter(state__in=Sweep.OPEN)[:READ])


def stuck(at: datetime) -> Stuck:
    """Return what does not go on by itself."""
    late = seconds_due()
    failed = FAILED_SINCE.rows(since=at - DAY)[0]
    return Stuck(
        seconds_due=late if late >= LATE_SECONDS else 0,
        has_worker=living_workers() > 0,
        failed_deliveries=failed["deliveries"],
        failed_notifications=failed["notifications"],
        alerts=list(Alert.objects.filter(state=Alert.State.OPEN)),
    )
