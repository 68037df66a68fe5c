"""Totals of an earlier moment: said of several balances that lack the same span, and of nothing less."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from balances.models import Balance
from reconciliation.drill.damage import shift
from reconciliation.explaining.evidence.missing_spans import SPANS
from reconciliation.explaining.explanation import Explanation
from reconciliation.explaining.service import explain
from reconciliation.measuring.measurement import measure
from reconciliation.measuring.scope import Scope
from reconciliation.models import Origin, Sweep
from reconciliation.sweeping.service import create_sweep, run_sweep
from tests import world
from tests.reconciliation.test_explaining import at, held, plan_of, posted, settled, why

pytestmark = pytest.mark.django_db


@pytest.fixture
def four() -> list[Balance]:
    """Return four balances that trade in a ring: each has a row out and a row in every ten minutes."""
    first = world.balance(indicator=None)
    four = [first, *(world.balance(first.ledger) for _ in range(3))]
    for number in range(24):
        posted(four[number % 4], four[(number + 1) % 4], 1_000 + 37 * number**2, at(10 * number))
    return four


def lose(balance: Balance, after: int, until: int = 10_000) -> None:
    """Give a balance the totals without its rows of a span of minutes."""
    rows = balance_rows(balance, after, until)
    lost = {"credit": 0, "debit": 0}
    for side, units in rows:
        lost[side] -= units
    shift(balance.pk, **lost)


def balance_rows(balance: Balance, after: int, until: int) -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE source WHEN %s THEN 'debit' ELSE 'credit' END, precise_amount::int FROM transactions "
            "WHERE %s IN (source, destination) AND status = 'APPLIED' AND created_at > %s AND created_at <= %s",
            [balance.pk, balance.pk, at(after), at(until)],
        )
        return cursor.fetchall()


def said(*balances: Balance) -> list[Explanation | None]:
    """Return for each balance the explanation by an earlier moment, if that is what counts."""
    return [
        next((each for each in found.explanations if each.counts and each.cause == "earlier_totals"), None)
        for found in why(*balances)
    ]


# What must not be said.


def test_one_balance_alone_is_given_no_moment(four: list[Balance]) -> None:
    lose(four[0], 100)
    assert said(four[0]) == [None]
    assert said(*four) == [None] * 4


def test_two_balances_that_lack_spans_of_different_times_have_no_moment_in_common(four: list[Balance]) -> None:
    lose(four[0], -1, 85)
    lose(four[2], 125)
    assert said(*four) == [None] * 4


def test_two_balances_that_lack_a_row_each_are_wrong_about_these_rows(four: list[Balance]) -> None:
    lose(four[0], 225)
    lose(four[3], 225)
    assert said(*four) == [None] * 4


def test_two_rows_that_the_other_sides_have_are_too_few(four: list[Balance]) -> None:
    lose(four[0], 180)
    lose(four[2], 180)
    assert [found.explanations[0].cause for found in why(*four) if found.drift] != ["earlier_totals"] * 2


def test_a_balance_that_is_off_by_one_unit_more_is_not_taken_in(four: list[Balance]) -> None:
    for balance in four:
        lose(balance, 100)
    shift(four[1].pk, credit=-1)
    assert [found is not None for found in said(*four)] == [True, False, True, True]


@pytest.mark.parametrize("by", [{"credit": 5_000}, {"credit": -5_000, "debit": 400}, {"inflight_debit": -5}])
def test_totals_that_have_too_much_are_of_no_earlier_moment(four: list[Balance], by: dict[str, int]) -> None:
    for balance in four:
        shift(balance.pk, **by)
    assert said(*four) == [None] * 4


def test_a_row_that_both_its_balances_lack_is_no_part_of_a_span_that_others_lack(four: list[Balance]) -> None:
    pair = [world.balance(four[0].ledger) for _ in range(2)]
    posted(*pair, 70, at(5))
    posted(*pair, 555, at(150))
    for balance in (*four, *pair):
        lose(balance, 100)
    for balance in pair:
        shift(balance.pk, version=-1)
    assert [found is not None for found in said(*four, *pair)] == [True] * 4 + [False] * 2
    assert {found.cause for found in why(*four, *pair)[4:]} == {"row_without_effect"}


# What is said.


def test_a_backup_that_was_restored_is_one_explanation_of_all_its_balances(four: list[Balance]) -> None:
    for balance in four:
        lose(balance, 100)
    for found in said(*four):
        assert found is not None
        assert (found.certainty, found.evidence["balances"], found.evidence["rows"] > 3) == ("strong", 4, True)
        assert found.evidence["moment"] == ["2026-03-01 13:40:00.000000 UTC", "2026-03-01 13:50:00.000000 UTC"]
        assert found.evidence["back"][1] == "now"
        assert "3 other balances lack the same span" in found.sentence


def test_work_that_went_on_after_it_was_restored_is_in_the_totals(four: list[Balance]) -> None:
    for balance in four:
        lose(balance, 60, 150)
    for found in said(*four):
        assert found is not None
        assert found.evidence["moment"] == ["2026-03-01 13:00:00.000000 UTC", "2026-03-01 13:10:00.000000 UTC"]
        assert found.evidence["back"] == ["2026-03-01 14:30:00.000000 UTC", "2026-03-01 14:40:00.000000 UTC"]


def test_one_that_lacks_a_single_row_joins_where_the_other_side_lacks_it_too(four: list[Balance]) -> None:
    newcomer = world.balance(four[0].ledger)
    posted(four[0], newcomer, 50, at(5))
    posted(four[0], newcomer, 444, at(205))
    for balance in (*four, newcomer):
        lose(balance, 100)
    assert [found is not None for found in said(*four, newcomer)] == [True] * 5


def test_balances_of_which_only_some_were_restored_are_likely(four: list[Balance]) -> None:
    for balance in four[:2]:
        lose(balance, 60)
    for found in said(*four)[:2]:
        assert found is not None
        assert (found.certainty, found.evidence["other_ends_that_lack_nothing"]) == ("likely", 2)
    assert said(*four)[2:] == [None, None]


def test_two_moments_are_two_groups(four: list[Balance]) -> None:
    for balance in four:
        lose(balance, 100)
    others = [world.balance(four[0].ledger) for _ in range(2)]
    for number in range(12):
        posted(others[0], others[1], 900 + number**2, at(10 * number + 3))
    for balance in others:
        lose(balance, 20)
    found = said(*four, *others)
    assert [each.evidence["balances"] for each in found if each] == [4, 4, 4, 4, 2, 2]


def test_holds_and_what_settled_them_go_along(four: list[Balance]) -> None:
    hold = held(four[0], four[1], 900, at(90))
    posted(four[0], four[1], 11, at(120))
    settled(hold, "APPLIED", 400, at(130))
    settled(hold, "VOID", 500, at(140))
    for balance, side in ((four[0], "debit"), (four[1], "credit")):
        lose(balance, 100)
        shift(balance.pk, **{f"inflight_{side}": 900})
    for found in said(*four)[:2]:
        assert found is not None
        assert found.drift.inflight_credit + found.drift.inflight_debit == 900


@pytest.mark.django_db(transaction=True)
def test_a_sweep_groups_them_in_one_incident_by_the_moment(four: list[Balance]) -> None:
    for balance in four:
        lose(balance, 100)
    sweep = create_sweep(Scope(everything=True), actor="test", origin=Origin.COMMAND)
    run_sweep(sweep.sweep_id)
    [incident] = Sweep.objects.get(pk=sweep.sweep_id).incidents.all()
    assert incident.cause == "earlier_totals"
    assert incident.title == (
        "Totals of an earlier moment: 4 balances, all at what they were between 2026-03-01 13:40:00.000000 UTC and "
        "2026-03-01 13:50:00.000000 UTC."
    )


@pytest.mark.django_db(transaction=True)
def test_only_the_rows_of_balances_in_question_are_read_by_their_indexes() -> None:
    owner = world.ledger()
    few, many = ([world.balance(owner) for _ in range(count)] for count in (2, 200))
    world.many_rows(few, 200)
    world.many_rows(many, 40_000, units=101, prefix="other")
    zeros = {name: [0, 0] for name in ("inflight_credits", "inflight_debits")}
    given = {"balance_ids": [balance.pk for balance in few], "credits": [500, 500], "debits": [500, 500]} | zeros
    found = SPANS.rows(**given)
    assert {row["row_count"] for row in found} == {10}
    with connection.cursor() as cursor:
        plan = plan_of(cursor.mogrify(SPANS.text, given))  # type: ignore[attr-defined]
    assert "Seq Scan on transactions" not in plan
    assert max(map(int, re.findall(r" on transactions t \(actual rows=(\d+)", plan))) == 100  # of 40,200


def test_a_balance_without_rows_and_one_with_doubled_instants_end_in_no_error(four: list[Balance]) -> None:
    empty = world.balance(four[0].ledger)
    shift(empty.pk, credit=-5)
    for _ in range(3):
        posted(four[0], four[1], 0, at(230))
    for balance in four[:2]:
        lose(balance, 60)
    found = explain(measure([empty.pk, *(balance.pk for balance in four)]))
    assert found[empty.pk].cause == "unexplained"
    assert found[four[0].pk].cause == "earlier_totals"
