"""Our own routes: POST and GET /balances/{id}/reconstructions."""

from __future__ import annotations

from typing import Any

import pytest

from reconciliation.models import Reconstruction
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "unexpected EOF"),
        (
            b'{"dry_run":"yes"}',
            "json: cannot unmarshal string into Go struct field ReconstructionRequest.dry_run of type bool",
        ),
        (
            b'{"reason":7}',
            "json: cannot unmarshal number into Go struct field ReconstructionRequest.reason of type string",
        ),
    ],
)
def test_a_malformed_request_changes_nothing(api: Client, raw: bytes, message: str) -> None:
    alice = world.balance()
    world.drift(alice, credit=5)
    before = world.totals(alice)
    answer = api.post(f"/balances/{alice.pk}/reconstructions", raw)
    assert (answer.status, answer.body["error"]) == (400, message)
    assert world.totals(alice) == before
    assert not Reconstruction.objects.exists()


def test_an_unknown_balance_is_a_404_on_both_verbs(api: Client) -> None:
    for answer in (api.post("/balances/bln_x/reconstructions", {}), api.get("/balances/bln_x/reconstructions")):
        assert (answer.status, answer.body["error_detail"]["code"]) == (404, "BAL_NOT_FOUND")


def test_totals_without_rows_are_refused_until_allowed(api: Client) -> None:
    alice = world.balance()
    world.drift(alice, credit=5)
    refused = api.post(f"/balances/{alice.pk}/reconstructions", {"reason": "?"})
    assert (refused.status, refused.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
    assert "no transactions" in refused.body["error"]
    assert world.totals(alice)["credit_balance"] == 5
    assert api.post(f"/balances/{alice.pk}/reconstructions", {"allow_empty": True}).status == 201
    assert world.totals(alice)["credit_balance"] == 0


@pytest.mark.django_db(transaction=True)  # records of one transaction would share their instant
def test_a_dry_run_is_200_a_real_run_201_and_both_are_in_the_history(api: Client) -> None:
    alice = world.balance()
    world.post("@world", alice, 300)
    world.drift(alice, credit=5, hold_debit=2)
    path = f"/balances/{alice.pk}/reconstructions"

    preview = api.post(path, {"dry_run": True})
    assert (preview.status, preview.body["outcome"]) == (200, "previewed")
    assert api.get(f"/balances/{alice.pk}").body["balance"] == 305
    assert api.get(f"/balances/{alice.pk}").body["meta_data"] is None

    run = api.post(path, {"reason": "month end"})
    assert run.status == 201
    assert run.body["previous"] == {
        "credit_balance": 305,
        "debit_balance": 0,
        "balance": 305,
        "inflight_credit_balance": 0,
        "inflight_debit_balance": 2,
        "inflight_balance": -2,
    }
    assert run.body["difference"]["balance"] == -5
    assert run.body["difference"]["inflight_balance"] == 2
    assert run.body["recalculated"]["balance"] == 300
    known: dict[str, Any] = {
        "credit_rows": 1,
        "debit_rows": 0,
        "hold_rows": 0,
        "actor": "master key",
        "reason": "month end",
        "origin": "api",
        "version_before": 2,
        "version_after": 3,
        "dry_run": False,
        "ledger_name": "Wallets",
    }
    assert {name: run.body[name] for name in known} == known

    history = api.get(path).body
    assert history == [run.body, preview.body]
    assert api.get(f"{path}?limit=1&offset=1").body == [preview.body]


def test_without_a_body_a_real_run_is_meant(api: Client) -> None:
    alice = world.balance()
    assert api.post(f"/balances/{alice.pk}/reconstructions").body["outcome"] == "no_drift"
