"""A net that is wrong beside right sides, as only a database without our constraints can hold: found and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from balances.models import Balance
from reconciliation.correcting.applying import apply
from reconciliation.correcting.deciding import approve
from reconciliation.correcting.planning import Choice, Proposal, propose
from reconciliation.correcting.undoing import propose_undo
from reconciliation.explaining.service import explain_many
from reconciliation.management.commands.explain import as_row
from reconciliation.measuring.measurement import measure
from reconciliation.measuring.scope import Scope
from reconciliation.models import Finding, Origin, Reconstruction
from reconciliation.sweeping.service import create_sweep, run_sweep
from reconciliation.sweeping.status import verdict
from tests import world
from tests.client import Client
from tests.reconciliation.test_not_numbers import foreign_columns

pytestmark = pytest.mark.django_db(transaction=True)
RIGHT = {"credit_balance": 1000, "debit_balance": 0, "balance": 1000}
RIGHT |= {"inflight_credit_balance": 200, "inflight_debit_balance": 0, "inflight_balance": 200}
API = Origin.API


@pytest.fixture
def alice(settings: Any) -> Iterator[Balance]:
    """A balance whose two nets are off by 7 and 3, while money is paid in and held besides."""
    settings.LEDGER_FOUR_EYES_AMOUNTS = {"*": 0}
    with foreign_columns(), connection.cursor() as cursor:
        found = world.balance()
        world.post("@world", found, 900)
        world.post("@world", found, 200, inflight=True)
        cursor.execute(
            "UPDATE balances SET balance = balance + 7, inflight_balance = inflight_balance + 3 WHERE balance_id = %s",
            [found.pk],
        )
        world.post("@world", found, 100)
        yield found


def planned(balance: Balance) -> Reconstruction:
    proposal = Proposal(actor="alice", origin=API, reason="month end")
    plan = propose(Choice(balance_ids=(balance.pk,)), proposal)
    assert "10 minor units of USD" in plan.policy
    apply(approve(plan.pk, "bob", API).pk, "alice", API)
    return Reconstruction.objects.get(plan_id=plan.pk)


MENDERS: dict[str, Callable[[Client, Balance], Any]] = {
    "metadata": lambda api, each: api.post(
        f"/{each.pk}/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}}
    ),
    "reconstruction": lambda api, each: api.post(f"/balances/{each.pk}/reconstructions", {}),
    "command": lambda api, each: call_command("reconstruct", each.pk, stdout=StringIO(), stderr=StringIO()),
    "plan": lambda api, each: planned(each),
}


@pytest.mark.parametrize("mend", MENDERS.values(), ids=list(MENDERS))
def test_a_total_that_drifted_in_the_net_alone_is_mended(api: Client, alice: Balance, mend: Any) -> None:
    assert world.totals(alice) == RIGHT | {"balance": 1007, "inflight_balance": 203}
    mend(api, alice)
    assert world.totals(alice) == RIGHT
    record = Reconstruction.objects.get()
    assert (record.outcome, record.difference.balance, record.difference.inflight_balance) == ("corrected", -7, -3)
    result = api.get(f"/balances/{alice.pk}").body["meta_data"]["BLNK_RECONCILIATION_RESULT"]
    assert (result["difference"], result["previous_balance"], result["recalculated_balance"]) == ("-7", "1007", "1000")


def test_a_net_that_was_mended_can_be_taken_back(alice: Balance) -> None:
    record = planned(alice)
    undo = propose_undo([record.pk], Proposal(actor="alice", origin=API, reason="wrong balance"))
    apply(approve(undo.pk, "bob", API).pk, "alice", API)
    assert measure([alice.pk])[0].drift_in_words == "balance +7, inflight balance +3"


def test_a_sweep_finds_a_net_that_is_wrong_and_nothing_explains_it_away(api: Client, alice: Balance) -> None:
    sweep = run_sweep(create_sweep(Scope(everything=True), actor="alice", origin=Origin.COMMAND).pk)
    assert verdict(sweep) == "findings"
    finding = Finding.objects.get()
    assert (finding.balance_id, finding.drifted, finding.cause) == (alice.pk, True, "unexplained")
    assert (finding.explained, finding.unexplained, finding.last_right_at) == (0, 10, None)
    assert [fault["check"] for fault in finding.faults] == ["net_disagrees"]
    answer = api.get(f"/balances/{alice.pk}/explanation").body
    assert (answer["cause"], answer["explained"], answer["unexplained"]) == ("unexplained", 0, 10)
    (explained,) = explain_many([alice.pk])
    assert as_row(explained)["drift"] == "balance +7, inflight balance +3"
