"""What is open: by the newest measurement of each balance, whatever was swept, corrected or taken back since."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from balances.models import Balance, Transaction
from reconciliation.correcting.applying import apply
from reconciliation.correcting.deciding import approve
from reconciliation.correcting.planning import Proposal
from reconciliation.correcting.rebooking import propose_rebooking
from reconciliation.correcting.rebuilding import reconstruct, reconstruct_many
from reconciliation.correcting.undoing import propose_undo
from reconciliation.drill.damage import change_row, delete_balance, delete_rows
from reconciliation.measuring.measurement import measure
from reconciliation.measuring.scope import Scope
from reconciliation.models import Finding, Origin, Reconstruction, Sweep
from reconciliation.sweeping.open_findings import State, state_of, still_open, with_state
from reconciliation.sweeping.service import cancel_sweep, create_sweep, run_sweep
from tests import world
from tests.client import Client
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
ALL = Scope(everything=True)
FINDINGS = "admin:reconciliation_finding_changelist"


def sweep(scope: Scope = ALL, *, deep: bool = False) -> Sweep:
    return run_sweep(create_sweep(scope, actor="alice", origin=Origin.COMMAND, deep=deep).sweep_id)


def opened() -> set[tuple[str, str]]:
    """Return which balances have an open finding, and by which sweep."""
    return set(still_open(Finding.objects.all()).values_list("balance_id", "sweep_id"))


def states(balance: Balance) -> list[State]:
    return [state_of(each) for each in with_state(Finding.objects.filter(balance_id=balance.pk)).order_by("found_at")]


def take_back(record: Reconstruction) -> Reconstruction:
    plan = propose_undo([record.pk], Proposal(actor="alice", origin=Origin.API, reason="wrong one"))
    apply(approve(plan.pk, "bob", Origin.API).pk, "alice", Origin.API)
    return Reconstruction.objects.get(undoes=record.pk)


def page_of(row: Any) -> str:
    view = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    answer = signed_in(*VIEW, *CASES).get(reverse(view, args=[row.pk]))
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.fixture
def ben() -> Balance:
    """Return Ben, who never got one of his two payments."""
    ben = world.balance(indicator="@ben")
    for units in (252_300, 97_105):
        world.post("@world", ben, units)
    world.drift(ben, credit=-252_300)
    return ben


@pytest.fixture
def cleo(ben: Balance) -> Balance:
    cleo = world.balance(ben.ledger, indicator="@cleo")
    world.post("@world", cleo, 500)
    return cleo


def test_a_sweep_of_one_healthy_balance_leaves_what_is_open_elsewhere(ben: Balance, cleo: Balance) -> None:
    found = sweep()
    sweep(Scope(balance_ids=(cleo.pk,)))
    assert opened() == {(ben.pk, found.pk)}
    listed = signed_in(*CASES).get(reverse(FINDINGS)).context["cl"].result_list
    assert [each.balance_id for each in listed] == [ben.pk]


def test_a_balance_that_is_measured_again_has_its_newest_finding_open_or_none(ben: Balance, cleo: Balance) -> None:
    sweep()
    again = sweep(Scope(indicator_prefix="@ben"))
    assert opened() == {(ben.pk, again.pk)}
    assert states(ben) == [State.MEASURED_AGAIN, State.OPEN]
    world.drift(ben, credit=252_300)  # somebody mends it in SQL
    world.drift(cleo, debit=3)
    last = sweep()
    assert opened() == {(cleo.pk, last.pk)}
    assert states(ben) == [State.MEASURED_AGAIN, State.GONE]
    assert f'sweep/{last.pk}/change/">later sweep</a> found nothing here.' in page_of(ben)


def test_a_sweep_that_did_not_look_for_a_fault_leaves_it_open(ben: Balance) -> None:
    row = Transaction.objects.get(precise_amount=97_105)
    change_row(row.pk, description="x", hash="f" * 64)
    deep = sweep(deep=True)
    assert Finding.objects.get(balance_id=ben.pk, sweep=deep).faults
    reconstruct(ben.pk, world.request())
    shallow = sweep()
    assert shallow.drifted == 0
    assert states(ben) == [State.FAULT_OPEN]
    assert "has not been looked for since" in page_of(ben)
    change_row(row.pk, hash=row.hash)
    sweep(deep=True)
    assert (states(ben), opened()) == ([State.CORRECTED], set())


def test_a_sweep_that_was_cancelled_answers_for_what_it_has_measured(
    ben: Balance, cleo: Balance, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.drift(cleo, debit=3)
    found = sweep()
    world.drift(cleo, debit=-3)
    world.drift(ben, credit=252_300)
    not_measured = max(ben.pk, cleo.pk)
    monkeypatch.setattr("reconciliation.sweeping.service.LARGEST_LIST", 1)
    begun = create_sweep(Scope(balance_ids=(ben.pk, cleo.pk)), actor="alice", origin=Origin.COMMAND)
    run_sweep(begun.pk, progress=lambda _: cancel_sweep(begun.pk) and None)
    assert Sweep.objects.get(pk=begun.pk).measured == 1
    assert opened() == {(not_measured, found.pk)}


def test_a_finding_closes_with_the_correction_and_opens_when_that_is_taken_back(ben: Balance) -> None:
    sweep()
    reconstruct(ben.pk, world.request(dry_run=True))
    assert states(ben) == [State.OPEN]
    record = reconstruct(ben.pk, world.request())
    assert states(ben) == [State.CORRECTED]
    world.post(ben, "@shop", 40)
    undo = take_back(record)
    assert (states(ben), len(opened())) == ([State.TAKEN_BACK], 1)
    take_back(undo)
    assert (states(ben), len(opened())) == ([State.CORRECTED], 0)


def test_a_correction_of_many_and_a_measurement_without_drift_close_findings(ben: Balance, cleo: Balance) -> None:
    world.drift(cleo, debit=3)
    sweep()
    world.drift(cleo, debit=-3)
    list(reconstruct_many([ben.pk], world.request()))
    reconstruct(cleo.pk, world.request(dry_run=True))
    assert [states(ben), states(cleo)] == [[State.CORRECTED], [State.GONE]]


def test_totals_without_rows_that_were_set_to_zero_are_not_open_any_more() -> None:
    balance = world.balance(indicator="@old")
    world.drift(balance, credit=700)
    sweep()
    assert states(balance) == [State.OPEN]
    reconstruct(balance.pk, world.request(allow_empty=True))
    assert states(balance) == [State.CORRECTED]


def test_taking_a_correction_back_is_no_reconstruction_wherever_it_is_read(ben: Balance, api: Client) -> None:
    sweep()
    record = reconstruct(ben.pk, world.request())
    result = api.get(f"/balances/{ben.pk}").body["meta_data"]["BLNK_RECONCILIATION_RESULT"]
    assert result["recalculated_balance"] == "349405"
    undo = take_back(record)
    after = api.get(f"/balances/{ben.pk}").body
    assert after["balance"] == 97_105
    assert after["meta_data"]["BLNK_RECONCILIATION_RESULT"] == result

    newest, corrected = api.get(f"/balances/{ben.pk}/reconstructions").body
    assert (newest["outcome"], newest["recalculated"], newest["after"]["balance"]) == ("undone", None, 97_105)
    assert newest["difference"]["balance"] == -252_300
    assert corrected["recalculated"] == corrected["after"]
    assert api.get(f"/reconstructions/{undo.pk}").body["recalculated"] is None
    [item] = api.get(f"/plans/{undo.plan_id}/items").body
    assert (item["recalculated"], item["after"]["balance"]) == (None, 97_105)
    assert measure([ben.pk])[0].recalculated.balance == 349_405

    page = page_of(ben)
    assert "corrected since" not in page
    assert "Corrections were taken back since, so the totals may differ now." in page
    row = page.split('id="history"')[1].split("Took a correction back")[1].split("</tr>")[0]
    assert ">97105<" not in row
    listed = signed_in(*VIEW).get(reverse("admin:reconciliation_reconstruction_changelist")).content.decode()
    assert listed.count("349405 minor units") == 1  # of the correction; nothing was recalculated to take it back


def test_a_result_in_metadata_that_is_no_object_is_left_alone_when_a_correction_is_taken_back(ben: Balance) -> None:
    record = reconstruct(ben.pk, world.request())
    Balance.objects.filter(pk=ben.pk).update(meta_data=["odd"])
    take_back(record)
    assert Balance.objects.get(pk=ben.pk).meta_data == ["odd"]


def test_booking_a_deleted_transaction_anew_closes_a_finding_and_unbooking_opens_it(ben: Balance) -> None:
    world.drift(ben, credit=252_300)
    row = Transaction.objects.get(precise_amount=97_105)
    delete_rows([row.pk])
    sweep()
    assert states(ben) == [State.OPEN]
    plan = propose_rebooking([row.pk], Proposal(actor="alice", origin=Origin.API, reason="somebody deleted it"))
    apply(approve(plan.pk, "bob", Origin.API).pk, "alice", Origin.API)
    assert states(ben) == [State.CORRECTED]
    record = Reconstruction.objects.get(balance_id=ben.pk, outcome="rebooked")
    assert (record.by_transactions, record.after) == (record.previous, record.previous)
    plan = propose_undo([record.pk], Proposal(actor="alice", origin=Origin.API, reason="it was right to delete it"))
    apply(approve(plan.pk, "bob", Origin.API).pk, "alice", Origin.API)
    assert states(ben) == [State.TAKEN_BACK]


def test_a_remark_stays_open_until_a_sweep_looks_for_it_again(ben: Balance, cleo: Balance) -> None:
    reconstruct(ben.pk, world.request())
    paid = world.post(cleo, ben, 100)
    back = world.post(ben, cleo, 100)
    again = world.post(cleo, ben, 100)
    change_row(back.pk, parent_transaction=paid.pk)
    change_row(again.pk, parent_transaction=back.pk)
    sweep()  # knows the edits by force
    deep = sweep(deep=True)
    assert (deep.faulty, deep.remarked) == (0, 2)
    sweep()
    assert {balance_id for balance_id, _ in opened()} == {ben.pk, cleo.pk}
    change_row(again.pk, parent_transaction="")
    sweep()
    sweep(deep=True)
    assert opened() == set()


def test_what_was_found_of_a_balance_that_is_gone_is_answered_wherever_its_key_lies(cleo: Balance) -> None:
    last = Balance.objects.create(balance_id="bln_zzz", ledger=cleo.ledger, currency="USD")
    world.post(cleo, last, 100)
    row = Balance.objects.filter(pk=last.pk).values().get()
    delete_balance(last.pk)
    first, second = sweep(deep=True), sweep(deep=True)
    assert {sweep_id for balance_id, sweep_id in opened() if balance_id == "bln_zzz"} == {second.pk}
    assert first.faulty == second.faulty == 1
    Balance.objects.bulk_create([Balance(**row)])
    third = sweep(deep=True)
    assert third.faulty == 0
    assert "bln_zzz" not in {balance_id for balance_id, _ in opened()}
