"""Findings that share a cause are one case; what nobody shares stays alone."""

from __future__ import annotations

import pytest

from balances.models import Balance
from reconciliation.drill.damage import shift
from reconciliation.explaining.service import explain_findings
from reconciliation.measuring.scope import Scope
from reconciliation.models import Finding, Incident, Origin, Sweep
from reconciliation.sweeping.incidents import group_incidents
from reconciliation.sweeping.service import create_sweep, run_sweep
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


def sweep() -> Sweep:
    made = create_sweep(Scope(everything=True), actor="alice", origin=Origin.COMMAND)
    return run_sweep(made.sweep_id)


@pytest.fixture
def wallets() -> list[Balance]:
    owner = world.ledger()
    balances = [world.balance(owner) for _ in range(5)]
    for number, balance in enumerate(balances):
        world.post("@world", balance, 1_000 + number)
        world.post("@world", balance, 70_000 + number)
    return balances


def test_findings_that_nothing_connects_stay_alone(wallets: list[Balance]) -> None:
    shift(wallets[0].pk, credit=-1_000, version=-1)  # half applied or lost
    shift(wallets[1].pk, credit=123_456)  # unexplained, as the only one
    run = sweep()
    assert not Incident.objects.exists()
    assert {finding.incident for finding in run.findings.all()} == {None}


def test_the_same_difference_without_a_cause_is_one_case_titled_as_such(wallets: list[Balance]) -> None:
    for balance in wallets[:3]:
        shift(balance.pk, credit=55_555)
    run = sweep()
    incident = Incident.objects.get()
    assert incident.title == "No known cause fits: 3 balances, all off by credit +55555 minor units of USD."
    assert (incident.cause, incident.balances, incident.drift) == ("unexplained", 3, {"USD": 166_665})
    assert run.findings.filter(incident=incident).count() == 3


def test_edits_by_one_hand_in_one_hour_are_one_case(wallets: list[Balance]) -> None:
    for number, balance in enumerate(wallets[:4]):
        world.drift(balance, credit=10 + number)
    sweep()
    incident = Incident.objects.get()
    assert (incident.cause, incident.balances) == ("edited_total", 4)
    assert "all by database user" in incident.title


def test_a_sweep_that_is_resumed_groups_and_explains_nothing_twice(wallets: list[Balance]) -> None:
    for balance in wallets[:3]:
        shift(balance.pk, credit=55_555)
    run = sweep()
    before = list(Finding.objects.order_by("pk").values())
    assert explain_findings(run.sweep_id) == 0
    assert group_incidents(run.sweep_id) == 0
    assert list(Finding.objects.order_by("pk").values()) == before


def test_a_sweep_explains_what_it_found_and_keeps_both_numbers(wallets: list[Balance]) -> None:
    shift(wallets[0].pk, credit=-70_000, version=-1)
    shift(wallets[1].pk, debit=9)
    run = sweep()
    found = {finding.balance_id: finding for finding in run.findings.all()}
    assert len(found) == 2
    lost, riddle = found[wallets[0].pk], found[wallets[1].pk]
    assert (lost.explained, lost.unexplained) == (70_000, 0)
    assert lost.explanations[0]["credit"] == -70_000
    assert (riddle.cause, riddle.explained, riddle.unexplained) == ("unexplained", 0, 9)
    assert all(finding.explained_at for finding in found.values())
