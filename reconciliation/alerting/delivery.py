"""Telling people: jobs deferred in the commit that changed the alert, tried again with growing pauses."""

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
    """An attempt to tell people failed; its row says why, and the queue tries again."""

    def __init__(self, recipient: str, why: str) -> None:
        """Say who was to be told, and what came of it."""
        super().__init__(f"{recipient}: {why}")
        self.recipient, self.why = recipient, why


RETRY = RetryStrategy(max_attempts=7, exponential_wait=4, retry_exceptions=(DeliveryFailed,))
"""Eight tries: again after 4, 16, 64 seconds and so on, at last after 4.5 hours; then the job stays failed."""


def announce(alert: Alert, event: str) -> None:
    """Defer the telling of an alert on every channel that is set up; to be called in the commit that changes it."""
    channels = {Channel.WEBHOOK: settings.LEDGER_ALERT_WEBHOOK_URL, Channel.EMAIL: settings.LEDGER_ALERT_GROUP}
    told = [channel for channel, target in channels.items() if target]
    if told:
        data = dumps(messages.message(alert, event))  # as text: a job's own JSON would round large amounts
        for channel in told:
            tell.defer(channel=str(channel), data=data)


@app.task(retry=RETRY, pass_context=True)
def tell(context: JobContext, channel: str, data: str) -> None:
    """Tell an alert on one channel and log the attempt. Raises ``DeliveryFailed``, so that the queue tries again."""
    told = loads(data)
    attempt = AlertDelivery(
        alert_id=told["alert_id"], channel=channel, event=told["event"], attempt=context.job.attempts + 1
    )
    try:
        attempt.recipient, attempt.answer = SENDERS[Channel(channel)](told)
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
    """Mail everybody active in the group who has an address."""
    group = settings.LEDGER_ALERT_GROUP
    members = User.objects.filter(groups__name=group, is_active=True).exclude(email="")
    addresses = sorted(set(members.values_list("email", flat=True)))
    if not addresses:
        raise DeliveryFailed(f"group {group}", "Nobody active in this group has an e-mail address.")
    recipient = ", ".join(addresses)
    try:
        EmailMessage(messages.subject(data), messages.mail_text(data), to=addresses).send()
    except OSError as error:  # smtplib's errors are of this kind, as are those of the network
        raise DeliveryFailed(recipient, f"{type(error).__name__}: {error}") from error
    return recipient, "Accepted by the mail server"


SENDERS = {Channel.WEBHOOK: _post, Channel.EMAIL: _mail}
