"""Where a transaction is what was damaged, the total is the witness: every door refuses to follow the transactions.

Only Blnk's metadata flag does what Blnk does, with a record that serves to undo it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from balances.models import Balance, Transaction
from reconciliation.correcting.applying import apply, outcomes
from reconciliation.correcting.incomplete import IncompleteSource
from reconciliation.correcting.planning import Choice, NothingToCorrect, Proposal, propose
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.models import Origin, Plan, Reconstruction
from tests import people, world
from tests.client import Client
from tests.reconciliation.test_actions import confirm, said

pytestmark = pytest.mark.django_db(transaction=True)
ROW = "transaction_id = %s"
HELD = 5_000_333


def force(sql: str, *given: Any) -> None:
    """Change rows past the guard; the journal sees it."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, given)
        cursor.execute("SET session_replication_role = origin")


@contextmanager
def unseen() -> Iterator[None]:
    """Silence the journal, as a database that knows none: only the rows themselves can tell then."""
    triggers = ("forced_updates_are_journaled", "forced_deletes_are_journaled")
    with connection.cursor() as cursor:
        for trigger in triggers:
            cursor.execute(f"ALTER TABLE transactions DISABLE TRIGGER {trigger}")
        yield
        for trigger in triggers:
            cursor.execute(f"ALTER TABLE transactions ENABLE ALWAYS TRIGGER {trigger}")


def delete(row: Transaction) -> None:
    force(f"DELETE FROM transactions WHERE {ROW}", row.pk)


def edit(row: Transaction) -> None:
    force(f"UPDATE transactions SET precise_amount = 50, amount = 0.5 WHERE {ROW}", row.pk)


def break_the_hash(row: Transaction) -> None:
    with unseen():
        force(f"UPDATE transactions SET precise_amount = 50, amount = 0.5, reference = 'x' WHERE {ROW}", row.pk)


def contradict(row: Transaction) -> None:
    with unseen():
        force(f"UPDATE transactions SET precise_amount = 50 WHERE {ROW}", row.pk)


def delete_without_a_trace(row: Transaction) -> None:
    with unseen():
        delete(row)


def add_a_fraction(row: Transaction) -> None:
    edit(row)
    force(f"UPDATE transactions SET precise_amount = 60, amount = 0.6 WHERE {ROW}", row.pk)


DAMAGE = {
    "deleted": delete,
    "edited": edit,
    "edited twice": add_a_fraction,
    "hash": break_the_hash,
    "columns": contradict,
    "gone": delete_without_a_trace,
}


@pytest.fixture(params=DAMAGE)
def alice(request: Any) -> Balance:
    """A balance of 111, 5,000,000 and 222 of which the second row was damaged; the totals are right."""
    alice = world.balance(indicator="@alice")
    world.post("@payer", alice, 111)
    damaged = world.post("@payer", alice, 5_000_000)
    world.post("@payer", alice, 222)
    DAMAGE[request.param](damaged)
    return alice


def held(balance: Balance) -> int:
    return world.totals(balance)["balance"]


def plan_of(*balances: Balance, **how: Any) -> Plan:
    chosen = Choice(balance_ids=tuple(each.pk for each in balances))
    return propose(chosen, Proposal(actor="alice", origin=Origin.API, reason="r", **how))


def payer() -> Balance:
    return Balance.objects.get(indicator="@payer")


def followed_by_the_record(balance: Balance) -> str:
    """Return what a page, an answer and the record itself say was followed all the same."""
    record = Reconstruction.objects.get(balance_id=balance.pk, outcome=Reconstruction.Outcome.CORRECTED)
    assert record.note.startswith("Follows the transactions as they are now, as was allowed, although they are not")
    page = people.signed_in(*people.VIEW).get(f"/admin/reconciliation/reconstruction/{record.pk}/change/")
    assert record.note in html.unescape(page.content.decode())
    return str(record.note)


def test_the_service_refuses_says_why_and_leaves_nothing(alice: Balance) -> None:
    for balance in (alice, payer()):
        with pytest.raises(IncompleteSource, match=r"was not changed: .*transaction.*allow_incomplete"):
            reconstruct(balance.pk, world.request())
    assert (held(alice), Reconstruction.objects.count()) == (HELD, 0)
    reconstruct(alice.pk, world.request(dry_run=True))
    assert held(alice) == HELD
    reconstruct(alice.pk, world.request(allow_incomplete=True))
    assert held(alice) < HELD
    assert "transaction" in followed_by_the_record(alice)


def test_rest_refuses_with_the_reason_unless_it_is_allowed(alice: Balance, api: Client) -> None:
    path = f"/balances/{alice.pk}/reconstructions"
    refused = api.post(path, {"reason": "r", "allow_empty": True})
    assert (refused.status, refused.body["error_detail"]["code"], held(alice)) == (409, "GEN_CONFLICT", HELD)
    assert api.post(path, {"dry_run": True}).status == 200
    done = api.post(path, {"reason": "r", "allow_incomplete": True})
    assert (done.status, done.body["note"]) == (201, followed_by_the_record(alice))
    assert held(alice) < HELD


def test_the_command_names_the_balance_and_exits_3_unless_it_is_allowed(alice: Balance) -> None:
    other = world.balance()
    world.post("@someone", other, 10)
    world.drift(other, credit=5)
    dry = StringIO()
    call_command("reconstruct", alice.pk, dry_run=True, format="json", stdout=dry, stderr=StringIO())
    [previewed] = json.loads(dry.getvalue())
    assert (previewed["outcome"], "transaction" in previewed["why_not"]) == ("previewed", True)
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconstruct", all=True, format="json", stdout=out, stderr=err)
    rows = {row["balance_id"]: row for row in json.loads(out.getvalue())}
    assert (ended.value.code, held(alice), held(other)) == (3, HELD, 10)
    assert (rows[alice.pk]["outcome"], rows[other.pk]["outcome"]) == ("refused", "corrected")
    assert "transaction" in rows[alice.pk]["why_not"]
    assert "--allow-incomplete" in err.getvalue()
    with suppress(SystemExit):
        call_command("reconstruct", alice.pk, allow_incomplete=True, stdout=StringIO(), stderr=StringIO())
    assert held(alice) < HELD


def test_the_admin_shows_why_and_asks(alice: Balance, settings: Any) -> None:
    settings.LEDGER_FOUR_EYES_DIRECT = False
    clerk = people.signed_in(*people.VIEW, "reconstruct_balance", "preview_reconstruction")
    page = confirm(clerk, alice).content.decode()
    assert held(alice) == HELD
    assert "Its transactions do not say what the totals ought to be" in page
    assert 'name="allow_incomplete"' in page
    answer = confirm(clerk, alice, payer())
    assert "2 balances left unchanged" in said(answer)[0]
    confirm(clerk, alice, allow_incomplete="on")
    assert held(alice) < HELD
    assert "transaction" in followed_by_the_record(alice)


def test_a_plan_refuses_to_follow_it_when_it_is_proposed(alice: Balance, api: Client) -> None:
    with pytest.raises(NothingToCorrect, match="incomplete or damaged"):
        plan_of(alice, payer())
    assert api.post("/plans", {"balance_ids": [alice.pk], "reason": "r"}).status == 409
    with pytest.raises(CommandError, match="incomplete or damaged"):
        call_command("plan", balance=[alice.pk], reason="r", stderr=StringIO())
    planned = api.post("/plans", {"balance_ids": [alice.pk], "reason": "r", "allow_incomplete": True})
    assert planned.status == 201


def test_a_plan_refuses_when_it_is_applied_where_the_evidence_came_in_between(alice: Balance) -> None:
    other = world.balance()
    world.post("@someone", other, 10)
    world.drift(other, credit=5)
    plan = plan_of(alice, other, allow_incomplete=True)
    Plan.objects.update(state=Plan.State.APPROVED, allow_incomplete=False)  # as if nothing had been known of it then
    apply(plan.pk, "bob", Origin.API)
    assert outcomes(plan) == {"waiting": 0, "applied": 1, "unchanged": 0, "stale": 0, "refused": 1}
    assert (held(alice), held(other)) == (HELD, 10)
    assert "transaction" in plan.items.get(balance_id=alice.pk).note


def test_a_plan_that_allows_it_is_applied(alice: Balance) -> None:
    plan = plan_of(alice, allow_incomplete=True)
    Plan.objects.update(state=Plan.State.APPROVED)
    apply(plan.pk, "bob", Origin.API)
    assert held(alice) < HELD
    assert "transaction" in followed_by_the_record(alice)


@pytest.mark.parametrize(
    ("damage", "was"), [(delete, "it moved 5,000,000 from"), (edit, "its amount was 5,000,000 and is 50")]
)
def test_a_plan_that_follows_a_changed_row_says_what_it_was_at_every_door(
    api: Client, damage: Callable[[Transaction], None], was: str
) -> None:
    balance = world.balance()
    world.post("@payer", balance, 111)
    damage(world.post("@payer", balance, 5_000_000))
    asked = {"balance_ids": [balance.pk], "reason": "r"}
    refused = api.post("/plans", asked)
    assert (refused.status, was in refused.text) == (409, True)
    with pytest.raises(CommandError, match=was):
        call_command("plan", balance=[balance.pk], reason="r", stderr=StringIO())
    planned = api.post("/plans", asked | {"allow_incomplete": True})
    items = f"/plans/{planned.body['plan_id']}/items"
    assert was in api.get(items).text
    assert "It follows transactions of 1 balance" in planned.body["policy"]
    out, err = StringIO(), StringIO()
    call_command("plan", balance=[balance.pk], reason="r", allow_incomplete=True, format="csv", stdout=out, stderr=err)
    assert was in out.getvalue()
    assert "It follows transactions of 1 balance" in err.getvalue()
    staff = people.signed_in(*people.VIEW, *people.CASES)
    assert was in staff.get(f"/admin/reconciliation/plan/{planned.body['plan_id']}/change/").content.decode()
    Plan.objects.update(state=Plan.State.APPROVED)
    apply(planned.body["plan_id"], "bob", Origin.API)
    assert was in api.get(items).text
    assert outcomes(Plan.objects.get(pk=planned.body["plan_id"]))["applied"] == 1


def test_the_metadata_flag_does_what_the_original_does_with_a_record(alice: Balance, api: Client) -> None:
    assert api.post(f"/{alice.pk}/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}}).status == 200
    assert held(alice) < HELD
    assert Reconstruction.objects.get(balance_id=alice.pk).previous.balance == HELD
    assert "transaction" in followed_by_the_record(alice)


Repair = Callable[[Transaction], None]


def put_back(row: Transaction) -> None:
    Transaction.objects.create(**{each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields})


def edit_back(row: Transaction) -> None:
    force(f"UPDATE transactions SET precise_amount = 5000000, amount = 50000 WHERE {ROW}", row.pk)


@pytest.mark.parametrize(("damage", "repair"), [(delete, put_back), (edit, edit_back), (add_a_fraction, edit_back)])
def test_a_row_that_was_put_back_stands_in_nobodys_way(damage: Repair, repair: Repair) -> None:
    alice = world.balance()
    row = world.post("@payer", alice, 5_000_000)
    damage(row)
    repair(row)
    world.drift(alice, credit=7)
    reconstruct(alice.pk, world.request())
    assert held(alice) == 5_000_000


def test_a_change_that_moves_no_money_stands_in_nobodys_way() -> None:
    alice = world.balance()
    row = world.post("@payer", alice, 500)
    force(f"UPDATE transactions SET description = 'x', reference = 'other' WHERE {ROW}", row.pk)
    world.drift(alice, credit=7)
    reconstruct(alice.pk, world.request())
    assert held(alice) == 500


def test_both_balances_of_a_row_that_was_pointed_elsewhere_are_witnesses() -> None:
    alice, bob = world.balance(), world.balance()
    row = world.post("@payer", alice, 500)
    force(f"UPDATE transactions SET destination = %s WHERE {ROW}", bob.pk, row.pk)
    for balance in (alice, bob):
        with pytest.raises(IncompleteSource, match="transaction edited: "):
            reconstruct(balance.pk, world.request())
    assert (held(alice), held(bob)) == (500, 0)


def test_rows_archived_away_are_not_followed_at_once_either() -> None:
    alice = world.balance()
    world.post("@payer", alice, 500)
    call_command("snapshot_balances", stdout=StringIO())
    with unseen():
        force("DELETE FROM transactions")
    with pytest.raises(IncompleteSource, match="rows archived away"):
        reconstruct(alice.pk, world.request(allow_empty=True))
    assert held(alice) == 500
