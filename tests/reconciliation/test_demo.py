"""The demo ledger: each wallet is wrong by its own cause, and a sweep says which."""

from __future__ import annotations

import pytest

from reconciliation import demo
from reconciliation.models import Finding, Origin
from reconciliation.scope import Scope
from reconciliation.sweeping import create_sweep, run_sweep


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
