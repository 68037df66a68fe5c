"""Notifications: a real HTTP receiver, the worker's own retries, mail to a group."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pytest
import simplejson
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.management import call_command
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from reconciliation.alerting.delivery import announce
from reconciliation.models import Alert, AlertDelivery
from tests.receiver import Receiver, listening

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_clock")]
HUGE = 2**90
NOTIFY = "notify"


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with listening() as server:
        settings.LEDGER_ALERT_WEBHOOK_URL = f"{server.url}?token=hidden"
        settings.LEDGER_ALERT_WEBHOOK_SECRET = "shared secret"
        yield server


def alert(event: str = "opened") -> Alert:
    with transaction.atomic():
        opened = Alert.objects.create(
            kind="unexplained_drift",
            title="3 balances have drift that nothing explains.",
            details={"unexplained": {"USD": HUGE}, "biggest": [{"indicator": "@alice", "unexplained": HUGE}]},
        )
        announce(opened, event)
    return opened


def work_through_the_pause() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL")
    call_command("work", "--once", verbosity=0)


def outcomes() -> list[tuple[str, int, str, str]]:
    return list(AlertDelivery.objects.order_by("pk").values_list("channel", "attempt", "outcome", "answer"))


def test_where_nobody_is_to_be_told_nothing_is_deferred(settings: Any) -> None:
    settings.LEDGER_ALERT_WEBHOOK_URL = settings.LEDGER_ALERT_GROUP = ""
    alert()
    assert not ProcrastinateJob.objects.exists()


def test_nobody_is_told_of_an_alert_that_was_rolled_back(receiver: Receiver) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        alert()
        raise RuntimeError
    call_command("work", "--once", verbosity=0)
    assert receiver.got == []


def test_the_webhook_is_signed_and_its_numbers_are_exact(receiver: Receiver, settings: Any) -> None:
    opened = alert()
    call_command("work", "--once", verbosity=0)
    ((headers, body),) = receiver.got
    signed = headers["X-Blnk-Timestamp"].encode() + b"." + body
    assert headers["X-Blnk-Signature"] == hmac.new(b"shared secret", signed, hashlib.sha256).hexdigest()
    assert headers["Content-Type"] == "application/json"
    sent = simplejson.loads(body)
    assert (sent["event"], sent["data"]["event"]) == ("reconciliation.alert", "opened")
    assert sent["data"]["details"]["unexplained"] == {"USD": HUGE}
    page = f"/admin/reconciliation/alert/{opened.alert_id.replace('_', '_5F')}/change/"
    assert sent["data"]["link"] in (
        f"{settings.LEDGER_PUBLIC_URL}{page}",
        f"{settings.LEDGER_PUBLIC_URL}/admin/reconciliation/alert/{opened.alert_id}/change/",
    )
    assert outcomes() == [("webhook", 1, "delivered", "HTTP 200")]


def test_after_a_500_it_is_told_again_the_same_and_both_attempts_are_kept(receiver: Receiver) -> None:
    receiver.answers = [500, 302, 204]
    opened = alert()
    call_command("work", "--once", verbosity=0)
    job = ProcrastinateJob.objects.get(task_name=NOTIFY)
    assert (job.status, len(receiver.got)) == ("todo", 1)
    assert job.scheduled_at is not None
    Alert.objects.filter(pk=opened.pk).update(title="changed meanwhile", state="resolved")
    work_through_the_pause()
    work_through_the_pause()
    assert outcomes() == [
        ("webhook", 1, "failed", "HTTP 500"),
        ("webhook", 2, "failed", "HTTP 302"),
        ("webhook", 3, "delivered", "HTTP 204"),
    ]
    assert len({body for _, body in receiver.got}) == 1
    assert set(AlertDelivery.objects.values_list("recipient", flat=True)) == {"127.0.0.1/hooks/ledger"}


def test_a_receiver_that_is_not_there_is_tried_again_and_no_secret_is_kept(receiver: Receiver, settings: Any) -> None:
    settings.LEDGER_ALERT_WEBHOOK_URL = "http://user:hidden@127.0.0.1:9/hook?token=hidden"
    alert()
    call_command("work", "--once", verbosity=0)
    assert outcomes() == [("webhook", 1, "failed", "NewConnectionError")]
    assert "hidden" not in AlertDelivery.objects.get().recipient
    assert ProcrastinateJob.objects.get(task_name=NOTIFY).status == "todo"


@pytest.fixture
def group(settings: Any) -> Group:
    settings.LEDGER_ALERT_GROUP = "On call"
    return Group.objects.create(name="On call")


def test_a_group_without_addresses_is_a_failed_attempt_that_says_so(group: Group) -> None:
    User.objects.create_user("no-address").groups.add(group)
    User.objects.create_user("gone", "gone@example.com", is_active=False).groups.add(group)
    User.objects.create_user("outsider", "outsider@example.com")
    alert()
    call_command("work", "--once", verbosity=0)
    assert mail.outbox == []
    assert outcomes() == [("email", 1, "failed", "No active member of this group has an e-mail address.")]


@pytest.mark.parametrize(("event", "begins"), [("opened", "3 balances"), ("resolved", "Resolved: 3 balances")])
def test_everybody_active_in_the_group_gets_the_mail(group: Group, event: str, begins: str) -> None:
    for name in ("zoe", "adam"):
        User.objects.create_user(name, f"{name}@example.com").groups.add(group)
    opened = alert(event)
    call_command("work", "--once", verbosity=0)
    (sent,) = mail.outbox
    assert sent.to == ["adam@example.com", "zoe@example.com"]
    assert sent.subject.startswith(f"[Ledger] {begins}")
    assert f"USD: {HUGE}" in sent.body
    assert "@alice" in sent.body
    assert opened.alert_id.removeprefix("alt_") in sent.body
    assert outcomes() == [("email", 1, "delivered", "Accepted by the mail server")]


def test_a_mail_server_that_is_not_there_is_tried_again(group: Group, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    User.objects.create_user("zoe", "zoe@example.com").groups.add(group)
    alert()
    call_command("work", "--once", verbosity=0)
    ((channel, attempt, outcome, answer),) = outcomes()
    assert (channel, attempt, outcome) == ("email", 1, "failed")
    assert answer.startswith("ConnectionRefusedError")


def test_one_channel_that_fails_does_not_keep_the_other_from_telling(receiver: Receiver, group: Group) -> None:
    receiver.answers = [500]
    User.objects.create_user("zoe", "zoe@example.com").groups.add(group)
    alert()
    call_command("work", "--once", verbosity=0)
    assert {(channel, outcome) for channel, _, outcome, _ in outcomes()} == {
        ("webhook", "failed"),
        ("email", "delivered"),
    }


def test_a_job_that_waits_over_the_upgrade_to_0_2_still_runs() -> None:
    assert app.tasks["reconciliation.watching.delivery.tell"] is app.tasks["notify"]
