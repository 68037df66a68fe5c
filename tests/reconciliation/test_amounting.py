"""What an edit amounts to: said where it is exactly so, and nothing where it is not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.drill.damage import change_row, delete_rows
from reconciliation.explaining.causes.number_changes import amounts_to, totals_amount_to
from tests import world
from tests.reconciliation.test_explaining import at, best, posted

NOTHING = {"credit": 0, "debit": 0, "inflight_credit": 0, "inflight_debit": 0}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (0, 5_000),
        (5_000, 5_000),
        (0, 0),
        (4_321, 8_765),
        (4_321, 8_643),
        (4_321, 432_110),
        (12, 21),
        (7, 9),
        (4_321, -8_321),
        (4_321, 423_100),
        (1_234, 4_321),
        (Decimal("NaN"), 5),
        (5, Decimal("NaN")),
        (Decimal("10.5"), 105),
    ],
)
def test_nothing_is_said_of_a_change_that_follows_no_exact_rule(old: int, new: int) -> None:
    assert amounts_to(old, new) == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (4_321, 432_100, "exactly 100 times the old value"),
        (4_321, -432_100, "exactly 100 times the old value, with its sign reversed"),
        (-7, -70, "exactly 10 times the old value"),
        (432_100, 4_321, "exactly the old value divided by 100"),
        (5 * 10**40, 5 * 10**22, "exactly the old value divided by 1,000,000,000,000,000,000"),
        (4_321, 8_642, "exactly twice the old value"),
        (8_642, 4_321, "exactly half the old value"),
        (4_321, -4_321, "the old value with its sign reversed"),
        (4_321, 0, "set to zero"),
        (4_321, 4_231, "the old value with the digits 3 and 2 swapped"),
        (4_321, 1_324, "the old value with the digits 4 and 1 swapped"),
        (-4_321, -4_231, "the old value with the digits 3 and 2 swapped"),
        (4_321, 4_821, "the old value with one digit changed, 3 to 8"),
        (4_321, 43_221, "the old value with one digit added"),
        (43_221, 4_321, "the old value with one digit left out"),
    ],
)
def test_a_change_is_put_into_words_that_are_exactly_true(old: int, new: int, words: str) -> None:
    assert amounts_to(old, new) == words


NUMBERS = st.integers(-(10**20), 10**20)


@given(NUMBERS, NUMBERS)
def test_two_numbers_never_end_in_an_error(old: int, new: int) -> None:
    assert isinstance(amounts_to(old, new), str)


@given(st.integers(1, 10**30), st.integers(1, 20))
def test_every_power_of_ten_is_recognised(old: int, power: int) -> None:
    assert amounts_to(old, old * 10**power) == f"exactly {10**power:,} times the old value"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"credit": 900, "debit": 400}, {"credit": 400, "debit": 900}, "credit and debit exchanged"),
        ({"credit": 900}, {"debit": 900}, "credit and debit exchanged"),
        ({"credit": 900, "debit": 400}, {"credit": -900, "debit": -400}, "credit and debit each the old value with"),
        ({"credit": 900, "debit": 400}, {"credit": 90_000, "debit": 400}, "credit exactly 100 times the old value"),
        ({"inflight_debit": 555}, {"inflight_credit": 555}, "inflight credit and inflight debit exchanged"),
        ({"inflight_debit": 555}, {}, "inflight debit set to zero"),
        ({"credit": 900, "debit": 400}, {"credit": 777, "debit": 333}, ""),
        ({}, {"credit": 900}, ""),
    ],
)
def test_totals_that_were_edited_say_what_befell_each(old: dict[str, int], new: dict[str, int], words: str) -> None:
    said = totals_amount_to(NOTHING | old, NOTHING | new)
    assert said.startswith(words)
    assert bool(said) == bool(words)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"precise_amount": 55_500}, "its amount was 555 and is 55,500, exactly 100 times the old value."),
        ({"precise_amount": -555}, "its amount was 555 and is -555, the old value with its sign reversed."),
        ({"precise_amount": 1_222}, "its amount was 555 and is 1,222."),
        ({"status": "REJECTED"}, "its status was APPLIED and is REJECTED."),
        ({"status": "REJECTED", "precise_amount": 0}, "is REJECTED; its amount was 555 and is 0, set to zero."),
    ],
)
def test_an_edited_row_says_what_the_edit_amounts_to(changed: dict[str, object], words: str) -> None:
    alice = world.balance()
    row = posted(alice, world.balance(alice.ledger), 555, at(0))
    change_row(row.pk, **changed)
    found = best(alice)
    assert (found.cause, found.certainty) == ("edited_row", "certain")
    assert f"{words} The totals still have its old effect." in found.sentence
    assert found.evidence["amounts_to"]


@pytest.mark.django_db(transaction=True)
def test_a_row_that_was_pointed_to_another_balance_names_both_of_them_on_both() -> None:
    alice = world.balance()
    bob, carol = world.balance(alice.ledger), world.balance(alice.ledger)
    row = posted(alice, bob, 555, at(0))
    posted(carol, bob, 100, at(1))
    change_row(row.pk, source_id=carol.pk)
    for balance, units in ((alice, 555), (carol, -555)):
        found = best(balance)
        assert (found.cause, found.certainty, found.drift.debit) == ("edited_row", "certain", units)
        assert f"its source was {alice.pk} and is {carol.pk}." in found.sentence


@pytest.mark.django_db(transaction=True)
def test_a_row_that_was_pointed_to_nothing_says_so() -> None:
    alice = world.balance()
    row = posted(alice, world.balance(alice.ledger), 555, at(0))
    change_row(row.pk, source_id=None)
    assert f"its source was {alice.pk} and is nothing." in best(alice).sentence


@pytest.mark.django_db(transaction=True)
def test_a_row_that_was_deleted_after_an_edit_amounts_to_nothing_more() -> None:
    alice = world.balance()
    row = posted(alice, world.balance(alice.ledger), 555, at(0))
    change_row(row.pk, precise_amount=55_500)
    delete_rows([row.pk])
    assert (best(alice).cause, "times" in best(alice).sentence) == ("deleted_row", False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("edits", "words"),
    [((54_945,), "without a posting: debit exactly 100 times the old value."), ((45, 54_900), "posting.")],
)
def test_an_edited_total_says_what_the_edit_amounts_to_where_it_was_one(edits: tuple[int, ...], words: str) -> None:
    alice = world.balance()
    posted(alice, world.balance(alice.ledger), 555, at(0))
    for units in edits:
        world.drift(alice, debit=units)
    found = best(alice)
    assert (found.cause, found.sentence.endswith(words)) == ("edited_total", True), found.sentence
    assert bool(found.evidence["edits"][0]["amounts_to"]) is (len(edits) == 1)
