"""Plans in the back-office: refusals first, then proposing, deciding, applying and taking back."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from balances.models import Balance, now
from reconciliation.backoffice import plan_actions
from reconciliation.backoffice import plans as plan_admin
from reconciliation.correcting.applying import apply
from reconciliation.correcting.deciding import approve
from reconciliation.correcting.planning import Choice, Proposal, propose
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.correcting.undoing import propose_undo
from reconciliation.measuring.measurement import measure
from reconciliation.models import Incident, Origin, Plan, PlanItem, Reconstruction, Refusal, Step
from reconciliation.records.verifying import Verification
from tests import world
from tests.people import CASES, VIEW, person, signed_in

pytestmark = pytest.mark.django_db
LIST = "admin:reconciliation_plan_changelist"
BUTTONS = ("approve", "reject", "apply", "cancel")
EVERYTHING = (*VIEW, *CASES, "propose_plan", "approve_plan", "apply_plan", "undo_reconstruction")


@pytest.fixture(autouse=True)
def _policy(settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"*": 0}


def wrong(credit: int = 7, **fields: Any) -> Balance:
    balance = world.balance(**fields)
    world.post("@payer", balance, 1000, currency=balance.currency)
    world.drift(balance, credit=credit)
    return balance


def planned(*balances: Balance, actor: str = "alice", **fields: Any) -> Plan:
    chosen = balances or (wrong(),)
    asked = Proposal(actor=actor, origin=Origin.API, reason="month end", **fields)
    return propose(Choice(balance_ids=tuple(each.pk for each in chosen)), asked)


def corrected(*balances: Balance) -> Reconstruction:
    apply(approve(planned(*balances).pk, "bob", Origin.API).pk, "alice", Origin.API)
    return Reconstruction.objects.get(outcome="corrected")


def button(name: str, plan_id: str) -> str:
    return reverse(f"admin:reconciliation_plan_{name}", args=[plan_id])


def page_of(plan: Plan, client: Any, **query: Any) -> str:
    answer = client.get(reverse("admin:reconciliation_plan_change", args=[plan.pk]), query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def act(client: Any, model: str, action: str, *rows: Any, **fields: Any) -> Any:
    data = {"action": action, "index": "0", "_selected_action": [each.pk for each in rows]}
    return client.post(reverse(f"admin:reconciliation_{model}_changelist"), data | fields)


def said(answer: Any) -> list[str]:
    return [f"{each.level_tag}: {each}" for each in answer.wsgi_request._messages]


def steps(plan: Plan) -> list[str]:
    return list(Step.objects.filter(plan_id=plan.pk).values_list("kind", flat=True))


def state(plan: Plan) -> str:
    return Plan.objects.get(pk=plan.pk).state


# --- refused


@pytest.mark.parametrize("name", BUTTONS)
def test_whoever_may_only_look_presses_no_button(name: str) -> None:
    plan, client = planned(), signed_in(*CASES)
    assert client.post(button(name, plan.pk), {"note": "x"}).status_code == 403
    assert f"/{name}/" not in page_of(plan, client)
    assert (state(plan), steps(plan)) == ("proposed", ["proposed"])


@pytest.mark.parametrize(
    ("name", "codenames"),
    [("approve", ("propose_plan", "apply_plan")), ("reject", ("apply_plan",)), ("apply", ("approve_plan",))],
)
def test_another_permission_does_not_do(name: str, codenames: tuple[str, ...]) -> None:
    plan = planned()
    if name == "apply":
        approve(plan.pk, "bob", Origin.API)
    before = state(plan)
    assert signed_in(*CASES, *codenames).post(button(name, plan.pk), {"note": "x"}).status_code == 403
    assert state(plan) == before


def test_plans_are_closed_to_those_who_may_not_look_at_them() -> None:
    plan, client = planned(), signed_in("view_balance", "approve_plan", "apply_plan")
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(reverse("admin:reconciliation_plan_change", args=[plan.pk])).status_code == 403
    assert client.post(button("approve", plan.pk)).status_code == 403
    assert state(plan) == "proposed"


@pytest.mark.parametrize("name", BUTTONS)
def test_buttons_need_the_token_and_are_never_followed_as_links(name: str) -> None:
    plan, somebody = planned(), person(*EVERYTHING)
    forged, client = Client(enforce_csrf_checks=True), Client()
    for each in (forged, client):
        each.force_login(somebody)
    assert forged.post(button(name, plan.pk), {"note": "x"}).status_code == 403
    answer = client.get(button(name, plan.pk))
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert client.post(button(name, "pln_x"), {"note": "x"}).status_code in (403, 404)
    assert client.post(f"/admin/reconciliation/plan/%00/{name}/").status_code == 400
    assert steps(plan) == ["proposed"]


def test_the_one_who_asked_sees_no_approve_and_a_forged_form_is_refused_and_recorded() -> None:
    somebody, client = person(*EVERYTHING), Client()
    client.force_login(somebody)
    plan = planned(actor=somebody.username)
    page = page_of(plan, client)
    assert "/approve/" not in page
    assert "a second person must approve it" in page
    answer = client.post(button("approve", plan.pk))
    assert said(answer)[-1] == f"error: {somebody.username} proposed this plan: a second person must approve it."
    assert (state(plan), steps(plan)) == ("proposed", ["proposed", "refused"])
    assert "Refused" in page_of(plan, client)


@pytest.mark.parametrize(
    ("note", "why"), [("", "Say why"), ("x" * 1001, "1000 characters"), ("a\0b", "Null characters")]
)
def test_a_rejection_without_a_proper_reason_is_not_done(note: str, why: str) -> None:
    plan, client = planned(), signed_in(*EVERYTHING)
    assert why in said(client.post(button("reject", plan.pk), {"note": note}))[-1]
    assert state(plan) == "proposed"


def test_what_cannot_be_done_now_is_said_recorded_and_not_done() -> None:
    plan, client = planned(), signed_in(*EVERYTHING)
    assert "waits for approval” and cannot be applied" in said(client.post(button("apply", plan.pk)))[-1]
    client.post(button("reject", plan.pk), {"note": "not now"})
    for name in BUTTONS:
        assert "“rejected” and cannot be" in said(client.post(button(name, plan.pk), {"note": "x"}))[-1]
    assert steps(plan) == ["proposed", "refused", "rejected", *["refused"] * 4]
    assert not ProcrastinateJob.objects.filter(task_name="apply_plan").exists()


@pytest.mark.parametrize(
    ("model", "action"),
    [
        ("finding", "propose_plan"),
        ("sweep", "propose_plan_for_sweep"),
        ("incident", "propose_plan_for_incident"),
        ("reconstruction", "take_back"),
    ],
)
def test_without_the_permission_nothing_is_proposed(model: str, action: str) -> None:
    record = corrected(wrong())
    sweep = world.sweep(drifted=1)
    incident = Incident.objects.create(sweep=sweep, cause="rounding", title="t", balances=1)
    finding = world.finding(wrong(), sweep, incident=incident)
    row = {"finding": finding, "sweep": sweep, "incident": incident, "reconstruction": record}[model]
    client = signed_in(*VIEW, *CASES, "approve_plan", "apply_plan")
    page = client.get(reverse(f"admin:reconciliation_{model}_change", args=[row.pk])).content.decode()
    assert f'value="{action}"' not in page
    assert act(client, model, action, row, post="yes", reason="forged").status_code == 403
    assert Plan.objects.count() == 1


@pytest.mark.django_db(transaction=True)  # a refusal is written down after what was refused was rolled back
def test_forged_presses_and_those_without_permission_are_recorded() -> None:
    plan, somebody = planned(), person(*CASES)
    forged, client = Client(enforce_csrf_checks=True), Client()
    for each in (forged, client):
        each.force_login(somebody)
        assert each.post(button("approve", plan.pk)).status_code == 403
    refusals = list(Refusal.objects.order_by("refused_at").values_list("actor", "door", "what"))
    assert refusals == [(somebody.username, "admin", f"POST {button('approve', plan.pk)}")] * 2
    assert "Forged" in str(Refusal.objects.order_by("refused_at").values_list("why", flat=True)[0])
    assert not list(Verification())


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001, "a\0b"])
def test_a_plan_without_a_proper_reason_is_a_form_error(reason: str) -> None:
    finding = world.finding(wrong())
    answer = act(signed_in(*EVERYTHING), "finding", "propose_plan", finding, post="yes", reason=reason)
    assert answer.context["form"].errors["reason"]
    assert not Plan.objects.exists()


def test_more_findings_than_one_can_answer_for_are_refused_with_a_sentence(monkeypatch: Any) -> None:
    monkeypatch.setattr(plan_actions, "AT_ONCE", 1)
    sweep = world.sweep()
    found = [world.finding(wrong(), sweep) for _ in range(2)]
    answer = act(signed_in(*EVERYTHING), "finding", "propose_plan", *found, post="yes", reason="x")
    assert "At most 1 findings at a time" in said(answer)[-1]
    assert not Plan.objects.exists()


def test_a_plan_is_about_one_sweep() -> None:
    sweeps = [world.sweep(), world.sweep()]
    answer = act(signed_in(*EVERYTHING), "sweep", "propose_plan_for_sweep", *sweeps, post="yes", reason="x")
    assert "one of these at a time" in said(answer)[-1]


def test_what_is_right_by_now_is_not_planned() -> None:
    balance = wrong()
    finding = world.finding(balance)
    reconstruct(balance.pk, world.request())
    client = signed_in(*EVERYTHING)
    page = act(client, "finding", "propose_plan", finding).content.decode()
    assert "Nothing is left to correct." in page
    answer = act(client, "finding", "propose_plan", finding, post="yes", reason="x")
    assert "there is nothing to correct" in str(answer.context["form"].errors)
    assert not Plan.objects.exists()


def test_an_incomplete_source_is_left_out_unless_the_box_is_ticked() -> None:
    empty = world.balance()
    world.drift(empty, credit=500)
    finding, client = world.finding(empty), signed_in(*EVERYTHING)
    page = act(client, "finding", "propose_plan", finding).content.decode()
    assert "known to be incomplete" in page
    assert "Not corrected: the balance has totals but no transactions." in page
    answer = act(client, "finding", "propose_plan", finding, post="yes", reason="x")
    assert "Nothing was planned" in str(answer.context["form"].errors)
    act(client, "finding", "propose_plan", finding, post="yes", reason="x", allow_incomplete="on")
    assert Plan.objects.get().allow_incomplete


# --- proposing


def test_findings_are_planned_after_a_look_at_before_and_after() -> None:
    alice, bob = wrong(7, indicator="@alice"), wrong(-5)
    sweep = world.sweep()
    found = [world.finding(each, sweep) for each in (alice, bob)]
    somebody, client = person(*EVERYTHING), Client()
    client.force_login(somebody)
    page = act(client, "finding", "propose_plan", *found).content.decode()
    for text in ("@alice", ">1007<", ">1000<", ">-7<", ">+5<"):
        assert text in page
    assert not Plan.objects.exists()
    answer = act(client, "finding", "propose_plan", *found, post="yes", reason="month end", ticket="OPS-7")
    plan = Plan.objects.get()
    assert answer.url == reverse("admin:reconciliation_plan_change", args=[plan.pk])
    assert said(answer)[-1].startswith("success: The plan was saved. A second person must approve")
    assert (plan.actor, plan.origin, plan.reason, plan.ticket) == (somebody.username, "admin", "month end", "OPS-7")
    assert (plan.balances, plan.drift) == (2, {"USD": 12})


def test_a_whole_sweep_and_an_incident_are_planned_as_one_case() -> None:
    sweep = world.sweep(drifted=2)
    incident = Incident.objects.create(sweep=sweep, cause="rounding", title="t", balances=1)
    world.finding(wrong(), sweep, incident=incident)
    world.finding(wrong(), sweep)
    client = signed_in(*EVERYTHING)
    act(client, "sweep", "propose_plan_for_sweep", sweep, post="yes", reason="all of it")
    act(client, "incident", "propose_plan_for_incident", incident, post="yes", reason="the case")
    plans = {plan.reason: plan for plan in Plan.objects.all()}
    assert (plans["all of it"].balances, plans["all of it"].sweep_id) == (2, sweep.pk)
    assert (plans["the case"].balances, plans["the case"].incident_id) == (1, incident.pk)


def test_a_page_about_many_balances_shows_some_and_counts_the_rest(monkeypatch: Any) -> None:
    monkeypatch.setattr(plan_actions, "SHOWN", 2)
    monkeypatch.setattr(plan_actions, "COUNTED", 3)
    sweep = world.sweep()
    for _ in range(3):
        world.finding(wrong(), sweep)
    answer = act(signed_in(*EVERYTHING), "sweep", "propose_plan_for_sweep", sweep)
    assert (len(answer.context["shown"]), answer.context["count"], answer.context["not_shown"]) == (2, 3, 1)
    world.finding(wrong(), sweep)
    answer = act(signed_in(*EVERYTHING), "sweep", "propose_plan_for_sweep", sweep)
    assert answer.context["count"] == "more than 3"


def test_whoever_may_propose_and_not_look_at_plans_ends_up_somewhere_open() -> None:
    finding = world.finding(wrong())
    client = signed_in("view_finding", "propose_plan")
    answer = act(client, "finding", "propose_plan", finding, post="yes", reason="x")
    assert client.get(answer.url).status_code == 200


# --- deciding and applying


def test_a_second_person_approves_and_the_worker_applies() -> None:
    alice = wrong()
    plan, client = planned(alice), signed_in(*EVERYTHING)
    page = page_of(plan, client)
    assert [f"/{name}/" in page for name in BUTTONS] == [True, True, False, True]
    answer = client.post(button("approve", plan.pk), {"note": "looked at it"})
    assert said(answer)[-1] == "success: The plan is approved."
    page = page_of(plan, client)
    assert [f"/{name}/" in page for name in BUTTONS] == [False, False, True, True]
    assert "looked at it" in page
    answer = client.post(button("apply", plan.pk))
    assert said(answer)[-1] == "success: The background worker applies the plan."
    assert 'http-equiv="refresh"' in page_of(plan, client)
    assert ProcrastinateJob.objects.get(task_name="apply_plan").args["plan_id"] == plan.pk
    assert world.totals(alice)["credit_balance"] == 1007
    apply(plan.pk, "alice", Origin.ADMIN)
    page = page_of(plan, client)
    record = Reconstruction.objects.get()
    assert "Applied: 1" in page
    assert reverse("admin:reconciliation_reconstruction_change", args=[record.pk]) in page
    assert 'http-equiv="refresh"' not in page
    assert not [name for name in BUTTONS if f"/{name}/" in page]
    assert steps(plan) == ["proposed", "approved", "started", "started", "finished"]


def test_a_plan_is_rejected_with_its_reason_and_cancelled_by_the_one_who_asked() -> None:
    plan, client = planned(), signed_in(*EVERYTHING)
    client.post(button("reject", plan.pk), {"note": "the statement says otherwise"})
    assert state(plan) == "rejected"
    assert "the statement says otherwise" in page_of(plan, client)
    somebody, own = person(*CASES, "propose_plan"), Client()
    own.force_login(somebody)
    mine = planned(actor=somebody.username)
    assert "/cancel/" in page_of(mine, own)
    own.post(button("cancel", mine.pk))
    assert (state(mine), steps(mine)) == ("cancelled", ["proposed", "cancelled"])


def test_a_permission_taken_away_between_page_and_button_counts() -> None:
    somebody, client, plan = person(*EVERYTHING), Client(), planned()
    client.force_login(somebody)
    assert "/approve/" in page_of(plan, client)
    somebody.user_permissions.remove(Permission.objects.get(codename="approve_plan"))
    assert client.post(button("approve", plan.pk)).status_code == 403
    assert state(plan) == "proposed"


# --- reading


def test_the_page_shows_what_was_measured_and_how_each_balance_ended() -> None:
    alice, bob, carol = wrong(10**20, indicator="@alice"), wrong(), wrong(3)
    plan = planned(alice, bob, carol, ticket="OPS-7")
    approve(plan.pk, "bob", Origin.API)
    world.drift(bob, debit=5)
    reconstruct(carol.pk, world.request())
    apply(plan.pk, "alice", Origin.API)
    client = signed_in(*EVERYTHING)
    page = page_of(plan, client)
    for text in (
        plan.fingerprint,
        "OPS-7",
        "month end",
        "Applied: 1",
        "Unchanged (no drift any more): 1",
        "Stale (the drift is another one; nothing written): 1",
        "The drift is now credit +7, debit +5; make a new plan.",
        str(10**20 + 1000),
        str(10**20 + 3010),
        "A second person must approve",
        "1 applied, 1 unchanged, 1 stale.",
    ):
        assert text in page
    stale = page_of(plan, client, outcome="stale")
    assert bob.pk in stale
    assert "@alice" not in stale
    assert "@alice" in page_of(plan, client, outcome="nonsense", page="<script>")


def test_items_come_in_pages_by_the_same_number_of_queries(monkeypatch: Any) -> None:
    monkeypatch.setattr(plan_admin, "SHOWN_ITEMS", 2)
    client = signed_in(*EVERYTHING)
    counts = []
    for count in (1, 5):
        plan = planned(*(wrong() for _ in range(count)))
        url = reverse("admin:reconciliation_plan_change", args=[plan.pk])
        client.get(url)
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(url)
        counts.append(len(captured))
        assert len(answer.context["items"]) == min(count, 2)
    assert counts[0] == counts[1]
    third = client.get(url, {"page": 3})
    assert len(third.context["items"]) == 1
    assert "page 3 of 3" in third.content.decode()


def test_the_list_asks_as_often_for_many_plans_as_for_one() -> None:
    client = signed_in(*EVERYTHING)
    counts = []
    for count in (1, 4):
        for _ in range(count):
            planned()
        client.get(reverse(LIST))
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse(LIST))
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_plans_are_found_by_who_asked_and_corrections_by_the_ticket_of_their_plan() -> None:
    plan = planned(ticket="OPS-7", actor="carol")
    planned(actor="dave")
    apply(approve(plan.pk, "bob", Origin.API).pk, "alice", Origin.API)
    record = Reconstruction.objects.get(outcome="corrected")
    client = signed_in(*EVERYTHING)
    for model, term, row in (
        ("plan", "carol", plan),
        ("plan", plan.pk[:20], plan),
        ("reconstruction", "OPS-7", record),
    ):
        page = client.get(reverse(f"admin:reconciliation_{model}_changelist"), {"q": term})
        assert [each.pk for each in page.context["cl"].result_list] == [row.pk], term
    page = client.get(reverse("admin:reconciliation_reconstruction_changelist"), {"q": "OPS-8"})
    assert not page.context["cl"].result_list


def test_plans_are_found_by_id_ticket_state_person_and_kind() -> None:
    first, second = planned(ticket="OPS-7"), planned(actor="carol")
    approve(second.pk, "bob", Origin.API)
    client = signed_in(*CASES)
    for given, found in (
        ({"q": first.pk}, {first}),
        ({"q": "OPS-7"}, {first}),
        ({"state__exact": "approved"}, {second}),
        ({"actor": "carol"}, {second}),
        ({"undoing__exact": "1"}, set()),
        ({"requested_at_to": "2001-01-01"}, set()),
    ):
        assert set(client.get(reverse(LIST), given).context["cl"].result_list) == found


def test_hostile_words_and_names_are_shown_as_text() -> None:
    evil = "<script>alert(1)</script>"
    plan = planned(wrong(indicator=f"@{evil}"), actor=evil, ticket=evil)
    PlanItem.objects.update(ledger_name=evil, note=evil)
    client = signed_in(*EVERYTHING)
    for page in (page_of(plan, client), client.get(reverse(LIST)).content.decode()):
        assert evil not in page
        assert "&lt;script&gt;alert(1)" in page


def test_a_plan_that_changes_no_sum_says_so() -> None:
    plan = planned(wrong(7), wrong(-7))
    page = page_of(plan, signed_in(*CASES))
    assert "The sums stay as they are." in page


# --- taking back


def test_a_correction_is_taken_back_by_a_plan_under_the_same_policy() -> None:
    alice = wrong()
    record = corrected(alice)
    somebody, client = person(*EVERYTHING), Client()
    client.force_login(somebody)
    url = reverse("admin:reconciliation_reconstruction_change", args=[record.pk])
    assert "Take this correction back" in client.get(url).content.decode()
    page = act(client, "reconstruction", "take_back", record).content.decode()
    assert ">1000<" in page
    assert ">1007<" in page
    assert not Plan.objects.filter(undoing=True).exists()
    answer = act(client, "reconstruction", "take_back", record, post="yes", reason="wrong balance")
    plan = Plan.objects.get(undoing=True)
    assert answer.url == reverse("admin:reconciliation_plan_change", args=[plan.pk])
    assert (plan.state, plan.actor, plan.items.get().undoes) == ("proposed", somebody.username, record.pk)
    assert "/approve/" not in page_of(plan, client)
    approve(plan.pk, "bob", Origin.API)
    apply(plan.pk, "alice", Origin.API)
    assert measure([alice.pk])[0].difference.credit_balance == -7
    undo = Reconstruction.objects.get(undoes=record.pk)
    page = client.get(url).content.decode()
    assert reverse("admin:reconciliation_reconstruction_change", args=[undo.pk]) in page
    assert "Take this correction back" not in page
    other = client.get(reverse("admin:reconciliation_reconstruction_change", args=[undo.pk])).content.decode()
    assert url in other
    assert "Take this correction back" in other


def test_what_changed_nothing_or_was_taken_back_is_refused_with_the_reason() -> None:
    alice = wrong()
    preview = reconstruct(alice.pk, world.request(dry_run=True))
    record = corrected(alice)
    propose_undo([record.pk], Proposal(actor="alice", origin=Origin.API, reason="x"))
    client = signed_in(*EVERYTHING)
    url = reverse("admin:reconciliation_reconstruction_change", args=[preview.pk])
    assert "Take this correction back" not in client.get(url).content.decode()
    for each, why in ((preview, "changed nothing"), (record, "which is open")):
        answer = act(client, "reconstruction", "take_back", each, post="yes", reason="x")
        assert why in str(answer.context["form"].errors)
    assert Plan.objects.filter(undoing=True).count() == 1


def test_the_approver_sees_cause_and_certainty_where_the_finding_saw_the_same_drift() -> None:
    same, other = wrong(7), wrong(8)
    explanation = {"cause": "lost_update", "certainty": "strong"}
    for balance in (same, other):
        world.finding(balance, explained_at=now(), cause="lost_update", explanations=[explanation])
    world.drift(other, credit=1)
    plan = planned(same, other)
    page = page_of(plan, signed_in(*EVERYTHING))
    assert page.count(">Lost update</a>") == 1
    assert ">Strong</span>" in page
    assert "Not explained" in page


def test_an_undo_that_makes_a_right_ledger_wrong_is_marked() -> None:
    record = corrected()
    plan = propose_undo([record.pk], Proposal(actor="alice", origin=Origin.API, reason="mistake"))
    assert "makes the ledger wrong" in page_of(plan, signed_in(*EVERYTHING))
    assert "makes the ledger wrong" not in page_of(planned(wrong()), signed_in(*EVERYTHING))


def test_no_policy_on_a_page_names_a_setting_also_not_one_of_an_old_plan() -> None:
    plan = planned()
    old = "A second person must approve: 7 minor units of USD are more than 0 (LEDGER_FOUR_EYES_AMOUNTS)."
    Plan.objects.update(policy=old)
    assert "LEDGER_" not in page_of(plan, signed_in(*EVERYTHING))
