"""The demo ledger: each wallet is wrong by its own cause, and a sweep says which."""

from __future__ import annotations

from dataclasses import replace

import pytest

from balances.models import Balance
from reconciliation.checks import CHECKS
from reconciliation.drill import demo
from reconciliation.measuring.measurement import measure_all
from reconciliation.measuring.scope import Scope
from reconciliation.models import Finding, Origin
from reconciliation.sweeping.service import create_sweep, run_sweep


@pytest.mark.django_db(transaction=True)
def test_a_sweep_of_the_demo_says_why_each_wallet_is_wrong() -> None:
    demo.fill()
    sweep = create_sweep(Scope(ledger=demo.LEDGER_NAME), actor="alice", origin=Origin.COMMAND)
    run_sweep(sweep.sweep_id)
    causes = {
        str(found.indicator).removeprefix("@demo-"): found.cause for found in Finding.objects.filter(drifted=True)
    }
    assert causes == {
        "ada": "lost_update",
        "ben": "half_applied",
        "cleo": "counted_twice",
        "dora": "edited_total",
        "eli": "unexplained",
        "finn": "opening_not_booked",
        "gus": "precision_factor",
        "hana": "hold_released_twice",
    }
    ben = Finding.objects.get(indicator="@demo-ben").explanations[0]
    assert (ben["certainty"], ben["alternatives"]) == ("strong", 0)
    assert "reached balance" in ben["sentence"]


@pytest.mark.django_db
def test_the_demo_before_its_damage_has_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "WALLETS", [replace(each, damage=None, opening=0) for each in demo.WALLETS])
    demo.fill()
    assert not [name for name, check in CHECKS.items() if check.faults()]
    assert not [each for each in measure_all(list(Balance.objects.values_list("pk", flat=True))) if each.has_drift]
