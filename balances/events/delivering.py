"""One attempt to deliver a webhook or to call a hook: send it, judge the answer, record the result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from balances.events import registry
from balances.events.sending import Answer, NoAnswer, post, recipient, signed
from balances.ground import loads
from balances.models import Delivery, now

Outcome = Delivery.Outcome
JSON_TYPE = {"Content-Type": "application/json"}
WEBHOOK_SECONDS = 30
LONGEST_SECONDS = 30 * 60
"""Upper limit of a hook's own timeout, as in the original's queue."""
LONGEST_MESSAGE = 200
"""Characters of a receiver's message that are kept."""


class DeliveryFailed(Exception):
    """An attempt failed; its row says why, and the queue tries again."""


@dataclass(frozen=True)
class Verdict:
    """Whether a receiver accepted a delivery, and its answer in words for people."""

    success: bool
    said: str


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a delivery; ``number`` counts from 1. The event of a hook is its type."""

    job_id: int
    number: int
    event: str
    subject: str
    hook_id: str = ""


def deliver_webhook(attempt: Attempt, body: bytes) -> None:
    """Send an event to the configured address, if there still is one. Raises ``DeliveryFailed``."""
    url, key = settings.BLNK_WEBHOOK_URL, settings.BLNK_SERVER_SECRET_KEY
    if not url:
        return
    started = now()
    headers = JSON_TYPE | (signed(body, key) if key else {}) | settings.BLNK_WEBHOOK_HEADERS  # which may override
    try:
        answer = post(url, body, headers, WEBHOOK_SECONDS)
        verdict = Verdict(200 <= answer.status < 300, f"HTTP {answer.status}")
    except NoAnswer as error:
        verdict = Verdict(False, error.why)
    _write_down(attempt, recipient(url), verdict, started)


def call_hook(attempt: Attempt, body: bytes, *, url: str, seconds: int) -> None:
    """Call a hook as it was when its call was queued, and note that it ran. Raises ``DeliveryFailed``."""
    started = now()
    named = {"X-Hook-ID": attempt.hook_id.encode().decode("latin-1"), "X-Hook-Type": attempt.event}  # UTF-8 on the wire
    headers = JSON_TYPE | signed(body, settings.BLNK_SERVER_SECRET_KEY) | named
    try:
        verdict = judge(post(url, body, headers, min(seconds, LONGEST_SECONDS)))
    except NoAnswer as error:
        verdict = Verdict(False, error.why)
    _write_down(attempt, recipient(url), verdict, started)


def judge(answer: Answer) -> Verdict:
    """Judge the answer of a hook: an object itself says whether the call succeeded, whatever the HTTP status.

    A redirect is a failure: it is not followed, so the call reached no receiver.
    """
    said = f"HTTP {answer.status}"
    if 300 <= answer.status < 400:
        return Verdict(False, f"{said}: redirects are not followed")
    if not answer.body:
        return Verdict(200 <= answer.status < 300, said)
    fields = _fields(answer.body)
    if fields is None:
        return Verdict(answer.status < 400, said)
    if fields.get("success"):
        return Verdict(True, said)
    message = " ".join((fields.get("message") or "").split())[:LONGEST_MESSAGE]
    return Verdict(False, f"{said}: success is not true" + (f" ({message})" if message else ""))


def _fields(body: bytes) -> dict[str, Any] | None:
    """Return the fields of an object by lower-case name, or ``None`` where the original cannot read it."""
    text = body.decode(errors="replace")
    try:
        value = loads(text)
    except (ValueError, RecursionError):
        return None
    if text.startswith("\ufeff") or not isinstance(value, dict | None):  # to the original a byte order mark is no JSON
        return None
    fields = {name.lower(): each for name, each in (value or {}).items()}
    known = isinstance(fields.get("success"), bool | None) and isinstance(fields.get("message"), str | None)
    return fields if known else None


def _write_down(attempt: Attempt, receiver: str, verdict: Verdict, at: datetime) -> None:
    with transaction.atomic():
        Delivery.objects.create(
            event=attempt.event,
            subject=attempt.subject,
            hook_id=attempt.hook_id,
            recipient=receiver,
            attempt=attempt.number,
            outcome=Outcome.DELIVERED if verdict.success else Outcome.FAILED,
            answer=verdict.said,
            attempted_at=at,
            job_id=attempt.job_id,
        )
        if attempt.hook_id:
            registry.note_run(attempt.hook_id, at=at, success=verdict.success)
    if not verdict.success:
        raise DeliveryFailed(f"{receiver}: {verdict.said}")
