"""Many holds at once: seen first, settled once each, not alone where the sum is too much, and refused in words."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

import ledgerproj.urls  # noqa: F401 - finds the admin pages
from balances.books import Part, Settlement
from balances.instructing import (
    MOST_HOLDS,
    NotOpen,
    Person,
    approve_plan,
    ask_plan,
    end_plans,
    look,
    reject_plan,
    settle_some,
    settling_plans,
    why_second_person,
    withdraw_plan,
)
from balances.models import Balance, HoldPlan, OpenHold, Transaction, new_hold_plan_id, now
from balances.posting import settle
from reconciliation.models import AuditEntry
from tests import world
from tests.people import signed_in

pytestmark = pytest.mark.django_db(transaction=True)
LIST, ASK = "admin:instructions_openhold_changelist", "admin:instructions_holdplan_ask"
ALICE, BOB = Person("alice"), Person("bob")
State = HoldPlan.State


@pytest.fixture
def holds() -> list[Transaction]:
    source, target = world.balance(), world.balance()
    world.post("@world", source, 10_000)
    return [world.post(source, target, 100 + number, inflight=True) for number in range(5)]


def ids(holds: list[Transaction]) -> list[str]:
    return [each.pk for each in holds]


def plan_of(holds: list[Transaction], action: str = "void", by: Person = ALICE) -> HoldPlan:
    return ask_plan(new_hold_plan_id(), look(action, ids(holds)), reason="ticket 7", by=by)


def settled() -> HoldPlan:
    while settle_some():
        pass
    end_plans()
    return HoldPlan.objects.latest("asked_at")


def states(plan: HoldPlan) -> list[str]:
    return list(plan.lines.values_list("state", flat=True))


def held(source_id: Any) -> int:
    return int(Balance.objects.get(pk=source_id).inflight_debit_balance)


def test_no_one_settles_holds_without_the_right(holds: list[Transaction]) -> None:
    ticked = {"action": "void_holds", "_selected_action": ids(holds)}
    fields = {"plan_id": new_hold_plan_id(), "action": "void", "holds": " ".join(ids(holds)), "reason": "x"}
    for client in (signed_in("view_openhold"), signed_in("approve_instruction", "view_openhold"), Client()):
        assert client.post(reverse(LIST), ticked).status_code in (302, 403)
        assert client.post(reverse(ASK), fields).status_code in (302, 403)
    assert not HoldPlan.objects.exists()


@pytest.mark.parametrize(("name", "value"), [("action", "refund"), ("holds", ""), ("action", ""), ("holds", " ")])
def test_a_forged_form_asks_for_nothing(holds: list[Transaction], name: str, value: str) -> None:
    fields = {"plan_id": new_hold_plan_id(), "action": "void", "holds": ids(holds)[0], "reason": "x"}
    answer = signed_in("move_money", "view_openhold").post(reverse(ASK), fields | {name: value, "confirmed": "1"})
    assert answer.status_code in (302, 400, 403)
    assert not HoldPlan.objects.exists()


def test_none_and_too_many_holds_are_refused() -> None:
    for many in ([], [f"txn_{number}" for number in range(MOST_HOLDS + 1)]):
        with pytest.raises(NotOpen, match="at least one hold"):
            look("void", many)
    outlook = look("void", ["txn_none"])
    assert "not found" in outlook.refused[0].refusal
    with pytest.raises(NotOpen, match="None of these"):
        ask_plan(new_hold_plan_id(), outlook, reason="x", by=ALICE)


def test_holds_are_ticked_seen_confirmed_and_settled_once(holds: list[Transaction]) -> None:
    client = signed_in("move_money", "view_openhold", "view_transaction")
    page = client.post(reverse(LIST), {"action": "void_holds", "_selected_action": ids(holds)})
    assert "nothing has been settled" in page.content.decode()
    assert "5.10" in page.content.decode()
    fields = {name: page.context["form"][name].value() for name in ("plan_id", "action", "holds")}
    fields |= {"reason": "ticket 7", "confirmed": page.context["fingerprint"]}
    assert "required" in client.post(reverse(ASK), fields | {"reason": ""}).content.decode()
    assert not HoldPlan.objects.exists()
    for _ in range(2):
        assert client.post(reverse(ASK), fields).status_code in (200, 302)
    plan = settled()
    assert (plan.state, plan.holds, plan.totals[0]["units"]) == (State.DONE, 5, "510")
    assert states(plan) == ["done"] * 5
    assert held(holds[0].source_id) == 0
    assert Transaction.objects.filter(status="VOID").count() == 5
    shown = client.get(reverse("admin:instructions_holdplan_change", args=[plan.pk])).content.decode()
    assert "5 of 5" in shown
    added, ended = AuditEntry.objects.filter(subject="plan of holds").order_by("done_at")
    assert (json.loads(added.after)["reason"], json.loads(ended.after)["done"]) == ("ticket 7", "5")


def test_what_changed_since_it_was_seen_is_seen_again(holds: list[Transaction]) -> None:
    client = signed_in("move_money", "view_openhold")
    page = client.post(reverse(LIST), {"action": "commit_holds", "_selected_action": ids(holds)})
    fields = {name: page.context["form"][name].value() for name in ("plan_id", "action", "holds")}
    fields |= {"reason": "x", "confirmed": page.context["fingerprint"]}
    settle(Settlement(transaction_id=holds[0].pk, action="commit", part=Part(precise_amount=40)))
    again = client.post(reverse(ASK), fields)
    assert "have changed since you looked" in again.content.decode()
    assert client.post(reverse(ASK), fields | {"action": "void"}).status_code == 200
    assert not HoldPlan.objects.exists()


def test_the_sum_of_a_plan_counts_against_the_limit(holds: list[Transaction], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"USD": 509}
    assert plan_of(holds[:1]).state == State.STARTED
    settled()
    settings.LEDGER_FOUR_EYES_BY_HAND = {"USD": 409}
    plan = plan_of(holds[1:], by=ALICE)
    assert (plan.state, settle_some()) == (State.WAITING, 0)
    assert "409 minor units of USD" in plan.second_person
    for refused in (lambda: approve_plan(plan.pk, note="", by=ALICE), lambda: withdraw_plan(plan.pk, by=BOB)):
        with pytest.raises(NotOpen):
            refused()
    approve_plan(plan.pk, note="seen", by=BOB)
    assert settled().state == State.DONE
    with pytest.raises(NotOpen, match="done already"):
        reject_plan(plan.pk, note="", by=BOB)


def test_a_plan_that_is_rejected_leaves_its_holds_for_another(holds: list[Transaction], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"USD": 0}
    for end in (lambda key: reject_plan(key, note="no", by=BOB), lambda key: withdraw_plan(key, by=ALICE)):
        plan = plan_of(holds)
        end(plan.pk)
        assert (settle_some(), states(plan)) == (0, ["left"] * 5)
    assert held(holds[0].source_id) == 510


def test_a_hold_is_in_one_open_plan_only(holds: list[Transaction]) -> None:
    before = look("commit", ids(holds))
    first = plan_of(holds[:2])
    again = look("commit", ids(holds))
    assert [first.pk in each.refusal for each in again.lines] == [True, True, False, False, False]
    with pytest.raises(NotOpen, match="Another plan"):
        ask_plan(new_hold_plan_id(), before, reason="x", by=BOB)
    assert HoldPlan.objects.count() == 1


def test_what_others_settle_meanwhile_is_refused_in_words(holds: list[Transaction]) -> None:
    plan = plan_of(holds, "void")
    settle(Settlement(transaction_id=holds[0].pk, action="commit"))
    settle(Settlement(transaction_id=holds[1].pk, action="void"))
    settle(Settlement(transaction_id=holds[2].pk, action="commit", part=Part(precise_amount=2)))
    with world.unguarded("transactions"):
        Transaction.objects.filter(pk=holds[3].pk).delete()
    plan = settled()
    assert (plan.state, states(plan)) == (State.DONE, ["refused"] * 4 + ["done"])
    words = list(plan.lines.values_list("why", flat=True))
    for why, said in zip(
        words, ("already committed", "already been voided", "100 are still held", "not found"), strict=False
    ):
        assert said in why
    assert json.loads(AuditEntry.objects.filter(action="acted").get().after)["refused"] == "4"


def test_a_commit_in_part_before_leaves_the_rest_to_a_plan(holds: list[Transaction]) -> None:
    settle(Settlement(transaction_id=holds[0].pk, action="commit", part=Part(precise_amount=40)))
    plan = plan_of(holds[:1], "commit")
    assert plan.totals[0]["units"] == "60"
    settled()
    assert Transaction.objects.get(pk=plan.lines.get().result).precise_amount == 60


def test_a_worker_killed_in_a_batch_leaves_nothing_half_done(
    holds: list[Transaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling_plans, "BATCH", 2)
    plan = plan_of(holds)
    assert settle_some() == 2

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(settling_plans, "_note", killed)
        settle_some()
    assert states(plan) == ["done"] * 2 + ["waiting"] * 3
    assert Transaction.objects.filter(status="VOID").count() == 2
    assert settled().state == State.DONE
    assert Transaction.objects.filter(status="VOID").count() == 5


def test_workers_beside_each_other_settle_each_hold_once(
    holds: list[Transaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling_plans, "BATCH", 1)
    plan = plan_of(holds)

    def work(_: int) -> int:
        try:
            return sum(iter(settle_some, 0))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as workers:
        assert sum(workers.map(work, range(3))) == 5
    assert (settled().state, states(plan)) == (State.DONE, ["done"] * 5)
    assert Transaction.objects.filter(status="VOID").count() == 5


def test_one_hold_that_the_database_refuses_does_not_stop_the_others(
    holds: list[Transaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, real = plan_of(holds), settling_plans.settle_each

    def failing(settlements: list[Settlement]) -> Any:
        if any(each.transaction_id == holds[0].pk for each in settlements):
            raise IntegrityError("a rule of the house")
        return real(settlements)

    monkeypatch.setattr(settling_plans, "settle_each", failing)
    assert settled().state == State.DONE
    assert states(plan) == ["refused"] + ["done"] * 4
    assert "a rule of the house" in plan.lines.first().why  # type: ignore[union-attr]


def test_the_list_has_open_holds_alone_by_age_and_date(holds: list[Transaction]) -> None:
    settle(Settlement(transaction_id=holds[0].pk, action="commit"))
    settle(Settlement(transaction_id=holds[1].pk, action="void"))
    settle(Settlement(transaction_id=holds[2].pk, action="commit", part=Part(precise_amount=2)))
    assert {each.pk: int(each.remaining) for each in OpenHold.objects.all()} == {  # type: ignore[attr-defined]
        holds[2].pk: 100,
        holds[3].pk: 103,
        holds[4].pk: 104,
    }
    with world.unguarded("transactions"):
        Transaction.objects.filter(pk=holds[4].pk).update(created_at=now() - timedelta(days=40))
    client = signed_in("view_openhold", "view_transaction")
    for query, many in (({}, 3), ({"older_than": "30"}, 1), ({"older_than": "90"}, 0), ({"older_than": "x"}, None)):
        page = client.get(reverse(LIST), query)
        assert many is None or page.context["cl"].result_count == many
    assert "Void the selected" not in client.get(reverse(LIST)).content.decode()


def test_what_one_person_settled_alone_counts_with_what_is_next(holds: list[Transaction], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND = {"USD": 1_000}
    plan = plan_of(holds[:1], by=ALICE)
    assert plan.state == State.STARTED
    units = int(plan.totals[0]["units"])
    assert why_second_person("USD", 1_000 - units, ALICE.actor) == ""
    assert f"{units:,} alone already" in why_second_person("USD", 1_001 - units, ALICE.actor)
    assert why_second_person("USD", 1_000, BOB.actor) == ""


def test_an_approver_without_a_second_factor_reads_how_to_get_one(holds: list[Transaction], settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_BY_HAND, settings.LEDGER_SECOND_FACTOR = {"*": 0}, "approvers"
    page = reverse("admin:instructions_holdplan_change", args=[plan_of(holds).pk])
    approver = signed_in("approve_instruction")
    text = approver.get(page).content.decode()
    assert "Set up a second factor" in text
    assert "Approve and do it" not in text
    settings.LEDGER_SECOND_FACTOR = "off"
    assert "Approve and do it" in approver.get(page).content.decode()
