"""The state of a finding, derived from plans, corrections, undos and later sweeps; and what people accept as it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from balances.models import Balance, now
from reconciliation.casework import accept, withdraw
from reconciliation.casework.accepting import FindingNotFound, NoAmount
from reconciliation.correcting import NotPossibleNow, ReasonRequired, ReasonTooLong
from reconciliation.correcting.applying import apply
from reconciliation.correcting.deciding import approve, cancel
from reconciliation.correcting.planning import Choice, Proposal, propose
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.correcting.undoing import propose_undo
from reconciliation.models import Acceptance, Finding, Origin, Reconstruction, Seal, Sweep
from reconciliation.overview import health
from reconciliation.records import Verification
from reconciliation.sweeping import State, state_of, still_drifting, with_state
from reconciliation.sweeping.open_findings import supersede
from tests import world
from tests.people import CASES, VIEW, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = Proposal(actor="alice", origin=Origin.COMMAND, reason="why")
HOUR = timedelta(hours=1)
FINDINGS = "admin:reconciliation_finding_changelist"


def wrong(credit: int = 700, **fields: Any) -> Balance:
    balance = world.balance(**fields)
    world.post("@payer", balance, 1000)
    world.drift(balance, credit=credit)
    return balance


def found_by(sweep: Sweep, balance: Balance, **fields: Any) -> Finding:
    """Write down what a sweep found, and that it has measured the balance, as a sweep does."""
    supersede(sweep, measured_at=now(), through=balance.pk, balance_ids=[balance.pk])
    return world.finding(balance, sweep, **fields)


def state(finding: Finding) -> State:
    return state_of(with_state(Finding.objects.filter(pk=finding.pk)).get())


def taken(finding: Finding, **fields: Any) -> Acceptance:
    return accept(finding.pk, "carl", Origin.ADMIN, "below what is worth an hour")


# --- derived


def test_a_finding_is_planned_corrected_and_taken_back_as_its_plans_are() -> None:
    alice = wrong()
    finding = found_by(world.sweep(), alice)
    plan = propose(Choice(finding_ids=(finding.pk,)), ASKED)
    assert state(finding) == State.PLANNED
    cancel(plan.pk, "alice", Origin.COMMAND)
    assert state(finding) == State.OPEN
    plan = propose(Choice(finding_ids=(finding.pk,)), ASKED)
    apply(approve(plan.pk, "bob", Origin.COMMAND).pk, "alice", Origin.COMMAND)
    assert state(finding) == State.CORRECTED
    undo = propose_undo([Reconstruction.objects.get().pk], ASKED)
    assert state(finding) == State.CORRECTED
    apply(approve(undo.pk, "bob", Origin.COMMAND).pk, "alice", Origin.COMMAND)
    assert state(finding) == State.TAKEN_BACK


def test_a_correction_belongs_to_the_newest_finding_before_it() -> None:
    alice = wrong()
    first = found_by(world.sweep(), alice)
    second = found_by(world.sweep(), alice)
    reconstruct(alice.pk, world.request())
    assert [state(first), state(second)] == [State.MEASURED_AGAIN, State.CORRECTED]
    supersede(world.sweep(), measured_at=now(), through=alice.pk, balance_ids=[alice.pk])
    assert state(second) == State.CORRECTED


# --- refused


@pytest.mark.parametrize(
    ("reason", "refusal"), [("", ReasonRequired), (" \n", ReasonRequired), ("x" * 1001, ReasonTooLong)]
)
def test_nothing_is_accepted_without_a_reason(reason: str, refusal: type[Exception]) -> None:
    finding = found_by(world.sweep(), wrong())
    for do in (accept, withdraw):
        with pytest.raises(refusal):
            do(finding.pk, "carl", Origin.ADMIN, reason)
    assert not Acceptance.objects.exists()


def test_what_is_not_open_cannot_be_accepted_nor_an_acceptance_taken_back_that_is_not_there() -> None:
    alice = wrong()
    finding = found_by(world.sweep(), alice)
    with pytest.raises(FindingNotFound):
        accept("fnd_nothing", "carl", Origin.ADMIN, "why")
    with pytest.raises(NotPossibleNow, match="not accepted, but open"):
        withdraw(finding.pk, "carl", Origin.ADMIN, "why")
    plan = propose(Choice(finding_ids=(finding.pk,)), ASKED)
    with pytest.raises(NotPossibleNow, match="cancel the plan first"):
        taken(finding)
    cancel(plan.pk, "alice", Origin.COMMAND)
    taken(finding)
    with pytest.raises(NotPossibleNow, match="accepted and cannot"):
        taken(finding)
    reconstruct(alice.pk, world.request())
    with pytest.raises(NotPossibleNow, match="corrected and cannot"):
        taken(finding)
    assert Acceptance.objects.count() == Seal.objects.filter(kind="acceptance").count() == 1


def test_what_is_another_drift_by_now_or_no_number_is_not_accepted() -> None:
    alice, odd = wrong(), wrong()
    finding = found_by(world.sweep(), alice)
    world.drift(alice, credit=1)
    reconstruct(alice.pk, world.request(dry_run=True))
    with pytest.raises(NotPossibleNow, match="sweep the balance again first"):
        taken(finding)
    Balance.objects.filter(pk=odd.pk)
    unreadable = world.finding(odd)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reconciliation_finding SET previous_balance = 'NaN' WHERE finding_id = %s", [unreadable.pk]
        )
    with pytest.raises(NoAmount):
        taken(unreadable)
    assert not Acceptance.objects.exists()


def test_an_acceptance_stays_as_it_was_written_in_sql_as_well() -> None:
    taken(found_by(world.sweep(), wrong()))
    for statement in (
        "UPDATE reconciliation_acceptance SET reason = 'another'",
        "DELETE FROM reconciliation_acceptance",
        "TRUNCATE reconciliation_acceptance",
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


# --- accepted


def test_an_acceptance_holds_for_later_sweeps_that_find_the_same_and_for_no_other_amount() -> None:
    alice = wrong()
    taken(found_by(world.sweep(), alice))
    same = found_by(world.sweep(), alice)
    assert state(same) == State.ACCEPTED
    world.drift(alice, credit=1)
    other = found_by(world.sweep(), alice)
    assert state(other) == State.OPEN
    world.drift(alice, credit=-1)
    back = found_by(world.sweep(), alice)
    assert state(back) == State.OPEN  # it fell away for good


def test_an_acceptance_falls_away_when_the_balance_was_right_or_corrected_in_between() -> None:
    alice, bob = wrong(), wrong()
    taken(found_by(world.sweep(), alice))
    supersede(world.sweep(), measured_at=now(), through=alice.pk, balance_ids=[alice.pk])  # found nothing
    assert state(found_by(world.sweep(), alice)) == State.OPEN
    finding = found_by(world.sweep(), bob)
    taken(finding)
    record = reconstruct(bob.pk, world.request())
    undo = propose_undo([record.pk], ASKED)
    apply(approve(undo.pk, "bob", Origin.COMMAND).pk, "alice", Origin.COMMAND)
    assert state(finding) == State.TAKEN_BACK


def test_what_another_check_finds_besides_was_not_accepted() -> None:
    alice = wrong()
    remark = [{"check": "lookalikes", "detail": "twice", "rows": []}]
    fault = [{"check": "status", "detail": "odd", "rows": []}]
    taken(found_by(world.sweep(), alice, remarks=remark))
    assert state(found_by(world.sweep(), alice, remarks=remark)) == State.ACCEPTED
    assert state(found_by(world.sweep(), alice, remarks=remark, faults=fault)) == State.OPEN


def test_a_fault_without_drift_can_be_accepted() -> None:
    fault = [{"check": "status", "detail": "odd", "rows": []}]
    finding = found_by(world.sweep(), wrong(0), faults=fault)
    taken(finding)
    assert state(finding) == State.ACCEPTED


def test_an_acceptance_can_be_taken_back_and_both_are_sealed() -> None:
    finding = found_by(world.sweep(), wrong())
    taken(finding)
    withdraw(finding.pk, "dora", Origin.ADMIN, "the auditors want it corrected")
    assert state(finding) == State.OPEN
    taken(finding)
    assert state(finding) == State.ACCEPTED
    assert Seal.objects.filter(kind="acceptance").count() == 3
    assert list(Verification()) == []


# --- home


def test_what_is_accepted_still_counts_as_drift_and_is_said_apart() -> None:
    alice = wrong()
    swept = world.sweep(started_at=now(), finished_at=now(), measured=2, total=2, drifted=1)
    finding = found_by(swept, alice, found_at=now() - HOUR)
    taken(finding)
    stands = health(now())
    assert (stands.verdict, stands.drifted, stands.accepted.balances) == ("wrong", 0, 1)
    assert stands.accepted.units == {"USD": 700}
    assert still_drifting(Finding.objects.all()).count() == 1
    page = signed_in(*VIEW, *CASES).get(reverse("admin:index")).content.decode()
    assert "No finding is open; <a" in page
    assert "1 is accepted" in page
    assert "ledger-verdict-findings" in page
    found_by(swept, wrong(), found_at=now() - HOUR)
    page = signed_in(*VIEW, *CASES).get(reverse("admin:index")).content.decode()
    assert "1 balance is wrong" in page
    assert "Besides, <a" in page


# --- the list and the page


def states_listed(**given: str) -> list[Any]:
    client = signed_in(*CASES)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get(reverse(FINDINGS), given)
    assert len(queries) <= 20
    return sorted(each.stands for each in answer.context["cl"].result_list)


def test_the_list_shows_what_is_open_and_each_state_by_its_filter() -> None:
    swept = world.sweep()
    taken(found_by(swept, wrong()))
    found_by(swept, wrong())
    planned = found_by(swept, wrong())
    propose(Choice(finding_ids=(planned.pk,)), ASKED)
    corrected = wrong()
    found_by(swept, corrected)
    reconstruct(corrected.pk, world.request())
    assert states_listed() == ["open", "planned"]
    for each in ("accepted", "planned", "corrected", "open"):
        assert states_listed(state=each) == [each]
    assert states_listed(state="all") == ["accepted", "corrected", "open", "planned"]
    assert states_listed(sweep=swept.pk) == ["accepted", "corrected", "open", "planned"]
    assert states_listed(sweep=swept.pk, state="accepted") == ["accepted"]
    assert states_listed(state="nonsense") == ["open", "planned"]


def test_a_finding_is_accepted_and_given_back_on_its_page_by_those_who_may() -> None:
    finding = found_by(world.sweep(), wrong())
    url = reverse("admin:reconciliation_finding_accept", args=[finding.pk])
    back = reverse("admin:reconciliation_finding_withdraw", args=[finding.pk])
    looking = signed_in(*VIEW, *CASES, "propose_plan")
    page = reverse("admin:reconciliation_finding_change", args=[finding.pk])
    assert "Accept" not in looking.get(page).content.decode().split('id="accept"')[0]
    assert looking.post(url, {"note": "why"}).status_code == 403
    assert looking.post(back, {"note": "why"}).status_code == 403
    assert signed_in("accept_finding").post(url, {"note": "why"}).status_code == 403
    carl = signed_in(*VIEW, *CASES, "accept_finding")
    assert carl.get(url).status_code == 405
    assert "Say why" in carl.post(url, {"note": " "}, follow=True).content.decode()
    assert state(finding) == State.OPEN
    answer = carl.post(url, {"note": "too small"}, follow=True).content.decode()
    assert "The finding is accepted" in answer
    assert "too small" in answer
    assert state(finding) == State.ACCEPTED
    carl.post(back, {"note": "not so small"})
    assert state(finding) == State.OPEN


def test_findings_of_one_currency_are_sorted_by_amount_and_those_of_several_are_not() -> None:
    swept = world.sweep()
    for units in (5, -700, 30):
        found_by(swept, wrong(units))
    found_by(swept, wrong(9_000, currency="EUR"))
    client = signed_in(*CASES)
    page = client.get(reverse(FINDINGS), {"currency": "USD", "o": "-2"})
    assert [each.difference.balance for each in page.context["cl"].result_list] == [700, -30, -5]
    assert page.context["cl"].sortable_by == ("net_difference", "left")
    assert client.get(reverse(FINDINGS)).context["cl"].sortable_by == ()
