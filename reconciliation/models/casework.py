"""Who works on what: assignments with a due date and notes, two lists that only grow; and lists saved with filters."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from balances.ground import UTCDateTimeField
from balances.models import now


def new_assignment_id() -> str:
    """Return a fresh id of an assignment."""
    return f"asg_{uuid.uuid4()}"


def new_note_id() -> str:
    """Return a fresh id of a note."""
    return f"nte_{uuid.uuid4()}"


class Subject(models.TextChoices):
    """What people can be assigned to, and write notes on."""

    BALANCE = "balance", "Balance"
    TRANSACTION = "transaction", "Transaction"
    FINDING = "finding", "Finding"
    INCIDENT = "incident", "Incident"
    PLAN = "plan", "Plan"


class AboutSomething(models.Model):
    """A row about another one, by its kind and id: about a finding, about a balance, and so on."""

    kind = models.TextField(choices=Subject.choices)
    object_id = models.TextField(db_collation="C")
    balance_id = models.TextField(null=True, db_collation="C")
    """Whose balance that is, if any: each sweep finds the same drift again, and what was said stays with it."""
    actor = models.TextField()

    class Meta:
        abstract = True


class Assignment(AboutSomething):
    """Somebody is to look at something, until a day. The one before ends with it; without an assignee, all do."""

    assignment_id = models.TextField(primary_key=True, default=new_assignment_id, editable=False)
    assigned_at = UTCDateTimeField(default=now)
    assignee = models.TextField(blank=True)
    due_on = models.DateField(null=True)
    state = models.TextField(blank=True)
    """How far the work is, in the words of the house (``LEDGER_WORK_STATES``)."""

    class Meta:
        ordering = ("-assigned_at", "-assignment_id")
        indexes = (
            models.Index(fields=("kind", "object_id", "-assigned_at"), name="assignments_of_object"),
            # What holds for the findings of a balance: the newest.
            models.Index(
                fields=("balance_id", "-assigned_at", "-assignment_id"),
                condition=Q(balance_id__isnull=False),
                name="assignments_of_balance",
            ),
            # What is assigned to one person, and what is due.
            models.Index(fields=("assignee", "balance_id"), name="assignments_of_assignee"),
            models.Index(fields=("due_on", "balance_id"), condition=Q(due_on__isnull=False), name="assignments_due"),
        )

    def __str__(self) -> str:
        return f"{self.assignee or 'no one'}, by {self.actor} at {self.assigned_at:%Y-%m-%d %H:%M}"


class Note(AboutSomething):
    """What somebody had to say."""

    note_id = models.TextField(primary_key=True, default=new_note_id, editable=False)
    written_at = UTCDateTimeField(default=now)
    text = models.TextField()
    mentions = ArrayField(models.TextField(), default=list)
    """Names of those whom it calls, who could see the subject then."""

    class Meta:
        ordering = ("-written_at", "-note_id")
        indexes = (
            models.Index(fields=("kind", "object_id", "-written_at"), name="notes_of_object"),
            GinIndex(fields=("mentions",), name="notes_by_mention"),
            models.Index(
                fields=("balance_id", "-written_at"), condition=Q(balance_id__isnull=False), name="notes_of_balance"
            ),
        )

    def __str__(self) -> str:
        return f"{self.actor} at {self.written_at:%Y-%m-%d %H:%M}"


class SavedView(models.Model):
    """A list as somebody filtered it, under a name, for themselves or for all."""

    listed = models.TextField()
    """The list, as ``app.model``."""
    name = models.TextField()
    query = models.TextField(blank=True)
    """Search, filters and order, as they stand in the address."""
    owner = models.TextField()
    shared = models.BooleanField(default=False)
    saved_at = UTCDateTimeField(default=now)

    class Meta:
        ordering = ("listed", "name", "owner")
        constraints = (models.UniqueConstraint(fields=("listed", "owner", "name"), name="saved_once"),)
        permissions = (("share_savedview", "Can share saved views with all staff"),)

    def __str__(self) -> str:
        return self.name
