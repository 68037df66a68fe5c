"""The page of metrics: who may read it, in the contract's words, and what stands on it."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from balances.models import now
from balances.models.queue import Entry
from reconciliation.alerting.alerts import look
from reconciliation.models import Alert, AlertDelivery, Refusal, Schedule, TransactionEdit, Watchdog
from tests import world
from tests.client import Answer, Client
from tests.reconciliation.watching.cast import all_is_quiet, finding, sweep

pytestmark = pytest.mark.django_db
TOKEN = "metrics-token"
NEEDED = "Metrics endpoint unavailable: metrics_bearer_token must be configured when secure mode is enabled"


@pytest.fixture(autouse=True)
def _token(settings: Any) -> None:
    settings.BLNK_METRICS_BEARER_TOKEN = TOKEN
    all_is_quiet(now())


def ask(authorization: str | None = None, key: str | None = None) -> Answer:
    return Client(key).send("GET", "/metrics", **({} if authorization is None else {"Authorization": authorization}))


def samples() -> dict[tuple[str, ...], float]:
    """Return the page as Prometheus reads it: values by name and labels."""
    answer = ask(f"Bearer {TOKEN}")
    assert answer.status == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("authorization", "status", "code", "message"),
    [
        (None, 401, "AUTH_METRICS_TOKEN_REQUIRED", "Authorization required for metrics endpoint"),
        ("", 401, "AUTH_METRICS_TOKEN_REQUIRED", "Authorization required for metrics endpoint"),
        (TOKEN, 401, "AUTH_METRICS_TOKEN_REQUIRED", "Authorization header must use Bearer scheme"),
        (f"bearer {TOKEN}", 401, "AUTH_METRICS_TOKEN_REQUIRED", "Authorization header must use Bearer scheme"),
        (f"Basic {TOKEN}", 401, "AUTH_METRICS_TOKEN_REQUIRED", "Authorization header must use Bearer scheme"),
        ("Bearer wrong", 401, "AUTH_INVALID_BEARER_TOKEN", "Invalid bearer token"),
        ("Bearer ", 401, "AUTH_INVALID_BEARER_TOKEN", "Invalid bearer token"),
        ("Bearer schlüssel", 401, "AUTH_INVALID_BEARER_TOKEN", "Invalid bearer token"),
    ],
)
@pytest.mark.parametrize("secure", [True, False])
def test_without_the_token_nothing_is_shown(
    settings: Any, secure: bool, authorization: str | None, status: int, code: str, message: str
) -> None:
    settings.BLNK_SERVER_SECURE = secure
    answer = ask(authorization, world.MASTER_KEY)
    assert answer.status == status
    assert answer.body == {"error": message, "error_detail": {"code": code, "message": message}}


def test_without_a_token_configured_secure_mode_shows_nothing_and_open_mode_all(settings: Any) -> None:
    settings.BLNK_METRICS_BEARER_TOKEN = ""
    for authorization in (None, "Bearer ", f"Bearer {TOKEN}"):
        answer = ask(authorization, world.MASTER_KEY)
        assert (answer.status, answer.body["error_detail"]["code"]) == (403, "AUTH_METRICS_DISABLED")
        assert answer.body["error"] == NEEDED
    settings.BLNK_SERVER_SECURE = False
    assert ask().status == 200


def test_without_observability_there_is_no_such_page(settings: Any) -> None:
    settings.BLNK_ENABLE_OBSERVABILITY = False
    answer = ask(f"Bearer {TOKEN}")
    assert (answer.status, answer.text) == (404, "404 page not found")


def test_only_get_exists() -> None:
    for method in ("POST", "PUT", "HEAD"):
        assert Client(None).send(method, "/metrics", Authorization=f"Bearer {TOKEN}").status == 404


def test_a_ledger_never_proved_has_a_proof_of_infinite_age() -> None:
    page = samples()
    assert page["ledger_last_proof_age_seconds",] == math.inf
    assert page["ledger_drifted_balances",] == 0
    assert page["ledger_sweeps", "finished"] == 0
    assert page["ledger_open_alerts", "unexplained_drift"] == 0
    sweep(now(), scope={"currency": "USD"})
    assert samples()["ledger_last_proof_age_seconds",] == math.inf


def test_the_page_is_prometheus_text_in_utf_8() -> None:
    answer = ask(f"Bearer {TOKEN}")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "# HELP ledger_drifted_balances " in answer.text


def test_the_page_says_what_the_last_full_proof_found() -> None:
    wallets = world.ledger()
    alice, bob, carol, odd = (world.balance(wallets, name) for name in ("USD", "USD", "EUR", 'a"\n\\b'))
    proof = sweep(
        now() - timedelta(hours=2), measured=1000, drifted=3, not_proved=7, worked=timedelta(seconds=4), faulty=1
    )
    finding(proof, alice, 2**60)
    finding(proof, bob, 10, explained=5, cause="lost_update")
    finding(proof, carol, 0, explained=9, cause="lost_update", faults=[{"check": "orphan_child", "detail": "…"}])
    finding(proof, odd, 1)
    finding(sweep(now(), scope={"ledger": "Wallets"}), alice, 5)
    page = samples()
    assert 7200 <= page["ledger_last_proof_age_seconds",] < 7300
    assert page["ledger_unexplained_drift_minor_units", "USD"] == float(2**60 + 10)
    assert page["ledger_unexplained_drift_minor_units", "EUR"] == 0
    assert page["ledger_unexplained_drift_minor_units", 'a"\n\\b'] == 1
    assert page["ledger_explained_drift_minor_units", "EUR"] == 9
    assert page["ledger_findings_by_cause", "lost_update"] == 2
    assert page["ledger_findings_by_cause", "unexplained"] == 2
    assert page["ledger_findings_by_check", "orphan_child"] == 1
    assert (page["ledger_drifted_balances",], page["ledger_balances_not_proved",]) == (3, 7)
    assert page["ledger_sweep_balances_per_second",] == 250
    assert page["ledger_sweeps", "finished"] == 2


def test_an_amount_beyond_all_floats_breaks_nothing() -> None:
    finding(sweep(now()), world.balance(), 10**400)
    assert samples()["ledger_unexplained_drift_minor_units", "USD"] == math.inf


def test_the_web_side_tells_of_a_watchdog_and_a_proof_that_are_late_though_no_worker_runs() -> None:
    assert samples()["ledger_sweep_overdue",] == 0
    Watchdog.objects.update(looked_at=now() - timedelta(hours=30))
    Schedule.objects.update(changed_at=now() - timedelta(days=3))
    page = samples()
    assert page["ledger_sweep_overdue",] == 1
    assert page["ledger_watchdog_age_seconds",] >= 30 * 3600
    assert page["ledger_schedule_enabled", "sweep"] == 1
    assert not Alert.objects.exists()


def test_alerts_failed_attempts_forced_edits_and_refusals_are_counted() -> None:
    alert = Alert.objects.create(kind="sweep_errored", title="stopped")
    for outcome in ("failed", "failed", "delivered"):
        AlertDelivery.objects.create(
            alert=alert, channel="webhook", event="opened", attempt=1, recipient="a", outcome=outcome
        )
    Refusal.objects.create(actor="key x", door="api", what="POST /ledgers", why="expired")
    Refusal.objects.create(
        actor="key x", door="api", what="POST /ledgers", why="expired", refused_at=now() - timedelta(hours=2)
    )
    TransactionEdit.objects.create(
        operation="DELETE", database_user="root", application_name="psql", backend_pid=1, transaction_id="txn_1"
    )
    page = samples()
    assert (page["ledger_open_alerts", "sweep_errored"], page["ledger_open_alerts", "sweep_overdue"]) == (1, 0)
    assert page["ledger_alert_attempts_failed",] == 2
    assert page["ledger_transaction_edits",] == 1
    assert page["ledger_refusals",] == 1


def test_a_scrape_takes_a_fixed_number_of_queries_and_reads_no_findings_twice() -> None:
    proof = sweep(now())
    wallets = world.ledger()
    for number in range(30):
        finding(proof, world.balance(wallets, f"C{number}"), 5)
    samples()
    with CaptureQueriesContext(connection) as queries:
        samples()
    assert len(queries) <= 18
    assert not [query for query in queries.captured_queries if "reconciliation_finding" in query["sql"]]


def test_a_look_and_a_scrape_share_what_they_counted() -> None:
    finding(sweep(now()), world.balance(), 5)
    samples()
    with CaptureQueriesContext(connection) as queries:
        look(now())
    assert not [query for query in queries.captured_queries if "reconciliation_finding" in query["sql"]]


@pytest.mark.parametrize(
    ("beats", "due", "living", "oldest"),
    [((), "-1 h", 0, 0), (("40 s",), "90 s", 0, 90), (("40 s", "1 s", "2 s"), "90 s", 2, 90)],
)
def test_living_workers_and_the_age_of_what_is_due_are_told(
    beats: tuple[str, ...], due: str, living: int, oldest: int
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
    page = samples()
    assert (page["ledger_workers_alive",], page["ledger_queue_oldest_due_seconds",]) == (0, 0)
    Entry.objects.create(action="commit", transaction_id="txn_x")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE queueing_entry SET due_at = now() - %s::interval", [due])
        for age in beats:
            cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s::interval)", [age])
    page = samples()
    assert page["ledger_workers_alive",] == living
    assert oldest <= page["ledger_queue_oldest_due_seconds",] < oldest + 60
