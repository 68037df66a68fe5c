"""Reconstruction: refusals first, then corrections by difference and their records."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from balances.ground.exceptions import BalanceNotFound, EmptySource, UnreadableTotals
from balances.models import Balance
from reconciliation.correcting.rebuilding import reconstruct, reconstruct_many
from reconciliation.models import Reconstruction
from tests import world

pytestmark = pytest.mark.django_db


def test_an_unknown_balance_is_refused_by_name() -> None:
    with pytest.raises(BalanceNotFound, match="Balance with ID 'bln_nobody' not found"):
        reconstruct("bln_nobody", world.request())
    assert not Reconstruction.objects.exists()


def test_totals_without_rows_are_left_alone_until_somebody_allows_zero() -> None:
    alice = world.balance()
    world.drift(alice, credit=500)
    before = world.totals(alice)

    with pytest.raises(EmptySource, match="no transactions"):
        reconstruct(alice.pk, world.request())

    assert world.totals(alice) == before
    assert not Reconstruction.objects.exists()
    assert reconstruct(alice.pk, world.request(allow_empty=True)).outcome == "corrected"
    assert set(world.totals(alice).values()) == {0}


def test_a_preview_writes_nothing_but_its_record() -> None:
    alice = world.balance()
    world.post("@world", alice, 1000)
    world.drift(alice, credit=7)
    before = Balance.objects.values().get(pk=alice.pk)

    record = reconstruct(alice.pk, world.request(dry_run=True))

    assert Balance.objects.values().get(pk=alice.pk) == before
    assert (record.outcome, record.difference.credit_balance, record.difference.balance) == ("previewed", -7, -7)


def test_without_drift_only_the_record_is_written() -> None:
    alice = world.balance()
    world.post("@world", alice, 1000)
    before = Balance.objects.values().get(pk=alice.pk)

    record = reconstruct(alice.pk, world.request())

    assert Balance.objects.values().get(pk=alice.pk) == before
    assert (record.outcome, record.version_before, record.version_after) == ("no_drift", 2, 2)


def test_drift_in_every_total_is_corrected_by_difference_and_recorded() -> None:
    alice, bob = world.balance(), world.balance()
    world.post("@world", alice, 1000)
    world.post(alice, bob, 300)
    truth = world.totals(alice)
    world.drift(alice, credit=11, debit=5, hold_credit=3, hold_debit=2)

    record = reconstruct(alice.pk, world.request(reason="lost update"))

    assert world.totals(alice) == truth
    assert record.difference.__dict__ == {
        "credit_balance": -11,
        "debit_balance": -5,
        "balance": -6,
        "inflight_credit_balance": -3,
        "inflight_debit_balance": -2,
        "inflight_balance": -1,
    }
    assert (record.credit_rows, record.debit_rows, record.hold_rows) == (1, 1, 0)
    assert (record.actor, record.reason, record.outcome) == ("alice", "lost update", "corrected")
    assert record.version_after == record.version_before + 1 == Balance.objects.get(pk=alice.pk).version


def test_equal_errors_on_both_sides_are_drift_although_the_net_is_right() -> None:
    alice = world.balance()
    world.post("@world", alice, 1000)
    world.drift(alice, credit=50, debit=50)

    assert reconstruct(alice.pk, world.request()).outcome == "corrected"
    assert world.totals(alice)["debit_balance"] == 0


def test_many_balances_leave_one_record_for_each_that_drifted() -> None:
    balances = [world.balance() for _ in range(5)]
    for each in balances:
        world.post("@world", each, 100)
    for each in balances[:3]:
        world.drift(each, debit=1)
    empty = world.balance()
    world.drift(empty, credit=9)

    ids = sorted(each.pk for each in [*balances, empty])
    findings = list(reconstruct_many(ids, world.request(reason="month end")))

    assert [finding.measurement.balance_id for finding in findings] == ids
    assert [finding.measurement.balance_id for finding in findings if finding.refused] == [empty.pk]
    assert set(Reconstruction.objects.values_list("balance_id", flat=True)) == {each.pk for each in balances[:3]}
    assert not any(finding.measurement.has_drift for finding in reconstruct_many(ids[:0], world.request()))
    assert [each.pk for each in balances if world.totals(each)["balance"] != 100] == []


def test_the_number_of_statements_does_not_grow_with_the_number_of_balances(
    django_assert_num_queries: object,
) -> None:
    balances = [world.balance() for _ in range(20)]
    for each in balances:
        world.post("@world", each, 100)
        world.drift(each, credit=1)
    # measure, breaks of the live proof; then in one commit: savepoint, lock limit, serialise, measure, records, the
    # chain and its last seal, seals, lock, restate, release
    with django_assert_num_queries(31):  # type: ignore[operator]
        list(reconstruct_many([each.pk for each in balances], world.request()))


@pytest.mark.parametrize("change", ["update", "delete"])
def test_a_record_can_be_neither_changed_nor_deleted(change: str) -> None:
    alice = world.balance()
    reconstruct(alice.pk, world.request())
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        if change == "update":
            Reconstruction.objects.update(reason="rewritten")
        else:
            Reconstruction.objects.all().delete()
    assert Reconstruction.objects.get().reason == ""


def test_totals_that_are_no_number_are_refused_and_left_alone() -> None:
    alice, bob = world.balance(), world.balance()
    world.post(alice, bob, 100)
    Balance.objects.filter(pk=alice.pk).update(credit_balance=Decimal("NaN"), balance=Decimal("NaN"))
    with pytest.raises(UnreadableTotals, match="no number"):
        reconstruct(alice.pk, world.request())
    assert [found.outcome for found in reconstruct_many([alice.pk], world.request())] == ["refused"]
    assert str(world.totals(alice)["credit_balance"]) == "NaN"


def test_rows_are_locked_last_for_one_update_and_the_commit() -> None:
    alice = world.balance()
    world.post("@world", alice, 100)
    world.drift(alice, credit=1)
    with CaptureQueriesContext(connection) as ran:
        reconstruct(alice.pk, world.request())
    statements = [query["sql"] for query in ran.captured_queries]
    assert "FOR NO KEY UPDATE" in statements[-3]
    assert "UPDATE balances" in statements[-2]
    assert statements[-1].startswith("RELEASE SAVEPOINT")
