"""Work on anything that staff look at: who works on it, how far it is, until when, and what was said.

Rows only grow: the newest assignment of a subject holds, and notes are added. Findings have more rules, because a case
of findings goes on from sweep to sweep (``assigning``); their rows lie in the same two tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from balances.ground import LedgerError, NotFound
from balances.models import Balance, Transaction, now
from reconciliation.casework.assigning import LONGEST_NOTE, CannotLook, NothingSaid
from reconciliation.casework.mentioning import called, mail_mentions, those_with
from reconciliation.correcting import ReasonTooLong
from reconciliation.models import Assignment, Finding, Incident, Note, Plan, Subject

TABLES: dict[str, type[models.Model]] = {
    Subject.BALANCE: Balance,
    Subject.TRANSACTION: Transaction,
    Subject.FINDING: Finding,
    Subject.INCIDENT: Incident,
    Subject.PLAN: Plan,
}
"""Where the rows of each kind of subject are."""
MENTIONED_FOR = timedelta(days=30)
"""How long a mention waits for an answer."""


class SubjectNotFound(NotFound):
    """There is no such row."""

    text = "What this is about is no longer there"


class UnknownState(LedgerError):
    """A state that the house does not have."""

    code = "GEN_VALIDATION_ERROR"


@dataclass(frozen=True)
class Case:
    """How work on a subject stands: nothing of it is set where no one has assigned it yet."""

    assignee: str = ""
    state: str = ""
    due_on: date | None = None


def view_permission(kind: str) -> str:
    """Return the permission that somebody needs to see subjects of a kind."""
    meta = TABLES[kind]._meta
    return f"{meta.app_label}.view_{meta.model_name}"


def kinds_seen_by(user: Any) -> list[str]:
    """Return the kinds of subjects that a user may see."""
    return [kind for kind in TABLES if user.has_perm(view_permission(kind))]


def case_of(kind: str, object_id: str) -> Case:
    """Return how work on a subject stands."""
    newest = Assignment.objects.filter(kind=kind, object_id=object_id).first()
    return Case(newest.assignee, newest.state, newest.due_on) if newest else Case()


def notes_about(kind: str, object_id: str) -> QuerySet[Note]:
    """Return what was said of a subject, newest first."""
    return Note.objects.filter(kind=kind, object_id=object_id)


def move(kind: str, object_id: str, actor: str, case: Case) -> Assignment:
    """Say who works on a subject, how far it is, and until when it is due.

    Raises ``SubjectNotFound``, ``UnknownState``, or ``CannotLook`` where there is no such person among staff who may
    see it.
    """
    _require(kind, object_id)
    if case.state and case.state not in settings.LEDGER_WORK_STATES:
        raise UnknownState(f"There is no state '{case.state}'")
    if case.assignee and not those_with(view_permission(kind), [case.assignee]):
        raise CannotLook(f"{case.assignee} is no one who may see this")
    return Assignment.objects.create(kind=kind, object_id=object_id, actor=actor, **vars(case))


def say(kind: str, object_id: str, actor: str, text: str) -> Note:
    """Keep what somebody says of a subject, and mail those whom it calls by ``@name`` and who may see the subject.

    Raises ``SubjectNotFound``, ``NothingSaid`` or ``ReasonTooLong``.
    """
    _require(kind, object_id)
    if not text.strip():
        raise NothingSaid
    if len(text) > LONGEST_NOTE:
        raise ReasonTooLong(f"A note has at most {LONGEST_NOTE:,} characters")
    mentions = called(text, view_permission(kind))
    with transaction.atomic():
        kept = text.replace("\x00", "\ufffd")
        note = Note.objects.create(kind=kind, object_id=object_id, actor=actor, text=kept, mentions=mentions)
        mail_mentions(note)
    return note


def board(kinds: Iterable[str]) -> QuerySet[Assignment]:
    """Return the newest assignment of each subject of some kinds: how work on it stands."""
    newer = Assignment.objects.filter(kind=OuterRef("kind"), object_id=OuterRef("object_id")).filter(
        Q(assigned_at__gt=OuterRef("assigned_at"))
        | Q(assigned_at=OuterRef("assigned_at"), assignment_id__gt=OuterRef("assignment_id"))
    )
    return Assignment.objects.filter(~Exists(newer), kind__in=list(kinds))


def unfinished(assignments: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Leave what is not in the last state of the house, which means finished."""
    return assignments.exclude(state=settings.LEDGER_WORK_STATES[-1])


def mentions_of(who: str, kinds: Iterable[str]) -> QuerySet[Note]:
    """Return the notes of the last days that call a person who has not written on the same subject since."""
    answers = Note.objects.filter(
        kind=OuterRef("kind"), object_id=OuterRef("object_id"), actor=who, written_at__gt=OuterRef("written_at")
    )
    recent = Note.objects.filter(mentions__contains=[who], kind__in=list(kinds), written_at__gte=now() - MENTIONED_FOR)
    return recent.filter(~Exists(answers))


def _require(kind: str, object_id: str) -> None:
    if not TABLES[kind]._default_manager.filter(pk=object_id).exists():
        raise SubjectNotFound
