"""Routes of sweeps, findings and incidents."""

from __future__ import annotations

from typing import Any

import pytest

from reconciliation.models import Incident, Sweep
from reconciliation.sweeping.service import run_sweep
from tests import world
from tests.client import Client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Say which balances, in one way"),
        ({"everything": True, "ledger": "x"}, "Say which balances, in one way"),
        ({"ledger": "nobody's"}, "There is no ledger named or identified by"),
        ({"balance_ids": [7]}, "balance_ids must be a list of texts"),
        (
            {"everything": "yes"},
            "json: cannot unmarshal string into Go struct field SweepRequest.everything of type bool",
        ),
    ],
)
def test_a_scope_that_means_nothing_is_a_400_and_leaves_no_sweep(api: Client, body: Any, message: str) -> None:
    answer = api.post("/sweeps", body)
    assert (answer.status, answer.body["error"][: len(message)]) == (400, message)
    assert not Sweep.objects.exists()


def test_unknown_sweeps_and_incidents_are_404s(api: Client) -> None:
    for path in ("/sweeps/swp_x", "/sweeps/swp_x/findings", "/incidents/inc_x"):
        answer = api.get(path)
        assert (answer.status, answer.body["error_detail"]["code"]) == (404, "GEN_NOT_FOUND")
    for verb in ("pause", "resume", "cancel"):
        assert api.post(f"/sweeps/swp_x/{verb}").status == 404


def test_without_a_key_nothing_starts() -> None:
    assert Client(key=None).post("/sweeps", {"everything": True}).status == 401
    assert not Sweep.objects.exists()


def test_a_sweep_is_requested_paused_resumed_read_and_cancelled(api: Client) -> None:
    alice = world.balance()
    world.post("@world", alice, 500)
    world.drift(alice, credit=10**30)
    created = api.post("/sweeps", {"everything": True, "reason": "month end", "deep": True})
    assert (created.status, created.body["state"], created.body["actor"]) == (201, "queued", "master key")
    assert created.body["verdict"] == "unfinished"
    path = f"/sweeps/{created.body['sweep_id']}"
    again = api.post("/sweeps", {"everything": True})
    assert (again.status, again.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
    assert api.post(f"{path}/resume").status == 409
    assert api.post(f"{path}/pause").body["state"] == "paused"
    assert api.post(f"{path}/resume").body["state"] == "queued"
    run_sweep(created.body["sweep_id"])
    read = api.get(path).body
    assert (read["state"], read["verdict"], read["drifted"]) == ("finished", "findings", 1)
    assert read["progress"]["percent"] == 100
    assert read["trial_balance"][0]["stored"]["credit"] == 10**30 + 500
    assert {"net_disagrees", "no_rows"} <= {check["check"] for check in read["checks"] if check["ran"]}
    assert api.post(f"{path}/cancel").status == 409
    assert [each["sweep_id"] for each in api.get("/sweeps?state=finished").body] == [read["sweep_id"]]
    assert api.get("/sweeps?state=paused").body == []


def test_findings_are_filtered_and_paged(api: Client) -> None:
    cast = [world.balance(currency=currency) for currency in ("USD", "USD", "EUR")]
    for each in cast:
        world.drift(each, credit=1)
    sweep_id = api.post("/sweeps", {"everything": True}).body["sweep_id"]
    run_sweep(sweep_id)
    path = f"/sweeps/{sweep_id}/findings"
    everything = api.get(path).body
    assert [each["balance_id"] for each in everything] == sorted(each.pk for each in cast)
    assert everything[0]["difference"]["credit_balance"] == -1
    assert everything[0]["not_proved"][0]["check"] == "no_rows"
    assert [each["currency"] for each in api.get(f"{path}?currency=EUR").body] == ["EUR"]
    assert len(api.get(f"{path}?limit=2&offset=1").body) == 2
    assert api.get(f"{path}?drifted=false").body == []
    refused = api.get(f"{path}?limit=x")
    assert (refused.status, refused.body["error_detail"]["code"]) == (400, "GEN_VALIDATION_ERROR")
    assert api.get("/sweeps?state=asleep").status == 400


def test_incidents_are_listed_and_read(api: Client) -> None:
    sweep_id = api.post("/sweeps", {"everything": True}).body["sweep_id"]
    incident = Incident.objects.create(
        sweep_id=sweep_id,
        cause="unexplained",
        title="2 balances are off.",
        balances=2,
        drift={"USD": 4},
    )
    assert [each["incident_id"] for each in api.get(f"/incidents?sweep_id={sweep_id}").body] == [incident.pk]
    assert api.get("/incidents?cause=rounding").body == []
    assert api.get(f"/incidents/{incident.pk}").body["drift"] == {"USD": 4}
