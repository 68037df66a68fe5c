"""Notifications: jobs deferred in the commit that changed the alert, retried with growing pauses."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from balances.events import NoAnswer, post, recipient, signed
from balances.ground import dumps, loads
from reconciliation.alerting import messages
from reconciliation.models import Alert, AlertDelivery

Channel = AlertDelivery.Channel
Outcome = AlertDelivery.Outcome
TIMEOUT = 20
"""Seconds that a receiver has to answer."""


class DeliveryFailed(Exception):
    """A notification failed; the row of the attempt says why, and the queue retries."""

    def __init__(self, recipient: str, why: str) -> None:
        super().__init__(f"{recipient}: {why}")
        self.recipient, self.why = recipient, why


OLD_NAME = "reconciliation.watching.delivery.tell"
"""What the job was called before 0.2: one that waits over an upgrade still runs."""
RETRY = RetryStrategy(max_attempts=7, exponential_wait=4, retry_exceptions=(DeliveryFailed,))
"""Eight tries: again after 4, 16, 64 seconds and so on, at last after 4.5 hours; then the job stays failed."""


def announce(alert: Alert, event: str) -> None:
    """Defer notifications on every channel that is set up. Call it in the commit that changes the alert."""
    channels = {Channel.WEBHOOK: settings.LEDGER_ALERT_WEBHOOK_URL, Channel.EMAIL: settings.LEDGER_ALERT_GROUP}
    enabled = [channel for channel, target in channels.items() if target]
    if enabled:
        data = dumps(messages.message(alert, event))  # as text: a job's own JSON would round large amounts
        for channel in enabled:
            notify.defer(channel=str(channel), data=data)


@app.task(name="notify", aliases=[OLD_NAME], retry=RETRY, pass_context=True)
def notify(context: JobContext, channel: str, data: str) -> None:
    """Send an alert on one channel and log the attempt. Raises ``DeliveryFailed``, so that the queue retries."""
    payload = loads(data)
    attempt = AlertDelivery(
        alert_id=payload["alert_id"], channel=channel, event=payload["event"], attempt=context.job.attempts + 1
    )
    try:
        attempt.recipient, attempt.answer = SENDERS[Channel(channel)](payload)
    except DeliveryFailed as error:
        attempt.recipient, attempt.answer = error.recipient, error.why
        attempt.outcome = Outcome.FAILED
        attempt.save()
        raise
    attempt.outcome = Outcome.DELIVERED
    attempt.save()


def _post(data: dict[str, Any]) -> tuple[str, str]:
    """Post the webhook; only a status of 2xx counts."""
    url, body = settings.LEDGER_ALERT_WEBHOOK_URL, messages.webhook_body(data)
    headers = {"Content-Type": "application/json"} | signed(body, settings.LEDGER_ALERT_WEBHOOK_SECRET)
    try:
        status = post(url, body, headers, TIMEOUT).status
    except NoAnswer as error:
        raise DeliveryFailed(recipient(url), error.why) from error
    if not 200 <= status < 300:
        raise DeliveryFailed(recipient(url), f"HTTP {status}")
    return recipient(url), f"HTTP {status}"


def _mail(data: dict[str, Any]) -> tuple[str, str]:
    """Mail all active members of the group who have an address."""
    group = settings.LEDGER_ALERT_GROUP
    members = User.objects.filter(groups__name=group, is_active=True).exclude(email="")
    addresses = sorted(set(members.values_list("email", flat=True)))
    if not addresses:
        raise DeliveryFailed(f"group {group}", "No active member of this group has an e-mail address.")
    recipient = ", ".join(addresses)
    try:
        EmailMessage(messages.subject(data), messages.mail_text(data), to=addresses).send()
    except OSError as error:  # smtplib's errors are of this kind, as are those of the network
        raise DeliveryFailed(recipient, f"{type(error).__name__}: {error}") from error
    return recipient, "Accepted by the mail server"


SENDERS = {Channel.WEBHOOK: _post, Channel.EMAIL: _mail}
