"""A row that was deleted without a trace is known by its two balances, which both still hold and counted it."""

from __future__ import annotations

import pytest

from balances.ground.exceptions import EmptySource
from balances.models import Balance
from reconciliation.correcting.incomplete import IncompleteSource
from reconciliation.correcting.rebuilding import reconstruct
from reconciliation.drill.damage import shift
from reconciliation.explaining.service import explain_balance
from reconciliation.sweeping.status import out_of_balance, verdict
from tests import world
from tests.client import Client
from tests.reconciliation.test_checks import said, swept
from tests.reconciliation.test_witness import delete_without_a_trace

pytestmark = pytest.mark.django_db(transaction=True)


def pair() -> tuple[Balance, Balance]:
    """Two balances with a history of their own, and none together."""
    alice, bob = world.balance(), world.balance()
    for balance in (alice, bob):
        world.post("@payer", balance, 1_000)
    return alice, bob


def test_the_only_row_between_two_balances_is_missed_on_both_and_said(api: Client) -> None:
    alice, bob = pair()
    delete_without_a_trace(world.post(alice, bob, 345))
    for balance, other in ((alice, bob), (bob, alice)):
        explained = explain_balance(balance.pk).explained
        assert "a transaction between them is gone" in explained.explanations[0].sentence
        assert other.pk in explained.explanations[0].sentence
        assert api.get(f"/balances/{balance.pk}/explanation").body["source_is_incomplete"] is True
        with pytest.raises(IncompleteSource, match="may be gone without a trace"):
            reconstruct(balance.pk, world.request())


def test_a_hold_that_is_gone_is_missed_as_well() -> None:
    alice, bob = pair()
    delete_without_a_trace(world.post(alice, bob, 345, inflight=True))
    for balance in (alice, bob):
        with pytest.raises(IncompleteSource, match="may be gone without a trace"):
            reconstruct(balance.pk, world.request())


def test_what_is_too_much_on_one_balance_alone_is_corrected_however_many_postings_it_counted() -> None:
    alice, _ = pair()
    shift(alice.pk, credit=345, version=1)
    reconstruct(alice.pk, world.request())
    assert world.totals(alice)["balance"] == 1_000


def test_a_rejected_row_that_is_in_both_totals_stands_in_nobodys_way() -> None:
    alice, bob = pair()
    world.row("REJECTED", 345, alice, bob)
    shift(alice.pk, debit=345, version=1)
    shift(bob.pk, credit=345, version=1)
    for balance in (alice, bob):
        reconstruct(balance.pk, world.request())
        assert world.totals(balance)["balance"] == 1_000


def test_a_lost_update_beside_an_equal_excess_stands_in_nobodys_way() -> None:
    alice, bob = pair()
    world.post(alice, bob, 345)
    shift(bob.pk, credit=-345)
    shift(alice.pk, debit=345, version=1)
    for balance in (alice, bob):
        reconstruct(balance.pk, world.request())
    assert (world.totals(alice)["balance"], world.totals(bob)["balance"]) == (655, 1_345)


def test_rows_of_one_balance_with_several_others_are_missed_by_all_of_them() -> None:
    alice, bob = pair()
    carol = world.balance()
    world.post("@payer", carol, 7)
    gone = [world.post(carol, alice, 345), world.post(carol, bob, 678)]
    for row in gone:
        delete_without_a_trace(row)
    for balance in (alice, bob, carol):
        with pytest.raises(IncompleteSource, match="may be gone without a trace"):
            reconstruct(balance.pk, world.request())


def test_a_balance_that_lost_all_its_rows_is_followed_nowhere() -> None:
    alice, bob = pair()
    carol = world.balance()
    for row in (world.post(alice, carol, 345), world.post(bob, carol, 678), world.post(carol, bob, 5)):
        delete_without_a_trace(row)
    for balance in (alice, bob):
        with pytest.raises(IncompleteSource, match="may be gone without a trace"):
            reconstruct(balance.pk, world.request())
    with pytest.raises(EmptySource):
        reconstruct(carol.pk, world.request())


def test_a_balance_that_lost_all_its_rows_and_its_totals_is_found_by_what_it_counted() -> None:
    alice, _ = pair()
    carol = world.balance()
    gone = world.post(alice, carol, 345)
    shift(carol.pk, credit=-345)
    delete_without_a_trace(gone)
    sweep = swept()
    assert verdict(sweep) == "findings"
    assert said("counted_beyond_rows").keys() == {carol.pk}
    assert out_of_balance(sweep) == ["The trial balance does not agree in USD: credits are 2000, debits 2345."]


def test_a_row_of_a_batch_that_is_gone_is_not_followed_after_a_sweep_though_the_versions_do_not_tell() -> None:
    """Rows that were written together raise the version once."""
    alice, bob = pair()
    delete_without_a_trace(world.post(alice, bob, 345))
    for balance in (alice, bob):
        shift(balance.pk, version=-1)
    sweep = swept()
    assert verdict(sweep) == "findings"
    for balance in (alice, bob):
        with pytest.raises(IncompleteSource, match="no transaction records it"):
            reconstruct(balance.pk, world.request())
        reconstruct(balance.pk, world.request(allow_incomplete=True))
