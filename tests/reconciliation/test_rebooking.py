"""Deleted transactions are booked again from the edit journal: once, without moving a total, under the policy."""

from __future__ import annotations

from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from balances.models import TOTALS, Balance, Transaction
from reconciliation.checks import CHECKS
from reconciliation.correcting.applying import apply, outcomes
from reconciliation.correcting.deciding import NotPossibleNow, SecondPersonNeeded, approve
from reconciliation.correcting.planning import Proposal
from reconciliation.correcting.rebooking import CannotBeRebooked, TooManyRows, propose_rebooking
from reconciliation.correcting.rebuilding import reconstruct, reconstruct_many
from reconciliation.correcting.undoing import CannotBeUndone, propose_undo
from reconciliation.measuring.measurement import measure_all
from reconciliation.measuring.scope import Scope
from reconciliation.models import Finding, Origin, Plan, PlanItem, Reconstruction, TransactionEdit
from reconciliation.sweeping.service import create_sweep, run_sweep
from reconciliation.sweeping.status import verdict
from tests import people, wire, world
from tests.client import Client
from tests.reconciliation.test_witness import delete, force, unseen

pytestmark = pytest.mark.django_db(transaction=True)
API = Origin.API


def asked(**how: Any) -> Proposal:
    return Proposal(actor="alice", origin=API, reason="deleted by mistake", **how)


def done(plan: Plan) -> dict[str, int]:
    """Approve a plan as another person, apply it, and return how its items ended."""
    if plan.state == Plan.State.PROPOSED:
        approve(plan.pk, "bob", API)
    apply(plan.pk, "bob", API)
    return {name: count for name, count in outcomes(plan).items() if count}


def booked(*rows: Transaction) -> dict[str, int]:
    return done(propose_rebooking([row.pk for row in rows], asked()))


def stored() -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in Balance.objects.order_by("pk").values_list("pk", *TOTALS, "version")}


def drifting() -> set[str]:
    everyone = list(Balance.objects.values_list("pk", flat=True))
    return {each.balance_id for each in measure_all(everyone) if each.has_drift}


@pytest.fixture
def alice() -> Balance:
    """A balance of 111, 5,000,000 and 222, of which the second row is deleted by force."""
    alice = world.balance(indicator="@alice")
    world.post("@payer", alice, 111)
    world.post("@payer", alice, 5_000_000, reference="big", meta_data={"invoice": 7})
    world.post("@payer", alice, 222)
    delete(Transaction.objects.get(reference="big"))
    return alice


def gone() -> TransactionEdit:
    return TransactionEdit.objects.latest("pk")


def the_row() -> Transaction:
    return Transaction(pk=gone().transaction_id)


def test_the_row_is_there_again_no_total_moved_and_no_drift_is_left(alice: Balance) -> None:
    before, old = stored(), gone().old
    assert drifting() == set(before)
    assert booked(the_row()) == {"applied": 2}
    assert (stored(), drifting()) == (before, set())
    row = Transaction.objects.get(pk=old["transaction_id"])
    assert (row.reference, row.status, row.units) == ("big_rebooked", "APPLIED", 5_000_000)
    assert row.created_at == datetime.fromisoformat(old["created_at"])
    assert row.meta_data == {"allow_overdraft": True, "invoice": 7, "rebooked_reference": "big"}
    sweep = run_sweep(create_sweep(Scope(everything=True), actor="a", origin=API, deep=True).sweep_id)
    assert (verdict(sweep), list(Finding.objects.values("faults"))) == ("healthy", [])


def test_both_balances_have_a_sealed_record_of_it(alice: Balance) -> None:
    booked(the_row())
    records = Reconstruction.objects.filter(outcome="rebooked")
    assert set(records.values_list("balance_id", flat=True)) == set(stored())
    for record in records:
        assert (record.transaction_id, record.actor) == (gone().transaction_id, "bob")
        assert (record.previous, record.version_after) == (record.recalculated, record.version_before)
    call_command("verify_records", stdout=StringIO(), stderr=StringIO())


def test_twice_is_impossible(alice: Balance) -> None:
    second = propose_rebooking([the_row().pk], asked())
    assert booked(the_row()) == {"applied": 2}
    assert done(second) == {"stale": 2}
    with pytest.raises(CannotBeRebooked, match="it is there again"):
        booked(the_row())
    assert Transaction.objects.filter(reference__startswith="big").count() == 1


def test_a_reference_that_is_in_use_is_refused(alice: Balance) -> None:
    plan = propose_rebooking([the_row().pk], asked())
    world.post("@payer", alice, 1, reference="big_rebooked")
    with pytest.raises(CannotBeRebooked, match="the reference big_rebooked is in use"):
        propose_rebooking([the_row().pk], asked())
    assert done(plan) == {"stale": 2}
    assert "the reference big_rebooked is in use" in PlanItem.objects.filter(plan=plan.pk)[0].note


def test_where_the_old_reference_was_used_again_the_plan_says_so(alice: Balance) -> None:
    world.post("@payer", alice, 5_000_000, reference="big")
    plan = propose_rebooking([the_row().pk], asked())
    assert "big has been used since" in PlanItem.objects.filter(plan=plan.pk)[0].note


def test_what_no_total_holds_any_more_is_refused(alice: Balance) -> None:
    record = reconstruct(alice.pk, world.request(allow_incomplete=True))
    with pytest.raises(CannotBeRebooked, match=f"the totals of {alice.pk} do not hold it any more"):
        booked(the_row())
    done(propose_undo([record.pk], asked()))
    assert booked(the_row()) == {"applied": 2}
    assert (world.totals(alice)["balance"], drifting()) == (5_000_333, set())


def test_a_correction_between_asking_and_applying_makes_it_stale(alice: Balance) -> None:
    plan = propose_rebooking([the_row().pk], asked())
    list(reconstruct_many(list(stored()), world.request(allow_incomplete=True)))
    assert done(plan) == {"stale": 2}
    assert Transaction.objects.count() == 2


@pytest.mark.parametrize(
    ("ids", "refusal", "why"),
    [
        ([], CannotBeRebooked, "Say which transaction"),
        (["txn_x"], CannotBeRebooked, "txn_x cannot be booked again: the edit journal knows of no deletion"),
        ([f"txn_{number}" for number in range(201)], TooManyRows, "at most 200"),
    ],
)
def test_what_is_not_known_is_refused(ids: list[str], refusal: type[Exception], why: str) -> None:
    with pytest.raises(refusal, match=why):
        propose_rebooking(ids, asked())
    assert not Plan.objects.exists()


def test_a_deletion_that_the_journal_did_not_see_is_refused() -> None:
    row = world.post("@payer", world.balance(), 100)
    with unseen():
        delete(row)
    with pytest.raises(CannotBeRebooked, match="no deletion"):
        booked(row)


def test_a_row_whose_balance_is_gone_is_refused(alice: Balance) -> None:
    force("DELETE FROM balances WHERE balance_id = %s", alice.pk)
    with pytest.raises(CannotBeRebooked, match=f"the balance {alice.pk} is not there"):
        booked(the_row())


def test_a_queued_payment_that_was_applied_again_meanwhile_is_refused() -> None:
    alice, bob = world.balance(), world.balance()
    queued = world.row("QUEUED", 100, alice, bob, reference="q")
    outcome = world.row("APPLIED", 100, alice, bob, reference="q_q", parent_transaction=queued.pk)
    world.drift(alice, debit=100)
    world.drift(bob, credit=100)
    delete(outcome)
    world.row("APPLIED", 100, alice, bob, reference="q_q", parent_transaction=queued.pk)
    world.drift(alice, debit=100)
    world.drift(bob, credit=100)
    with pytest.raises(CannotBeRebooked, match="applied again meanwhile"):
        booked(outcome)


def test_the_policy_asks_for_a_second_person(alice: Balance, settings: Any) -> None:
    plan = propose_rebooking([the_row().pk], asked())
    assert (plan.state, plan.drift, plan.balances) == ("proposed", {"USD": 10_000_000}, 2)
    with pytest.raises(SecondPersonNeeded):
        approve(plan.pk, "alice", API)
    with pytest.raises(NotPossibleNow):
        apply(plan.pk, "alice", API)
    settings.LEDGER_FOUR_EYES_AMOUNTS, settings.LEDGER_FOUR_EYES_BALANCES = {"*": None}, 9
    assert propose_rebooking([the_row().pk], asked()).state == Plan.State.APPROVED


def test_it_is_taken_back_on_both_balances_without_moving_a_total_once(alice: Balance) -> None:
    booked(the_row())
    before = stored()
    [first, second] = Reconstruction.objects.filter(outcome="rebooked")
    plan = propose_undo([first.pk], asked())
    assert set(plan.items.values_list("undoes", flat=True)) == {first.pk, second.pk}
    with pytest.raises(CannotBeUndone, match="is taken back by plan"):
        propose_undo([second.pk], asked())
    assert done(plan) == {"applied": 2}
    assert stored() == before
    nets = {each.balance_id: each.difference.balance for each in measure_all(list(before))}
    assert nets == {alice.pk: -5_000_000, Balance.objects.get(indicator="@payer").pk: 5_000_000}
    assert Transaction.objects.get(reference="big_rebooked_unbooked").parent_transaction == gone().transaction_id
    with pytest.raises(CannotBeUndone, match="taken back already"):
        propose_undo([second.pk], asked())
    for record in Reconstruction.objects.filter(outcome="undone"):
        with pytest.raises(CannotBeUndone, match="changed nothing"):
            propose_undo([record.pk], asked())
    call_command("verify_records", stdout=StringIO(), stderr=StringIO())


KINDS = ("hold", "partly committed hold", "commit", "void", "refund", "leg", "queued outcome")


def made(kind: str, api: Client) -> str:
    """Make a transaction of a kind and return the id of the row that is to be deleted."""
    if kind == "leg":
        shares = [{"identifier": "bln_bob", "distribution": "30%"}, {"identifier": "bln_carol", "distribution": "left"}]
        parent = wire.create(api, wire.body("s", destination=None, destinations=shares))
        return str(Transaction.objects.filter(parent_transaction=parent)[0].pk)
    if kind == "queued outcome":
        wire.create(api, wire.queued("w"))
        wire.drain()
        return str(wire.row("w_q").pk)
    if kind == "refund":
        paid = wire.create(api, wire.body("p"))
        return str(api.post(f"/refund-transaction/{paid}", wire.NOW).body["transaction_id"])
    hold = wire.hold(api, "h")
    if kind == "hold":
        return hold
    committed = wire.settled(api, hold, units=400)
    if kind == "partly committed hold":
        return hold
    return committed if kind == "commit" else wire.settled(api, hold, "void")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_every_kind_come_back_with_what_hangs_under_them(kind: str, api: Client) -> None:
    wire.wallets()
    row = Transaction.objects.get(pk=made(kind, api))
    before = stored()
    delete(row)
    assert drifting()
    assert booked(row) == {"applied": 2}
    assert (stored(), drifting()) == (before, set())
    assert not [name for name, check in CHECKS.items() if check.faults()]
    nets = {each.balance_id: each.recalculated for each in measure_all(list(before))}
    record = Reconstruction.objects.filter(outcome="rebooked")[0]
    assert done(propose_undo([record.pk], asked())) == {"applied": 2}
    sign = 1 if str(row.source_id) == "bln_alice" else -1
    after = {each.balance_id: each.recalculated for each in measure_all(list(before))}
    held = row.status in ("INFLIGHT", "VOID")
    if kind != "partly committed hold":
        moved = (
            after["bln_alice"].inflight_balance - nets["bln_alice"].inflight_balance
            if held
            else (after["bln_alice"].balance - nets["bln_alice"].balance)
        )
        assert moved == sign * row.units * (-1 if row.status == "VOID" else 1)
    assert stored() == before


def test_a_hundred_rows_are_booked_in_one_plan_however_many_share_a_balance() -> None:
    alice = world.balance()
    rows = [world.post("@payer", alice, units) for units in range(1, 101)]
    for row in rows:
        delete(row)
    before = stored()
    assert booked(*rows) == {"applied": 200}
    assert (stored(), drifting()) == (before, set())


def test_other_drift_of_its_balances_stays_for_a_plan_of_its_own(alice: Balance) -> None:
    world.drift(alice, debit=40)
    world.drift(alice, credit=-30)
    booked(the_row())
    assert drifting() == {alice.pk}
    reconstruct(alice.pk, world.request())
    assert world.totals(alice)["balance"] == 5_000_333


def test_it_is_offered_where_following_the_transactions_is_refused(alice: Balance, api: Client) -> None:
    refused = api.post(f"/balances/{alice.pk}/reconstructions", {})
    assert "can be booked again from the edit journal" in refused.body["error"]
    plan = api.post("/plans", {"transaction_ids": [the_row().pk], "reason": "r"})
    assert plan.status == 201, plan.text
    items = api.get(f"/plans/{plan.body['plan_id']}/items").body
    assert {item["rebooks"] for item in items} == {the_row().pk}
    assert {item["difference"]["balance"] for item in items} == {0}
    both = {"transaction_ids": [the_row().pk], "balance_ids": [alice.pk], "reason": "r"}
    assert api.post("/plans", both).status == 400
    assert api.post("/plans", {"transaction_ids": ["txn_x"], "reason": "r"}).status == 409


def test_the_command_plans_it(alice: Balance) -> None:
    out, err = StringIO(), StringIO()
    call_command("plan", rebook=[the_row().pk], reason="r", format="csv", stdout=out, stderr=err)
    assert out.getvalue().count("is booked again as big_rebooked") == 2
    assert done(Plan.objects.get()) == {"applied": 2}


@pytest.mark.parametrize("page", ["finding", "transactionedit"])
def test_the_admin_books_again_from_the_journal_and_from_findings(alice: Balance, page: str) -> None:
    run_sweep(create_sweep(Scope(everything=True), actor="a", origin=API).sweep_id)
    clerk = people.signed_in(*people.VIEW, *people.CASES, "propose_plan")
    chosen = Finding.objects.get(balance_id=alice.pk).pk if page == "finding" else gone().pk
    url = reverse(f"admin:reconciliation_{page}_changelist")
    data = {"action": "book_again", "index": "0", "_selected_action": [chosen]}
    shown = clerk.post(url, data).content.decode()
    assert "is booked again as big_rebooked; no total moves" in shown
    answer = clerk.post(url, data | {"post": "yes", "reason": "r"})
    assert answer.url == reverse("admin:reconciliation_plan_change", args=[Plan.objects.get().pk])
    assert clerk.get(answer.url).status_code == 200
    assert done(Plan.objects.get()) == {"applied": 2}
    record = Reconstruction.objects.filter(outcome="rebooked")[0]
    for path in (f"reconstruction/{record.pk}/change/", "reconstruction/"):
        assert clerk.get(f"/admin/reconciliation/{path}").status_code == 200
    again = clerk.post(url, data | {"post": "yes", "reason": "r"}).content.decode()
    assert "it is there again" in again
    assert people.signed_in(*people.VIEW, *people.CASES).post(url, data).status_code in (302, 403)
    assert Plan.objects.count() == 1
