"""Routes of plans, their decisions, and undoing: refusals first, then the whole way over the wire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from balances.keys import keyring
from balances.models import Balance
from reconciliation.measuring.measurement import measure
from reconciliation.models import Plan, Reconstruction, Step
from tests import world
from tests.client import Client
from tests.reconciliation.test_plans import drifted

pytestmark = pytest.mark.django_db(transaction=True)
FAR = datetime(2090, 1, 1, tzinfo=UTC)


def holder(name: str, *scopes: str) -> Client:
    return Client(keyring.issue(name=name, owner_id=name, scopes=scopes, expires_at=FAR).plaintext)


@pytest.fixture
def approver(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return the client of somebody who may approve."""
    monkeypatch.setattr(keyring, "HASH_COST", 4)
    return holder("second", "reconstructions:approve", "reconstructions:read")


def plan_of(api: Client, *balances: Balance, **fields: Any) -> dict[str, Any]:
    answer = api.post("/plans", {"balance_ids": [each.pk for each in balances], "reason": "month end"} | fields)
    assert answer.status == 201, answer.text
    body: dict[str, Any] = answer.body
    return body


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "unexpected EOF"),
        ({"reason": "r"}, 400, "Say what to correct"),
        ({"balance_ids": ["bln_x"]}, 400, "Say why"),
        ({"balance_ids": ["bln_x"], "sweep_id": "swp_x", "reason": "r"}, 400, "Say what to correct"),
        ({"balance_ids": [7], "reason": "r"}, 400, "json: cannot unmarshal number into Go struct field PlanRequest"),
        ({"balance_ids": ["bln_x"], "reason": "r"}, 404, "Balance with ID 'bln_x' not found"),
        ({"sweep_id": "swp_x", "reason": "r"}, 404, "There is no sweep with ID 'swp_x'"),
        ({"balance_ids": ["bln_x"], "reason": "r" * 1001}, 400, "A reason has at most 1,000 characters"),
    ],
)
def test_a_request_that_means_nothing_leaves_no_plan(api: Client, body: Any, status: int, message: str) -> None:
    answer = api.post("/plans", body)
    assert (answer.status, answer.body["error"][: len(message)]) == (status, message)
    assert not Plan.objects.exists()


def test_without_drift_there_is_a_conflict(api: Client) -> None:
    alice = world.balance()
    world.post("@world", alice, 5)
    answer = api.post("/plans", {"balance_ids": [alice.pk], "reason": "r"})
    assert (answer.status, answer.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")


def test_what_is_not_there_is_a_404(api: Client) -> None:
    for path in ("/plans/pln_x", "/plans/pln_x/items", "/reconstructions/rcn_x"):
        answer = api.get(path)
        assert (answer.status, answer.body["error_detail"]["code"]) == (404, "GEN_NOT_FOUND")
    for path, body in (
        *((f"/plans/pln_x/{verb}", {"reason": "r"}) for verb in ("approve", "reject", "cancel", "apply")),
        ("/reconstructions/rcn_x/undo", {"reason": "r"}),
    ):
        assert api.post(path, body).status == 404


def test_the_one_who_asked_and_a_key_without_the_scope_cannot_approve(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "HASH_COST", 4)
    plan = plan_of(api, *drifted())
    own = api.post(f"/plans/{plan['plan_id']}/approve")
    assert (own.status, own.body["error_detail"]["code"]) == (403, "AUTH_INSUFFICIENT_PERMISSIONS")
    assert "a second person must approve" in own.body["error"]
    writer = holder("writer", "reconstructions:write")
    assert writer.post(f"/plans/{plan['plan_id']}/approve").status == 403
    assert api.get(f"/plans/{plan['plan_id']}").body["state"] == "proposed"
    assert [step["kind"] for step in api.get(f"/plans/{plan['plan_id']}").body["steps"]] == ["proposed", "refused"]


def test_nobody_known_can_approve_nothing(settings: Any, api: Client) -> None:
    plan = plan_of(api, *drifted())
    settings.BLNK_SERVER_SECURE = False
    answer = Client(None).post(f"/plans/{plan['plan_id']}/approve")
    assert (answer.status, Plan.objects.get().state) == (403, "proposed")


def test_a_rejection_without_a_reason_and_applying_what_waits_are_refused_and_recorded(
    api: Client, approver: Client
) -> None:
    plan = plan_of(api, *drifted())
    path = f"/plans/{plan['plan_id']}"
    for body in (b"", {}, {"reason": " "}):
        assert approver.post(f"{path}/reject", body).status == 400
    applied = api.post(f"{path}/apply")
    assert (applied.status, applied.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
    assert Step.objects.filter(kind="refused").count() == 4
    rejected = approver.post(f"{path}/reject", {"reason": "wrong month"})
    assert (rejected.status, rejected.body["state"], rejected.body["decided_by"][:10]) == (
        200,
        "rejected",
        "key second",
    )


def test_a_plan_is_made_approved_applied_read_and_taken_back(api: Client, approver: Client) -> None:
    alice, bob = drifted(2)
    plan = plan_of(api, alice, bob, ticket="OPS-7")
    path = f"/plans/{plan['plan_id']}"
    usd = next(line for line in plan["trial_balance"] if line["currency"] == "USD")
    assert (usd["before"]["agrees"], usd["after"]["agrees"]) == (False, True)
    assert (plan["state"], plan["balances"], plan["ticket"], plan["actor"]) == ("proposed", 2, "OPS-7", "master key")
    items = api.get(f"{path}/items?limit=1").body
    assert len(items) == 1
    assert items[0]["difference"]["credit_balance"] == -7
    assert items[0]["outcome"] is None

    assert approver.post(f"{path}/approve", {"note": "seen"}).body["state"] == "approved"
    started = api.post(f"{path}/apply")
    assert (started.status, started.body["state"]) == (202, "applying")
    assert measure([alice.pk])[0].has_drift  # not before the worker comes
    call_command("work", "--once")

    done = api.get(path).body
    assert (done["state"], done["outcomes"]["applied"]) == ("applied", 2)
    assert [step["kind"] for step in done["steps"]] == ["proposed", "approved", "started", "finished"]
    assert not measure([alice.pk])[0].has_drift
    assert len(api.get(f"{path}/items?outcome=applied").body) == 2
    assert api.get(f"{path}/items?outcome=stale").body == []

    record_id = api.get(f"{path}/items?balance_id={alice.pk}").body[0]["record_id"]
    record = api.get(f"/reconstructions/{record_id}").body
    assert (record["plan_id"], record["outcome"], record["undoes"]) == (plan["plan_id"], "corrected", None)
    assert api.post(f"/reconstructions/{record_id}/undo").status == 400
    undo = api.post(f"/reconstructions/{record_id}/undo", {"reason": "wrong balance"})
    assert (undo.status, undo.body["undoing"]) == (201, True)
    again = api.post(f"/reconstructions/{record_id}/undo", {"reason": "twice"})
    assert (again.status, again.body["error_detail"]["code"]) == (409, "GEN_CONFLICT")
    approver.post(f"/plans/{undo.body['plan_id']}/approve")
    api.post(f"/plans/{undo.body['plan_id']}/apply")
    call_command("work", "--once")
    assert measure([alice.pk])[0].difference.credit_balance == -7
    assert Reconstruction.objects.get(undoes=record_id).outcome == "undone"


def test_a_plan_says_how_many_monitors_watch_what_it_would_correct(api: Client) -> None:
    alice, bob = drifted(2)
    for watched in (alice, alice, bob, world.balance()):
        world.monitor(watched)
    plan = plan_of(api, alice, bob)
    assert (plan["balances"], plan["monitors"]) == (2, 3)
    assert api.get(f"/plans/{plan['plan_id']}").body["monitors"] == 3


def test_the_list_is_paged_and_filtered_in_one_statement(
    api: Client, django_assert_num_queries: Callable[..., Any]
) -> None:
    plans = [plan_of(api, *drifted()) for _ in range(3)]
    assert api.post(f"/plans/{plans[0]['plan_id']}/cancel").body["state"] == "cancelled"
    with django_assert_num_queries(1):
        listed = api.get("/plans").body
    assert [each["plan_id"] for each in listed] == [each["plan_id"] for each in reversed(plans)]
    assert [each["plan_id"] for each in api.get("/plans?state=cancelled").body] == [plans[0]["plan_id"]]
    assert len(api.get("/plans?limit=1&offset=1").body) == 1
    assert api.get("/plans?undoing=true").body == []
    for query in ("state=lost", "limit=0", "offset=x"):
        assert api.get(f"/plans?{query}").status == 400


def test_a_total_that_is_no_number_is_refused_and_can_still_be_read(api: Client) -> None:
    (alice,) = drifted()
    broken = world.balance()
    world.post("@world", broken, 5)
    Balance.objects.filter(pk=broken.pk).update(credit_balance=Decimal("NaN"), balance=Decimal("NaN"))
    plan = plan_of(api, alice, broken, allow_incomplete=True)
    assert plan["balances"] == 1
    item = api.get(f"/plans/{plan['plan_id']}/items?balance_id={broken.pk}").body[0]
    assert (item["outcome"], item["previous"]["credit_balance"]) == ("refused", "NaN")
    assert "no number" in item["note"]


def test_the_routes_stand_in_the_description_of_the_api(api: Client) -> None:
    paths = api.get("/schema").body["paths"]
    assert {"/plans", "/plans/{plan_id}/approve", "/reconstructions/{reconstruction_id}/undo"} <= set(paths)
