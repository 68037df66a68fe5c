"""Hooks and deliveries in the back-office: who may see what, what is refused in words, and trying again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from balances.events import registry
from balances.events.announcing import Event, announce, announce_movements
from balances.events.tasks import WAITING
from balances.models import now
from balances.models.hooks import Delivery, Hook
from ledgerproj.tasks import forget_finished_jobs
from tests.balances.hooks.cast import hook, jobs, moved, outcomes, work
from tests.people import signed_in
from tests.receiver import Receiver

HOOKS, DELIVERIES = reverse("admin:hooks_hook_changelist"), reverse("admin:hooks_delivery_changelist")
FORM = {"name": "risk", "url": "https://risk.example/h", "type": "PRE_TRANSACTION", "timeout": "30", "retry_count": "0"}
SECRET = "https://user:hidden@risk.example/h?token=hidden"
ADD = reverse("admin:hooks_hook_add")


def page(target: Hook | Delivery) -> str:
    return reverse(f"admin:hooks_{target._meta.model_name}_change", args=[target.pk])


def delivery(**fields: Any) -> Delivery:
    given = {"event": "ledger.created", "subject": "ldg_1", "recipient": "a/b", "attempt": 1, "job_id": 1}
    return Delivery.objects.create(**(given | {"outcome": "failed", "answer": "HTTP 500"} | fields))


# --- hooks


@pytest.mark.django_db
def test_who_may_only_look_at_hooks_sees_no_secret_and_changes_nothing() -> None:
    made = hook(SECRET)
    looking = signed_in("view_hook")
    assert signed_in().get(HOOKS).status_code == 403
    for path in (HOOKS, page(made)):
        text = looking.get(path).content.decode()
        assert "risk.example/h" in text
        assert "hidden@" not in text
        assert "token=hidden" not in text
    for path in (ADD, page(made), reverse("admin:hooks_hook_delete", args=[made.pk])):
        assert looking.post(path, FORM | {"post": "yes"}).status_code == 403
    assert list(Hook.objects.values_list("pk", "url")) == [(made.pk, SECRET)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("url", "", "Give an http or https address."),
        ("url", "risk.example", "Give an http or https address."),
        ("type", "LATER", "Select a valid choice."),
        ("type", "", "This field is required."),
        ("timeout", "0", "Give 1 to 1800 seconds."),
        ("timeout", "1801", "Give 1 to 1800 seconds."),
        ("retry_count", "-1", "Give 0 to 10 attempts."),
        ("retry_count", "11", "Give 0 to 10 attempts."),
    ],
)
def test_a_hook_that_could_not_work_is_refused_in_words(field: str, value: str, sentence: str) -> None:
    answer = signed_in("view_hook", "add_hook").post(ADD, FORM | {field: value})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Hook.objects.exists()


@pytest.mark.django_db
def test_hooks_are_added_changed_and_deleted_by_permission_and_the_log_says_by_whom() -> None:
    client = signed_in("view_hook", "add_hook", "change_hook", "delete_hook")
    assert client.post(ADD, FORM).status_code == 302
    made = Hook.objects.get()
    assert made.pk.startswith("hook_")
    ran = now()
    registry.note_run(made.pk, at=ran, success=True)  # while somebody has the page open
    assert client.post(page(made), FORM | {"name": "fraud", "active": "on", "url": SECRET}).status_code == 302
    changed = Hook.objects.get()
    assert (changed.name, changed.active, changed.url) == ("fraud", True, SECRET)
    assert (changed.created_at, changed.last_run, changed.last_success) == (made.created_at, ran, True)
    assert client.post(reverse("admin:hooks_hook_delete", args=[made.pk]), {"post": "yes"}).status_code == 302
    assert not Hook.objects.exists()
    assert list(LogEntry.objects.order_by("pk").values_list("action_flag", "object_id")) == [
        (1, made.pk),
        (2, made.pk),
        (3, made.pk),
    ]


@pytest.mark.django_db
def test_an_id_that_a_client_chose_leads_to_its_page() -> None:
    made = hook(hook_id="a/b ü?")
    client = signed_in("view_hook", "change_hook")
    assert client.get(HOOKS).status_code == 200
    assert "127.0.0.1:9/hook" in client.get(page(made)).content.decode()


@pytest.mark.django_db
def test_a_plain_id_that_begins_like_a_quoted_character_leads_to_all_pages_of_its_hook() -> None:
    made = hook(hook_id="hook_22f0c3d4")  # Django reads "_22" in an address as a quotation mark
    client = signed_in("view_hook", "change_hook", "delete_hook")
    for name in ("change", "history", "delete"):
        assert client.get(reverse(f"admin:hooks_hook_{name}", args=[made.pk])).status_code == 200
    assert client.post(reverse("admin:hooks_hook_delete", args=[made.pk]), {"post": "yes"}).status_code == 302
    assert not Hook.objects.exists()


# --- deliveries


@pytest.mark.django_db
def test_who_may_only_look_at_deliveries_tries_nothing_again() -> None:
    failed = delivery()
    assert signed_in().get(DELIVERIES).status_code == 403
    looking = signed_in("view_delivery")
    form = {"action": "try_again", "_selected_action": [failed.pk]}
    assert looking.post(DELIVERIES, form).status_code == 403
    assert "Try again now" not in looking.get(DELIVERIES).content.decode()
    everything = signed_in("view_delivery", "add_delivery", "change_delivery", "delete_delivery")
    for path in (page(failed), reverse("admin:hooks_delivery_delete", args=[failed.pk])):
        assert everything.post(path, {"post": "yes", "answer": "HTTP 200"}).status_code == 403
    assert Delivery.objects.get().answer == "HTTP 500"


@pytest.mark.django_db
def test_deliveries_are_found_by_whole_ids_and_lead_to_what_they_are_about() -> None:
    row = moved()[0].row
    called = hook()
    about = delivery(subject=row.pk, hook_id=called.pk, event="POST_TRANSACTION")
    delivery()
    assert DELIVERIES not in signed_in("view_hook").get(page(called)).content.decode()
    client = signed_in("view_delivery", "view_hook", "view_transaction")
    for term in (row.pk, called.pk):
        text = client.get(DELIVERIES, {"q": f" {term} "}).content.decode()
        assert page(about) in text
        assert text.count("HTTP 500") == 1
    for path in (reverse("admin:balances_transaction_change", args=[row.pk]), page(called)):
        assert path in client.get(page(about)).content.decode()
        assert client.get(path).status_code == 200
    assert f"{DELIVERIES}?q={called.pk}" in client.get(page(called)).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_clock")
def test_what_waits_and_what_was_given_up_is_tried_again_at_once(webhook: Receiver) -> None:
    webhook.answers = [500]
    waiting = Event("ledger.created", {"ledger_id": "ldg_1"})
    announce([waiting])
    hook(webhook.url)
    announce_movements(moved(), hooks=True)
    work()
    assert set(jobs().values_list("task_name", "status")) == {("deliver_webhook", "todo"), ("call_hook", "failed")}
    webhook.answers = [200]
    client = signed_in("view_delivery", "retry_delivery")
    chosen = {"action": "try_again", "_selected_action": list(Delivery.objects.values_list("pk", flat=True))}
    text = client.post(DELIVERIES, chosen, follow=True).content.decode()
    tried = jobs().count()
    assert tried > 1
    assert f"The background worker tries {tried} deliveries again." in text
    assert LogEntry.objects.count() == tried
    work()
    assert outcomes()[:tried] == [(1, "failed", "HTTP 500")] * tried
    assert outcomes()[tried:] == [(2, "delivered", "HTTP 200")] * tried
    assert not jobs()
    assert "Nothing to retry" in client.post(DELIVERIES, chosen, follow=True).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_clock")
def test_what_would_wait_for_hours_is_tried_again_at_once(webhook: Receiver) -> None:
    webhook.answers = [500, 200]
    announce([Event("ledger.created", {"ledger_id": "ldg_1"})])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = 10")
    work()
    assert jobs().get().queue_name == WAITING
    chosen = {"action": "try_again", "_selected_action": [Delivery.objects.get().pk]}
    text = signed_in("view_delivery", "retry_delivery").post(DELIVERIES, chosen, follow=True).content.decode()
    assert "The background worker tries 1 delivery again." in text
    work()
    assert outcomes() == [(11, "failed", "HTTP 500"), (12, "delivered", "HTTP 200")]


@pytest.mark.django_db(transaction=True)
def test_a_job_of_another_queue_is_never_touched() -> None:
    other = forget_finished_jobs.configure(schedule_in={"hours": 1}).defer(timestamp=0)
    delivery(job_id=other)
    delivery(job_id=other, outcome="delivered")
    client = signed_in("view_delivery", "retry_delivery")
    chosen = {"action": "try_again", "_selected_action": list(Delivery.objects.values_list("pk", flat=True))}
    assert "Nothing to retry" in client.post(DELIVERIES, chosen, follow=True).content.decode()
    assert ProcrastinateJob.objects.get(pk=other).scheduled_at > now()


@pytest.mark.django_db
def test_the_page_of_background_jobs_does_not_show_what_is_delivered_and_where() -> None:
    hook(SECRET)
    announce_movements(moved(description="confidential"), hooks=True)
    client = signed_in("view_procrastinatejob")
    job = jobs().get()
    for path in ("changelist", "change"):
        args = [job.pk] if path == "change" else []
        text = client.get(reverse(f"admin:procrastinate_procrastinatejob_{path}", args=args)).content.decode()
        assert "not shown" in text
        assert "token=hidden" not in text
        assert "confidential" not in text
