"""Who looks at a finding, and until when; and notes. What is said of one finding holds for the next of the same case.

A case is the run of findings of one balance that no sweep without a finding, and no correction, has broken.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import DateField, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL

from balances.ground import LedgerError
from balances.models import now
from reconciliation.casework.accepting import FindingNotFound
from reconciliation.casework.mentioning import called, mail_mentions
from reconciliation.correcting import ReasonTooLong
from reconciliation.models import Assignment, Finding, Note, Subject
from reconciliation.sweeping import UNBROKEN

SEES_FINDINGS = "reconciliation.view_finding"
BACKEND = "django.contrib.auth.backends.ModelBackend"
LONGEST_NOTE = 4_000
"""Characters of a note."""
ASSIGNMENT = (Path(__file__).parent / "sql" / "assignment.sql").read_text().partition("SELECT")[2]


class CannotLook(LedgerError):
    """Somebody who may not see findings cannot look at one."""

    code = "GEN_VALIDATION_ERROR"


class NothingSaid(LedgerError):
    """A note without words."""

    text = "A note says something"
    code = "GEN_VALIDATION_ERROR"


def _held(column: str, field: Any) -> RawSQL:
    return RawSQL(f"SELECT{ASSIGNMENT}".replace("COLUMN", column).replace("UNBROKEN", UNBROKEN), (), output_field=field)  # noqa: S611


def with_assignment(findings: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate ``assignee``, empty or ``None`` where no one is, ``due_on``, and how far the work is."""
    held: QuerySet[Any] = findings.annotate(
        assignee=_held("assignee", TextField()),
        due_on=_held("due_on", DateField()),
        work_state=_held("state", TextField()),
    )
    return held


def assigned_to(findings: QuerySet[Any], who: str) -> QuerySet[Any]:
    """Leave findings, annotated ``with_assignment``, that are assigned to one person; to no one without a name."""
    if not who:
        return findings.filter(Q(assignee=None) | Q(assignee=""))
    theirs = Assignment.objects.filter(assignee=who, balance_id__isnull=False).order_by()
    return findings.filter(balance_id__in=theirs.values("balance_id"), assignee=who)


def overdue(findings: QuerySet[Any]) -> QuerySet[Any]:
    """Leave findings, annotated ``with_assignment``, that were due before today, in UTC."""
    today = now().date()
    late = Assignment.objects.filter(due_on__lt=today, balance_id__isnull=False).order_by()
    return findings.filter(balance_id__in=late.values("balance_id"), due_on__lt=today)


def who_may_look(most: int, permission: str = SEES_FINDINGS) -> list[str]:
    """Return the names of staff who may see findings, or what another permission lets people see."""
    people = User.objects.with_perm(permission, backend=BACKEND).filter(is_active=True, is_staff=True)
    return list(people.order_by("username").values_list("username", flat=True)[:most])


def assign(finding_id: str, actor: str, assignee: str, due_on: date | None = None, state: str = "") -> Assignment:
    """Have somebody look at a finding; without a name, no one does any more.

    Raises ``FindingNotFound``, or ``CannotLook`` where there is no such person among staff who may see findings.
    """
    balance_id = _balance_of(finding_id)
    person = User.objects.filter(username=assignee, is_active=True, is_staff=True).first() if assignee else None
    if assignee and (person is None or not person.has_perm(SEES_FINDINGS)):
        raise CannotLook(f"{assignee} is no one who may see findings")
    about = {"kind": Subject.FINDING, "object_id": finding_id, "balance_id": balance_id}
    return Assignment.objects.create(assignee=assignee, due_on=due_on, state=state, actor=actor, **about)


def write_note(finding_id: str, actor: str, text: str) -> Note:
    """Keep what somebody says of a finding. Raises ``FindingNotFound``, ``NothingSaid`` or ``ReasonTooLong``."""
    balance_id = _balance_of(finding_id)
    if not text.strip():
        raise NothingSaid
    if len(text) > LONGEST_NOTE:
        raise ReasonTooLong(f"A note has at most {LONGEST_NOTE:,} characters")
    about = {"kind": Subject.FINDING, "object_id": finding_id, "balance_id": balance_id}
    with transaction.atomic():
        mentions = called(text, SEES_FINDINGS)
        note = Note.objects.create(text=text.replace("\x00", "\ufffd"), actor=actor, mentions=mentions, **about)
        mail_mentions(note)
    return note


def notes_on(balance_id: str) -> QuerySet[Note]:
    """Return what was said of the findings of a balance, newest first."""
    return Note.objects.filter(balance_id=balance_id)


def _balance_of(finding_id: str) -> str:
    balance_id = Finding.objects.filter(pk=finding_id).values_list("balance_id", flat=True).first()
    if balance_id is None:
        raise FindingNotFound(finding_id)
    return balance_id
