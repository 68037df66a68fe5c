"""The checks of a sweep: each finds its fault and names its rows, and is silent on a ledger that is right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection

from balances.models import Balance, BalanceSnapshot, Transaction, now
from reconciliation import checks
from reconciliation.checks import CHECKS
from reconciliation.models import Finding, Origin, Sweep
from reconciliation.runs import reconstruct_many
from reconciliation.scope import Scope
from reconciliation.sweep_status import out_of_balance, unproved, verdict
from reconciliation.sweeping import create_sweep, run_sweep
from tests import people, wire, world
from tests.client import Client

pytestmark = pytest.mark.django_db(transaction=True)


def swept(scope: Scope | None = None) -> Sweep:
    asked = scope or Scope(everything=True)
    return run_sweep(create_sweep(asked, actor="alice", origin=Origin.COMMAND, deep=True).sweep_id)


def said(check: str) -> dict[str, dict[str, Any]]:
    """Return what a check said, by balance."""
    return {
        finding.balance_id: entry
        for finding in Finding.objects.all()
        for entry in [*finding.faults, *finding.not_proved]
        if entry["check"] == check
    }


def by_force(sql: str, *parameters: Any) -> None:
    """Change a row past the guard, as a superuser may."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, parameters)
        cursor.execute("SET session_replication_role = origin")


def rebuilt(*balances: Balance) -> None:
    list(reconstruct_many([each.pk for each in balances], world.request(allow_incomplete=True)))


def over_settled(alice: Balance, bob: Balance) -> list[str]:
    hold = world.row("INFLIGHT", 100, alice, bob)
    world.row("APPLIED", 60, alice, bob, parent_transaction=hold.pk)
    world.row("VOID", 60, alice, bob, parent_transaction=hold.pk)
    rebuilt(alice, bob)
    return [hold.pk]


def over_settled_through_the_queue(alice: Balance, bob: Balance) -> list[str]:
    queued = world.row("QUEUED", 100, alice, bob, reference="q")
    hold = world.row("INFLIGHT", 100, alice, bob, parent_transaction=queued.pk, reference="q_q")
    for units in (60, 60):
        world.row("APPLIED", units, alice, bob, parent_transaction=queued.pk)
    rebuilt(alice, bob)
    return [hold.pk]


def void_without_hold(alice: Balance, bob: Balance) -> list[str]:
    void = world.row("VOID", 100, alice, bob, parent_transaction="txn_gone")
    rebuilt(alice, bob)
    return [void.pk]


def child_without_parent(alice: Balance, bob: Balance) -> list[str]:
    child = world.row("APPLIED", 100, alice, bob, parent_transaction="txn_gone", reference="txn_gone_refund")
    rebuilt(alice, bob)
    return [child.pk]


def row_without_amount(alice: Balance, bob: Balance) -> list[str]:
    return [world.row("APPLIED", None, alice, bob, amount=None).pk]


def foreign_currency(alice: Balance, bob: Balance) -> list[str]:
    odd = world.row("APPLIED", 100, alice, bob, currency="EUR")
    rebuilt(alice, bob)
    return [odd.pk]


def changed_after_it_was_written(alice: Balance, bob: Balance) -> list[str]:
    changed = world.post(alice, bob, 100)
    by_force("UPDATE transactions SET reference = 'another' WHERE transaction_id = %s", changed.pk)
    return [changed.pk]


def below_zero(alice: Balance, bob: Balance) -> list[str]:
    for each in (alice, bob):
        world.drift(each, hold_debit=-5)
    return []


def wrong_net(alice: Balance, bob: Balance) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE balances DROP CONSTRAINT balance_is_credit_less_debit")
        try:
            cursor.execute("UPDATE balances SET balance = balance + 1")
            swept()
        finally:
            cursor.execute("UPDATE balances SET balance = credit_balance - debit_balance")
            cursor.execute(
                "ALTER TABLE balances ADD CONSTRAINT balance_is_credit_less_debit"
                " CHECK (balance = credit_balance - debit_balance)"
            )
    return []


def wrong_snapshot(alice: Balance, bob: Balance) -> list[str]:
    for each in (alice, bob):
        snapshot(each, credit=each.credit_balance + 7)
    return []


def balances_gone(alice: Balance, bob: Balance) -> list[str]:
    moved = world.post(alice, bob, 100)
    by_force("DELETE FROM balances WHERE balance_id = ANY(%s)", [alice.pk, bob.pk])
    return [moved.pk]


def status_not_known(alice: Balance, bob: Balance) -> list[str]:
    return [world.row("SETTLED", 100, alice, bob).pk]


def columns_contradicting(alice: Balance, bob: Balance) -> list[str]:
    odd = world.row("APPLIED", 100, alice, bob, amount=Decimal("1.01"))
    rebuilt(alice, bob)
    return [odd.pk]


def outcome_unlike_its_queued_row(alice: Balance, bob: Balance) -> list[str]:
    queued = world.row("QUEUED", 100, alice, bob, reference="q")
    outcome = world.row("APPLIED", 200, alice, bob, reference="q_q", parent_transaction=queued.pk)
    rebuilt(alice, bob)
    return [outcome.pk]


FAULTS: list[tuple[str, Callable[[Balance, Balance], list[str]]]] = [
    ("hold_settled_beyond", over_settled),
    ("hold_settled_beyond", over_settled_through_the_queue),
    ("void_without_hold", void_without_hold),
    ("child_without_parent", child_without_parent),
    ("row_without_amount", row_without_amount),
    ("foreign_currency", foreign_currency),
    ("hash_disagrees", changed_after_it_was_written),
    ("negative_side", below_zero),
    ("net_disagrees", wrong_net),
    ("snapshot_disagrees", wrong_snapshot),
    ("end_missing", balances_gone),
    ("columns_contradict", columns_contradicting),
    ("columns_contradict", outcome_unlike_its_queued_row),
    ("unknown_status", status_not_known),
]


def snapshot(of: Balance, *, credit: int, hours_ago: int = 5) -> BalanceSnapshot:
    at = now() - timedelta(hours=hours_ago)
    return BalanceSnapshot.objects.create(
        balance=of,
        ledger_id=of.ledger_id,
        net_balance=credit,
        credit_balance=credit,
        debit_balance=0,
        inflight_balance=0,
        inflight_credit_balance=0,
        inflight_debit_balance=0,
        currency=of.currency,
        snapshot_time=at,
        created_at=at,
    )


@pytest.mark.parametrize(("check", "plant"), FAULTS, ids=lambda item: item if isinstance(item, str) else item.__name__)
def test_a_planted_fault_is_found_on_both_balances_and_its_rows_are_named(
    check: str, plant: Callable[[Balance, Balance], list[str]]
) -> None:
    alice, bob, carol = world.balance(), world.balance(), world.balance()
    world.row("APPLIED", 5, carol, world.balance())
    rows = plant(alice, bob)
    sweep = Sweep.objects.first() or swept()
    found = said(check)
    assert {alice.pk, bob.pk} <= set(found)
    assert carol.pk not in found or check == "net_disagrees"
    for entry in (found[alice.pk], found[bob.pk]):
        assert entry["rows"] == rows
        assert entry["detail"]
    counted = sweep.faulty if CHECKS[check].proves_fault else sweep.not_proved
    assert counted >= 2


def test_every_check_has_a_planted_fault() -> None:
    assert {check for check, _ in FAULTS} == set(CHECKS)


def test_a_ledger_that_is_right_raises_no_alarm_whatever_happened_in_it() -> None:
    alice, bob = world.balance(), world.balance(indicator="@bob")
    world.post("@world", alice, 5_000)
    world.post(alice, "@bob", 1_000)
    queued = world.row("QUEUED", 100, alice, bob, reference="q")
    world.row("INFLIGHT", 100, alice, bob, parent_transaction=queued.pk, reference="q_q")
    world.row("APPLIED", 60, alice, bob, parent_transaction=queued.pk)
    hold = world.row("INFLIGHT", 300, alice, bob)
    world.row("APPLIED", 100, alice, bob, parent_transaction=hold.pk)
    world.row("VOID", 200, alice, bob, parent_transaction=hold.pk)
    world.row("REJECTED", 900, alice, bob)
    rebuilt(alice, bob)
    Transaction.objects.update(meta_data={"note": "later"})
    for each in Balance.objects.all():
        snapshot(each, credit=0)
    swept()
    assert list(Finding.objects.values("balance_id", "faults", "not_proved")) == []


def split(reference: str, **fields: Any) -> dict[str, Any]:
    """Return a payment out of Alice's balance to two others and an indicator."""
    shares = [("bln_bob", "20%"), ("bln_carol", "30%"), ("@fees", "left")]
    given = {"destinations": [{"identifier": name, "distribution": share} for name, share in shares]}
    return wire.body(reference, 1_000, destination=None, **given, **fields)


def test_split_payments_of_every_kind_have_no_finding(api: Client) -> None:
    wire.wallets()
    for fields in ({}, {"skip_queue": None}, {"inflight": True}, {"inflight": True, "skip_queue": None}):
        made = wire.create(api, split(f"split-{len(fields)}-{'inflight' in fields}", **fields))
        wire.drain()
        if "inflight" in fields:
            wire.settled(api, made, units=100)
            wire.settled(api, made, "void")
        else:
            assert api.post(f"/refund-transaction/{made}", wire.NOW).status == 201
    sweep = swept()
    assert (verdict(sweep), list(Finding.objects.values("faults"))) == ("healthy", [])


def test_a_child_whose_reference_looks_like_that_of_a_leg_is_found_where_its_parent_was_deleted() -> None:
    alice, bob = world.balance(), world.balance()
    parent = world.post(alice, bob, 100)
    world.row("APPLIED", 100, bob, alice, parent_transaction=parent.pk, reference="back-1")
    by_force("DELETE FROM transactions WHERE transaction_id = %s", parent.pk)
    rebuilt(alice, bob)
    swept()
    assert set(said("child_without_parent")) == {alice.pk, bob.pk}


@pytest.mark.parametrize("reference", ["txn_x_refund", "txn_x_refund_2", "r_q", None, "txn_commit_act_1-000123456789"])
def test_a_child_that_is_no_leg_needs_its_parent(reference: str | None) -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 100, alice, bob, parent_transaction="txn_gone", reference=reference)
    rebuilt(alice, bob)
    swept()
    assert set(said("child_without_parent")) == {alice.pk, bob.pk}


@pytest.mark.parametrize("amount", ["1", "0", "1.000000", "0.000000"])
def test_a_hash_of_each_generation_of_the_original_is_read(amount: str) -> None:
    alice, bob = world.balance(), world.balance()
    text = f"{amount}old-referenceUSD{alice.pk}{bob.pk}"
    world.row("APPLIED", 100, alice, bob, reference="old-reference", hash=sha256(text.encode()).hexdigest())
    rebuilt(alice, bob)
    swept()
    assert said("hash_disagrees") == {}


@pytest.mark.parametrize(
    ("units", "amount", "precision"),
    [
        (101, "1.005", 100),
        (100, "1.005", 100),
        (7, "7", None),
        (7, "7", 0),
        (10**24 + 1, "1000000", 10**18),
        (None, "1", 9),
    ],
)
def test_amounts_that_differ_by_rounding_alone_do_not_contradict(
    units: int | None, amount: str, precision: int | None
) -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", units, alice, bob, amount=Decimal(amount), precision=precision)
    rebuilt(alice, bob)
    swept()
    assert said("columns_contradict") == {}


def test_a_snapshot_beside_a_posting_of_the_same_minute_is_not_judged() -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    snapshot(Balance.objects.get(pk=alice.pk), credit=0, hours_ago=0)
    swept()
    assert said("snapshot_disagrees") == {}


@pytest.mark.parametrize("deep", [True, False])
def test_a_balance_that_was_deleted_with_its_history_is_found_by_name(deep: bool) -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100)
    by_force("DELETE FROM balances WHERE balance_id = %s", alice.pk)
    sweep = run_sweep(create_sweep(Scope(everything=True), actor="a", origin=Origin.COMMAND, deep=deep).sweep_id)
    assert verdict(sweep) == "findings"
    assert out_of_balance(sweep) == ["The trial balance does not agree in USD: credits are 100, debits 0."]
    assert set(said("end_missing")) == ({alice.pk} if deep else set())
    if deep:
        assert "It was deleted by database user" in said("end_missing")[alice.pk]["detail"]
        admin = people.signed_in(*people.VIEW, *people.CASES)
        finding = Finding.objects.get(balance_id=alice.pk)
        assert alice.pk in admin.get(f"/admin/reconciliation/finding/{finding.pk}/change/").content.decode()
        assert alice.pk in admin.get("/admin/reconciliation/finding/").content.decode()


@pytest.mark.parametrize("nowhere", ["bln_nowhere", "", None])
@pytest.mark.parametrize("end", ["source", "destination"])
def test_a_row_that_names_no_balance_is_found_whichever_end_it_is(end: str, nowhere: str | None) -> None:
    alice, bob = world.balance(), world.balance()
    moved = world.post(alice, bob, 100)
    other = bob if end == "source" else alice
    by_force(f"UPDATE transactions SET {end} = %s WHERE transaction_id = %s", nowhere, moved.pk)
    rebuilt(alice, bob)
    sweep = swept()
    assert {key: entry["rows"] for key, entry in said("end_missing").items()} == {nowhere or other.pk: [moved.pk]}
    assert (verdict(sweep), len(out_of_balance(sweep))) == ("findings", 1)


def test_a_row_without_any_end_is_found() -> None:
    moved = world.post(world.balance(), world.balance(), 100)
    by_force("UPDATE transactions SET source = NULL, destination = NULL WHERE transaction_id = %s", moved.pk)
    rebuilt(*Balance.objects.all())
    sweep = swept()
    assert set(said("end_missing")) == {"(no balance)"}
    assert (verdict(sweep), out_of_balance(sweep)) == ("findings", [])


@pytest.mark.parametrize("status", ["SETTLED", "applied", "", None])
def test_a_status_that_is_not_known_is_never_healthy(status: str | None) -> None:
    alice, bob = world.balance(), world.balance()
    moved = world.post(alice, bob, 100)
    by_force("UPDATE transactions SET status = %s WHERE transaction_id = %s", status, moved.pk)
    rebuilt(alice, bob)
    assert verdict(swept()) == "not proved"
    assert set(said("unknown_status")) == {alice.pk, bob.pk}


def test_of_a_part_only_the_part_is_claimed_and_the_trial_balance_of_all_is_said() -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100)
    world.drift(bob, credit=7)
    sweep = swept(Scope(balance_ids=(alice.pk,)))
    assert (verdict(sweep), out_of_balance(sweep)) == ("not proved", [])
    assert unproved(sweep) == [
        "1 balance not in scope.",
        "The trial balance of all balances does not agree in USD: a sweep of all says more.",
    ]
    page = people.signed_in(*people.VIEW, *people.CASES).get(f"/admin/reconciliation/sweep/{sweep.pk}/change/")
    assert "Nothing wrong was found in what was looked at: 1 balance." in page.content.decode()


def test_faults_outside_the_scope_are_left_out() -> None:
    alice, bob = world.balance(), world.balance()
    foreign_currency(alice, bob)
    over_settled(alice, bob)
    swept(Scope(balance_ids=(alice.pk,)))
    assert set(Finding.objects.values_list("balance_id", flat=True)) == {alice.pk}


def test_a_file_without_its_header_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "nameless.sql"
    path.write_text("-- Purpose: A check\nSELECT 1")
    with pytest.raises(ValueError, match="must say Purpose, Description, Verdict and Runs"):
        checks._read(path)


def test_every_check_reads_as_plain_words() -> None:
    for check in CHECKS.values():
        assert check.title[0].isupper()
        assert not check.title.endswith(".")
        assert check.description.endswith(".")
        assert "--" not in check.description


@pytest.mark.parametrize("name", [name for name, check in CHECKS.items() if check.runs == "chunk"])
def test_a_check_of_a_chunk_never_reads_all_transactions(name: str) -> None:
    cast = [world.balance() for _ in range(20)]
    world.many_rows(cast, 5_000)
    for balance_ids in (None, [cast[0].pk]):
        with connection.cursor() as cursor:
            parameters = {"balance_ids": balance_ids}
            cursor.execute("EXPLAIN " + CHECKS[name].statement.text, parameters)
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Seq Scan on transactions" not in plan, plan
