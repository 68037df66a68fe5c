"""Delivery: what counts as success, when it is tried again, what is written down, and that nothing is lost."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from procrastinate import sql
from procrastinate.worker import Worker

from balances.events import delivering, registry
from balances.events.announcing import Event, announce, announce_movements
from balances.events.delivering import judge
from balances.events.sending import Answer
from balances.events.tasks import (
    KEEP,
    QUEUE,
    RETRIES,
    TAKE_UP_WAITING,
    WAITING,
    forget_deliveries,
    forget_given_up,
    pause,
    take_up_waiting,
)
from balances.models import now
from balances.models.hooks import Delivery, Hook
from ledgerproj.tasks import MOST_ATTEMPTS, take_up_lost_jobs
from tests.balances.hooks.cast import HUGE, hook, jobs, moved, outcomes, work, work_through_the_pause
from tests.receiver import Receiver
from tests.world import MASTER_KEY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_clock")]
EVENT = Event("ledger.created", {"name": "Wallets", "ledger_id": "ldg_1", "meta_data": {"limit": HUGE, "text": "<ü>"}})
BODY = (
    '{"event":"ledger.created","data":{"ledger_id":"ldg_1",'
    f'"meta_data":{{"limit":{HUGE},"text":"\\u003cü\\u003e"}},"name":"Wallets"}}}}'
)
ZERO_TO_THIRTY = 30


# --- webhooks


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "delivered"), (204, "delivered"), (299, "delivered"), (302, "failed"), (400, "failed"), (500, "failed")],
)
def test_a_webhook_is_delivered_by_a_status_of_2xx_alone(webhook: Receiver, status: int, outcome: str) -> None:
    webhook.answers, webhook.body = [status], b'{"success":false}' if status != 204 else b""
    announce([EVENT])
    work()
    assert outcomes() == [(1, outcome, f"HTTP {status}")]
    assert len(webhook.got) == 1  # no redirect is followed


def test_a_webhook_is_signed_and_exact_to_the_byte(webhook: Receiver) -> None:
    announce([EVENT])
    work()
    ((headers, body),) = webhook.got
    assert body.decode() == BODY
    assert headers["Content-Type"] == "application/json"
    signed = headers["X-Blnk-Timestamp"].encode() + b"." + body
    assert headers["X-Blnk-Signature"] == hmac.new(MASTER_KEY.encode(), signed, hashlib.sha256).hexdigest()
    assert webhook.paths == ["/hooks/ledger?token=hidden"]


def test_headers_of_the_settings_come_last_and_without_a_key_nothing_is_signed(
    webhook: Receiver, settings: Any
) -> None:
    settings.BLNK_WEBHOOK_HEADERS = {"Content-Type": "text/x", "X-Blnk-Signature": "mine", "X-Team": "ledger"}
    announce([EVENT])
    work()
    settings.BLNK_SERVER_SECRET_KEY, settings.BLNK_WEBHOOK_HEADERS = "", {}
    announce([EVENT])
    work()
    (first, _), (second, _) = webhook.got
    assert (first["Content-Type"], first["X-Blnk-Signature"], first["X-Team"]) == ("text/x", "mine", "ledger")
    assert not {"X-Blnk-Signature", "X-Blnk-Timestamp"} & set(second)


def test_a_webhook_whose_address_was_taken_away_is_done(webhook: Receiver, settings: Any) -> None:
    announce([EVENT])
    settings.BLNK_WEBHOOK_URL = ""
    work()
    assert not jobs()
    assert not Delivery.objects.exists()
    assert webhook.got == []


def test_what_failed_is_sent_again_the_same_and_delivered_jobs_do_not_stay(webhook: Receiver) -> None:
    webhook.answers = [500, 503, 200]
    announce([EVENT])
    for _ in range(3):
        work_through_the_pause()
    assert outcomes() == [(1, "failed", "HTTP 500"), (2, "failed", "HTTP 503"), (3, "delivered", "HTTP 200")]
    assert {body.decode() for _, body in webhook.got} == {BODY}
    assert not jobs()


@pytest.mark.parametrize("tried", [0, 1, 2, 10, 24])
def test_pauses_grow_with_the_fourth_power(tried: int) -> None:
    seconds = {pause(tried) for _ in range(300)}
    least = tried**4 + 15
    assert min(seconds) >= least
    assert max(seconds) <= least + (ZERO_TO_THIRTY - 1) * (tried + 1)
    assert {(each - least) % (tried + 1) for each in seconds} == {0}
    assert len(seconds) > 10


def test_the_next_attempt_waits_for_its_pause(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balances.events.tasks.random.randrange", lambda most: most - 1)
    webhook.answers = [500]
    announce([EVENT])
    for tried in range(3):
        before = now()
        work_through_the_pause()
        job = jobs().get()
        assert job.status == "todo"
        waits = job.scheduled_at - before - timedelta(seconds=tried**4 + 15 + 29 * (tried + 1))
        assert timedelta(seconds=-1) < waits < timedelta(seconds=10)
        work()  # not before it is due
        assert len(webhook.got) == tried + 1


def test_a_long_pause_is_spent_where_no_worker_looks(webhook: Receiver) -> None:
    webhook.answers = [500, 500, 200]
    announce([EVENT])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = 4")
    work()
    assert jobs().get().queue_name == WAITING
    take_up_waiting(timestamp=0)
    assert jobs().get().queue_name == WAITING  # it is not due
    work_through_the_pause()
    assert jobs().get().queue_name == WAITING
    work_through_the_pause()
    assert [attempt for attempt, _, _ in outcomes()] == [5, 6, 7]
    assert not jobs()


INSERT = "INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at) "
BACKLOG = (
    INSERT + "SELECT name, 'none', '{}', at FROM generate_series(1, 5000),"
    "(VALUES ('webhooks', NULL), ('webhooks_waiting', now() + interval '1 day')) AS backlog (name, at)"
)


READ = """
SELECT seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'procrastinate_jobs')
FROM pg_stat_user_tables WHERE relname = 'procrastinate_jobs'
"""
"""How many jobs were read, by whatever index, or by none."""


def read() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(READ)
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("analyzed", [False, True])
def test_no_worker_reads_through_a_backlog_of_webhooks(analyzed: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pg_statistic WHERE starelid = 'procrastinate_jobs'::regclass")  # of other tests
        cursor.execute("TRUNCATE procrastinate_jobs CASCADE")  # what they took back stands in its indexes still
        cursor.execute(BACKLOG)
        if analyzed:
            cursor.execute("ANALYZE procrastinate_jobs")
        for queue in ("postings", "default", QUEUE):
            cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
            worker, before = cursor.fetchone()[0], read()
            for _ in range(10):  # a plan that is kept for any queue would come after the fifth time
                cursor.execute(INSERT + "VALUES (%s, 'one', '{}', NULL)", [queue])
                cursor.execute(sql.queries["fetch_job"], {"queues": [queue], "worker_id": worker})
                assert cursor.fetchone()[0] is not None
            for _ in range(50):  # statistics may come a moment later
                if read() > before:
                    break
                time.sleep(0.1)
            assert 0 < read() - before < 500  # of thousands; those of the queues before leave dead entries


def test_what_is_due_is_found_by_an_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(BACKLOG)
        cursor.execute("ANALYZE procrastinate_jobs")
        cursor.execute("EXPLAIN " + TAKE_UP_WAITING.text, {"queue": QUEUE, "waiting": WAITING})
        assert "Index Scan using jobs_webhooks_waiting" in "".join(line for (line,) in cursor.fetchall())


@pytest.mark.parametrize(("attempts", "status"), [(RETRIES - 1, "todo"), (RETRIES, "failed")])
def test_a_webhook_is_given_up_after_25_attempts_more(webhook: Receiver, attempts: int, status: str) -> None:
    webhook.answers = [500]
    announce([EVENT])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = %s", [attempts])
    work()
    assert jobs().get().status == status
    assert outcomes() == [(attempts + 1, "failed", "HTTP 500")]


# --- hooks


@pytest.mark.parametrize(
    ("status", "body", "success"),
    [
        (200, "", True),
        (204, "", True),
        (199, "", False),
        (400, "", False),
        (500, "", False),
        (200, "OK", True),
        (399, "OK", False),  # the original follows redirects; we do not, so nobody was told
        (302, "<html>", False),
        (307, '{"success":true}', False),
        (400, "no", False),
        (500, "oops", False),
        (200, " \n", True),
        (200, "{}", False),
        (200, "null", False),
        (500, "null", False),
        (200, '{"success":false,"message":"no"}', False),
        (200, '{"success":null}', False),
        (500, '{"success":true}', True),
        (404, '{"Success":true,"data":[1]}', True),
        (200, '{"success":false,"success":true}', True),
        (200, '{"success":"true"}', True),
        (500, '{"success":"true"}', False),
        (200, '{"success":true,"message":5}', True),
        (500, '{"success":true,"message":5}', False),
        (200, "[]", True),
        (200, "0", True),
        (500, "[]", False),
        (200, '"done"', True),
        (200, '{"success":false}x', True),
        (200, "\ufeff{}", True),
        (500, "\ufeff" + '{"success":true}', False),
        (200, "[" * 100_000, True),
        (200, '{"success":NaN}', True),
    ],
)
def test_an_object_says_itself_whether_it_succeeded_and_all_else_is_judged_by_status(
    status: int, body: str, success: bool
) -> None:
    assert judge(Answer(status, body.encode())).success is success


def test_bytes_that_are_no_text_are_judged_by_status() -> None:
    assert judge(Answer(200, b"\xff\xfe")).success
    assert not judge(Answer(500, b"\xff\xfe")).success


def test_why_a_hook_refused_is_kept_in_one_short_line() -> None:
    said = judge(Answer(200, b'{"success":false,"message":"limit\\nreached ' + b"x" * 500 + b'"}')).said
    assert said.startswith("HTTP 200: success is not true (limit reached xxx")
    assert len(said) < 250


def test_a_hook_is_called_with_its_id_and_type_and_always_signed(receiver: Receiver, settings: Any) -> None:
    settings.BLNK_SERVER_SECRET_KEY = ""
    called = hook(f"{receiver.url}?token=hidden", hook_id="hök", type="PRE_TRANSACTION")
    (row,) = moved()
    announce_movements([row], hooks=True)
    before = now()
    work()
    ((headers, body),) = receiver.got
    assert headers["X-Hook-ID"].encode("latin-1").decode() == called.pk
    assert (headers["X-Hook-Type"], headers["Content-Type"]) == ("PRE_TRANSACTION", "application/json")
    signed = headers["X-Blnk-Timestamp"].encode() + b"." + body
    assert headers["X-Blnk-Signature"] == hmac.new(b"", signed, hashlib.sha256).hexdigest()
    assert f'"precise_amount":{HUGE},'.encode() in body
    called.refresh_from_db()
    assert called.last_success
    assert called.last_run is not None
    assert called.last_run > before
    written = Delivery.objects.get()
    assert (written.event, written.subject, written.hook_id) == ("PRE_TRANSACTION", row.row.pk, called.pk)
    assert (written.recipient, written.outcome) == ("127.0.0.1/hooks/ledger", "delivered")


@pytest.mark.parametrize(("retry_count", "tries"), [(0, 1), (2, 3), (-5, 1)])
def test_a_hook_is_tried_again_as_often_as_it_says(receiver: Receiver, retry_count: int, tries: int) -> None:
    receiver.answers = [500]
    called = hook(receiver.url)
    Hook.objects.filter(pk=called.pk).update(retry_count=retry_count)
    announce_movements(moved(), hooks=True)
    for _ in range(tries + 1):
        work_through_the_pause()
    assert [attempt for attempt, _, _ in outcomes()] == list(range(1, tries + 1))
    assert jobs().get().status == "failed"
    called.refresh_from_db()
    assert (called.last_success, called.last_run is None) == (False, False)


def test_a_hook_without_time_fails_at_once(receiver: Receiver) -> None:
    called = hook(receiver.url)
    registry.replace(called.pk, url=receiver.url, type="POST_TRANSACTION", active=True)
    announce_movements(moved(), hooks=True)
    work()
    assert outcomes() == [(1, "failed", "No time to answer: the timeout is 0 s")]
    assert receiver.got == []


def test_a_hook_has_its_own_time_but_not_more_than_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def post(url: str, body: bytes, headers: dict[str, str], seconds: float) -> Answer:
        asked.append(seconds)
        return Answer(200, b"")

    monkeypatch.setattr(delivering, "post", post)
    hook(hook_id="a", timeout=7)
    hook(hook_id="b", timeout=10**15)
    announce_movements(moved(), hooks=True)
    work()
    assert sorted(asked) == [7, 1800]


def _deleted(called: Hook) -> Any:
    registry.remove(called.pk)
    return []


def _put(called: Hook) -> Any:
    registry.replace(called.pk, name="new", url="http://new", type="POST_TRANSACTION", timeout=9)
    return [("new", "http://new", False, 9, 0, True)]


@pytest.mark.parametrize("change", [_deleted, _put])
def test_a_call_neither_brings_a_hook_back_nor_undoes_what_was_put(
    receiver: Receiver, change: Callable[[Hook], Any]
) -> None:
    called = hook(receiver.url, name="old")
    announce_movements(moved(), hooks=True)
    left = change(called)
    work()
    assert len(receiver.got) == 1  # as it was when the row was recorded
    assert list(Hook.objects.values_list("name", "url", "active", "timeout", "retry_count", "last_success")) == left


def test_an_earlier_call_that_ends_later_does_not_hide_the_last_one() -> None:
    called = hook()
    at = now()
    registry.note_run(called.pk, at=at, success=True)
    registry.note_run(called.pk, at=at - timedelta(seconds=1), success=False)
    called.refresh_from_db()
    assert (called.last_run, called.last_success) == (at, True)


# --- nothing lost, nothing told


@pytest.mark.parametrize("attempts", [0, MOST_ATTEMPTS])
def test_an_event_whose_worker_is_killed_before_it_could_write_it_down_is_delivered_again(
    webhook: Receiver, monkeypatch: pytest.MonkeyPatch, attempts: int
) -> None:
    async def die(*_: Any, **__: Any) -> None:
        """Leave the job as a worker leaves it that is no more."""

    announce([EVENT])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = %s", [attempts])
    with monkeypatch.context() as killing:
        killing.setattr(delivering, "_write_down", lambda *_: None)
        killing.setattr(Worker, "_persist_job_status", die)
        work()
    assert (jobs().get().status, outcomes()) == ("doing", [])
    take_up_lost_jobs.defer(timestamp=0)
    work()
    assert [body.decode() for _, body in webhook.got] == [BODY, BODY]
    assert outcomes() == [(attempts + 2, "delivered", "HTTP 200")]


def test_an_attempt_that_cannot_be_written_down_is_made_again(
    webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    announce([EVENT])
    with monkeypatch.context() as failing:
        failing.setattr(Delivery.objects, "create", fail)
        work()
    assert jobs().get().status == "todo"
    work_through_the_pause()
    assert len(webhook.got) == 2


def test_no_secret_and_no_payload_is_told_to_the_log_or_the_page(
    receiver: Receiver, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "http://user:hidden@127.0.0.1:9/h?token=hidden"
    settings.BLNK_WEBHOOK_URL, settings.BLNK_WEBHOOK_HEADERS = secret, {"X-Key": "hidden"}
    hook(secret)
    announce_movements(moved(description="hidden"), hooks=True)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = %s", [RETRIES])
    work()
    assert set(jobs().values_list("status", flat=True)) == {"failed"}
    assert "Job call_hook[" in caplog.text
    assert "127.0.0.1/h: NewConnectionError" in caplog.text
    assert "hidden" not in caplog.text
    written = [str(value) for row in Delivery.objects.values() for value in row.values()]
    assert not [value for value in written if "hidden" in value]


def test_attempts_and_jobs_that_were_given_up_are_forgotten_after_thirty_days(webhook: Receiver) -> None:
    webhook.answers = [500]
    for age in (KEEP + timedelta(hours=1), KEEP - timedelta(hours=1)):
        announce([EVENT])
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET attempts = %s WHERE status = 'todo'", [RETRIES])
        work()
        newest = jobs().latest("id").id
        Delivery.objects.filter(job_id=newest).update(attempted_at=now() - age)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_events SET at = at - %s WHERE job_id = %s", [age, newest])
    forget_deliveries.defer(timestamp=0)
    forget_given_up.defer(timestamp=0)
    work()
    assert [row.job_id for row in Delivery.objects.all()] == [job.id for job in jobs()] == [newest]


def test_old_attempts_are_found_by_an_index() -> None:
    old = Delivery.objects.filter(attempted_at__lt=now()).order_by("attempted_at", "id").values("pk")[:10]
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        assert "hook_deliveries_newest" in old.explain()
        cursor.execute("RESET enable_seqscan")
