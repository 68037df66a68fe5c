"""Sweeps in the back-office: refusals first, then starting, steering and reading them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from reconciliation.measuring.scope import Scope
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping.service import run_sweep
from reconciliation.sweeping.status import checks
from reconciliation.sweeping.tasks import request_sweep
from tests import world
from tests.people import CASES, person, signed_in

pytestmark = pytest.mark.django_db
LIST, NEW = "admin:reconciliation_sweep_changelist", "admin:reconciliation_sweep_add"
BUTTONS = ("pause", "resume", "cancel")


def page_of(sweep: Sweep, *codenames: str) -> str:
    url = reverse("admin:reconciliation_sweep_change", args=[sweep.pk])
    return str(signed_in(*CASES, *codenames).get(url).content.decode())


def button(name: str, sweep_id: str) -> str:
    return reverse(f"admin:reconciliation_sweep_{name}", args=[sweep_id])


def said(answer: Any) -> list[str]:
    return [f"{each.level_tag}: {each}" for each in answer.wsgi_request._messages]


@pytest.fixture
def clerk(client: Any) -> Any:
    client.force_login(person(*CASES, "run_sweep"))
    return client


# --- refused


@pytest.mark.parametrize("name", BUTTONS)
def test_whoever_may_only_look_presses_no_button(name: str) -> None:
    sweep = world.sweep(state="paused")
    client = signed_in(*CASES)
    assert client.post(button(name, sweep.pk)).status_code == 403
    assert f"/{name}/" not in page_of(sweep)
    assert Sweep.objects.get().state == "paused"


def test_whoever_may_only_look_starts_no_sweep() -> None:
    client = signed_in(*CASES)
    assert client.get(reverse(NEW)).status_code == 403
    assert client.post(reverse(NEW), {"way": "everything"}).status_code == 403
    assert reverse(NEW) not in client.get(reverse(LIST)).content.decode()
    assert not Sweep.objects.exists()


def test_sweeps_are_closed_to_those_who_may_not_look_at_them() -> None:
    sweep = world.sweep(state="paused")
    client = signed_in("view_balance", "run_sweep")
    for url in (reverse(LIST), reverse("admin:reconciliation_sweep_change", args=[sweep.pk])):
        assert client.get(url).status_code == 403
    assert client.post(button("cancel", sweep.pk)).status_code == 403
    assert Sweep.objects.get().state == "paused"


def test_buttons_and_form_need_the_token_against_forged_requests() -> None:
    sweep, client = world.sweep(state="paused"), Client(enforce_csrf_checks=True)
    client.force_login(person(*CASES, "run_sweep"))
    assert client.post(button("cancel", sweep.pk)).status_code == 403
    assert client.post(reverse(NEW), {"way": "everything"}).status_code == 403
    assert Sweep.objects.get().state == "paused"


@pytest.mark.parametrize("name", BUTTONS)
def test_a_button_is_pressed_and_never_followed_as_a_link(clerk: Any, name: str) -> None:
    sweep = world.sweep(state="paused")
    answer = clerk.get(button(name, sweep.pk))
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert Sweep.objects.get().state == "paused"


@pytest.mark.parametrize("name", BUTTONS)
def test_an_unknown_sweep_is_not_found(clerk: Any, name: str) -> None:
    assert clerk.post(button(name, "swp_x")).status_code == 404
    assert clerk.post(f"/admin/reconciliation/sweep/%00/{name}/").status_code == 400


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({}, "way", "This field is required"),
        ({"way": "nowhere"}, "way", "Select a valid choice"),
        ({"way": "conditions"}, None, "Say which balances, in one way"),
        ({"way": "conditions", "ledger": "nobody's"}, None, "There is no ledger named or identified by"),
        ({"way": "conditions", "created_from": "yesterday"}, None, "is no instant"),
        ({"way": "conditions", "currency": "US\0"}, "currency", "Null characters"),
        ({"way": "names"}, None, "Say which balances, in one way"),
        ({"way": "names", "balance_ids": "bln_x"}, None, "bln_x"),
        ({"way": "names", "indicator": "@alice"}, None, "An indicator and its currency go together"),
        ({"way": "everything", "ledger": "Wallets"}, "ledger", "This does not go with the choice above"),
        ({"way": "everything", "reason": "x" * 1001}, "reason", "at most 1000 characters"),
    ],
)
def test_a_scope_that_means_nothing_is_a_form_error_and_leaves_no_sweep(
    clerk: Any, given: dict[str, str], field: str | None, sentence: str
) -> None:
    answer = clerk.post(reverse(NEW), given)
    assert answer.status_code == 200
    assert sentence in str(answer.context["form"].errors[field or "__all__"])
    assert not Sweep.objects.exists()
    assert not ProcrastinateJob.objects.exists()


def test_a_sweep_of_a_scope_that_is_being_swept_is_refused_with_the_reason(clerk: Any) -> None:
    clerk.post(reverse(NEW), {"way": "everything"})
    answer = clerk.post(reverse(NEW), {"way": "everything"})
    assert "resume or cancel that one" in str(answer.context["form"].errors)
    assert "resume or cancel that one" in answer.content.decode()
    assert Sweep.objects.count() == 1


def test_what_cannot_be_done_now_is_said_and_not_done(clerk: Any) -> None:
    sweep = world.sweep()
    for name, word in (("pause", "paused"), ("resume", "resumed"), ("cancel", "cancelled")):
        answer = clerk.post(button(name, sweep.pk))
        assert said(answer)[-1] == f"error: Sweep {sweep.pk} is finished and cannot be {word}."
    assert Sweep.objects.get().state == "finished"


# --- starting and steering


@pytest.mark.parametrize(
    ("given", "scope"),
    [
        ({"way": "everything"}, {"everything": True}),
        (
            {"way": "conditions", "ledger": "Wallets", "currency": "USD", "created_from": "2020-01-31"},
            {"ledger": "Wallets", "currency": "USD", "created_from": "2020-01-31"},
        ),
        (
            {"way": "names", "indicator": "@alice", "indicator_currency": "USD"},
            {"indicator": "@alice", "currency": "USD"},
        ),
    ],
)
def test_a_new_sweep_is_written_down_with_its_job(clerk: Any, given: dict[str, str], scope: dict[str, Any]) -> None:
    world.balance(indicator="@alice")
    answer = clerk.post(reverse(NEW), given | {"deep": "on", "reason": "month end"})
    sweep = Sweep.objects.get()
    assert answer.url == reverse("admin:reconciliation_sweep_change", args=[sweep.pk])
    assert (sweep.scope, sweep.origin, sweep.reason, sweep.state) == (scope, "admin", "month end", "queued")
    assert sweep.actor.startswith("person-")
    assert {each["check"] for each in sweep.checks} >= {"hash_disagrees"}
    assert ProcrastinateJob.objects.get(task_name="sweep").args == {"sweep_id": sweep.pk}


def test_balances_are_named_one_a_line_and_each_once(clerk: Any) -> None:
    one, two = world.balance(), world.balance()
    clerk.post(reverse(NEW), {"way": "names", "balance_ids": f" {one.pk}\r\n{two.pk}, {one.pk}\n"})
    assert Sweep.objects.get().scope == {"balance_ids": [one.pk, two.pk]}


def test_a_sweep_is_paused_resumed_and_cancelled(clerk: Any) -> None:
    sweep = request_sweep(Scope(everything=True), actor="alice", origin=Origin.API)
    for name, state, message in (
        ("pause", "paused", "The sweep pauses after its current chunk."),
        ("resume", "queued", "The background worker goes on with the sweep."),
        ("cancel", "cancelled", "The sweep was cancelled; what it found stays."),
    ):
        assert f"/{name}/" in page_of(sweep, "run_sweep")
        answer = clerk.post(button(name, sweep.pk))
        assert answer.url == reverse("admin:reconciliation_sweep_change", args=[sweep.pk])
        assert said(answer)[-1] == f"success: {message}"
        assert Sweep.objects.get().state == state
    assert not [name for name in BUTTONS if f"/{name}/" in page_of(sweep, "run_sweep")]


# --- reading


@pytest.mark.django_db(transaction=True)
def test_the_page_says_what_was_found_what_was_not_proved_and_what_each_check_looks_for() -> None:
    alice = world.balance(indicator="@alice")
    world.post("@world", alice, 10**20)
    world.drift(alice, credit=7)
    sweep = run_sweep(request_sweep(Scope(everything=True), actor="alice", origin=Origin.API, reason="month end").pk)
    page = page_of(sweep, "propose_plan")
    for text in (
        "Something is wrong.",
        "1 balance drifted",
        "Not looked for: ",
        "100 %: 2 of 2 balances measured",
        "month end",
        "all balances",
        str(10**20),
        str(10**20 + 7),
        "differ",
        "Propose plan",
        f"?sweep={sweep.pk}",
    ):
        assert text in page
    for check in checks(sweep):
        assert check["title"] in page
        assert check["description"].split("'")[0] in page
    assert 'http-equiv="refresh"' not in page


@pytest.mark.parametrize(
    ("state", "reloads"), [("queued", True), ("running", True), ("paused", False), ("errored", False)]
)
def test_a_page_reloads_only_while_something_moves(state: str, reloads: bool) -> None:
    page = page_of(world.sweep(state=state, total=200, measured=50, worked=timedelta(seconds=1), error="disk <full>"))
    assert ('http-equiv="refresh"' in page) is reloads
    assert "25 %: 50 of 200 balances measured, 50 a second of work, about 3.0 s of work left" in page
    assert "Unfinished: nothing is proved yet." in page
    assert "disk &lt;full&gt;" in page


def test_a_sum_that_is_no_number_is_shown_as_it_is() -> None:
    sums = {"credit": "NaN", "debit": 5, "inflight_credit": 0, "inflight_debit": 0, "agrees": False}
    page = page_of(world.sweep(trial_balance=[{"currency": "<b>USD", "stored": sums, "recalculated": None}]))
    assert ">NaN<" in page
    assert "&lt;b&gt;USD" in page
    assert "Recalculated sums need a sweep of all balances." in page


def test_a_trial_balance_of_many_currencies_is_cut() -> None:
    sums = {"credit": 5, "debit": 5, "inflight_credit": 0, "inflight_debit": 0, "agrees": True}
    lines = [{"currency": f"C{number}", "stored": sums, "recalculated": sums} for number in range(60)]
    page = page_of(world.sweep(trial_balance=lines))
    assert "… and 10 more currencies" in page


def test_hostile_words_are_shown_as_text() -> None:
    evil = "<script>alert(1)</script>"
    sweep = world.sweep(scope={"indicator_prefix": evil}, reason=evil, actor=evil)
    for page in (page_of(sweep), signed_in(*CASES).get(reverse(LIST)).content.decode()):
        assert evil not in page
        assert "&lt;script&gt;alert(1)" in page


def test_the_list_asks_as_often_for_many_sweeps_as_for_one_and_so_does_the_page() -> None:
    sweep = world.sweep()
    client = signed_in(*CASES, "run_sweep", "propose_plan")
    urls = (reverse(LIST), reverse("admin:reconciliation_sweep_change", args=[sweep.pk]))
    counts = []
    for _ in range(2):
        for url in urls:
            client.get(url)
        with CaptureQueriesContext(connection) as captured:
            for url in urls:
                client.get(url)
        counts.append(len(captured))
        for _ in range(5):
            world.finding(world.balance(), world.sweep(), faults=[{"check": "x", "detail": "y", "rows": []}])
    assert counts[0] == counts[1]


def test_sweeps_are_found_by_id_state_and_day() -> None:
    sweep, paused = world.sweep(), world.sweep(state="paused")
    client = signed_in(*CASES)
    for given, found in (
        ({"q": sweep.pk}, {sweep}),
        ({"state__exact": "paused"}, {paused}),
        ({"requested_at_to": "2001-01-01"}, set()),
        ({}, {sweep, paused}),
    ):
        assert set(client.get(reverse(LIST), given).context["cl"].result_list) == found
