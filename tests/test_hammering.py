"""``manage.py hammer``: what it shows, and that it sees what it is there to see."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ledgerproj.hammering import Rhythm, Written, violations
from tests import world
from tests.test_scratch import databases


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--seconds=0", "--seconds must be at least 0.1, not 0.0."),
        ("--writers=0", "--writers must be at least 1, not 0."),
        ("--pairs=0", "--pairs must be at least 1, not 0."),
        ("--pace=0", "--pace must be at least 1, not 0."),
    ],
)
def test_a_run_that_would_show_nothing_is_refused(option: str, sentence: str) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("hammer", option)
    assert str(refusal.value) == sentence


@pytest.mark.django_db(transaction=True)
def test_a_ledger_that_cannot_be_is_refused_and_its_database_dropped() -> None:
    with pytest.raises(CommandError, match="balances must be between 2 and"):
        call_command("hammer", "--balances=1")
    assert databases("hammer") == set()


def test_phases_warm_up_and_then_go_without_and_with_a_sweep_in_turn() -> None:
    rhythm = Rhythm(seconds=50, pairs=2)
    assert rhythm.phase_seconds == 10
    assert [rhythm.sweeps(elapsed) for elapsed in (5, 15, 25, 35, 45)] == [False, False, True, False, True]


@pytest.mark.django_db
def test_a_lost_posting_a_doubled_one_and_drift_are_each_told() -> None:
    alice, bob = world.balance(), world.balance()
    for number in range(3):
        world.post(alice, bob, 100, reference=f"hammer-0-{number}")
    assert violations([Written(prefix="hammer-0-", postings=3, units=300)]) == []

    assert len(violations([Written(prefix="hammer-0-", postings=4, units=400)])) == 1
    assert len(violations([Written(prefix="hammer-0-", postings=2, units=200)])) == 1
    world.drift(alice, credit=5)
    found = violations([Written(prefix="hammer-0-", postings=3, units=300)])
    assert found[0] == f"1 balances drift: {alice.pk}."
    assert found[1].startswith("The rows moved 300, and the totals hold ")


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_and_no_drift_stays_while_money_moves(capsys: pytest.CaptureFixture[str]) -> None:
    said, complained = StringIO(), StringIO()
    call_command(
        "hammer",
        *("--seconds=3", "--writers=2", "--reconstructors=1", "--pairs=1", "--balances=40", "--transactions=400"),
        "--format=json",
        stdout=said,
        stderr=complained,
    )

    figures = {row["figure"]: row["value"] for row in json.loads(said.getvalue())}
    assert figures["postings"] > 20
    assert figures["balances swept"] >= 40
    assert figures["totals moved"] > 5
    assert figures["corrections"] > 0
    assert complained.getvalue() == (
        "Every acknowledged posting is there once, every total is what its rows say; no drift is left.\n"
    )
    with capsys.disabled():
        print(f"\n{figures}")  # noqa: T201
    assert databases("hammer") == set()
    assert str(connection.settings_dict["NAME"]).startswith("test_")
