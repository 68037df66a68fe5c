"""Watching over REST and in the admin: who may change a schedule, and what is refused in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from balances.keys.permissions import sufficient_permissions
from balances.models import now
from reconciliation.models import Alert, AlertDelivery, Schedule
from tests import world
from tests.client import Client
from tests.people import signed_in
from tests.reconciliation.watching.cast import all_is_quiet

pytestmark = pytest.mark.django_db
PAGE = "/admin/reconciliation/schedule/sweep/change/"
FORM = {"cron": "15 3 * * *", "enabled": "on", "scope": '{"everything": true}'}
VIEW = ("view_schedule", "view_alert", "view_alertdelivery")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    all_is_quiet()


def alert(**fields: Any) -> Alert:
    return Alert.objects.create(**({"kind": "sweep_errored", "title": "<b>Stopped</b>"} | fields))


def test_who_may_only_look_changes_nothing() -> None:
    for codenames in ((), VIEW):
        assert signed_in(*codenames).post(PAGE, FORM).status_code == 403
    assert Schedule.objects.get(name="sweep").cron == "0 2 * * *"


@pytest.mark.parametrize("path", ["schedule/add/", "alert/add/", "alertdelivery/add/", "schedule/sweep/delete/"])
def test_nobody_adds_or_deletes(path: str) -> None:
    everything = [f"{verb}_{model}" for verb in ("add", "delete") for model in ("schedule", "alert", "alertdelivery")]
    assert signed_in(*VIEW, *everything).post(f"/admin/reconciliation/{path}", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("cron", "0 25 * * *", "out of range"),
        ("cron", "0 2 * *", "five fields"),
        ("cron", "", "required"),
        ("scope", "{", "Enter a valid JSON."),
        ("scope", "[1]", "A scope is an object"),
        ("scope", "{}", "Say which balances"),
        ("scope", '{"colour": "red"}', "A scope knows no colour"),
        ("scope", '{"ledger": "Closed"}', "There is no ledger named or identified by"),
        ("scope", '{"ledger": 5, "everything": true}', "Say which balances"),
        ("scope", '{"balance_ids": 5}', "A scope is an object"),
        ("scope", "7", "A scope is an object"),
        ("scope", '{"ledger": "\\u0000"}', "U+0000"),
        ("scope", '{"indicator": {"a": 1}, "currency": "USD"}', "not found"),
        ("scope", '{"created_from": {"a": 1}}', "A scope is an object"),
    ],
)
def test_a_wrong_schedule_is_refused_in_words(field: str, value: str, sentence: str) -> None:
    answer = signed_in(*VIEW, "change_schedule").post(PAGE, FORM | {field: value})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert Schedule.objects.get(name="sweep").changed_by == "settings"


def test_a_changed_schedule_says_who_and_when_and_makes_up_for_nothing_missed_before() -> None:
    before = now()
    client = signed_in(*VIEW, "change_schedule")
    world.ledger("Tills")
    assert client.post(PAGE, FORM | {"scope": '{"ledger": "Tills"}', "deep": "on"}).status_code == 302
    changed = Schedule.objects.get(name="sweep")
    assert (changed.cron, changed.scope, changed.deep) == ("15 3 * * *", {"ledger": "Tills"}, True)
    assert changed.changed_by.startswith("person-")
    assert changed.changed_at >= before
    assert changed.last_due_at >= before
    page = client.get("/admin/reconciliation/schedule/").content.decode()
    assert "15 3 * * *" in page


def test_the_snapshots_schedule_has_no_scope_of_its_own() -> None:
    client = signed_in(*VIEW, "change_schedule")
    page = PAGE.replace("sweep", "snapshots")
    assert client.post(page, FORM | {"scope": '{"ledger": "Closed"}'}).status_code == 302
    assert Schedule.objects.get(name="snapshots").scope == {}


def test_alerts_and_attempts_are_shown_as_text() -> None:
    shown = alert(details={"unexplained": {"USD": 2**70}, "note": "<script>"})
    tried = AlertDelivery.objects.create(
        alert=shown, channel="webhook", event="opened", attempt=2, recipient="example.com/hook", outcome="failed"
    )
    client = signed_in(*VIEW)
    for path in ("alert/", f"alert/{shown.pk}/change/", "alertdelivery/", f"alertdelivery/{tried.pk}/change/"):
        answer = client.get(f"/admin/reconciliation/{path}")
        assert answer.status_code == 200, path
        assert "<b>Stopped" not in answer.content.decode()
    page = client.get(f"/admin/reconciliation/alert/{shown.pk}/change/").content.decode()
    assert str(2**70) in page
    assert "<script>&quot;" not in page
    assert "attempt 2: failed" in page


def test_alerts_are_listed_newest_first_and_by_state(api: Client) -> None:
    old = alert(state="resolved", opened_at=now() - timedelta(days=1), resolved_at=now(), details={"USD": 2**70})
    new = alert()
    assert [each["alert_id"] for each in api.get("/alerts").body] == [new.pk, old.pk]
    assert [each["alert_id"] for each in api.get("/alerts?limit=1&offset=1").body] == [old.pk]
    assert [each["alert_id"] for each in api.get("/alerts?state=open").body] == [new.pk]
    (body,) = api.get("/alerts?state=resolved").body
    assert body["details"] == {"USD": 2**70}
    assert api.get("/alerts").body[0]["resolved_at"] == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize("query", ["state=closed", "state=", "limit=0", "offset=-1"])
def test_a_wrong_question_about_alerts_is_refused(api: Client, query: str) -> None:
    answer = api.get(f"/alerts?{query}")
    assert (answer.status, answer.body["error_detail"]["code"]) == (400, "GEN_VALIDATION_ERROR")


def test_schedules_are_read_and_not_written_over_rest(api: Client) -> None:
    Schedule.objects.filter(name="snapshots").update(enabled=False)
    snapshots, sweep = api.get("/schedules").body
    assert (sweep["name"], sweep["cron"], sweep["scope"]) == ("sweep", "0 2 * * *", {"everything": True})
    assert sweep["next_due_at"].endswith("T02:00:00Z")
    assert snapshots["next_due_at"] == "0001-01-01T00:00:00Z"
    for method in ("POST", "PUT"):
        assert api.send(method, "/schedules", {"cron": "* * * * *"}).status == 404


def test_a_key_that_reads_reconstructions_reads_alerts_and_schedules_and_no_other_does() -> None:
    for path in ("/alerts", "/schedules"):
        assert sufficient_permissions("GET", path) == (("reconstructions", "read"),)


def test_the_description_of_the_api_names_the_routes() -> None:
    assert {"/alerts", "/schedules", "/metrics"} <= set(Client(None).get("/schema").body["paths"])
