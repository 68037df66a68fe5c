"""Alerts: what is none, what becomes one, how often people are told, and how it ends."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from reconciliation.alerting.alerts import look
from reconciliation.models import Alert, AlertDelivery, Finding, Schedule, Sweep, SweepFigures
from tests import world
from tests.reconciliation.watching.cast import EVERYTHING, NOON, all_is_quiet, finding, sweep

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Kind = Alert.Kind


@pytest.fixture(autouse=True)
def _quiet() -> None:
    all_is_quiet()


def open_kinds(at: Any = NOON) -> list[str]:
    return sorted(alert.kind for alert in look(at))


def test_a_quiet_ledger_has_no_alerts() -> None:
    assert look(NOON) == []
    sweep()
    assert look(NOON) == []
    assert not Alert.objects.exists()


def test_unexplained_drift_of_one_sweep_is_no_alert_of_two_it_is() -> None:
    alice = world.balance(indicator="@alice")
    finding(sweep(NOON - DAY), alice, 700)
    assert look(NOON) == []
    last = sweep(NOON)
    finding(last, alice, 2**70)
    (alert,) = look(NOON)
    assert (alert.kind, alert.title) == (
        Kind.UNEXPLAINED_DRIFT,
        "1 balance has drift for which no known cause fits, as the last 2 sweeps over it found.",
    )
    alert.refresh_from_db()
    assert alert.details == {
        "sweeps": 2,
        "balances": 1,
        "unexplained": {"USD": 2**70},
        "biggest": [
            {
                "balance_id": alice.pk,
                "indicator": "@alice",
                "ledger_name": "Wallets",
                "currency": "USD",
                "unexplained": 2**70,
            }
        ],
        "sweep_id": last.sweep_id,
    }


def test_explained_drift_never_alerts_however_long_it_lasts() -> None:
    alice = world.balance()
    for days in range(5):
        finding(sweep(NOON - days * DAY), alice, explained=700, cause="lost_update")
    assert look(NOON) == []


def test_how_many_sweeps_it_takes_is_a_setting(settings: Any) -> None:
    settings.LEDGER_ALERT_AFTER_SWEEPS = 3
    alice = world.balance()
    for days in (2, 1):
        finding(sweep(NOON - days * DAY), alice, 700)
    assert look(NOON) == []
    finding(sweep(NOON), alice, 700)
    assert open_kinds() == [Kind.UNEXPLAINED_DRIFT]


def test_one_alert_stands_for_all_balances_and_names_the_biggest_of_each_currency() -> None:
    wallets = world.ledger()
    balances = [world.balance(wallets, currency) for currency in ("EUR", "USD") for _ in range(5)]
    for days in (1, 0):
        swept = sweep(NOON - days * DAY)
        for number, balance in enumerate(balances, 1):
            finding(swept, balance, number)
    (alert,) = look(NOON)
    assert alert.details["balances"] == 10
    assert alert.details["unexplained"] == {"EUR": 1 + 2 + 3 + 4 + 5, "USD": 6 + 7 + 8 + 9 + 10}
    assert [each["unexplained"] for each in alert.details["biggest"]] == [5, 4, 3, 10, 9, 8]


def scopes(balance: Any) -> dict[str, dict[str, Any]]:
    return {
        "its ledger": {"ledger": balance.ledger_id},
        "its ledger by name": {"ledger": balance.ledger.name},
        "its currency": {"currency": "USD"},
        "its id": {"balance_ids": [balance.pk]},
        "its indicator": {"indicator": "@alice", "currency": "USD"},
        "its prefix": {"indicator_prefix": "@al"},
        "everything": EVERYTHING,
    }


@pytest.mark.parametrize(
    "words", ["its ledger", "its ledger by name", "its currency", "its id", "its indicator", "its prefix"]
)
@pytest.mark.parametrize("clean", [True, False])
def test_a_sweep_over_the_balance_counts_whatever_words_its_scope_uses(words: str, clean: bool) -> None:
    alice = world.balance(indicator="@alice")
    finding(sweep(NOON - 2 * DAY), alice, 5)
    between = sweep(NOON - DAY, scope=scopes(alice)[words])
    if not clean:
        finding(between, alice, 5)
    assert open_kinds() == ([] if clean else [Kind.UNEXPLAINED_DRIFT])


@pytest.mark.parametrize(
    "scope",
    [
        {"ledger": "ldg_other"},
        {"currency": "EUR"},
        {"balance_ids": ["bln_other"]},
        {"indicator": "@bob", "currency": "USD"},
        {"indicator_prefix": "@bo"},
        {"ledger": "Wallets", "currency": "EUR"},
        {"created_from": "2026-01-01"},
        {},
    ],
)
def test_a_sweep_elsewhere_or_by_words_that_are_not_judged_does_not_end_the_series(scope: dict[str, Any]) -> None:
    alice = world.balance(indicator="@alice")
    for days in (3, 2):
        finding(sweep(NOON - days * DAY), alice, 5)
    sweep(NOON - DAY, scope=scope)
    assert open_kinds() == [Kind.UNEXPLAINED_DRIFT]


def test_many_small_sweeps_do_not_push_the_full_ones_out_of_sight() -> None:
    alice = world.balance()
    for days in (2, 1):
        finding(sweep(NOON - days * DAY), alice, 5)
    for number in range(30):
        sweep(NOON - number * timedelta(minutes=1), scope={"balance_ids": [f"bln_{number}"]})
    assert open_kinds() == [Kind.UNEXPLAINED_DRIFT]


def test_a_sweep_that_could_not_judge_a_balance_neither_adds_nor_ends() -> None:
    alice, bob = world.balance(), world.balance()
    unread = [{"check": "drift", "detail": "unreadable"}]
    for days in (3, 1):
        finding(sweep(NOON - days * DAY), alice, 5)
    finding(sweep(NOON - 2 * DAY), alice, not_proved=unread)
    finding(Sweep.objects.order_by("requested_at")[0], bob, 5)
    finding(sweep(NOON), alice, not_proved=unread)
    (alert,) = look(NOON)
    assert [each["balance_id"] for each in alert.details["biggest"]] == [alice.pk]


def test_drift_that_is_not_explained_yet_neither_opens_nor_ends_anything() -> None:
    alice = world.balance()
    for days in (2, 1):
        finding(sweep(NOON - days * DAY), alice, 5)
    (alert,) = look(NOON)
    waiting = finding(sweep(NOON), alice, 0, drifted=True, explained_at=None)
    assert look(NOON) == [alert]
    Finding.objects.filter(pk=waiting.pk).update(explained_at=NOON, explained=5)
    assert look(NOON) == []


def test_a_sweep_that_is_not_finished_says_nothing() -> None:
    alice = world.balance()
    finding(sweep(NOON - DAY), alice, 5)
    for state in (Sweep.State.RUNNING, Sweep.State.CANCELLED, Sweep.State.PAUSED):
        finding(sweep(NOON, state=state), alice, 5)
    assert look(NOON) == []


def test_an_alert_resolves_by_itself_once_a_sweep_finds_the_balance_right() -> None:
    alice = world.balance()
    for days in (2, 1):
        finding(sweep(NOON - days * DAY), alice, 5)
    (alert,) = look(NOON)
    assert look(NOON) == [alert]
    sweep(NOON + HOUR)
    all_is_quiet(NOON + 2 * HOUR)
    assert look(NOON + 2 * HOUR) == []
    alert.refresh_from_db()
    assert (alert.state, alert.resolved_at) == (Alert.State.RESOLVED, NOON + 2 * HOUR)


def test_people_are_told_once_reminded_after_a_day_and_told_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("reconciliation.alerting.alerts.announce", lambda alert, event: told.append(str(event)))
    sweep(NOON, state=Sweep.State.ERRORED, error="disk full")
    for hours in (0, 1, 2, 23):
        all_is_quiet(NOON + hours * HOUR)
        look(NOON + hours * HOUR)
    assert told == ["opened"]
    for hours in (24, 25, 47):
        all_is_quiet(NOON + hours * HOUR)
        look(NOON + hours * HOUR)
    assert told == ["opened", "reminded"]
    sweep(NOON + 2 * DAY)
    all_is_quiet(NOON + 2 * DAY)
    look(NOON + 2 * DAY)
    assert told == ["opened", "reminded", "resolved"]
    assert Alert.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "words"), [(Sweep.State.ERRORED, "stopped by an error"), (Sweep.State.FAILED, "was refused")]
)
def test_a_scheduled_sweep_that_did_not_finish_is_an_alert_until_one_does(state: str, words: str) -> None:
    sweep(NOON, state=state, error="no such ledger")
    (alert,) = look(NOON)
    assert (alert.kind, alert.details["error"]) == (Kind.SWEEP_ERRORED, "no such ledger")
    assert words in alert.title
    sweep(NOON + HOUR, origin="command", state=Sweep.State.ERRORED)
    sweep(NOON + HOUR)
    assert look(NOON) == []


def test_a_proof_that_is_late_is_an_alert_and_a_running_sweep_is_no_proof() -> None:
    Schedule.objects.update(changed_at=NOON - 2 * DAY)
    at = NOON + DAY
    all_due = at.replace(hour=2)
    for unfinished in (None, NOON - DAY):
        sweep(unfinished)
    Sweep.objects.filter(finished_at=None).update(started_at=all_due)
    (alert,) = [each for each in look(at) if each.kind == Kind.SWEEP_OVERDUE]
    assert alert.title == "No sweep has finished since the one that was due at 2026-03-05 02:00 UTC."
    sweep(all_due + HOUR)
    assert Kind.SWEEP_OVERDUE not in open_kinds(at)


@pytest.mark.parametrize(
    ("hours", "overdue"),
    [(2, False), (4.9, False), (5, True)],
    ids=["due", "within grace", "after grace"],
)
def test_grace_is_given(hours: float, overdue: bool) -> None:
    Schedule.objects.update(changed_at=NOON - DAY)
    at = NOON.replace(hour=0) + hours * HOUR
    sweep(NOON - DAY + 3 * HOUR)
    assert (Kind.SWEEP_OVERDUE in open_kinds(at)) == overdue


def test_nothing_is_overdue_of_a_schedule_that_is_new_or_switched_off() -> None:
    at = NOON + 20 * HOUR
    Schedule.objects.update(changed_at=at - HOUR)
    assert Kind.SWEEP_OVERDUE not in open_kinds(at)
    Schedule.objects.update(changed_at=NOON - 9 * DAY, enabled=False)
    assert Kind.SWEEP_OVERDUE not in open_kinds(at)


def test_a_schedule_over_one_ledger_is_satisfied_by_a_sweep_of_that_ledger_or_of_all() -> None:
    Schedule.objects.update(changed_at=NOON - DAY, scope={"ledger": "Wallets"})
    sweep(NOON, scope={"ledger": "Others"})
    assert open_kinds() == [Kind.SWEEP_OVERDUE]
    sweep(NOON, scope={"ledger": "Wallets"})
    assert look(NOON) == []


def test_a_watchdog_that_did_not_look_is_itself_an_alert_seen_by_the_next_look() -> None:
    (alert,) = look(NOON + timedelta(minutes=11))
    assert (alert.kind, alert.title) == (
        Kind.WATCHDOG_SILENT,
        "The watchdog did not run from 2026-03-04 12:00 to 2026-03-04 12:11 UTC: no worker was there.",
    )
    assert look(NOON + timedelta(minutes=12)) == []


def test_a_refused_start_is_an_alert_until_the_schedule_starts_again() -> None:
    Schedule.objects.filter(name="sweep").update(refusal="There is no ledger named 'X'.")
    (alert,) = look(NOON)
    assert (alert.kind, alert.details) == (
        Kind.SCHEDULE_REFUSED,
        {"refusals": {"sweep": "There is no ledger named 'X'."}},
    )
    Schedule.objects.update(refusal="")
    assert look(NOON) == []


def test_a_second_open_alert_of_a_kind_is_refused_by_the_database() -> None:
    for _ in range(2):
        Alert.objects.create(kind=Kind.SWEEP_OVERDUE, title="late", state=Alert.State.RESOLVED)
    Alert.objects.create(kind=Kind.SWEEP_OVERDUE, title="late")
    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.create(kind=Kind.SWEEP_OVERDUE, title="late again")


def test_findings_are_counted_once_and_a_look_takes_as_many_queries_for_many_as_for_few() -> None:
    wallets = world.ledger()
    for days in (1, 0):
        swept = sweep(NOON - days * DAY)
        for _ in range(3):
            finding(swept, world.balance(wallets), 5)
    look(NOON)
    assert SweepFigures.objects.count() == 1
    with CaptureQueriesContext(connection) as few:
        look(NOON)
    assert not [query for query in few.captured_queries if "reconciliation_finding" in query["sql"]]
    for days in (-1, -2):
        swept = sweep(NOON - days * DAY)
        for _ in range(20):
            finding(swept, world.balance(wallets), 5)
    look(NOON)
    with CaptureQueriesContext(connection) as many:
        look(NOON)
    assert len(many) == len(few)


@pytest.mark.django_db(transaction=True)
def test_two_who_look_at_once_open_one_alert() -> None:
    all_is_quiet()
    sweep(NOON, state=Sweep.State.ERRORED)
    start = threading.Barrier(4)
    problems: list[BaseException] = []

    def looker() -> None:
        try:
            start.wait(20)
            look(NOON)
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=looker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert Alert.objects.count() == 1


def test_an_attempt_to_tell_cannot_be_changed_or_deleted() -> None:
    alert = Alert.objects.create(kind=Kind.SWEEP_OVERDUE, title="late")
    attempt = AlertDelivery.objects.create(
        alert=alert, channel="email", event="opened", attempt=1, recipient="a@example.com", outcome="failed"
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        AlertDelivery.objects.update(outcome="delivered")
    with pytest.raises(IntegrityError), transaction.atomic():
        attempt.delete()
