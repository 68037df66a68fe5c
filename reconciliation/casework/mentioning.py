"""Mails to people whom a note calls. Without a mail server, or without an address of theirs, the first page says it."""

from __future__ import annotations

import re

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from reconciliation.models import Note

RETRY = RetryStrategy(max_attempts=5, exponential_wait=4, retry_exceptions=(OSError,))
"""Again after 4, 16, 64 and 256 seconds, then never; errors of smtplib and of networks are ``OSError``."""


MENTION = re.compile(r"(?<![\w@])@([\w.+-]*\w)")
MOST_MENTIONS = 20
"""People whom one note calls."""


def called(text: str, permission: str) -> list[str]:
    """Return the names that a text calls by ``@name``, of active staff who may see what it is about."""
    return those_with(permission, list(dict.fromkeys(MENTION.findall(text)))[:MOST_MENTIONS])


def those_with(permission: str, names: list[str]) -> list[str]:
    """Return those names that are of active staff with a permission."""
    people = User.objects.filter(username__in=names, is_active=True, is_staff=True)
    return sorted(each.username for each in people if each.has_perm(permission))


def mail_mentions(note: Note) -> None:
    """Defer one mail for each person whom a note calls. Call it in the commit that writes the note."""
    if settings.EMAIL_HOST:
        for name in note.mentions:
            mail_mention.defer(note_id=note.pk, name=name)


@app.task(name="mail_mention", retry=RETRY)
def mail_mention(note_id: str, name: str) -> None:
    """Mail one person what was said. Raises ``OSError``, so that the queue retries."""
    note = Note.objects.get(pk=note_id)
    person = User.objects.filter(username=name, is_active=True).exclude(email="").first()
    if person is None:
        return
    subject = " ".join(f"[Ledger] {note.actor} mentions you on a {note.get_kind_display().lower()}".split())
    text = f"{note.text}\n\n{note.get_kind_display()} {note.object_id}\n{settings.LEDGER_PUBLIC_URL}/admin/\n"
    EmailMessage(subject, text, to=[person.email]).send()
