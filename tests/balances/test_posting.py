"""The rules of posting, and what happens when many post at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balances.books.posting_exceptions import DuplicateReference, InsufficientFunds
from balances.ground import amounts
from balances.ground.exceptions import BalanceLocked, FractionOfUnit, LedgerError
from balances.models import Balance, Transaction
from tests import world


@pytest.mark.parametrize(
    ("amount", "precision", "units"),
    [("1.005", 100, 101), ("0.29", 100, 29), ("0.001", 100, 0), ("0.5", 1, 1), ("1E+3", 100, 100_000)],
)
def test_amounts_of_stored_rows_are_rounded_half_away_from_zero(amount: str, precision: int, units: int) -> None:
    assert amounts.stored_units(Decimal(amount), precision) == units


@pytest.mark.parametrize(
    ("amount", "precision", "units"),
    [
        ("0.29", 100, 29), ("0.30000000000000004", 100, 30), ("0.2999999999999999889", 100, 30), ("-12.5", 100, -1250),
        ("1E+3", 100, 100_000), ("0", 100, 0), ("0.3333333333333333", 3, 1), ("1.0000000009", 10**6, 1_000_000),
        ("1000000000000.00000999", 100, 10**14), ("0.000000000000000001", 10**18, 1), ("1E+300", 10**18, 10**318),
    ],
)  # fmt: skip
def test_whole_minor_units_are_taken_and_the_noise_of_floats_with_them(amount: str, precision: int, units: int) -> None:
    assert amounts.whole_units(Decimal(amount), precision) == units
    booked = amounts.booked(Decimal(amount), precision)
    assert amounts.stored_units(booked, precision) == units
    if precision != 3:  # a third has no end
        assert booked * precision == units


@pytest.mark.parametrize(
    ("amount", "precision", "neighbours"),
    [
        ("12.55", 1, "12 or 13"),
        ("1.005", 100, "1 or 1.01"),
        ("0.004", 100, "0.01"),
        ("-0.004", 100, "-0.01"),
        ("-1.005", 100, "-1 or -1.01"),
        ("1.00000001", 100, "1 or 1.01"),
        ("1000000000000.5", 1, "1000000000000 or 1000000000001"),
        ("1000000000000.00002", 100, "1000000000000 or 1000000000000.01"),
        ("0.5", 3, "0.3333333333333333 or 0.6666666666666667"),
        ("0.0000000000000000015", 10**18, "0.000000000000000001 or 0.000000000000000002"),
        ("1E-300", 100, "0.01"),
    ],
)
def test_a_fraction_of_a_minor_unit_is_refused_and_its_neighbours_named(
    amount: str, precision: int, neighbours: str
) -> None:
    with pytest.raises(FractionOfUnit, match=rf" is no whole number of minor units; {neighbours} would be$"):
        amounts.whole_units(Decimal(amount), precision)


@given(units=st.integers(1, 10**12), places=st.integers(0, 6))
def test_a_sum_of_floats_that_means_whole_units_is_those(units: int, places: int) -> None:
    noisy = sum([units / 10**places / 3] * 3)
    assert amounts.whole_units(Decimal(str(noisy)), 10**places) == units


@pytest.mark.parametrize(
    ("units", "precision", "text"),
    [
        (12_550, 100, "125.5"),
        (1, 10**18, "0"),
        (5, 10**17, "0.0000000000000001"),
        (1, 3, "0.3333333333333333"),
        (7, 1, "7"),
    ],
)
def test_major_units_have_at_most_sixteen_decimals(units: int, precision: int, text: str) -> None:
    assert amounts.plain(amounts.major_units(units, precision)) == text


@given(units=st.integers(0, 10**40), places=st.integers(0, 16))
def test_minor_units_survive_the_way_to_major_units_and_back(units: int, places: int) -> None:
    assert amounts.stored_units(amounts.major_units(units, 10**places), 10**places) == units


@given(amount=st.decimals(0, 10**12, places=6), precision=st.integers(1, 10**9))
def test_rounding_never_moves_more_than_half_a_unit(amount: Decimal, precision: int) -> None:
    exact = amount * precision
    units = amounts.stored_units(amount, precision)
    assert abs(units - exact) <= Decimal("0.5")
    assert units == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def test_the_contracts_example_of_a_hash() -> None:
    hashed = amounts.transaction_hash(Decimal("125.5"), "ref_demo", "USD", "bln_src", "bln_dst")
    assert hashed == "6820daad0a9901b8fbc7e5191e2f08ca610f8b57ccb3364826f0e0e4e0dac9d2"


@pytest.mark.django_db
def test_inflight_debits_are_not_available_and_inflight_credits_neither() -> None:
    alice, bob = world.balance(), world.balance()
    world.post("@world", alice, 1000)
    world.drift(alice, hold_debit=400, hold_credit=5000)
    with pytest.raises(InsufficientFunds):
        world.post(alice, bob, 601, allow_overdraft=False)
    world.post(alice, bob, 600, allow_overdraft=False)
    assert world.totals(alice)["balance"] == 400


@pytest.mark.django_db
def test_a_posting_takes_few_statements(django_assert_num_queries: Callable[..., Any]) -> None:
    alice = world.balance()
    world.post("@world", alice, 1)
    # savepoint, lock both and look for the reference, move both with the row, release
    with django_assert_num_queries(4):
        world.post("@world", alice, 1)


STEP = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-5, 3000), st.booleans(), st.integers(0, 40))


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=15))
def test_whatever_is_asked_the_books_balance_and_refusals_change_nothing(
    steps: list[tuple[int, int, int, bool, int]], db: None
) -> None:
    balances = [world.balance() for _ in range(4)]
    kept = dict.fromkeys((balance.pk for balance in balances), 0)
    for number, (source, destination, units, overdraft, limit) in enumerate(steps):
        a, b = balances[source], balances[destination]
        before = [world.totals(each) for each in balances]
        allowed = a is not b and units > 0 and ((overdraft and not limit) or kept[a.pk] - units >= -limit * 100)
        try:
            world.post(
                a, b, units, allow_overdraft=overdraft, overdraft_limit=Decimal(limit), reference=f"{a.pk}-{number}"
            )
        except LedgerError:
            assert not allowed
            assert [world.totals(each) for each in balances] == before
        else:
            assert allowed
            kept[a.pk] -= units
            kept[b.pk] += units
    assert [world.totals(each)["balance"] for each in balances] == list(kept.values())
    assert sum(kept.values()) == 0


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """Run jobs at once, each on a connection of its own; return results or exceptions in order."""
    results: list[Any] = [None] * len(jobs)
    gate = threading.Barrier(len(jobs))

    def run(index: int) -> None:
        try:
            gate.wait(10)
            results[index] = jobs[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.django_db(transaction=True)
def test_opposite_postings_at_once_never_deadlock_and_lose_nothing() -> None:
    alice, bob = world.balance(), world.balance()

    def many(source: Balance, destination: Balance) -> int:
        for _ in range(25):
            world.post(source, destination, 3)
        return 25

    assert together(*[lambda: many(alice, bob), lambda: many(bob, alice)] * 2) == [25] * 4
    assert world.totals(alice) == world.totals(bob)
    assert world.totals(alice)["credit_balance"] == 150
    assert Balance.objects.get(pk=alice.pk).version == 101


@pytest.mark.django_db(transaction=True)
def test_one_reference_posted_by_many_at_once_is_applied_once() -> None:
    alice = world.balance()
    results = together(*[lambda: world.post("@world", alice, 5, reference="same")] * 6)
    assert sum(isinstance(result, Transaction) for result in results) == 1
    assert sum(isinstance(result, DuplicateReference) for result in results) == 5
    assert world.totals(alice)["credit_balance"] == 5


@pytest.mark.django_db(transaction=True)
def test_new_indicators_made_by_many_at_once_become_one_balance_each() -> None:
    results = together(
        *[lambda: world.post("@a", "@b", 1), lambda: world.post("@b", "@a", 1), lambda: world.post("@b", "@c", 1)] * 2
    )
    assert all(isinstance(result, Transaction) for result in results), results
    assert sorted(Balance.objects.values_list("indicator", flat=True)) == ["@a", "@b", "@c"]


@pytest.mark.django_db(transaction=True)
def test_only_what_is_there_can_be_spent_however_many_try() -> None:
    alice, bob = world.balance(), world.balance()
    world.post("@world", alice, 100)
    results = together(*[lambda: world.post(alice, bob, 40, allow_overdraft=False)] * 6)
    assert sum(isinstance(result, Transaction) for result in results) == 2
    assert sum(isinstance(result, InsufficientFunds) for result in results) == 4
    assert world.totals(alice)["balance"] == 20


@pytest.mark.django_db(transaction=True)
def test_a_balance_held_too_long_is_refused_as_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balances.recording.writing.LOCK_WAIT", "100ms")
    alice = world.balance()
    with transaction.atomic():
        list(Balance.objects.locked([alice.pk]))
        (result,) = together(lambda: world.post("@world", alice, 1))
    assert isinstance(result, BalanceLocked)
    assert not Transaction.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_surprise_after_the_write_undoes_it_and_the_next_posting_works(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = world.balance()
    world.post("@world", alice, 1)

    def surprise(*_: Any) -> None:
        raise RuntimeError("after the write")

    monkeypatch.setattr("balances.events.publishing.publish_movements", surprise)
    with pytest.raises(RuntimeError, match="after the write"):
        world.post("@world", alice, 100)
    monkeypatch.undo()
    assert world.totals(alice)["balance"] == 1
    assert Transaction.objects.count() == 1
    world.post("@world", alice, 2)
    assert world.totals(alice)["balance"] == 3
