"""A finished explanation without a cause says that none fits, at every door; a part that is proved is said to be."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from balances.models import Balance
from reconciliation.drill.damage import shift
from reconciliation.measuring.scope import Scope
from reconciliation.models import Finding, Incident, Origin, Sweep
from reconciliation.sweeping.service import create_sweep, run_sweep
from reconciliation.sweeping.status import proved, verdict
from tests import people, world
from tests.client import Client

pytestmark = pytest.mark.django_db(transaction=True)
NONE_FITS = "No known cause fits."
NOT_YET = "Not explained yet."


def said(*words: str, ends: bool = False, **options: Any) -> tuple[str, str]:
    """Run a command and return what it wrote, and said besides."""
    out, err = StringIO(), StringIO()
    if ends:
        with pytest.raises(SystemExit):
            call_command(*words, stdout=out, stderr=err, **options)
    else:
        call_command(*words, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def swept(scope: Scope, *, deep: bool = False) -> Sweep:
    return run_sweep(create_sweep(scope, actor="alice", origin=Origin.COMMAND, deep=deep).pk)


@pytest.fixture
def riddle() -> Balance:
    """A balance whose drift nothing explains."""
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100)
    shift(alice.pk, credit=3_333)
    return alice


def test_every_door_says_that_no_known_cause_fits(api: Client, riddle: Balance) -> None:
    sweep = swept(Scope(everything=True))
    finding = Finding.objects.get(balance_id=riddle.pk)
    assert (finding.cause, finding.explanations, finding.explained_at is None) == ("unexplained", [], False)
    staff = people.signed_in(*people.VIEW, *people.CASES)
    doors = {
        "finding page": staff.get(f"/admin/reconciliation/finding/{finding.pk}/change/").content.decode(),
        "finding list": staff.get("/admin/reconciliation/finding/").content.decode(),
        "balance page": staff.get(f"/admin/balances/balance/{riddle.pk}/change/").content.decode(),
        "sweep, csv": said("sweep", report=sweep.pk, format="csv", ends=True)[0],
        "sweep, table": " ".join(said("sweep", report=sweep.pk, ends=True)[0].split()),
        "explain, csv": said("explain", riddle.pk, format="csv")[0],
        "explain, json": said("explain", riddle.pk, format="json")[0],
        "REST finding": json.dumps(api.get(f"/sweeps/{sweep.pk}/findings").body),
        "REST explanation": json.dumps(api.get(f"/balances/{riddle.pk}/explanation").body),
    }
    for door, text in doors.items():
        assert "No known cause" in text, door
        assert NOT_YET not in text, door


def test_a_hint_is_never_written_as_the_reason(riddle: Balance) -> None:
    for _ in range(6):
        world.post("@world", riddle, 500)
    shift(riddle.pk, credit=-3_333 - 500)
    [row] = csv.DictReader(StringIO(said("explain", riddle.pk, format="csv")[0]))
    assert row["cause"] == "unexplained"
    assert row["summary"].startswith(NONE_FITS)


def test_what_nobody_has_explained_yet_still_says_so(riddle: Balance) -> None:
    swept(Scope(everything=True))
    Finding.objects.update(explained_at=None, cause="", explanations=[])
    finding = Finding.objects.get(balance_id=riddle.pk)
    staff = people.signed_in(*people.VIEW, *people.CASES)
    page = staff.get(f"/admin/reconciliation/finding/{finding.pk}/change/").content.decode()
    assert NOT_YET in page
    assert NONE_FITS not in page
    assert NOT_YET in said("sweep", report=finding.sweep_id, format="csv", ends=True)[0]


def test_incidents_without_a_cause_say_so() -> None:
    for _ in range(2):
        each = world.balance()
        world.post("@world", each, 100)
        shift(each.pk, credit=77)
    swept(Scope(everything=True))
    assert Incident.objects.get().title.startswith("No known cause fits: 2 balances")


# What a part may claim.


def two_ledgers() -> tuple[str, str]:
    """Return one ledger that is right, and one that is not."""
    right, wrong = world.balance(), world.balance(world.ledger())
    world.post("@world", right, 100)
    world.drift(wrong, credit=5)
    return right.ledger.pk, wrong.ledger.pk


@pytest.mark.parametrize("deep", [False, True])
def test_a_ledger_without_drift_is_said_to_be_proved_at_every_door(api: Client, *, deep: bool) -> None:
    right, _ = two_ledgers()
    sentence = f"Ledger {right} ("
    _, err = said("sweep", ledger=right, deep=deep)
    assert f"Proved: {sentence}" in err
    assert "Verdict: not proved" not in err
    sweep = Sweep.objects.get()
    body = api.get(f"/sweeps/{sweep.pk}").body
    assert body["proved"].startswith(sentence)
    assert any("not in scope" in each for each in body["unproved"])
    page = people.signed_in(*people.VIEW, *people.CASES).get(f"/admin/reconciliation/sweep/{sweep.pk}/change/")
    assert f"Proved: {sentence}" in page.content.decode()
    assert verdict(sweep) != "healthy"


def test_nothing_is_said_to_be_proved_of_what_is_not(api: Client) -> None:
    _, wrong = two_ledgers()
    _, err = said("sweep", ledger=wrong, ends=True)
    assert "Proved" not in err
    assert proved(swept(Scope(everything=True))) == ""
    empty = world.ledger()
    assert proved(swept(Scope(ledger=empty.pk))) == ""
    waiting = create_sweep(Scope(ledger=wrong), actor="alice", origin=Origin.COMMAND)
    assert api.get(f"/sweeps/{waiting.pk}").body["proved"] == ""
