"""Rows that name another balance than the one whose totals have them, and what only looks like it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from balances.ground.amounts import transaction_hash
from balances.models import Balance, Transaction
from reconciliation.drill.damage import shift
from reconciliation.explaining.evidence.repointed_rows import REPOINTED
from reconciliation.explaining.explanation import Explanation
from reconciliation.measuring.scope import Scope
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping.service import create_sweep, run_sweep
from tests import world
from tests.reconciliation.test_explaining import at, plan_of, posted, why

pytestmark = pytest.mark.django_db
UNITS = 4_321


@pytest.fixture
def cast() -> tuple[Balance, Balance, Balance]:
    """Return Alice, Bob and a shop of one ledger, with some trade between them."""
    alice = world.balance(indicator=None)
    bob, shop = world.balance(alice.ledger), world.balance(alice.ledger)
    for number in range(3):
        posted(alice, shop, 1_009 + 7 * number, at(60 * number))
        posted(bob, shop, 2_003 + 9 * number, at(60 * number + 30))
    return alice, bob, shop


def moved(
    was: Balance, now: Balance, shop: Balance, sealed_for: Balance | None, units: int = UNITS, **fields: Any
) -> Transaction:
    """Write a debit row that names ``now``, whose amount the totals of ``was`` have; its hash is for one of them."""
    reference = f"moved-{was.pk[-6:]}-{now.pk[-6:]}-{units}-{Transaction.objects.count()}"
    seal = transaction_hash(Decimal(units) / 100, reference, "USD", sealed_for.pk, shop.pk) if sealed_for else ""
    when = {"created_at": at(500), "effective_date": at(500)}
    row = world.row("APPLIED", units, now, shop, **{"reference": reference, "hash": seal} | when | fields)
    shift(was.pk, debit=units, version=1)
    shift(shop.pk, credit=units, version=1)
    return row


def said(*balances: Balance) -> list[Explanation | None]:
    return [
        next((each for each in found.explanations if each.counts and each.cause == "row_repointed"), None)
        for found in why(*balances)
    ]


# What must not be said.


def test_a_row_whose_hash_fits_the_balance_that_it_names_was_not_moved(cast: tuple[Balance, Balance, Balance]) -> None:
    alice, bob, shop = cast
    moved(alice, bob, shop, sealed_for=bob)
    assert said(alice, bob) == [None, None]


@pytest.mark.parametrize(
    "by", [{"debit": 1}, {"debit": -1}, {"debit": -UNITS, "credit": UNITS}, {"debit": -UNITS, "credit": -UNITS}]
)
def test_drifts_that_do_not_mirror_each_other_are_no_move(
    cast: tuple[Balance, Balance, Balance], by: dict[str, int]
) -> None:
    alice, bob, shop = cast
    moved(alice, bob, shop, sealed_for=alice)
    shift(alice.pk, **by)
    assert said(alice, bob) == [None, None]


def test_one_of_the_two_balances_alone_says_nothing(cast: tuple[Balance, Balance, Balance]) -> None:
    alice, bob, shop = cast
    moved(alice, bob, shop, sealed_for=alice)
    assert said(alice) + said(bob) == [None, None]


@pytest.mark.parametrize("apart", ["ledger", "currency"])
def test_balances_of_two_ledgers_or_currencies_have_no_row_in_common(
    cast: tuple[Balance, Balance, Balance], apart: str
) -> None:
    alice, _, shop = cast
    stranger = world.balance() if apart == "ledger" else world.balance(alice.ledger, currency="EUR")
    moved(alice, stranger, shop, sealed_for=alice)
    assert said(alice, stranger) == [None, None]


def test_a_row_without_a_hash_is_a_hint_where_the_versions_speak_against_it(
    cast: tuple[Balance, Balance, Balance],
) -> None:
    alice, bob, shop = cast
    moved(alice, bob, shop, sealed_for=None)
    shift(bob.pk, version=-1)
    assert said(alice, bob) == [None, None]


def test_a_row_without_an_amount_of_its_own_is_not_sought(cast: tuple[Balance, Balance, Balance]) -> None:
    alice, bob, shop = cast
    moved(alice, bob, shop, sealed_for=alice, effective_date=None)
    assert said(alice, bob) == [None, None]


# What is said.


def test_a_row_whose_hash_was_made_for_the_other_balance_was_moved_for_sure(
    cast: tuple[Balance, Balance, Balance],
) -> None:
    alice, bob, shop = cast
    row = moved(alice, bob, shop, sealed_for=alice)
    for found, units in zip(said(alice, bob), (UNITS, -UNITS), strict=True):
        assert found is not None
        assert (found.certainty, found.rows, found.drift.debit) == ("strong", (row.pk,), units)
        assert f"names {bob.pk} as its source, but the totals of {alice.pk} have its 4321:" in found.sentence
    assert [found.blocks for found in why(alice, bob)] == [True, True]


def test_a_destination_is_moved_as_a_source_is(cast: tuple[Balance, Balance, Balance]) -> None:
    alice, bob, shop = cast
    seal = transaction_hash(Decimal("43.21"), "into", "USD", shop.pk, alice.pk)
    world.row("APPLIED", UNITS, shop, bob, reference="into", hash=seal, created_at=at(500), effective_date=at(500))
    shift(alice.pk, credit=UNITS, version=1)
    shift(shop.pk, debit=UNITS, version=1)
    found = said(alice, bob)
    assert [each.certainty for each in found if each] == ["strong", "strong"]
    assert [each.drift.credit for each in found if each] == [UNITS, -UNITS]


def test_a_row_without_a_hash_is_likely_where_the_versions_count_it_where_it_stands(
    cast: tuple[Balance, Balance, Balance],
) -> None:
    alice, bob, shop = cast
    row = moved(alice, bob, shop, sealed_for=None)
    for found in said(alice, bob):
        assert found is not None
        assert (found.certainty, found.rows) == ("likely", (row.pk,))
        assert "no hash shows whether it was changed, or posted to the wrong balance" in found.sentence


def test_rows_that_fit_as_well_are_counted(cast: tuple[Balance, Balance, Balance]) -> None:
    alice, bob, shop = cast
    moved(alice, bob, shop, sealed_for=None)
    posted(bob, shop, UNITS, at(600), hash="")
    for found in said(alice, bob):
        assert found is not None
        assert (found.certainty, found.alternatives >= 1) == ("likely", True)


def test_another_fault_beside_it_stays_unexplained(cast: tuple[Balance, Balance, Balance]) -> None:
    alice, bob, shop = cast
    moved(alice, bob, shop, sealed_for=alice)
    shift(alice.pk, credit=-777)
    found = why(alice, bob)[0]
    assert (found.cause, found.explained, found.unexplained) == ("row_repointed", UNITS, 777)


@pytest.mark.django_db(transaction=True)
def test_a_sweep_explains_both_ends_and_groups_them_by_the_row(cast: tuple[Balance, Balance, Balance]) -> None:
    alice, bob, shop = cast
    row = moved(alice, bob, shop, sealed_for=alice)
    sweep = create_sweep(Scope(everything=True), actor="test", origin=Origin.COMMAND)
    run_sweep(sweep.sweep_id)
    [incident] = Sweep.objects.get(pk=sweep.sweep_id).incidents.all()
    assert incident.title == f"Transaction moved to another balance: 2 balances, all because of {row.pk}."


@pytest.mark.django_db(transaction=True)
def test_the_row_is_sought_in_the_covering_index_alone() -> None:
    owner = world.ledger()
    few = [world.balance(owner) for _ in range(2)]
    world.many_rows(few, 20_000)
    given = {"into_ids": [few[0].pk], "former_ids": [few[1].pk], "sides": ["debit"], "units": [UNITS]}
    with connection.cursor() as cursor:
        plan = plan_of(cursor.mogrify(REPOINTED.text, given))  # type: ignore[attr-defined]
    assert "Index Only Scan using applied_debits" in plan
    assert not re.search(r"Seq Scan on transactions .*rows=[1-9]", plan)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_row_whose_ends_were_exchanged_is_not_taken_for_totals_of_the_wrong_side(
    cast: tuple[Balance, Balance, Balance], sealed: bool
) -> None:
    alice, bob, _ = cast
    seal = transaction_hash(Decimal("43.21"), "paid", "USD", alice.pk, bob.pk) if sealed else ""
    when = {"created_at": at(500), "effective_date": at(500)}
    row = world.row("APPLIED", UNITS, bob, alice, reference="paid", hash=seal, **when)
    shift(alice.pk, debit=UNITS, version=1)
    shift(bob.pk, credit=UNITS, version=1)
    cause = "row_repointed" if sealed else "wrong_sign"
    for found in why(alice, bob):
        assert (found.cause, found.unexplained, found.blocks) == (cause, 0, sealed)
        assert found.explanations[0].rows == (row.pk,)
