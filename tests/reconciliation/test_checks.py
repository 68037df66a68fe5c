"""The checks of a sweep: each finds its fault and names its rows, and is silent on a ledger that is right."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from balances.models import Balance, BalanceSnapshot, Transaction, now
from balances.models.queue import Entry
from reconciliation import checks
from reconciliation.checks import CHECKS
from reconciliation.correcting.rebuilding import reconstruct_many
from reconciliation.drill.damage import shift
from reconciliation.measuring.scope import Scope
from reconciliation.models import Finding, Origin, Sweep
from reconciliation.sweeping.service import create_sweep, run_sweep
from reconciliation.sweeping.status import out_of_balance, unproved, verdict
from tests import people, wire, world
from tests.client import Client
from tests.reconciliation.test_witness import unseen

pytestmark = pytest.mark.django_db(transaction=True)


def swept(scope: Scope | None = None) -> Sweep:
    asked = scope or Scope(everything=True)
    return run_sweep(create_sweep(asked, actor="alice", origin=Origin.COMMAND, deep=True).sweep_id)


def said(check: str) -> dict[str, dict[str, Any]]:
    """Return what a check said, by balance."""
    return {
        finding.balance_id: entry
        for finding in Finding.objects.all()
        for entry in [*finding.faults, *finding.not_proved, *finding.remarks]
        if entry["check"] == check
    }


def spoken(check: str) -> dict[str, dict[str, Any]]:
    """Run one check alone, and return what it says, by balance."""
    return {fault.balance_id: fault.as_json() for fault in CHECKS[check].faults()}


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


def reference_twice(alice: Balance, bob: Balance) -> list[str]:
    """As in a foreign database, whose index on references is younger than its rows."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE transactions DROP CONSTRAINT unique_reference")
        try:
            rows = [world.row("APPLIED", 100, alice, bob, reference="same") for _ in range(2)]
            rebuilt(alice, bob)
            swept()
        finally:
            by_force("UPDATE transactions SET reference = transaction_id")
            cursor.execute("ALTER TABLE transactions ADD CONSTRAINT unique_reference UNIQUE (reference)")
    return sorted(row.pk for row in rows)


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


def several_precisions(alice: Balance, bob: Balance) -> list[str]:
    world.row("APPLIED", 100, alice, bob)
    world.row("APPLIED", 100, alice, bob)
    odd = world.row("APPLIED", 1_000, alice, bob, precision=1_000)
    rebuilt(alice, bob)
    return [odd.pk]


def another_precision_than_the_currency(alice: Balance, bob: Balance) -> list[str]:
    odd = world.row("APPLIED", 1_000, alice, bob, precision=1_000)
    for _ in range(3):
        world.row("APPLIED", 1_000, world.balance(), world.balance())
    return [odd.pk]


def refunded_beyond(alice: Balance, bob: Balance) -> list[str]:
    paid = world.row("APPLIED", 100, alice, bob)
    world.row("APPLIED", 60, bob, alice, parent_transaction=paid.pk, reference=f"{paid.pk}_refund")
    queued = world.row("QUEUED", 50, bob, alice, parent_transaction=paid.pk, reference=f"{paid.pk}_refund_2")
    world.row("APPLIED", 50, bob, alice, parent_transaction=queued.pk, reference=f"{paid.pk}_refund_2_q")
    rebuilt(alice, bob)
    return [paid.pk]


def refunded_refund(alice: Balance, bob: Balance) -> list[str]:
    paid = world.row("APPLIED", 100, alice, bob)
    back = world.row("APPLIED", 100, bob, alice, parent_transaction=paid.pk, reference=f"{paid.pk}_refund")
    world.row("APPLIED", 100, alice, bob, parent_transaction=back.pk, reference=f"{back.pk}_refund")
    rebuilt(alice, bob)
    return [back.pk]


def rejected_yet_settled(alice: Balance, bob: Balance) -> list[str]:
    queued = world.row("QUEUED", 100, alice, bob, reference="q")
    world.row("REJECTED", 100, alice, bob, reference="q_q", parent_transaction=queued.pk)
    commit = world.row("APPLIED", 100, alice, bob, parent_transaction=queued.pk)
    rebuilt(alice, bob)
    return [commit.pk]


def old_hold(alice: Balance, bob: Balance) -> list[str]:
    hold = world.row("INFLIGHT", 100, alice, bob, created_at=now() - timedelta(days=91))
    world.row("APPLIED", 99, alice, bob, parent_transaction=hold.pk)
    ended = world.row("INFLIGHT", 100, alice, bob, created_at=now() - timedelta(days=91))
    world.row("VOID", 100, alice, bob, parent_transaction=ended.pk)
    rebuilt(alice, bob)
    return [hold.pk]


def hold_past_its_date(alice: Balance, bob: Balance) -> list[str]:
    held = world.post(alice, bob, 100, inflight=True)
    past = now() - timedelta(hours=2)
    Entry.objects.create(action="void", transaction_id=held.pk, is_timer=True, due_at=past)
    return [held.pk]


def stuck_in_the_queue(alice: Balance, bob: Balance) -> list[str]:
    return [world.row("QUEUED", 100, alice, bob, created_at=now() - timedelta(hours=2)).pk]


def stuck_beyond_its_date(alice: Balance, bob: Balance) -> list[str]:
    then = now() - timedelta(hours=2)
    return [world.row("SCHEDULED", 100, alice, bob, created_at=then - timedelta(days=1), scheduled_for=then).pk]


def no_currency(alice: Balance, bob: Balance) -> list[str]:
    by_force("UPDATE balances SET currency = '' WHERE balance_id = %s", alice.pk)
    by_force("UPDATE balances SET currency = %s WHERE balance_id = %s", " \u200b", bob.pk)
    return []


def without_a_ledger(alice: Balance, bob: Balance) -> list[str]:
    by_force("UPDATE balances SET ledger_id = '' WHERE balance_id = %s", alice.pk)
    by_force("UPDATE balances SET ledger_id = 'ldg_gone' WHERE balance_id = %s", bob.pk)
    return []


def deleted_and_taken_off(alice: Balance, bob: Balance) -> list[str]:
    """A row and its effect on both totals are gone, and the journal did not see it."""
    gone = world.post(alice, bob, 345)
    shift(alice.pk, debit=-345)
    shift(bob.pk, credit=-345)
    with unseen():
        by_force("DELETE FROM transactions WHERE transaction_id = %s", gone.pk)
    return []


def currency_in_other_letters(alice: Balance, bob: Balance) -> list[str]:
    by_force("UPDATE balances SET currency = 'usd' WHERE balance_id = %s", alice.pk)
    by_force("UPDATE balances SET currency = %s WHERE balance_id = %s", "U\u0405D ", bob.pk)
    return []


def below_zero_in_a_row(alice: Balance, bob: Balance) -> list[str]:
    odd = world.row("APPLIED", -100, alice, bob)
    rebuilt(alice, bob)
    return [odd.pk]


def far_dated(alice: Balance, bob: Balance) -> list[str]:
    odd = world.row("APPLIED", 100, alice, bob, effective_date=now() + timedelta(days=800))
    rebuilt(alice, bob)
    return [odd.pk]


def before_its_ledger(alice: Balance, bob: Balance) -> list[str]:
    odd = world.row("APPLIED", 100, alice, bob, effective_date=now() - timedelta(days=800))
    world.many_rows([alice, bob], 300)
    rebuilt(alice, bob)
    return [odd.pk]


def paid_twice(alice: Balance, bob: Balance) -> list[str]:
    rows = [world.row("APPLIED", 100, alice, bob, reference=each) for each in ("invoice-7", "invoice-7-retry")]
    rebuilt(alice, bob)
    return sorted(row.pk for row in rows)


def edited_by_force(alice: Balance, bob: Balance) -> list[str]:
    row = world.post(alice, bob, 100)
    by_force("UPDATE transactions SET description = 'another' WHERE transaction_id = %s", row.pk)
    return [row.pk]


def totals_edited_beside_a_row_of_sql(alice: Balance, bob: Balance) -> list[str]:
    world.drift(alice, debit=100)
    world.drift(bob, credit=100)
    world.row("APPLIED", 100, alice, bob, created_at=now() - timedelta(minutes=1))
    return []


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
    ("several_precisions", several_precisions),
    ("several_precisions", another_precision_than_the_currency),
    ("refunded_beyond", refunded_beyond),
    ("refunded_refund", refunded_refund),
    ("settled_without_hold", rejected_yet_settled),
    ("hold_without_end", old_hold),
    ("hold_without_end", hold_past_its_date),
    ("stuck", stuck_in_the_queue),
    ("stuck", stuck_beyond_its_date),
    ("currency_blank", no_currency),
    ("currency_look_alike", currency_in_other_letters),
    ("ledger_missing", without_a_ledger),
    ("counted_beyond_rows", deleted_and_taken_off),
    ("impossible_row", below_zero_in_a_row),
    ("far_dated", far_dated),
    ("far_dated", before_its_ledger),
    ("reference_twice", reference_twice),
    ("paid_twice", paid_twice),
    ("forced_edit", edited_by_force),
    ("forced_edit", totals_edited_beside_a_row_of_sql),
    ("columns_contradict", columns_contradicting),
    ("columns_contradict", outcome_unlike_its_queued_row),
    ("unknown_status", status_not_known),
]


COMMITTED = (deleted_and_taken_off, wrong_net, balances_gone, reference_twice, before_its_ledger)
"""What takes DDL, VACUUM or the end of a transaction to plant."""


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


def named(item: Any) -> str:
    return str(item if isinstance(item, str) else item.__name__)


@pytest.mark.django_db
@pytest.mark.parametrize(("check", "plant"), [each for each in FAULTS if each[1] not in COMMITTED], ids=named)
def test_a_planted_fault_is_found_on_both_balances_and_its_rows_are_named(
    check: str, plant: Callable[[Balance, Balance], list[str]]
) -> None:
    alice, bob, carol = world.balance(), world.balance(), world.balance()
    world.row("APPLIED", 5, carol, world.balance())
    rows = plant(alice, bob)
    found = spoken(check)
    assert {alice.pk, bob.pk} <= set(found)
    assert carol.pk not in found
    for entry in (found[alice.pk], found[bob.pk]):
        assert entry["rows"] == rows
        assert entry["detail"]


@pytest.mark.parametrize(("check", "plant"), [each for each in FAULTS if each[1] in COMMITTED], ids=named)
def test_so_is_one_that_no_single_transaction_can_plant(
    check: str, plant: Callable[[Balance, Balance], list[str]]
) -> None:
    alice, bob = world.balance(), world.balance()
    rows = plant(alice, bob)
    found = said(check) if Sweep.objects.exists() else spoken(check)
    assert {alice.pk, bob.pk} <= set(found)
    assert [entry["rows"] for entry in found.values()][:2] == [rows, rows]


@pytest.mark.parametrize(
    ("plant", "kept_in", "counted", "expected"),
    [
        (columns_contradicting, "faults", "faulty", "findings"),
        (status_not_known, "not_proved", "not_proved", "not proved"),
        (refunded_refund, "remarks", "remarked", "healthy"),
    ],
)
def test_a_verdict_follows_from_faults_and_from_what_is_not_proved_not_from_remarks(
    plant: Callable[[Balance, Balance], list[str]], kept_in: str, counted: str, expected: str
) -> None:
    alice, bob = world.balance(), world.balance()
    plant(alice, bob)
    sweep = swept()
    assert (verdict(sweep), getattr(sweep, counted)) == (expected, 2)
    finding = Finding.objects.get(balance_id=alice.pk)
    assert len(getattr(finding, kept_in)) == len(finding.faults + finding.not_proved + finding.remarks) == 1
    admin = people.signed_in(*people.VIEW, *people.CASES)
    detail = getattr(finding, kept_in)[0]["detail"]
    assert detail in html.unescape(admin.get(f"/admin/reconciliation/finding/{finding.pk}/change/").content.decode())
    assert (
        f"/finding/?sweep={sweep.pk}" in admin.get(f"/admin/reconciliation/sweep/{sweep.pk}/change/").content.decode()
    )


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


def test_every_row_with_a_hash_is_held_to_it_whatever_it_came_from(api: Client) -> None:
    wire.wallets()
    shares = [{"identifier": "bln_carol", "distribution": "30%"}, {"identifier": "@dan", "distribution": "left"}]
    for mode in (wire.body, wire.queued):
        name = mode.__name__
        for more in ({"precise_amount": None, "amount": 10.5}, {"destination": "@shop"}, {"inflight": True}):
            wire.create(api, mode(f"{name}-{len(more)}-{next(iter(more))}", **more))
        wire.create(api, mode(f"{name}-split", destination=None, destinations=shares))
        wire.create(api, mode(f"{name}-void", inflight=True, meta_data={"to": "void"}))
        wire.drain()
    holds = Transaction.objects.filter(status="INFLIGHT").order_by("reference")
    assert len(holds) == 4
    for number, held in enumerate(holds):
        ended = wire.settle(api, held.pk, "void" if number % 2 else "commit", **wire.NOW)
        assert ended.status == 200, ended.text
    paid = Transaction.objects.filter(status="APPLIED", parent_transaction="").first()
    assert paid is not None
    assert api.post(f"/refund-transaction/{paid.pk}", wire.NOW).status == 201
    rows = list(Transaction.objects.filter(hash__gt=""))
    assert {row.status for row in rows} >= {"APPLIED", "INFLIGHT", "VOID", "QUEUED"}
    assert spoken("hash_disagrees") == {}
    for row in rows:
        by_force("UPDATE transactions SET reference = 'forged' WHERE transaction_id = %s", row.pk)
        named = {each for entry in spoken("hash_disagrees").values() for each in entry["rows"]}
        assert named == {row.pk}, (row.status, row.reference)
        by_force("UPDATE transactions SET reference = %s WHERE transaction_id = %s", row.reference, row.pk)


@pytest.mark.parametrize("amount", ["1", "0", "1.000000", "0.000000", "0.99777", "1.005", "1.004000"])
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
        (500_000_001, "0.0000000005", 10**18),
        (333_333_333_333, "0.0000003333333333", 10**18),
        (49, "0", 10**18),
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


@pytest.mark.parametrize(("units", "precision"), [(1_000, 100), (10**15, 100), (10**16, 10**6), (3, 10**6)])
def test_minor_units_that_were_raised_together_with_both_totals_contradict_their_amount(
    units: int, precision: int
) -> None:
    alice, bob = world.balance(), world.balance()
    row = world.post(alice, bob, units, precision=precision)
    by_force("UPDATE transactions SET precise_amount = precise_amount + 100 WHERE transaction_id = %s", row.pk)
    rebuilt(alice, bob)
    assert spoken("hash_disagrees") == {}, "minor units are not sealed"
    assert spoken("columns_contradict").keys() == {alice.pk, bob.pk}


def test_an_amount_that_its_minor_units_do_not_give_contradicts_them_at_any_precision() -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 500_000_001, alice, bob, amount=Decimal("0.0000000006"), precision=10**18)
    rebuilt(alice, bob)
    swept()
    assert said("columns_contradict").keys() == {alice.pk, bob.pk}


NOT_TWICE = [
    ("inv-1", "inv-2"),
    ("inv-2", "inv-3"),
    ("inv-1", "inv-12"),
    ("7", "72"),
    ("r1", "r1x"),
    ("order-5-1", "order-5-2"),
    ("2026-01-02", "2026-01-03"),
    ("a" * 36, "b" * 36),
]
TWICE = [
    ("pay-7", "pay-7-retry"),
    ("pay-7", "pay-7_2"),
    ("pay-7", "pay-7 (2)"),
    ("pay-7", "PAY-7"),
    ("pay-7", "pay-7 "),
    ("pay-7-retry1", "pay-7-retry2"),
    ("pay-7", "pay-7-duplicate"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("references", "is_twice"), [*((each, False) for each in NOT_TWICE), *((each, True) for each in TWICE)]
)
def test_a_series_of_payments_is_none_made_twice(references: tuple[str, str], is_twice: bool) -> None:
    alice, bob = world.balance(), world.balance()
    for each in references:
        world.row("APPLIED", 100, alice, bob, reference=each)
    assert bool(spoken("paid_twice")) == is_twice


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["later", "another amount", "the other way", "refunded", "legs"])
def test_what_only_resembles_a_payment_made_twice_is_none(how: str) -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 100, alice, bob, reference="pay-7", parent_transaction="bulk_1" if how == "legs" else "")
    given: dict[str, Any] = {"reference": "pay-7-retry"}
    given |= {"created_at": now() + timedelta(minutes=11)} if how == "later" else {}
    units, ends = (101 if how == "another amount" else 100), (bob, alice) if how == "the other way" else (alice, bob)
    second = world.row("APPLIED", units, *ends, **given)
    if how == "refunded":
        world.row("APPLIED", 100, bob, alice, parent_transaction=second.pk, reference=f"{second.pk}_refund")
    assert spoken("paid_twice") == {}


@pytest.mark.django_db
def test_queued_payments_made_twice_are_known_by_what_became_of_them() -> None:
    alice, bob = world.balance(), world.balance()
    for reference in ("pay-7", "pay-7-retry"):
        queued = world.row("QUEUED", 100, alice, bob, reference=reference)
        world.row("APPLIED", 100, alice, bob, reference=f"{reference}_q", parent_transaction=queued.pk)
    assert set(spoken("paid_twice")) == {alice.pk, bob.pk}


@pytest.mark.django_db
def test_history_that_was_brought_along_is_not_far_dated() -> None:
    alice, bob = world.balance(), world.balance()
    for _ in range(5):
        world.row("APPLIED", 100, alice, bob, effective_date=now() - timedelta(days=800))
    assert spoken("far_dated") == {}


def test_an_edit_by_force_is_said_once_and_not_after_it_was_put_back_or_corrected() -> None:
    alice, bob = world.balance(), world.balance()
    row = world.post(alice, bob, 100)
    change = "UPDATE transactions SET precise_amount = %s, amount = %s WHERE transaction_id = %s"
    by_force(change, 200, 2, row.pk)
    assert set(spoken("forced_edit")) == {alice.pk, bob.pk}
    by_force(change, 100, 1, row.pk)
    assert spoken("forced_edit") == {}
    by_force(change, 300, 3, row.pk)
    rebuilt(alice)
    assert set(spoken("forced_edit")) == {bob.pk}
    rebuilt(bob)
    by_force("UPDATE transactions SET description = 'x' WHERE transaction_id = %s", row.pk)
    assert verdict(swept()) == "findings"
    assert spoken("forced_edit") == {}


@pytest.mark.parametrize("meanwhile", ["NaN", "Infinity", "7"])
def test_a_total_that_was_put_back_is_no_edit_whatever_stood_there_meanwhile(meanwhile: str) -> None:
    alice = world.balance()
    for credit in (meanwhile, "0"):
        by_force(
            "UPDATE balances SET credit_balance = %s, balance = %s WHERE balance_id = %s", credit, credit, alice.pk
        )
    assert spoken("forced_edit") == {}


@pytest.mark.django_db
def test_postings_of_a_foreign_writer_are_no_edits() -> None:
    alice, bob = world.balance(), world.balance()
    world.row("APPLIED", 100, alice, bob)
    world.drift(alice, debit=100)
    world.drift(bob, credit=100)
    assert spoken("forced_edit") == {}


@pytest.mark.django_db
def test_refunds_in_parts_up_to_what_was_paid_are_right(api: Client) -> None:
    wire.wallets()
    paid = wire.create(api, wire.body("paid", 1_000))
    for units, how in ((400, wire.NOW), (600, {})):
        assert api.post(f"/refund-transaction/{paid}", {"precise_amount": units} | how).status == 201
        wire.drain()
    assert spoken("refunded_beyond") == {}
    assert spoken("paid_twice") == {}


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
    with pytest.raises(SystemExit) as ended:
        call_command("sweep", report=sweep.pk, stdout=StringIO(), stderr=StringIO())
    assert ended.value.code == 3
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
    assert {key: entry["rows"] for key, entry in spoken("end_missing").items()} == {nowhere or other.pk: [moved.pk]}


def test_a_row_without_any_end_is_found() -> None:
    moved = world.post(world.balance(), world.balance(), 100)
    by_force("UPDATE transactions SET source = NULL, destination = NULL WHERE transaction_id = %s", moved.pk)
    rebuilt(*Balance.objects.all())
    sweep = swept()
    assert set(said("end_missing")) == {"(no balance)"}
    assert (verdict(sweep), out_of_balance(sweep)) == ("findings", [])


@pytest.mark.parametrize("named", ["ldg_gone", "", None])
def test_a_balance_of_no_ledger_is_said_by_every_sweep_that_looks_at_it_and_stays_within_reach(
    named: str | None, api: Client
) -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    by_force("ALTER TABLE balances ALTER COLUMN ledger_id DROP NOT NULL")
    by_force("UPDATE balances SET ledger_id = %s WHERE balance_id = %s", named, alice.pk)
    for scope in (Scope(balance_ids=(alice.pk,)), Scope(currency="USD"), Scope(everything=True)):
        sweep = run_sweep(create_sweep(scope, actor="a", origin=Origin.COMMAND).sweep_id)
        assert (verdict(sweep), set(said("ledger_missing"))) == ("findings", {alice.pk})
        Sweep.objects.get(pk=sweep.pk).findings.all().delete()
    swept()
    world.drift(alice, credit=7)
    staff = people.signed_in(*people.VIEW, *people.CASES)
    finding = Finding.objects.get(balance_id=alice.pk)
    page = staff.get(f"/admin/reconciliation/finding/{finding.pk}/change/").content.decode()
    assert "A balance belongs to no ledger" in page
    assert alice.pk in staff.get("/admin/balances/balance/").content.decode()
    assert (named or alice.pk) in staff.get(f"/admin/balances/balance/{alice.pk}/change/").content.decode()
    assert api.get(f"/balances/{alice.pk}/explanation").status == 200
    planned = api.post("/plans", {"balance_ids": [alice.pk], "reason": "r", "allow_incomplete": True})
    assert planned.status == 201
    assert api.post(f"/balances/{alice.pk}/reconstructions", {"reason": "r", "allow_incomplete": True}).status == 201
    assert world.totals(alice)["balance"] == 100
    by_force("UPDATE balances SET ledger_id = (SELECT min(ledger_id) FROM ledgers)")
    by_force("ALTER TABLE balances ALTER COLUMN ledger_id SET NOT NULL")


@pytest.mark.parametrize("status", ["SETTLED", "applied", "", None])
def test_a_status_that_is_not_known_is_never_healthy(status: str | None) -> None:
    alice, bob = world.balance(), world.balance()
    moved = world.post(alice, bob, 100)
    by_force("UPDATE transactions SET status = %s WHERE transaction_id = %s", status, moved.pk)
    assert set(spoken("unknown_status")) == {alice.pk, bob.pk}


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
            parameters = {"balance_ids": balance_ids, "hold_days": 90}
            cursor.execute("EXPLAIN " + CHECKS[name].statement.text, parameters)
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Seq Scan on transactions" not in plan, plan
