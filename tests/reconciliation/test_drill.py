"""The drill: every known fault is found, none is invented, and what left no evidence gets no cause."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError
from psycopg.errors import InsufficientPrivilege

from reconciliation.drill import riddles
from reconciliation.drill.ledger import build
from reconciliation.drill.running import PLANTERS, REQUIRED, DrillResult, Line, drill
from reconciliation.explaining.causes import CAUSES
from reconciliation.measuring.measurement import measure
from reconciliation.models import BalanceEdit


@pytest.mark.django_db
def test_the_clean_ledger_is_clean() -> None:
    ledger = build(7, wallets=60, postings=400)
    assert not [each for each in measure(ledger.wallets + ledger.hubs) if each.has_drift]
    assert not BalanceEdit.objects.exists()
    assert {row.status for row in ledger.rows} == {"APPLIED", "INFLIGHT", "VOID", "QUEUED", "REJECTED"}


@pytest.mark.parametrize(
    ("missed", "alarms", "right", "blamed", "sentences"),
    [
        (1, [], 10, 0, ["1 planted faults were not found."]),
        (0, ["bln_x"], 10, 0, ["1 false alarms."]),
        (0, [], 8, 0, ["Only 80% of the faults are explained right."]),
        (0, [], 10, 1, ["1 faults without evidence were given a cause."]),
        (0, [], 9, 0, []),
    ],
)
def test_a_drill_fails_on_what_it_must_not_show(
    missed: int, alarms: list[str], right: int, blamed: int, sentences: list[str]
) -> None:
    outcome = DrillResult(1, false_alarms=alarms)
    outcome.lines["lost_update"] = Line("lost_update", planted=10, found=10 - missed, right=right)
    outcome.lines["unexplained"] = Line("unexplained", provable=False, planted=3, found=3, right=3, wrong=blamed)
    assert outcome.violations == sentences
    assert REQUIRED == 0.9


OF_ADOPTED = {"settlement_without_effect", "settled_from_other_holds"}
"""Causes that only a database of Blnk's can have; tests/adopting has them."""
OF_LIVE_PROOF = {"broken_commit"}
"""What a sweep alone cannot know; test_live_proof_evidence has it."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [11, 12])
def test_every_planted_fault_is_found_and_nearly_every_one_explained(seed: int) -> None:
    outcome = drill(seed, wallets=500, postings=2_000, each=2)
    assert outcome.violations == [], outcome.wrong
    told = {line.cause for line in outcome.lines.values() if not line.cause.startswith("check ")}
    assert told == set(CAUSES) - OF_ADOPTED - OF_LIVE_PROOF, "every cause is planted"
    assert outcome.total("planted") >= 2 * len(PLANTERS) - 4


@pytest.mark.django_db(transaction=True)
def test_faults_without_evidence_are_given_no_cause() -> None:
    planters = (
        riddles.odd_amount,
        riddles.round_amount,
        riddles.deleted_in_silence,
        riddles.edited_in_silence,
        riddles.raised_in_silence,
        riddles.two_alike_lost,
    )
    outcome = drill(21, wallets=300, postings=1_500, each=12, planters=planters)
    [line] = outcome.lines.values()
    assert (line.cause, line.found, line.wrong) == ("unexplained", 72, 0), outcome.wrong


def test_a_ledger_too_small_for_the_faults_is_refused() -> None:
    with pytest.raises(CommandError, match="--wallets must be at least 200, not 3"):
        call_command("drill", "--wallets", "3")


@pytest.mark.django_db(transaction=True)
def test_the_command_drills_in_a_scratch_database_and_prints_the_table() -> None:
    out, err = StringIO(), StringIO()
    words = ("--seed", "5", "--each", "1", "--wallets", "300", "--postings", "1500", "--format", "json")
    call_command("drill", *words, stdout=out, stderr=err)
    total = json.loads(out.getvalue())[-1]
    assert (total["cause"], total["false_alarms"], total["planted"]) == ("all", 0, total["found"])
    assert "no false alarm" in err.getvalue()


@pytest.mark.django_db(transaction=True)
def test_who_is_no_superuser_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise ProgrammingError from InsufficientPrivilege("permission denied to set parameter")

    monkeypatch.setattr("ledgerproj.management.commands.drill.drill", refused)
    with pytest.raises(CommandError, match="only a superuser of it may do"):
        call_command("drill")
