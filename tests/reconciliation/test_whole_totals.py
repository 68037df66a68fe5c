"""Totals that are wrong as a whole, and what only looks like it."""

from __future__ import annotations

import pytest
from django.db import connection

from balances.models import Balance
from reconciliation.drill.damage import shift
from reconciliation.explaining.evidence.surroundings import SCALE_PEERS
from reconciliation.explaining.explanation import Explanation
from reconciliation.measuring.measurement import measure
from reconciliation.measuring.scope import Scope
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping.service import create_sweep, run_sweep
from tests import world
from tests.reconciliation.test_explaining import at, best, held, posted, row_of, why

pytestmark = pytest.mark.django_db
CREDITS, DEBITS = (9_001, 2_503, 4_001), (1_009, 7_013)


@pytest.fixture
def bob() -> Balance:
    """Return Bob, who got 15,505 in three rows and gave 8,022 in two."""
    return traded(CREDITS, DEBITS)


def traded(got: tuple[int, ...], gave: tuple[int, ...]) -> Balance:
    alice = world.balance(indicator=None)
    bob = world.balance(alice.ledger)
    for number, units in enumerate(got):
        posted(alice, bob, units, at(60 * number))
    for number, units in enumerate(gave):
        posted(bob, alice, units, at(1000 + 60 * number))
    return bob


def store(balance: Balance, **totals: int) -> None:
    """Store other totals than there are."""
    now = measure([balance.pk])[0].stored
    shift(balance.pk, **{side: units - getattr(now, f"{side}_balance") for side, units in totals.items()})


def said(balance: Balance) -> Explanation | None:
    """Return what counts as the explanation of a balance, if anything does."""
    [found] = why(balance)
    return next((each for each in found.explanations if each.counts), None)


# What must not be said.


@pytest.mark.parametrize(
    ("got", "gave", "stored"),
    [
        (CREDITS, DEBITS, {"credit": 8_022}),  # one of the two alone
        (CREDITS, DEBITS, {"credit": 8_022, "debit": 15_506}),
        (CREDITS, DEBITS, {"credit": -15_506, "debit": -8_023}),
        (CREDITS, DEBITS, {"credit": 1_550_501}),
        (CREDITS, DEBITS, {"credit": 155, "debit": 8_024}),  # to the nearest, and something else
        (CREDITS, DEBITS, {"credit": 15, "debit": 9}),  # down and up, and too small to tell
        (CREDITS, DEBITS, {"credit": 0, "debit": 0}),
        (CREDITS, DEBITS, {"credit": 2 * 15_505, "debit": 2 * 8_022}),
        ((300, 44), (50,), {"credit": 3, "debit": 1}),
        ((0, 0), (), {"credit": 100}),
    ],
)
def test_totals_that_follow_no_rule_are_given_none(
    got: tuple[int, ...], gave: tuple[int, ...], stored: dict[str, int]
) -> None:
    bob = traded(got, gave)
    store(bob, **stored)
    assert said(bob) is None


def test_equal_totals_that_were_swapped_are_right(bob: Balance) -> None:
    posted(bob, world.balance(bob.ledger), 15_505 - 8_022, at(2000))
    store(bob, credit=15_505, debit=15_505)
    assert why(bob)[0].cause == ""


@pytest.mark.parametrize(
    ("stored", "cause"),
    [
        ({"credit": 0, "debit": 5_555}, "wrong_sign"),
        ({"credit": -5_555}, "wrong_sign"),
        ({"credit": 555_500}, "precision_factor"),
    ],
)
def test_a_balance_with_one_row_is_wrong_about_that_row(stored: dict[str, int], cause: str) -> None:
    bob = traded((5_555,), ())
    store(bob, **stored)
    found = said(bob)
    assert found is not None
    assert (found.cause, len(found.rows)) == (cause, 1)


def test_a_row_of_the_very_difference_on_the_wrong_side_makes_it_a_choice_of_two() -> None:
    bob = traded((244, 100, 57), (244, 57))
    row = row_of(100)
    store(bob, credit=301, debit=401)
    found = said(bob)
    assert found is not None
    assert (found.cause, found.rows, found.certainty, found.alternatives) == ("wrong_sign", (row.pk,), "likely", 1)


# What is said.


@pytest.mark.parametrize(
    ("stored", "cause", "words"),
    [
        ({"credit": 8_022, "debit": 15_505}, "sides_swapped", "credit and debit are 8,022 and 15,505; the transa"),
        ({"credit": -15_505, "debit": -8_022}, "totals_negated", "The stored credit and debit are -15,505 and -8,022"),
        ({"credit": -15_505}, "totals_negated", "The stored credit is -15,505"),
        ({"debit": -8_022}, "totals_negated", "The stored debit is -8,022"),
        ({"credit": 1_550_500, "debit": 802_200}, "precision_factor", "totals are exactly 100 times the sums"),
        ({"credit": 1_550_500}, "precision_factor", "credit is exactly 100 times the sums of the transactions; the s"),
        ({"debit": 8_022 * 10**18}, "precision_factor", "exactly 1000000000000000000 times"),
        ({"credit": 155, "debit": 80}, "precision_factor", "by 100 and rounded to the nearest."),
        ({"credit": 156, "debit": 81}, "precision_factor", "by 100 and rounded up."),
        ({"credit": 1_550, "debit": 802}, "precision_factor", "by 10 and rounded to the nearest."),
        ({"credit": 155}, "precision_factor", "The stored credit is what the transactions give divided by 100"),
    ],
)
def test_totals_that_follow_from_the_right_ones_say_how(
    bob: Balance, stored: dict[str, int], cause: str, words: str
) -> None:
    store(bob, **stored)
    found = best(bob)
    assert (found.cause, words in found.sentence) == (cause, True), found.sentence
    assert found.evidence.get("factor") in (None, 10, 100, 10**18)


def test_totals_divided_exactly_are_said_to_be_that() -> None:
    bob = traded((300, 500), (200, 900))
    store(bob, credit=8, debit=11)
    assert best(bob).sentence == "The stored totals are exactly the sums of the transactions divided by 100."


def test_totals_below_zero_are_negated_above_it() -> None:
    bob = traded((-300, -44), (500, 80))
    store(bob, credit=344)
    assert best(bob).cause == "totals_negated"


def test_inflight_totals_are_swapped_negated_and_scaled_as_well(bob: Balance) -> None:
    other = world.balance(bob.ledger)
    held(other, bob, 700, at(2000))
    held(bob, other, 41, at(2001))
    for stored, cause in (
        ({"inflight_credit": 41, "inflight_debit": 700}, "sides_swapped"),
        ({"inflight_credit": -700, "inflight_debit": -41}, "totals_negated"),
        ({"inflight_credit": 70_000, "inflight_debit": 4_100}, "precision_factor"),
        ({"credit": 1_550_500, "debit": 802_200, "inflight_credit": 70_000, "inflight_debit": 41}, "precision_factor"),
    ):
        store(bob, **stored)
        assert best(bob).cause == cause


@pytest.mark.django_db(transaction=True)
def test_a_swap_beside_a_journaled_edit_is_still_seen() -> None:
    bob = traded(CREDITS, DEBITS)
    store(bob, credit=8_022, debit=15_505)
    world.drift(bob, credit=1_234)
    [found] = why(bob)
    assert {each.cause for each in found.explanations} == {"edited_total", "sides_swapped"}
    assert found.unexplained == 0


@pytest.mark.django_db(transaction=True)
def test_a_change_of_scale_that_ran_half_way_says_how_far_it_went(bob: Balance) -> None:
    carol = world.balance(bob.ledger)
    for units in (1_111, 2_222, 3_333):
        posted(bob, carol, units, at(units))
    store(bob, credit=1_550_500, debit=100 * (8_022 + 6_666))
    store(carol, credit=666_600)
    sweep = create_sweep(Scope(everything=True), actor="test", origin=Origin.COMMAND)
    run_sweep(sweep.sweep_id)
    for finding in Sweep.objects.get(pk=sweep.sweep_id).findings.all():
        [first, *_] = finding.explanations
        assert first["evidence"]["factor"] == 100
        assert (first["evidence"]["balances_alike"], first["evidence"]["balances_right"]) == (2, 1)
        assert "1 other balance is off by the same factor in its ledger and currency, 1 is right" in first["sentence"]
    with connection.cursor() as cursor:
        columns = {"ledger_ids": [bob.ledger_id], "currencies": ["USD"], "factors": [100], "enlarged": [True]}
        cursor.execute(f"EXPLAIN {SCALE_PEERS.text}", {"sweep_id": sweep.sweep_id} | columns)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "transactions" not in plan
