"""The reconstruction of a balance through Blnk's SDKs, unchanged, against a live server."""

from __future__ import annotations

import pytest

from balances.models import Balance
from tests import world
from tests.clients.sdks import Client

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_sdk_rebuilds_a_balance_and_reads_the_eight_strings(blnk: Client) -> None:
    ledger = blnk.ledgers.create({"name": "SDK wallets", "meta_data": {"team": "ops"}})
    assert ledger.status == 201, ledger
    assert blnk.ledgers.get(ledger.data["ledger_id"]).data["name"] == "SDK wallets"
    assert len(blnk.ledgers.get("").data) == 2  # sends GET /ledgers/ and follows the redirect
    alice, bob = (
        blnk.ledger_balances.create({"ledger_id": ledger.data["ledger_id"], "currency": "USD"}).data["balance_id"]
        for _ in range(2)
    )
    common = {"currency": "USD", "precision": 100, "skip_queue": True, "description": "from the SDK"}
    funded = blnk.transactions.create(
        common | {"amount": 20, "reference": "sdk-1", "source": "@world", "destination": alice, "allow_overdraft": True}
    )
    assert (funded.status, funded.data["status"]) == (201, "APPLIED")
    spent = blnk.transactions.create(
        common | {"amount": 7.5, "reference": "sdk-2", "source": alice, "destination": bob}
    )
    assert spent.status == 201
    poor = blnk.transactions.create(common | {"amount": 99, "reference": "sdk-3", "source": bob, "destination": alice})
    assert poor.status == 400
    assert blnk.transactions.get(spent.data["transaction_id"]).data["precise_amount"] == 750

    world.drift(Balance.objects.get(pk=alice), credit=5_000, debit=-750)
    echoed = blnk.metadata.update(alice, {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}})
    assert (echoed.status, echoed.data) == (200, {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}})

    read = blnk.ledger_balances.get(alice)
    result = read.data["meta_data"]["BLNK_RECONCILIATION_RESULT"]
    assert result.pop("executed_at").endswith("+00")
    assert result == {
        "previous_credit": "7000",
        "previous_debit": "0",
        "previous_balance": "7000",
        "recalculated_credit": "2000",
        "recalculated_debit": "750",
        "recalculated_balance": "1250",
        "difference": "-5750",
    }
    assert (read.data["balance"], read.data["credit_balance"], read.data["debit_balance"]) == (1250, 2000, 750)
